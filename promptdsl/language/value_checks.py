"""Checks one value against the type that the schema gives it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from promptdsl.errors import Span
from promptdsl.language.filters import FILTERS, split_filter
from promptdsl.language.findings import Findings, listed, named, quoted, suggest
from promptdsl.language.nodes import scalar
from promptdsl.language.schema import LONGEST, Type, Value

__all__ = ["Pair", "check_value"]

# What people write for an attribute's value, from other libraries or from guessing.
_OTHER_VALUES = {
    "left": "head",
    "start": "head",
    "beginning": "head",
    "right": "tail",
    "end": "tail",
    "center": "middle",
    "centre": "middle",
    "skip": "empty",
    "ignore": "empty",
    "raise": "error",
    "random": "normal",
    "gaussian": "normal",
    "vocabulary": "vocab",
    "label": "labels",
    "gru": "lstm",
    "rnn": "lstm",
    "linear": "mlp",
    "noun": "n",
    "verb": "v",
    "adjective": "a",
    "adverb": "r",
    "meronym": "part",
    "is_a": "hypernym",
    "average": "mean",
    "logsumexp": "sum",
    "weighted": "learned",
    "petal": "llr",
    "lmbff": "likelihood",
    "lm-bff": "likelihood",
    "cross_entropy": "ce",
    "knn": "nearest",
}
_FEWER = "a template has at most 1,024 soft tokens, prefix included, and as many masks"


@dataclass(frozen=True, slots=True)
class Pair:
    """One `key[:value]` as written.

    `bare` says that there is no value (`value_span` is the key's then), `broken` that its strings or numbers are wrong
    and reported already; `item_spans` are the places of a list's items.
    """

    key: str
    value: Value
    key_span: Span
    value_span: Span
    item_spans: tuple[Span, ...] = ()
    bare: bool = False
    broken: bool = False


def check_value(pair: Pair, owner: str, allowed: Type, findings: Findings, example: str = "") -> None:
    """Report a value that `allowed` does not allow; `example` is a whole tag if `owner` is a kind."""
    value, place = pair.value, pair.value_span
    if pair.broken:
        return
    if not any(_is(value, name) for name in allowed.names):
        advice = _how_to_say(value, allowed, owner, example)
        if pair.bare:
            findings.add("PD203", f"{quoted(owner)} needs {allowed}", place, "no value after it", advice)
        else:
            message = f"{quoted(owner)} takes {allowed}, not {named(value)}"
            findings.add("PD203", message, place, "not of this type", advice)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        _check_range(value, owner, allowed, place, findings)
    elif isinstance(value, str):
        _check_text(value, owner, allowed, place, findings, example)
    elif isinstance(value, tuple) and allowed.filters:
        for written, item_place in zip(value, pair.item_spans, strict=True):
            _check_filter(str(written), item_place, findings)
    elif isinstance(value, tuple):
        _check_texts(value, pair, owner, allowed, findings, example)


def _is(value: Value, name: str) -> bool:
    if name == "null":
        return value is None
    if name == "text":
        return isinstance(value, str)
    if name == "boolean":
        return isinstance(value, bool)
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, tuple) and all(isinstance(item, str) for item in value)


def _how_to_say(value: Value, allowed: Type, owner: str, example: str) -> str:
    """How the value that was probably meant is written."""
    if isinstance(value, str):
        meant = _unquoted(value, allowed)
        if meant:
            return meant
    if isinstance(value, float) and value.is_integer() and "integer" in allowed.names and abs(value) < 1e9:
        return f"write {int(value)}"
    if value in (0, 1) and isinstance(value, int) and allowed.names == ("boolean",):
        return f"write {'true' if value else 'false'}"
    if isinstance(value, (int, float)) and not isinstance(value, bool) and "text" in allowed.names:
        return (
            f"in quotes: {scalar(scalar(value))}"
            if not allowed.choices
            else f"write {scalar(owner)}:{_sample(allowed)}"
        )
    if isinstance(value, tuple) and len(value) == 1 and any(_is(value[0], name) for name in allowed.names):
        return f"without the brackets: {scalar(value[0])}"
    return f"for example {example}" if example else f"for example {scalar(owner)}:{_sample(allowed)}"


def _unquoted(text: str, allowed: Type) -> str:
    """Advice for a text that says a number, a constant or one of a list's texts."""
    if "texts" in allowed.names:
        return "write a list: " + scalar(tuple(part.strip() for part in text.split(",")))
    word = text.strip().casefold()
    constant = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}.get(word)
    if constant is not None and "boolean" in allowed.names:
        return f"without quotes: {scalar(constant)}"
    if {"integer", "number"} & set(allowed.names) and re.fullmatch(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", word):
        return f"without quotes: {word}"
    return "without quotes: null" if word in ("none", "null") and "null" in allowed.names else ""


def _sample(allowed: Type) -> str:
    if allowed.choices and "texts" in allowed.names:
        return scalar(allowed.choices[:2])
    if allowed.choices:
        return scalar(allowed.choices[0])
    samples: dict[str, Value] = {"text": "…", "integer": 5, "number": 0.5, "boolean": True, "texts": ("strip", "lower")}
    return scalar(next(samples[name] for name in allowed.names if name in samples))


def _check_range(value: float, owner: str, allowed: Type, place: Span, findings: Findings) -> None:
    if allowed.least is not None and value < allowed.least:
        advice = f"write {allowed.least:g} or more"
        findings.add("PD204", f"{quoted(owner)} is too small: {value}", place, f"at least {allowed.least:g}", advice)
    elif allowed.most == LONGEST and value > LONGEST:
        findings.add("PD123", f"{quoted(owner)} is {value}, more than {LONGEST:,}", place, "the limit is 1,024", _FEWER)
    elif allowed.most is not None and value > allowed.most:
        advice = f"write {allowed.most:g} or less"
        findings.add("PD204", f"{quoted(owner)} is too large: {value}", place, f"at most {allowed.most:g}", advice)


def _check_texts(
    value: tuple[Value, ...], pair: Pair, owner: str, allowed: Type, findings: Findings, example: str
) -> None:
    """Each text of a list by itself, against the same choices."""
    if allowed.filled and not value:
        advice = f"for example {example}" if example else f"for example {scalar(owner)}:{_sample(allowed)}"
        findings.add("PD211", f"{quoted(owner)} is an empty list", pair.value_span, "nothing in the list", advice)
    for written, place in zip(value, pair.item_spans, strict=True):
        _check_text(str(written), owner, allowed, place, findings, example)


def _check_text(value: str, owner: str, allowed: Type, place: Span, findings: Findings, example: str) -> None:
    if allowed.filled and not value:
        advice = f"for example {example}" if example else "write a text between the quotes"
        findings.add("PD211", f"{quoted(owner)} is an empty text", place, "nothing between the quotes", advice)
    elif allowed.choices and not any(_chosen(value, choice) for choice in allowed.choices):
        other = _OTHER_VALUES.get(value.strip().casefold(), "")
        close = other if other in allowed.choices else suggest(value, allowed.choices)
        if close and close.endswith(":"):
            advice = f"write {_shown(close)} with a text after the colon"
        elif close:
            advice = f"did you mean {quoted(close)}?"
        else:
            advice = f"write {_sample(allowed)}, or leave {quoted(owner)} out"
        one_of = "is a list of some of" if "texts" in allowed.names else "is one of"
        note = f"{quoted(owner)} {one_of} {listed(_shown(c) for c in allowed.choices)}"
        findings.add(
            "PD205", f"{quoted(owner)} cannot be {quoted(value)}", place, "not one of its values", advice, note
        )


def _chosen(value: str, choice: str) -> bool:
    return value.startswith(choice) and len(value) > len(choice) if choice.endswith(":") else value == choice


def _shown(choice: str) -> str:
    return quoted(choice + "…" if choice.endswith(":") else choice)


def _check_filter(written: str, place: Span, findings: Findings) -> None:
    name, argument = split_filter(written)
    spec = FILTERS.get(name)
    if spec is None:
        close = suggest(name, FILTERS)
        advice = f"did you mean {quoted(close)}?" if close else f"filters are {listed(FILTERS)}"
        findings.add("PD209", f"unknown filter {quoted(name)}", place, "not a filter", advice)
    elif argument is None and spec.argument == "required":
        advice = f'write "{name}:" and the text, as in "{name}:."'
        findings.add("PD210", f"the filter {quoted(name)} needs a text", place, "nothing after its name", advice)
    elif argument is not None and spec.argument == "none":
        findings.add("PD210", f"the filter {quoted(name)} takes no text", place, "takes none", f"write {quoted(name)}")
