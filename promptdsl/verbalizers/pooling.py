"""The scores of a class's words become one score."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

__all__ = ["POOLS", "pool"]

Pool = Callable[[Tensor, Tensor, int, Tensor | None], Tensor]


def pool(name: str, word_scores: Tensor, owner: Tensor, classes: int, weights: Tensor | None = None) -> Tensor:
    """Class scores from word scores; differentiable in both arguments that are numbers.

    Args:
        name: a key of POOLS.
        word_scores: (batch, words) log-scores; −inf for a word that there is not in a row: with `max` and `sum` the
            others of its class speak for it, with the means it takes the class along.
        owner: (words,) the class of each word, 0 … classes − 1, in any order.
        classes: number of classes, which may have unequal numbers of words.
        weights: (words,) what `learned` weighs the words with, by their softmax in the class, and `weighted` as they
            are; by default all alike.

    Returns:
        (batch, classes); −inf for a class that owns no word.
    """
    pooled = POOLS[name](word_scores, owner, classes, weights)
    empty = torch.bincount(owner, minlength=classes) == 0
    return pooled.masked_fill(empty, float("-inf"))


def _mean(word_scores: Tensor, owner: Tensor, classes: int, _: Tensor | None) -> Tensor:
    """PET: Schick & Schütze 2021, section 3.1."""
    counts = torch.bincount(owner, minlength=classes).clamp(min=1).to(word_scores.dtype)
    return _sums(word_scores, owner, classes) / counts


def _max(word_scores: Tensor, owner: Tensor, classes: int, _: Tensor | None = None) -> Tensor:
    lowest = word_scores.new_zeros(word_scores.shape[0], classes)
    index = owner.expand(word_scores.shape[0], -1)
    return lowest.scatter_reduce(1, index, word_scores, "amax", include_self=False)


def _sum(word_scores: Tensor, owner: Tensor, classes: int, _: Tensor | None = None) -> Tensor:
    """logsumexp: the probability of any of the words (AutoPrompt: Shin et al. 2020, section 2.2)."""
    top = _max(word_scores, owner, classes).detach()
    top = top.masked_fill(top.isinf(), 0.0)  # all words −inf: their sum is −inf, not NaN
    total = _sums((word_scores - top[:, owner]).exp(), owner, classes)
    none = total == 0.0  # whose logarithm has no gradient
    return top + total.masked_fill(none, 1.0).log().masked_fill(none, float("-inf"))


def _learned(word_scores: Tensor, owner: Tensor, classes: int, weights: Tensor | None) -> Tensor:
    """Mean weighted with softmax(w) in each class (KPT: Hu et al. 2022, section 3.4)."""
    if weights is None:
        return _mean(word_scores, owner, classes, None)
    line = weights.to(word_scores.dtype)[None]
    shares = (line - _sum(line, owner, classes)[:, owner]).exp()
    absent = word_scores.isneginf()  # times a share, it has no gradient
    pooled = _sums(word_scores.masked_fill(absent, 0.0) * shares, owner, classes)
    return pooled.masked_fill(_sums(absent.to(line.dtype), owner, classes) > 0, float("-inf"))


def _weighted(word_scores: Tensor, owner: Tensor, classes: int, weights: Tensor | None) -> Tensor:
    """Σ weight · score with weights as they are: their sum in a class is that class's scale."""
    if weights is None:
        return _mean(word_scores, owner, classes, None)
    return _sums(word_scores * weights.to(word_scores.dtype), owner, classes)


def _sums(values: Tensor, owner: Tensor, classes: int) -> Tensor:
    return values.new_zeros(values.shape[0], classes).index_add(1, owner, values)


POOLS: Mapping[str, Pool] = MappingProxyType(
    {"mean": _mean, "max": _max, "sum": _sum, "learned": _learned, "weighted": _weighted}
)
