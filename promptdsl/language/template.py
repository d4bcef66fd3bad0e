"""The public `Template`: a template string, parsed and checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from typing import Any

from promptdsl.errors import Diagnostic, TemplateSyntaxError
from promptdsl.language.files import read_text
from promptdsl.language.nodes import Piece, Segment, Tag, segments, unparse
from promptdsl.language.parser import LONGEST_TEMPLATE, parse_template
from promptdsl.language.tree import template_tree

__all__ = ["Template"]


@dataclass(frozen=True, init=False, repr=False)
class Template:
    """How a row becomes a prompt: fixed text with tags.

    Two templates are equal if they say the same, however it was written. `str()` is the canonical text.

    >>> Template('It was { "mask" }.')
    Template('It was <"mask">.')
    """

    source: str = field(compare=False)
    pieces: tuple[Piece, ...]

    def __init__(self, text: str | Template, *, origin: str = "template", limit: int | None = LONGEST_TEMPLATE) -> None:
        """Parse `text`. `origin` names it in error messages; `limit` is its largest size in bytes (None: any).

        Raises `TemplateSyntaxError`, `TemplateNameError` or `TemplateError`, each with all that was found.
        """
        if isinstance(text, Template):
            source, pieces = text.source, text.pieces
        elif isinstance(text, str):
            source, pieces = text, parse_template(text, origin, limit)
        else:
            message = f"a template is a text, not {type(text).__name__}"
            raise TemplateSyntaxError(Diagnostic("PD120", message, help="give a str or a Template", origin=origin))
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "pieces", pieces)

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> Template:
        """The template in a UTF-8 file, without the line end that closes the file. Raises `FileError` too."""
        return cls(read_text(path).removesuffix("\n"), origin=str(path))

    @classmethod
    def from_pieces(cls, pieces: Iterable[Piece]) -> Template:
        """The template of these nodes, checked as if its text had been written."""
        return cls(unparse(pieces))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a row must have, in the order of their first use."""
        fields = (tag for tag in self.tags if tag.kind in ("placeholder", "meta"))
        return tuple(dict.fromkeys(str(tag.value) for tag in fields))

    @property
    def tags(self) -> tuple[Tag, ...]:
        """All tags, in order."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Tag))

    @property
    def masks(self) -> tuple[Tag, ...]:
        """The mask tags, in order."""
        return tuple(tag for tag in self.tags if tag.kind == "mask")

    @property
    def soft(self) -> tuple[Tag, ...]:
        """The tags that bring something to train: soft and prefix, in order."""
        return tuple(tag for tag in self.tags if tag.kind in ("soft", "prefix"))

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The pieces with the blank before each moved into it: what encoding starts from."""
        return segments(self.pieces)

    def tree(self) -> str:
        """The pieces, one a line."""
        return template_tree(self.pieces)

    def __str__(self) -> str:
        return unparse(self.pieces)

    def __repr__(self) -> str:
        return f"Template({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.source,)

    def __copy__(self) -> Template:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Template:
        return self


def _restore(source: str) -> Template:
    """What is pickled is the text; it is parsed again."""
    return Template(source, limit=None)
