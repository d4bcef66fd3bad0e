"""The closed list of filters that turn a row's value into text. No code is ever read from a template."""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["FILTERS", "FilterSpec", "apply_filter", "split_filter"]


@dataclass(frozen=True, slots=True)
class FilterSpec:
    """One filter: `apply(value, argument)`; `argument` says whether text after the first `:` is taken.

    `argument` is "none", "optional" or "required"; `takes` is "text", or "any" where lists and mappings are welcome.
    """

    name: str
    doc: str
    apply: Callable[[Any, str], str]
    argument: str = "none"
    default: str = ""
    takes: str = "text"


def _join(value: Any, separator: str) -> str:
    return separator.join(_text(v) for v in _listed(value))


def _enumerate(value: Any, separator: str) -> str:
    return separator.join(f"{i}:{_text(v)}" for i, v in enumerate(_listed(value)))


def _choices(value: Any, separator: str) -> str:
    """`[{"label": "A", "text": "yes"}, …]` → `(A) yes|(B) no`."""
    return separator.join(f"({_text(v['label'])}) {_text(v['text'])}" for v in _listed(value))


def _listed(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return list(value)
    if hasattr(value, "tolist"):  # a numpy array, as DataFrames read from Parquet hold them
        return list(value.tolist())
    raise TypeError(f"a list is needed here, not {type(value).__name__}")


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple, dict, bytes)) or value is None:
        raise TypeError(f"an item of the list is {type(value).__name__}, not text")
    return str(value)


def _uncapitalize(value: str, _: str) -> str:
    return value[:1].lower() + value[1:]


def _capitalize(value: str, _: str) -> str:
    return value[:1].upper() + value[1:]


_TABLE = (
    FilterSpec(
        "strip", "cut blanks, or the given characters, at both ends", lambda v, a: v.strip(a or None), "optional"
    ),
    FilterSpec(
        "lstrip", "cut blanks, or the given characters, at the start", lambda v, a: v.lstrip(a or None), "optional"
    ),
    FilterSpec(
        "rstrip", "cut blanks, or the given characters, at the end", lambda v, a: v.rstrip(a or None), "optional"
    ),
    FilterSpec("rstrip_punctuation", "cut ASCII punctuation at the end", lambda v, _: v.rstrip(string.punctuation)),
    FilterSpec("lower", "lower case", lambda v, _: v.lower()),
    FilterSpec("upper", "upper case", lambda v, _: v.upper()),
    FilterSpec("title", "title case", lambda v, _: v.title()),
    FilterSpec("capitalize", "first character to upper case, the rest as it is", _capitalize),
    FilterSpec("uncapitalize", "first character to lower case, the rest as it is", _uncapitalize),
    FilterSpec("sentence_case", "first character to upper case, all others to lower case", lambda v, _: v.capitalize()),
    FilterSpec("drop_first", "without the first character", lambda v, _: v[1:]),
    FilterSpec("drop_last", "without the last character", lambda v, _: v[:-1]),
    FilterSpec("append", "add the given text at the end", lambda v, a: v + a, "required"),
    FilterSpec("prepend", "add the given text at the start", lambda v, a: a + v, "required"),
    FilterSpec("join", "a list as one text, with the given text between", _join, "optional", ", ", "any"),
    FilterSpec(
        "enumerate", "a list as 0:first,1:second, with the given text between", _enumerate, "optional", ",", "any"
    ),
    FilterSpec("choices", "a list of {label, text} as (A) first|(B) second", _choices, "optional", "|", "any"),
)

FILTERS: dict[str, FilterSpec] = {f.name: f for f in _TABLE}


def split_filter(written: str) -> tuple[str, str | None]:
    """`"append:."` → `("append", ".")`; no colon gives None as argument."""
    name, colon, argument = written.partition(":")
    return name, argument if colon else None


def apply_filter(written: str, value: Any) -> str:
    """The filter's text for `value`. Raises TypeError or KeyError where the value is not of its kind."""
    name, argument = split_filter(written)
    spec = FILTERS[name]
    if spec.takes == "text" and not isinstance(value, str):
        raise TypeError(f"filter {name!r} needs text, not {type(value).__name__}")
    return spec.apply(value, spec.default if argument is None else argument)
