"""What an artefact's JSON says of a verbalizer, and how its entries are read without trust."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NoReturn

from promptdsl.errors import fail, printable
from promptdsl.language.audit import Decision, Trace
from promptdsl.language.nodes import Tag
from promptdsl.language.verbalizer import Verbalizer

__all__ = ["entry", "refuse", "verbalizer_from_json", "verbalizer_to_json"]

_MADE_ELSEWHERE = ("wordnet", "words", "neighbors", "auto")  # items that become words by looking outside of a text


def entry(record: Mapping[str, Any], path: str, kind: Any) -> Any:
    """What stands at a path such as "language_model.name", of a type or a union of types; FileError PD835 for others.

    A boolean is no whole number; a whole number is a real one.
    """
    found: Any = record
    for name in path.split("."):
        if not isinstance(found, Mapping) or name not in found:
            refuse(f'the record has no "{path}"')
        found = found[name]
    expects_flag = kind is bool
    if kind is float and isinstance(found, int):
        found = found if isinstance(found, bool) else float(found) if abs(found) < 2**53 else None
    if not isinstance(found, kind) or (isinstance(found, bool) and not expects_flag):
        refuse(f'"{path}" in the record is {printable(repr(found), 60)}')
    return found


def refuse(what: str) -> NoReturn:
    """Raise FileError PD835."""
    fail("PD835", what, help="save the artefact again, and load none of unknown origin", origin="file")


def verbalizer_to_json(verbalizer: Verbalizer) -> dict[str, Any]:
    """Its text, as it was written if it still says that, and where its words come from."""
    as_written = Verbalizer(verbalizer.source, limit=None) == verbalizer
    traces = [[t.label, t.word, t.origin, list(map(_decided, t.decisions))] for t in verbalizer.traces]
    return {"text": verbalizer.source if as_written else str(verbalizer), "traces": traces}


def _decided(decision: Decision) -> list[Any]:
    """A decision as JSON can hold it: a score that is not finite is left out."""
    score = decision.score
    return [decision.step, bool(decision.kept), None if score is None or not math.isfinite(score) else float(score)]


def verbalizer_from_json(record: Mapping[str, Any], path: str, *, found: bool = False) -> Verbalizer:
    """The verbalizer at a path of the record. Nothing is looked up: of a `found` one all words stand in the text.

    Raises:
        FileError: PD835 for an entry of another shape, or an item that would have to be looked up.
        VerbalizerError: for a text that is none.
    """
    made = Verbalizer(entry(record, f"{path}.text", str), origin="verbalizer of the artefact", limit=None)
    asked = {item.kind for labelled in made.classes for item in labelled.items if isinstance(item, Tag)}
    if found and asked & set(_MADE_ELSEWHERE):
        refuse(f'the words that were found are to be looked up: "{min(asked & set(_MADE_ELSEWHERE))}"')
    traces = tuple(_trace(t) for t in entry(record, f"{path}.traces", list))
    return made.rewritten(traces=traces) if traces else made


def _trace(written: Any) -> Trace:
    match written:
        case [str(label), str(word), str(origin), list(decisions)]:
            return Trace(label, word, origin, tuple(map(_decision, decisions)))
    refuse(f"{printable(repr(written), 60)} does not say where a word comes from")


def _decision(written: Any) -> Decision:
    match written:
        case [str(step), bool(kept), None]:
            return Decision(step, kept)
        case [str(step), bool(kept), float(score) | int(score)] if not isinstance(score, bool):
            return Decision(step, kept, float(score))
    refuse(f"{printable(repr(written), 60)} does not say what was decided about a word")
