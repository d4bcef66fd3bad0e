"""What a kind of tag is made of: its value's type and its attributes. The kinds themselves are in `schema`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

__all__ = ["LONGEST", "AttributeSpec", "KindSpec", "Type", "Value"]

LONGEST = 1024  # soft tokens, prefix positions or mask tokens of one template

Scalar = str | int | float | bool | None
Value = Scalar | tuple[Scalar, ...]


_IN_WORDS = {
    "null": "nothing",
    "text": "a text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "texts": "a list of texts",
}


@dataclass(frozen=True, slots=True)
class Type:
    """What values are allowed: any of the named types, within the bounds or choices.

    `names` ⊆ {"null", "text", "integer", "number", "boolean", "texts"}; `least`/`most` bound numbers;
    `choices` closes a text, or each text of a list (a choice that ends with ":" takes any text after it); `filled`
    forbids empty text and empty lists;
    `filters` says that the texts are filters of `filters.FILTERS`.
    """

    names: tuple[str, ...]
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    filled: bool = True
    filters: bool = False

    def __str__(self) -> str:
        if self.choices and "texts" in self.names:
            return "a list of " + ", ".join(f'"{c}"' for c in self.choices)
        if self.choices:
            return " or ".join(f'"{c}…"' if c.endswith(":") else f'"{c}"' for c in self.choices)
        shown = [_IN_WORDS[name] + (self._bounds() if name in ("integer", "number") else "") for name in self.names]
        return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"

    def _bounds(self) -> str:
        if self.least is None:
            return ""
        return f" ≥ {self.least:g}" if self.most is None else f" from {self.least:g} to {self.most:g}"


@dataclass(frozen=True, slots=True)
class AttributeSpec:
    """One attribute: its type, the value if it is not written, and a sentence for people."""

    type: Type
    default: Value
    doc: str


@dataclass(frozen=True, slots=True)
class KindSpec:
    """One kind of tag: what its value may be, its attributes, and a sentence for people.

    `gives` says what an item of a verbalizer becomes: "words" (label words in its place), "word" (it is scored as a
    label word itself) or "vectors" (abstract label words); "" for all other tags.
    """

    name: str
    value: Type
    doc: str
    example: str
    attributes: Mapping[str, AttributeSpec] = field(default_factory=lambda: MappingProxyType({}))
    gives: str = ""

    def __reduce__(self) -> tuple[Any, ...]:
        # A read-only mapping cannot be pickled or deep-copied; a plain one can.
        return KindSpec, (self.name, self.value, self.doc, self.example, dict(self.attributes), self.gives)
