"""The frozen nodes of both languages, and the way back from nodes to text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from promptdsl.errors import Span
from promptdsl.language.schema import KindSpec, Value

NOWHERE = Span(0, 0)


@dataclass(frozen=True, slots=True)
class Text:
    """Fixed text of a template, exactly as the model shall read it (escapes already resolved)."""

    text: str
    span: Span = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return unparse((self,))


@dataclass(frozen=True, slots=True)
class Attribute:
    """One `key: value` of a tag beside its kind."""

    key: str
    value: Value
    key_span: Span = field(default=NOWHERE, compare=False, repr=False)
    value_span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag of either language: its kind, the kind's value, and the attributes that were written.

    Attributes stand in the schema's order, so that two tags that say the same are equal.
    """

    kind: str
    value: Value = None
    attributes: tuple[Attribute, ...] = ()
    spec: KindSpec | None = field(default=None, compare=False, repr=False)
    span: Span = field(default=NOWHERE, compare=False, repr=False)
    kind_span: Span = field(default=NOWHERE, compare=False, repr=False)
    value_span: Span = field(default=NOWHERE, compare=False, repr=False)

    def __getitem__(self, key: str) -> Value:
        """The attribute's value as written, else the schema's default."""
        for attribute in self.attributes:
            if attribute.key == key:
                return attribute.value
        if self.spec is None:
            raise KeyError(key)
        return self.spec.attributes[key].default

    def __contains__(self, key: str) -> bool:
        """Whether the attribute was written."""
        return any(a.key == key for a in self.attributes)

    def attribute(self, key: str) -> Attribute | None:
        """The attribute as written, with its spans; None if it was not."""
        return next((a for a in self.attributes if a.key == key), None)

    def __str__(self) -> str:
        return unparse((self,))


Piece = Text | Tag


@dataclass(frozen=True, slots=True)
class Word:
    """A label word or phrase. With several mask tags its parts are joined by ` + `."""

    text: str
    span: Span = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return quote_if_needed(self.text)


Item = Word | Tag


def gives(item: Item) -> str:
    """What an item becomes: "word" (it is scored as a label word), "words" (label words in its place), "vectors"."""
    return "word" if isinstance(item, Word) or item.spec is None else item.spec.gives


@dataclass(frozen=True, slots=True)
class LabelledWords:
    """One class of a verbalizer: its label and its items."""

    label: str
    items: tuple[Item, ...]
    label_span: Span = field(default=NOWHERE, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{quote_if_needed(self.label, label=True)}: {', '.join(map(str, self.items))}"


@dataclass(frozen=True, slots=True)
class Segment:
    """A template piece with the blank before it moved inside: what encoding starts from.

    For `Text` and `text` tags `text` is the fixed text without that blank; for other tags it is "".
    """

    piece: Piece
    text: str
    leading_space: bool


def segments(pieces: Iterable[Piece]) -> tuple[Segment, ...]:
    """Move one blank before each piece into that piece as its leading space; drop texts that become empty.

    `x It was <"mask">` after a field gives `It was` with a leading space and a mask with a leading space; of several
    blanks before a piece one moves. The blank that ends a template stays where it is, for there is no piece after it.
    """
    waiting = list(pieces)
    found: list[Segment] = []
    carried = False
    for index, piece in enumerate(waiting):
        leading, carried = carried, False
        text = piece.text if isinstance(piece, Text) else str(piece.value) if piece.kind == "text" else ""
        if isinstance(piece, Text):
            if text.endswith(" ") and index + 1 < len(waiting):
                text, carried = text[:-1], True
            if text.startswith(" ") and not leading:
                text, leading = text[1:], True
            if not text and not leading:
                continue
        found.append(Segment(piece, text, leading))
    return tuple(found)


# A character that would start a tag or an escape if it stood there bare.
_OPENS = re.compile(r"[<{](?=[ \t\r\n]*[\"'])")


def escape(text: str, before_tag: bool = False) -> str:
    """Template text with the escapes that it needs, and no others."""
    opens = {m.start() for m in _OPENS.finditer(text)}
    out: list[str] = []
    for index, character in enumerate(text):
        following = text[index + 1] if index + 1 < len(text) else "<" if before_tag else ""
        if index in opens or (character == "\\" and following in ("<", "{", "\\")):
            out.append("\\")
        out.append(character)
    return "".join(out)


def scalar(value: Value) -> str:
    """A tag's value as canonical text: JSON."""
    if isinstance(value, tuple):
        return "[" + ",".join(scalar(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def joined(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """The pieces with neighbouring texts made one and empty texts left out, as the parser gives them."""
    made: list[Piece] = []
    for piece in pieces:
        before = made[-1] if made else None
        if isinstance(piece, Text) and isinstance(before, Text):
            made[-1] = Text(before.text + piece.text, Span(before.span.start, max(before.span.start, piece.span.end)))
        elif isinstance(piece, Tag) or piece.text:
            made.append(piece)
    return tuple(made)


def unparse(pieces: Iterable[Piece]) -> str:
    """Canonical text of a template's pieces: `parse(unparse(t)) == t`."""
    waiting = joined(pieces)
    out: list[str] = []
    for index, piece in enumerate(waiting):
        if isinstance(piece, Text):
            out.append(escape(piece.text, before_tag=index + 1 < len(waiting)))
            continue
        head = scalar(piece.kind) if piece.value is None else f"{scalar(piece.kind)}:{scalar(piece.value)}"
        rest = [f"{scalar(a.key)}:{scalar(a.value)}" for a in piece.attributes]
        out.append("<" + ",".join([head, *rest]) + ">")
    return "".join(out)


def quote_if_needed(text: str, label: bool = False) -> str:
    """A label or label word, quoted only where bare text would read differently."""
    plain = (
        text
        and text == text.strip()
        and not re.search(r"[,;\"\r\n]", text)
        and not re.match(r"<[ \t]*['\"]", text)
        and not (label and (":" in text or text.startswith("{")))
    )
    return text if plain else scalar(text)
