"""What is cut when a row is too long: the longest shortenable pieces first, down to a common level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["CUTS", "shorten", "water_fill"]

T = TypeVar("T")


def water_fill(lengths: Sequence[int], budget: int) -> list[int]:
    """Lengths cut to `budget` in total, the longest first down to a common level; a remainder goes to earlier pieces.

    Args:
        lengths: tokens of each shortenable piece, ≥ 0.
        budget: tokens that they may have together, ≥ 0.

    Returns:
        One length for each piece: min(length, level), plus one for the earliest cut pieces until the budget is met.
    """
    if sum(lengths) <= budget:
        return list(lengths)
    left, level = budget, 0
    waiting = sorted(lengths)
    for index, length in enumerate(waiting):
        share = left // (len(waiting) - index)
        if length > share:
            level, left = share, left - share * (len(waiting) - index)
            break
        left -= length
    kept = []
    for length in lengths:
        extra = 1 if length > level and left > 0 else 0
        left -= extra
        kept.append(min(length, level) + extra)
    return kept


def _tail(ids: Sequence[T], kept: int) -> Sequence[T]:
    return ids[:kept]


def _head(ids: Sequence[T], kept: int) -> Sequence[T]:
    return ids[len(ids) - kept :]


def _middle(ids: Sequence[T], kept: int) -> Sequence[T]:
    front = (kept + 1) // 2
    return [*ids[:front], *ids[len(ids) - (kept - front) :]]


# What `truncate` cuts away → what is left of the ids when `kept` of them stay.
CUTS: dict[str, Callable[[Sequence[int], int], Sequence[int]]] = {"tail": _tail, "head": _head, "middle": _middle}


def shorten(pieces: Sequence[Sequence[int]], cuts: Sequence[str], budget: int) -> list[Sequence[int]] | None:
    """Pieces cut to `budget` together, each on the side that its entry of `cuts` says; those with "" stay whole.

    Returns:
        The pieces, uncut where they fit as they are; None if what stays whole is over the budget by itself.
    """
    if sum(map(len, pieces)) <= budget:
        return list(pieces)
    loose = [i for i, cut in enumerate(cuts) if cut]
    left = budget - sum(len(p) for p, cut in zip(pieces, cuts, strict=True) if not cut)
    if left < 0:
        return None
    shortened = list(pieces)
    for place, kept in zip(loose, water_fill([len(pieces[i]) for i in loose], left), strict=True):
        shortened[place] = CUTS[cuts[place]](pieces[place], kept)
    return shortened
