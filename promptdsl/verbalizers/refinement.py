"""Which expanded label words are worth keeping (KPT: Hu et al. 2022, section 3.3)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from promptdsl.verbalizers.numbers import check_finite
from promptdsl.verbalizers.whitening import unit

__all__ = ["AGAINST", "at_least", "duplicates", "frequency", "relevance"]

AGAINST = -100.0  # the relevance of a word that goes against its own class, or never changes
MOST = 100.0  # the relevance of a word that no other class has a share in is cut off here


def frequency(word_prior: Tensor, vocabulary_prior: Tensor, fraction: float) -> tuple[Tensor, Tensor]:
    """Drop the words that the language model hardly ever expects at the mask, whatever the input.

    Args:
        word_prior: (words,) mean log-probability of each word over the support rows.
        vocabulary_prior: (vocabulary,) the same of each token.
        fraction: from 0 to below 1: a word is dropped that lies among this share of the vocabulary; 0 keeps all.

    Returns:
        (words,) the priors as scores, and (words,) whether each word is kept.

    Raises:
        VerbalizerError: PD460 for priors that are no numbers.
    """
    check_finite(word_prior, "priors of label words")
    check_finite(vocabulary_prior, "priors of the vocabulary")
    below = int(fraction * len(vocabulary_prior))
    if not below:
        return word_prior, torch.ones_like(word_prior, dtype=torch.bool)
    return word_prior, word_prior >= vocabulary_prior.sort().values[below]


def relevance(scores: Tensor, owner: Tensor, anchors: Tensor, keep: int = 1) -> tuple[Tensor, Tensor]:
    """Drop the words that follow another class's name as much as their own's, over the support rows.

    A word's vector is its log-probabilities less their mean, s_c its cosine with the vector of class c's anchor, and
    its relevance s_own over the p-norm mean of the other classes' s, p = 10 / (classes − 1.99) + 1. Of n words of a
    class sorted by relevance, anchor first, max(keep, ⌊share · n⌋) stay, where the share is the same for all classes
    and makes Σ (relevance of the first word that goes − 1)² over the classes least; 1 is as near to the others as to
    its own. Unlike in the authors' code, the anchor stays, a word against its class goes whatever the share and is
    never the one that is measured, and all may stay.

    Args:
        scores: (support, words) log-probabilities on the support rows.
        owner: (words,) the class of each word.
        anchors: (classes,) for each class the index of the word that stands for it, usually its first.
        keep: words that each class keeps at least, if it has as many.

    Returns:
        (words,) relevances from −100 (against its class, or never changing) to 100, and (words,) whether each is kept.

    Raises:
        VerbalizerError: PD460 for scores that are no numbers.
    """
    check_finite(scores, "scores on the support rows")
    values = _relevances(scores.double(), owner, anchors)
    first = values.clone()
    first[anchors] = float("inf")
    place = _places(first, owner)
    with_own = values > AGAINST
    with_own[anchors] = True
    stay = _cut(values, owner, place, with_own, len(anchors), keep)
    kept = with_own & (place < stay[owner])
    return values.to(scores.dtype), at_least(kept, first, owner, keep)


def _relevances(scores: Tensor, owner: Tensor, anchors: Tensor) -> Tensor:
    """(support, words) → (words,), as `relevance` says."""
    mean = scores.mean(0)
    moves = scores - mean
    # What never changes still differs from its mean in the last digits.
    moves[:, moves.abs().amax(0) <= 1e-6 * mean.abs().clamp(min=1)] = 0
    vectors = unit(moves.T)
    similar = vectors @ vectors[anchors].T  # (words, classes)
    classes = len(anchors)
    own = similar.gather(1, owner[:, None])[:, 0]
    p = 10 / (max(classes - 2, 0) + 0.01) + 1
    # In logarithms: with two classes p is 1001, and s^p vanishes.
    others = similar.abs().log().scatter(1, owner[:, None], float("-inf"))
    norm = torch.exp(((others * p).logsumexp(1) - torch.tensor(float(max(classes - 1, 1))).log()) / p)
    values = torch.where(norm > 0, own / norm, MOST).clamp(max=MOST)
    return torch.where(own > 0, values, AGAINST)


def _cut(values: Tensor, owner: Tensor, place: Tensor, with_own: Tensor, classes: int, keep: int) -> Tensor:
    """How many words of each class stay, (classes,), of its words in the order of `place`."""
    counts = torch.bincount(owner, minlength=classes)
    usable = torch.bincount(owner[with_own], minlength=classes)
    start = counts.cumsum(0) - counts
    ordered = torch.empty_like(values)
    ordered[start[owner] + place] = values
    most = int(counts.max())
    best, least = usable, (float("inf"), 0)
    for step in range(most, -1, -1):
        stay = (step * counts // most).clamp(min=keep).minimum(usable)
        boundary = ordered[start + stay.minimum(usable - 1)]
        loss = round(float((boundary - 1).square().sum()), 9)
        # Of equal losses the one under which fewest poor words stay, then most words.
        key = (loss, int(((values < 1) & (place < stay[owner])).sum()))
        if key < least:
            best, least = stay, key
    return best


def at_least(kept: Tensor, scores: Tensor, owner: Tensor, keep: int) -> Tensor:
    """`kept`, and of a class that keeps fewer than `keep` words its best others, as far as it has any.

    Args:
        kept: (words,) bool.
        scores: (words,) by which the best are chosen; the earlier of equals.
        owner: (words,) the class of each word.
        keep: ≥ 0.

    Returns:
        (words,) bool.
    """
    return kept | (_places(torch.where(kept, float("inf"), scores), owner) < keep)


def _places(scores: Tensor, owner: Tensor) -> Tensor:
    """(words,) the place of each word among its class's by falling score, from 0."""
    order = scores.argsort(descending=True, stable=True)
    order = order[owner[order].argsort(stable=True)]
    counts = torch.bincount(owner)
    start = counts.cumsum(0) - counts
    place = torch.empty_like(owner)
    place[order] = torch.arange(len(owner), device=owner.device) - start[owner[order]]
    return place


def duplicates(words: Sequence[tuple[str, str, bool]]) -> list[bool]:
    """Drop the words that stand in several classes, and the repetitions in one; upper and lower case are the same.

    Args:
        words: for each word its label, its text and whether it was written by hand. A word that was written by hand
            in one class only stays there and goes elsewhere.

    Returns:
        For each word whether it is kept.
    """
    places: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, (label, word, _) in enumerate(words):
        places[word.casefold()][label].append(number)
    kept = [False] * len(words)
    for by_label in places.values():
        written = [label for label, numbers in by_label.items() if any(words[n][2] for n in numbers)]
        winners = written if len(written) == 1 else list(by_label)
        if len(winners) == 1:
            kept[max(by_label[winners[0]], key=lambda n: words[n][2])] = True
    return kept
