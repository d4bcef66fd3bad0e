"""What can stand in an input: the slots of a TokenProgram, one kind for each that encoding treats differently."""

from __future__ import annotations

from dataclasses import dataclass

from promptdsl.language.nodes import Piece, Tag

__all__ = ["DemosSlot", "FieldSlot", "FixedSlot", "MaskSlot", "PlainSlot", "Slot", "SoftSlot"]


@dataclass(frozen=True, slots=True)
class FixedSlot:
    """Ids that every row has: fixed text or a special token. `truncate` is "" where nothing may be cut."""

    piece: Piece
    ids: tuple[int, ...]
    truncate: str = ""


@dataclass(frozen=True, slots=True)
class FieldSlot:
    """A column's text. `at_start` marks the first thing that the model reads."""

    piece: Tag
    leading_space: bool
    at_start: bool
    truncate: str


@dataclass(frozen=True, slots=True)
class MaskSlot:
    """Where label words stand: `count` positions, or as many as a word has where it is None (a plain mask)."""

    piece: Tag
    count: int | None
    leading_space: bool
    at_start: bool


@dataclass(frozen=True, slots=True)
class SoftSlot:
    """Trainable vectors: numbers of rows in the template's table of soft vectors."""

    piece: Tag
    vectors: tuple[int, ...]


PlainSlot = FixedSlot | FieldSlot | MaskSlot | SoftSlot


@dataclass(frozen=True, slots=True)
class DemosSlot:
    """Where solved examples stand, at most `count`, each followed by the ids of `separator`.

    `example` are the slots of one as it stands after another; `opening` is its first slot where it is the first of
    them. `alone` is the program's next slot where no example stands before it. A sentencepiece tokenizer begins a
    text unlike its middle, and a blank before the tag, or at the end of the separator, moves into what follows.
    """

    piece: Tag
    count: int
    leading_space: bool
    at_start: bool
    separator: tuple[int, ...] = ()
    example: tuple[PlainSlot, ...] = ()
    opening: PlainSlot | None = None
    alone: PlainSlot | None = None


Slot = PlainSlot | DemosSlot
