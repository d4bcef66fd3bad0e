"""Label words of several tokens: which forward passes score them, and where each of their tokens is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from types import MappingProxyType

import torch
from torch import Tensor

__all__ = [
    "PLANNERS",
    "Fill",
    "Parts",
    "Plan",
    "Reading",
    "group_scores",
    "plan",
    "word_scores",
]

Fill = tuple[tuple[int, ...], ...]  # the ids at each mask tag, in one forward pass
Parts = tuple[tuple[int, ...], ...]  # the ids of a word at each mask tag
Counts = Sequence[int | None]  # the positions of each mask tag; None at a plain mask
Weigh = Callable[
    [int], Sequence[float]
]  # a part's number of tokens → the weights of those that are read, from the first


@dataclass(frozen=True, slots=True)
class Reading:
    """One token of one word: read `token` at read number `read` of pass `fill`, with `weight`.

    `part` numbers the groups of a word's tokens: where maxima are taken, they are taken within a group.
    """

    word: int
    fill: int
    read: int
    token: int
    weight: float
    part: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """How words are scored.

    Attributes:
        fills: for each forward pass, the ids that stand at the mask tags in it.
        readings: every token that is read, word after word.
        reduce: "sum": a word's score is Σ weight · score of its tokens; "max": the best of each part, summed.
    """

    fills: tuple[Fill, ...]
    readings: tuple[Reading, ...]
    reduce: str = "sum"

    @property
    def normalised(self) -> bool:
        """Whether the scores must be log-probabilities, and not logits.

        Logits do where all words are read at the same places of the same passes with the same weights: then the
        vocabulary's normalisers are the same for all words, and cancel between the classes.
        """
        weights: dict[tuple[int, int, int, int], float] = {}  # of a place's normaliser, for each part of each word
        for r in self.readings:
            key = r.word, r.part, r.fill, r.read
            weights[key] = r.weight if self.reduce == "max" else weights.get(key, 0.0) + r.weight
        if self.reduce == "max" and len({key[:2] for key in weights}) < len(weights):
            return True  # the normalisers of several places within one maximum
        totals: dict[int, dict[tuple[int, int], float]] = {}
        for (word, _, fill, read), weight in weights.items():
            at = totals.setdefault(word, {})
            at[fill, read] = at.get((fill, read), 0.0) + weight
        one, *others = totals.values() or [{}]
        return any(o.keys() != one.keys() or not all(isclose(o[p], one[p]) for p in one) for o in others)

    def __str__(self) -> str:
        passes = f"{len(self.fills)} forward pass{'' if len(self.fills) == 1 else 'es'}"
        return f"{len(self.readings)} tokens read in {passes}, reduced by {self.reduce}"


def plan(words: Sequence[Parts], counts: Counts, mask_id: int | None, mode: str = "joint") -> Plan:
    """Which passes score the words, and where their tokens are read.

    The mode says how the tokens of a part at a plain mask become one score. At `mask:n`, where every word has n
    tokens at n positions, it is always the sum of their log-probabilities (PTR: Han et al. 2021, section 3).

    Args:
        words: each word's ids at each mask tag.
        counts: for each mask tag its number of positions, None at a plain mask.
        mask_id: the mask token of a masked LM; None for a causal LM.
        mode: a name of `PLANNERS`.
    """
    return PLANNERS[mode](words, counts, mask_id)


def joint(words: Sequence[Parts], counts: Counts, mask_id: int | None) -> Plan:
    """All of a word's tokens, in as few passes as can be.

    On a masked LM a part of t tokens is read at t masks, with the mean of its log-probabilities, so that longer words
    are not worse for being long. On a causal LM it is the joint log-probability, Σ log p(token | all before it).
    """
    return _causal(words, counts, _ones) if mask_id is None else _at_masks(words, counts, mask_id, _shares)


def sequential(words: Sequence[Parts], counts: Counts, mask_id: int | None) -> Plan:
    """Each token given those before it in the word: log p(w_i | w_<i, masks for w_i and what follows).

    The pseudo-log-likelihood of a masked LM (Salazar et al. 2020, section 2), read from left to right within the word
    (Kauf and Ivanova 2023: word-l2r), as its mean at a plain mask, so that it compares with `joint`. A word takes as
    many passes as it has tokens, and shares them with words of the same shape that begin alike. With several mask tags
    the earlier ones hold their words by then. On a causal LM this is what `joint` is.
    """
    if mask_id is None:
        return joint(words, counts, mask_id)
    fills: dict[Fill, int] = {}
    readings: list[Reading] = []
    for number, parts in enumerate(words):
        for read, (tag, at, weight, part) in enumerate(_terms(parts, counts, _shares)):
            hidden = [(mask_id,) * len(p) for p in parts]
            hidden[:tag] = parts[:tag]
            hidden[tag] = parts[tag][:at] + hidden[tag][at:]
            fill = fills.setdefault(tuple(hidden), len(fills))
            readings.append(Reading(number, fill, read, parts[tag][at], weight, part))
    return Plan(tuple(fills), tuple(readings))


def first(words: Sequence[Parts], counts: Counts, mask_id: int | None) -> Plan:
    """A word's first token alone; on a masked LM at one mask (OpenPrompt's multi_token_handler, as the two below)."""
    return _causal(words, counts, _first) if mask_id is None else _at_one_mask(words, counts, mask_id, _first)


def mean(words: Sequence[Parts], counts: Counts, mask_id: int | None) -> Plan:
    """The mean over a word's tokens; on a masked LM all of them are read at one and the same mask."""
    return _causal(words, counts, _shares) if mask_id is None else _at_one_mask(words, counts, mask_id, _shares)


def largest(words: Sequence[Parts], counts: Counts, mask_id: int | None) -> Plan:
    """The best of a word's tokens; on a masked LM all of them are read at one and the same mask."""
    found = _causal(words, counts, _ones) if mask_id is None else _at_one_mask(words, counts, mask_id, _ones)
    return Plan(found.fills, found.readings, "max")


PLANNERS: Mapping[str, Callable[[Sequence[Parts], Counts, int | None], Plan]] = MappingProxyType(
    {"joint": joint, "sequential": sequential, "first": first, "mean": mean, "max": largest}
)


def word_scores(plan: Plan, words: int, read: Tensor) -> Tensor:
    """Scores of the words from the scores of their tokens.

    Args:
        plan: where the tokens were read.
        words: how many words there are.
        read: (batch, readings) log-probabilities (logits where the plan is not `normalised`), in the plan's order.

    Returns:
        (batch, words).
    """
    terms = read * torch.tensor([r.weight for r in plan.readings], dtype=read.dtype, device=read.device)
    owners = [r.word for r in plan.readings]
    if plan.reduce == "max":
        groups: dict[tuple[int, int], int] = {}
        group = [groups.setdefault((r.word, r.part), len(groups)) for r in plan.readings]
        index = torch.tensor(group, dtype=torch.long, device=read.device).expand(terms.shape)
        terms = terms.new_zeros(len(read), len(groups)).scatter_reduce(1, index, terms, "amax", include_self=False)
        owners = [word for word, _ in groups]
    return terms.new_zeros(len(read), words).index_add(
        1, torch.tensor(owners, dtype=torch.long, device=read.device), terms
    )


def group_scores(
    read: Tensor, tokens: Tensor, weights: Tensor, groups: Tensor, *, columns: int, reduce: str = "sum"
) -> Tensor:
    """Scores of words that are others in every row: `word_scores` for a plan of each row's own.

    Args:
        read: (terms,) log-probabilities of tokens, rows one after the other.
        tokens: (terms,) the group of each.
        weights: (terms,) what each is multiplied with.
        groups: (groups, 2) the word of each group, counted through the rows, and +1 or −1, which it is added with.
        columns: words of a row.
        reduce: "sum" or "max" within a group.

    Returns:
        (rows, columns); −inf for a word without a group. The last row must have one.
    """
    owner, sign = groups.unbind(1)
    terms = read * weights
    none = terms.new_zeros(len(groups))
    if reduce == "max":
        reduced = none.scatter_reduce(0, tokens, terms, "amax", include_self=False)
    else:
        reduced = none.index_add(0, tokens, terms)
    rows = int(owner.max()) // columns + 1
    scores = terms.new_zeros(rows * columns).index_add(0, owner, reduced * sign)
    absent = torch.ones_like(scores, dtype=torch.bool).index_fill(0, owner, False)
    return scores.masked_fill(absent, float("-inf")).reshape(rows, columns)


def _ones(tokens: int) -> Sequence[float]:
    return (1.0,) * tokens


def _shares(tokens: int) -> Sequence[float]:
    return (1 / tokens,) * tokens


def _first(tokens: int) -> Sequence[float]:
    return (1.0,)


def _terms(parts: Parts, counts: Counts, weigh: Weigh) -> Iterator[tuple[int, int, float, int]]:
    """The tokens of a word that are read: mask tag, number within the tag, weight, group for a maximum."""
    group = 0
    for tag, (part, count) in enumerate(zip(parts, counts, strict=True)):
        for at, weight in enumerate(_ones(len(part)) if count else weigh(len(part))):
            yield tag, at, weight, group
            group += bool(count)  # at mask:n each token is a group of its own, so that they add up
        group += not count


def _at_masks(words: Sequence[Parts], counts: Counts, mask_id: int, weigh: Weigh) -> Plan:
    """One pass for each shape of word, with as many masks as the word has tokens."""
    shapes = [tuple(map(len, parts)) for parts in words]
    number_of = {shape: number for number, shape in enumerate(sorted(set(shapes)))}
    readings = tuple(
        Reading(number, number_of[shape], read, parts[tag][at], weight, group)
        for number, (parts, shape) in enumerate(zip(words, shapes, strict=True))
        for read, (tag, at, weight, group) in enumerate(_terms(parts, counts, weigh))
    )
    return Plan(tuple(tuple((mask_id,) * n for n in shape) for shape in number_of), readings)


def _at_one_mask(words: Sequence[Parts], counts: Counts, mask_id: int, weigh: Weigh) -> Plan:
    """One pass for all, with one mask at a plain mask tag; all tokens of a part are read there."""
    starts = [sum(count or 1 for count in counts[:tag]) for tag in range(len(counts))]
    readings = tuple(
        Reading(number, 0, starts[tag] + (at if counts[tag] else 0), parts[tag][at], weight, group)
        for number, parts in enumerate(words)
        for tag, at, weight, group in _terms(parts, counts, weigh)
    )
    return Plan((tuple((mask_id,) * (count or 1) for count in counts),), readings)


def _causal(words: Sequence[Parts], counts: Counts, weigh: Weigh) -> Plan:
    """A pass holds all that stands before the last token that is read; what stands in it is read one place before.

    Words that begin alike share a pass: one that stops earlier is read on the way. A context is the tokens before,
    each with its mask tag, and the tag of the token that is read.
    """
    flat = [[(tag, token) for tag, part in enumerate(parts) for token in part] for parts in words]
    read: list[list[tuple[int, float, int]]] = []  # for each word the tokens that are read: number, weight, group
    for parts in words:
        starts = [sum(map(len, parts[:tag])) for tag in range(len(parts))]
        read.append([(starts[tag] + at, weight, group) for tag, at, weight, group in _terms(parts, counts, weigh)])
    last = [terms[-1][0] for terms in read]
    contexts = {(tuple(tokens[:n]), tokens[n][0]) for tokens, n in zip(flat, last, strict=True)}
    on_the_way = {(c[:n], c[n][0]) for c, _ in contexts for n in range(len(c))}
    kept = sorted(contexts - on_the_way)
    pass_of: dict[tuple[tuple[tuple[int, int], ...], int], int] = {}
    for number, (context, tag) in enumerate(kept):
        for place in ((context, tag), *((context[:n], context[n][0]) for n in range(len(context)))):
            pass_of.setdefault(place, number)
    readings = tuple(
        Reading(number, pass_of[tuple(tokens[:n]), tokens[n][0]], at, tokens[at][1], weight, group)
        for number, (tokens, n) in enumerate(zip(flat, last, strict=True))
        for at, weight, group in read[number]
    )
    fills = tuple(
        tuple(tuple(token for at, token in context if at == tag) for tag in range(end + 1)) for context, end in kept
    )
    return Plan(fills, readings)
