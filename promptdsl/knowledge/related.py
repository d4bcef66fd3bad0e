"""A word that knowledge gives for a seed, and why."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Related"]


@dataclass(frozen=True, slots=True)
class Related:
    """One relative of a seed word.

    Attributes:
        word: the word or phrase, with blanks.
        how: the way to it: "itself", "similar of good.a.01", "hyponym of sport.n.01, 2 steps", "word list sports.tsv".
        score: how near it is, where the source says so; higher is nearer.
    """

    word: str
    how: str
    score: float | None = None

    def __str__(self) -> str:
        return f"{self.word} ({self.how})"
