"""What the linter's rules look at, and what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from promptdsl.errors import Span
from promptdsl.language.nodes import LabelledWords, Piece, Tag, Word
from promptdsl.language.template import Template
from promptdsl.language.verbalizer import Verbalizer

__all__ = ["FIELDS", "Finding", "Subject"]

FIELDS = ("placeholder", "meta")


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at: either string may be missing; `family` and `count_tokens` are known where a model is."""

    template: Template | None
    verbalizer: Verbalizer | None
    family: str | None
    count_tokens: Callable[[str], int] | None

    @property
    def pieces(self) -> tuple[Piece, ...]:
        return () if self.template is None else self.template.pieces

    @property
    def classes(self) -> tuple[LabelledWords, ...]:
        return () if self.verbalizer is None else self.verbalizer.classes

    @property
    def masks(self) -> list[Tag]:
        return [p for p in self.pieces if isinstance(p, Tag) and p.kind == "mask"]

    @property
    def words(self) -> Iterator[tuple[LabelledWords, Word]]:
        return ((c, w) for c in self.classes for w in c.items if isinstance(w, Word))


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding before it knows its source: `origin` is "template" or "verbalizer"."""

    message: str
    span: Span | None
    help: str
    origin: str = "template"
    label: str = ""
