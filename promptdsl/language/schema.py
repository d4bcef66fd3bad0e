"""The one table of tag kinds and attributes. Checks, suggestions, documentation and completion read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

__all__ = ["ITEM_KINDS", "STEP_KINDS", "TEMPLATE_KINDS", "AttributeSpec", "KindSpec", "Type", "Value"]

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
    `choices` closes a text (a choice that ends with ":" takes any text after it); `filled` forbids empty text;
    `filters` says that the texts are filters of `filters.FILTERS`.
    """

    names: tuple[str, ...]
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    filled: bool = True
    filters: bool = False

    def __str__(self) -> str:
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
    """One kind of tag: what its value may be, its attributes, and a sentence for people."""

    name: str
    value: Type
    doc: str
    example: str
    attributes: Mapping[str, AttributeSpec] = field(default_factory=lambda: MappingProxyType({}))

    def __reduce__(self) -> tuple[Any, ...]:
        # A read-only mapping cannot be pickled or deep-copied; a plain one can.
        return KindSpec, (self.name, self.value, self.doc, self.example, dict(self.attributes))


LONGEST = 1024  # soft tokens, prefix positions or mask tokens of one template

_NULL_OR_COUNT = Type(("null", "integer"), least=1, most=LONGEST)
_COUNT = Type(("integer",), least=1, most=LONGEST)
_FLAG = Type(("boolean",))
_TEXT = Type(("text",))
_ENCODER = Type(("null", "text"), choices=("mlp", "lstm"))


def _field(shortenable: bool) -> Mapping[str, AttributeSpec]:
    return MappingProxyType(
        {
            "shortenable": AttributeSpec(_FLAG, shortenable, "may be cut when the input is too long"),
            "truncate": AttributeSpec(
                Type(("text",), choices=("tail", "head", "middle")),
                "tail",
                "which part is cut: its tail, head or middle",
            ),
            "filters": AttributeSpec(
                Type(("texts",), filters=True), (), "filters that turn the value into text, applied in order"
            ),
            "missing": AttributeSpec(
                Type(("text",), choices=("error", "empty")), "error", "what a row without this column is"
            ),
        }
    )


_TEMPLATE = (
    KindSpec("placeholder", _TEXT, "the row's text: a column", '<"placeholder":"text_a">', _field(True)),
    KindSpec("meta", _TEXT, "the row's side information: a column", '<"meta":"title">', _field(False)),
    KindSpec(
        "mask",
        _NULL_OR_COUNT,
        "where label words are read: one position, or n",
        '<"mask">',
        MappingProxyType({"name": AttributeSpec(_TEXT, None, "a name for this mask")}),
    ),
    KindSpec(
        "soft",
        Type(("null", "integer", "text"), least=1, most=LONGEST),
        "trainable input vectors: one, n, or one for each token of the words they start from",
        '<"soft":20>',
        MappingProxyType(
            {
                "length": AttributeSpec(_COUNT, None, "number of vectors; beside words, the rest is sampled"),
                "soft_id": AttributeSpec(
                    Type(("integer",), least=1), None, "places with the same id share their vectors"
                ),
                "same": AttributeSpec(_FLAG, False, "the vectors are one vector repeated"),
                "duplicate": AttributeSpec(_COUNT, None, "OpenPrompt's name for length on a null value"),
                "init": AttributeSpec(
                    Type(("text",), choices=("vocab", "normal", "labels", "text:")), "vocab", "how the vectors start"
                ),
                "encoder": AttributeSpec(_ENCODER, None, "one network that all tags with this encoder go through"),
            }
        ),
    ),
    KindSpec(
        "prefix",
        _COUNT,
        "trainable keys and values in every layer; stands first in the template",
        '<"prefix":20>',
        MappingProxyType(
            {
                "encoder": AttributeSpec(
                    Type(("null", "text"), choices=("mlp",)), None, "the network that makes the keys and values"
                ),
                "hidden": AttributeSpec(Type(("integer",), least=1, most=65536), 512, "width of that network"),
                "dropout": AttributeSpec(
                    Type(("number",), least=0, most=0.99), 0.0, "dropout on the prefix in training"
                ),
            }
        ),
    ),
    KindSpec(
        "special",
        _TEXT,
        'one special token of the tokenizer: "cls", "sep", "eos", "bos", or the token\'s own text; never the mask',
        '<"special":"sep">',
    ),
    KindSpec(
        "text",
        Type(("text",), filled=False),
        "fixed text, with JSON escapes",
        '<"text":"\\n">',
        MappingProxyType({"shortenable": AttributeSpec(_FLAG, False, "may be cut when the input is too long")}),
    ),
)

TEMPLATE_KINDS: Mapping[str, KindSpec] = MappingProxyType({k.name: k for k in _TEMPLATE})
ITEM_KINDS: Mapping[str, KindSpec] = MappingProxyType({})
STEP_KINDS: Mapping[str, KindSpec] = MappingProxyType({})
