"""The arguments of compare() → names with what they stand for, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any

from promptdsl.classifier import PromptClassifier
from promptdsl.comparison.described import described
from promptdsl.comparison.fine_tuning import FINE_TUNING
from promptdsl.errors import fail, printable
from promptdsl.language.template import Template
from promptdsl.language.verbalizer import Verbalizer

__all__ = ["named_settings", "named_templates", "named_verbalizers", "numbers"]

NAME = 60  # characters of a text that is its own name
# What compare gives to each classifier itself.
OWN = {"template", "verbalizer", "model", "random_state", "multi_label"}
ALLOWED = {"fine-tuning": set(FINE_TUNING), "setfit": {"model"}, "majority": set[str](), "tfidf": set[str]()}


def named_templates(given: Any) -> dict[str, str]:
    """Name → text of each template. Raises whatever a template raises, and TrainingError PD740."""
    return {name: str(Template(value)) for name, value in _named(given, "templates", ())}


def named_verbalizers(given: Any) -> dict[str, Verbalizer]:
    """Name → verbalizer; a mapping whose values are lists is one verbalizer. Raises as `named_templates`."""
    return {name: Verbalizer(value) for name, value in _named(given, "verbalizers", (list, tuple))}


def _named(given: Any, what: str, single: tuple[type, ...]) -> list[tuple[str, Any]]:
    """Names and values; what has no name goes by its text."""
    if isinstance(given, Mapping) and not any(isinstance(value, single) for value in given.values()):
        found = [(str(name), value) for name, value in given.items()]
    else:
        values = list(given) if isinstance(given, (list, tuple)) else [given]
        found = [(printable(_text(value), NAME), value) for value in values]
    names = [name for name, _ in found]
    if not found or not all(names) or any("/" in name for name in names if isinstance(given, Mapping)):
        message = f"{what} need names without /" if found else f"there are no {what}"
        fail("PD740", message, help="give name → text, a list of texts, or one text", origin=what)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        fail("PD740", f'two of the {what} are "{twice}"', help="give each a name: {name: text}", origin=what)
    return found


def _text(value: Any) -> str:
    return str(Verbalizer(value)) if isinstance(value, Mapping) else str(value)


def numbers(name: str, given: Sequence[int], least: int) -> tuple[int, ...]:
    """Whole numbers of at least so much, each once. Raises TrainingError PD740."""
    found = [given] if isinstance(given, int) else list(given)
    for number in found:
        if isinstance(number, bool) or not hasattr(number, "__index__") or int(number) < least:
            message = f"{name} must be whole numbers ≥ {least}, not {printable(repr(number), 40)}"
            fail("PD740", message, help="give such numbers", origin=name)
    if not found:
        fail("PD740", f"there are no {name}", help="give at least one", origin=name)
    return tuple(dict.fromkeys(int(number) for number in found))


def named_settings(
    settings: Mapping[str, Any] | None, choose: Any, templates: Mapping[str, str], baselines: Sequence[str]
) -> dict[str, list[Any]]:
    """Template or baseline → the settings that are tried, as JSON.

    Raises:
        TrainingError: PD740 for a name that is neither an arm's nor an argument, and for values of another shape.
    """
    names = [*templates, *baselines]
    by_name = bool(settings) and all(isinstance(v, Mapping) and n in names for n, v in (settings or {}).items())
    common: Mapping[str, Any] = {} if by_name else settings or {}
    own: Mapping[str, Mapping[str, Any]] = settings or {} if by_name else {}
    found: dict[str, list[Any]] = {name: [{**common, **own.get(name, {})}] for name in templates}
    found |= {name: [dict(own[name])] for name in baselines if name in own}
    for name, candidates in _choices(choose, templates).items():
        found[name] = [{**found[name][0], **candidate} for candidate in candidates]
    for name, tried in found.items():
        for one in tried:
            _check(name, one, templates)
    return {name: [described(one) for one in tried] for name, tried in found.items()}


def _choices(choose: Any, templates: Mapping[str, str]) -> dict[str, Sequence[Mapping[str, Any]]]:
    """Template → candidates."""
    given = choose if isinstance(choose, Mapping) else dict.fromkeys(templates, choose or [])
    for name, candidates in given.items():
        usable = isinstance(candidates, (list, tuple)) and all(isinstance(c, Mapping) for c in candidates)
        if name not in templates or not usable:
            fail("PD740", f'choose["{printable(str(name), 40)}"] is no list of settings of a template',
                 help="give a list of mappings, or template → list", origin="choose")  # fmt: skip
    return {name: candidates for name, candidates in given.items() if candidates}


def _check(name: str, settings: Mapping[str, Any], templates: Mapping[str, str]) -> None:
    """Raise TrainingError PD740 for an argument that the arm does not have."""
    allowed = set(signature(PromptClassifier).parameters) - OWN if name in templates else ALLOWED.get(name, set())
    for key in settings:
        if key not in allowed:
            shown = f'"{printable(str(key), 40)}"'
            what = f"{shown} is given by compare itself" if key in OWN else f'"{printable(name, 40)}" has no {shown}'
            known = ", ".join(sorted(allowed)) or "none"
            fail("PD740", what, help=f"its settings are {known}", origin="settings")
