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
        word_scores: (batch, words) log-scores.
        owner: (words,) the class of each word, 0 … classes − 1, in any order.
        classes: number of classes, which may have unequal numbers of words.
        weights: (words,) what `learned` weighs the words with, by their softmax in the class; by default all alike.

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
    return top + _sums((word_scores - top[:, owner]).exp(), owner, classes).log()


def _learned(word_scores: Tensor, owner: Tensor, classes: int, weights: Tensor | None) -> Tensor:
    """Mean weighted with softmax(w) in each class (KPT: Hu et al. 2022, section 3.4)."""
    if weights is None:
        return _mean(word_scores, owner, classes, None)
    line = weights.to(word_scores.dtype)[None]
    shares = (line - _sum(line, owner, classes)[:, owner]).exp()
    return _sums(word_scores * shares, owner, classes)


def _sums(values: Tensor, owner: Tensor, classes: int) -> Tensor:
    return values.new_zeros(values.shape[0], classes).index_add(1, owner, values)


POOLS: Mapping[str, Pool] = MappingProxyType({"mean": _mean, "max": _max, "sum": _sum, "learned": _learned})
