"""Label words found from labelled rows: what the language model puts at the mask in one class and not in others."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from promptdsl.errors import fail
from promptdsl.verbalizers.numbers import check_classes, check_finite

__all__ = ["SEARCHES", "search_words"]

EXHAUSTIVE = 200  # assignments of all classes but one that are all tried
SWEEPS = 20  # of the coordinate search, which has always ended long before
JOINT = 12_000  # candidates of all classes together in a search over assignments: its time grows with their square
Found = list[list[tuple[int, float]]]


def search_words(
    log_probs: Tensor,
    labels: Tensor,
    usable: Tensor | None = None,
    *,
    n: int,
    classes: Sequence[str],
    method: str = "llr",
    candidates: int = 1000,
) -> Found:
    """The n best tokens of each class, no token in two classes.

    Args:
        log_probs: (rows, vocabulary) log-probabilities at the mask of labelled rows.
        labels: (rows,) class numbers.
        usable: (vocabulary,) bool, the tokens that may become label words; by default all.
        n: words of each class.
        classes: their names.
        method: a key of SEARCHES: "llr" and "ce" (PETAL: Schick, Schmid & Schütze 2020, sections 3 and 4) score each
            token by itself; "likelihood" (LM-BFF: Gao et al. 2021, section 5.1) scores the words of all classes
            together by the accuracy they give on the rows.
        candidates: tokens looked at in each class, those with the highest Σ log p over its rows (LM-BFF looks at 100).

    Returns:
        For each class (token, score), best first.

    Raises:
        VerbalizerError: PD460 for log-probabilities that are no numbers, PD461 where there are not n tokens a class.
        TrainingError: PD707 naming classes without rows.
    """
    check_finite(log_probs, "log-probabilities at the mask")
    count = len(classes)
    check_classes(labels, count, classes)
    allowed = torch.arange(log_probs.shape[1], device=labels.device) if usable is None else usable.nonzero()[:, 0]
    if len(allowed) < n * count:
        _too_few(n, count, len(allowed))
    scores = log_probs[:, allowed].double()
    sums = scores.new_zeros(count, len(allowed)).index_add(0, labels, scores)
    # With n for every class, the other classes can never take the last of a class's tokens.
    top = sums.topk(min(max(candidates, n * count), len(allowed)), dim=1).indices
    found = SEARCHES[method](scores, labels, top, n)
    return [[(int(allowed[token]), score) for token, score in words] for words in found]


def _too_few(n: int, classes: int, tokens: int) -> None:
    fail(
        "PD461",
        f"{n} words for each of {classes} classes take {n * classes} tokens, and {tokens} of the vocabulary are usable",
        help="ask for fewer words",
        origin="auto",
    )


def _petal(parts: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Callable[[Tensor, Tensor, Tensor, int], Found]:
    """A search by s · Σ over the class's rows of one term + Σ over the other rows of another, s = n_neg / n_pos."""

    def search(log_p: Tensor, labels: Tensor, top: Tensor, n: int) -> Found:
        log_not = torch.log1p(-log_p.exp().clamp(max=1 - 1e-12))
        inside, outside = parts(log_p, log_not)
        shape, counts = (len(top), log_p.shape[1]), torch.bincount(labels, minlength=len(top))[:, None]
        own = inside.new_zeros(shape).index_add(0, labels, inside)
        other = outside.sum(0) - outside.new_zeros(shape).index_add(0, labels, outside)
        rest = len(labels) - counts
        return _share_out(rest / counts * own + other, rest.clamp(min=1), top, n)

    return search


def _share_out(scores: Tensor, rest: Tensor, top: Tensor, n: int) -> Found:
    """Each class its n best candidates; what several classes want goes where its score is highest.

    (classes, tokens) scores are compared between classes over `rest`, the rows that each sum stands for.
    """
    wanted = (scores / rest).gather(1, top).flatten()
    found: Found = [[] for _ in range(len(scores))]
    taken: set[int] = set()
    for place in wanted.argsort(descending=True, stable=True).tolist():
        c, number = divmod(place, top.shape[1])
        token = int(top[c, number])
        if len(found[c]) < n and token not in taken:
            taken.add(token)
            found[c].append((token, float(scores[c, token])))
    return found


def _likelihood(log_p: Tensor, labels: Tensor, top: Tensor, n: int) -> Found:
    """Round by round one more word for each class, so that accuracy, then cross-entropy, on the rows are best.

    A class's score is the mean of its words' log-probabilities. LM-BFF searches one word a class; the rounds are ours.
    With more than twelve classes fewer than a thousand candidates are looked at for each.
    """
    top = top[:, : max(n * len(top), JOINT // len(top))]
    base = log_p.new_zeros(len(labels), len(top))
    found: Found = [[] for _ in range(len(top))]
    sums = log_p.new_zeros(len(top), log_p.shape[1]).index_add(0, labels, log_p)
    for number in range(1, n + 1):
        chosen = _assignment(log_p / number, base * ((number - 1) / number), labels, top)
        base = (base * (number - 1) + log_p[:, chosen]) / number
        for c, token in enumerate(chosen):
            found[c].append((token, float(sums[c, token])))
        top = _without(top, chosen)
    return found


def _without(top: Tensor, chosen: Sequence[int]) -> Tensor:
    """(classes, k) candidates without the chosen ones, cut to equal numbers again."""
    gone = torch.isin(top, torch.tensor(chosen, device=top.device))
    rows = [line[~mask] for line, mask in zip(top, gone, strict=True)]
    return torch.stack([row[: min(map(len, rows))] for row in rows])


def _assignment(log_p: Tensor, base: Tensor, labels: Tensor, top: Tensor) -> list[int]:
    """One token for each class: the best of all where they are few, else of two coordinate searches.

    Args:
        log_p: (rows, tokens), base: (rows, classes): class c with token t scores base[:, c] + log_p[:, t].
        top: (classes, k) candidates, likeliest first.
    """
    classes = len(top)
    if top.shape[1] ** (classes - 1) <= EXHAUSTIVE:
        tries = (list(t) for t in itertools.product(*top[:-1].tolist()) if len(set(t)) == len(t))
        best = max(((_best(log_p, base, labels, top, [*t, -1], classes - 1), t) for t in tries), key=lambda x: x[0][0])
        return [*best[1], best[0][1]]
    likeliest: list[int] = []
    for line in top.tolist():
        likeliest.append(next(t for t in line if t not in likeliest))
    telling = [words[0][0] for words in _log_likelihood_ratio(log_p, labels, top, 1)]
    ends = [_climb(log_p, base, labels, top, start) for start in (likeliest, telling)]
    return max(ends, key=lambda end: end[0])[1]


def _climb(
    log_p: Tensor, base: Tensor, labels: Tensor, top: Tensor, start: Sequence[int]
) -> tuple[tuple[float, float], list[int]]:
    """Class after class takes the token that is best beside the others', until none changes."""
    chosen, value = list(start), (-1.0, 0.0)
    for _ in range(SWEEPS):
        before = value
        for c in range(len(top)):
            new, token = _best(log_p, base, labels, top, chosen, c)
            if new > value:
                value, chosen[c] = new, token
        if value == before:
            break
    return value, chosen


def _best(
    log_p: Tensor, base: Tensor, labels: Tensor, top: Tensor, chosen: Sequence[int], c: int
) -> tuple[tuple[float, float], int]:
    """The candidate of class c that is best beside the other classes' tokens, with its accuracy and log-likelihood."""
    others = [i for i in range(len(top)) if i != c]
    tokens = [t for t in top[c].tolist() if t not in {chosen[i] for i in others}]
    own = base[:, c, None] + log_p[:, tokens]  # (rows, candidates)
    rivals = base[:, others] + log_p[:, [chosen[i] for i in others]]  # (rows, classes − 1)
    mine = (labels == c)[:, None]
    if not others:
        right, gain = torch.ones_like(own), own
    else:
        # The score of the right class where it is not c; it wins where it beats c and all others.
        place = torch.tensor([others.index(y) if y != c else 0 for y in labels.tolist()], device=labels.device)
        truth = torch.where(mine, own, rivals.gather(1, place[:, None]))
        high = rivals.max(1, keepdim=True).values
        right = torch.where(mine, own > high, (truth > own) & (truth >= high)).double()
        gain = truth - torch.logaddexp(own, rivals.logsumexp(1, keepdim=True))
    values = list(zip(right.mean(0).tolist(), gain.mean(0).tolist(), strict=True))
    number = max(range(len(tokens)), key=values.__getitem__)
    return values[number], tokens[number]


_log_likelihood_ratio = _petal(lambda log_p, log_not: (log_p - log_not, log_not - log_p))
_cross_entropy = _petal(lambda log_p, log_not: (log_p, log_not))

SEARCHES: Mapping[str, Callable[[Tensor, Tensor, Tensor, int], Found]] = MappingProxyType(
    {"llr": _log_likelihood_ratio, "ce": _cross_entropy, "likelihood": _likelihood}
)
