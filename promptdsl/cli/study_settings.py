"""[settings] and [[choose]] of a study file → the `settings` and `choose` of compare()."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from inspect import signature
from typing import TYPE_CHECKING, Any

from promptdsl.classifier import PromptClassifier
from promptdsl.comparison.arguments import ALLOWED, OWN, named_templates
from promptdsl.errors import PromptDSLError, fail
from promptdsl.training.settings import TrainingSettings

if TYPE_CHECKING:
    from promptdsl.cli.study_file import Findings

__all__ = ["settings_of"]

CLASSIFIER = set(signature(PromptClassifier).parameters) - OWN - {"settings", "verbose"}
# Settings of training that a classifier has no argument for; those of one machine, and seeds, are no part of a study.
TRAINING = {f.name for f in fields(TrainingSettings)} - CLASSIFIER
TRAINING -= {"seed", "verbose", "report_to", "output", "checkpoints", "save_steps", "logging_steps"}
KNOWN = (*sorted(CLASSIFIER), *sorted(TRAINING))


def settings_of(content: Mapping[str, Any], templates: Any, findings: Findings) -> dict[str, Any]:
    """What compare() takes: each template's settings, those of all templates under its own; and what to choose from.

    Args:
        content: the study file.
        templates: as compare() takes them.
        findings: gets what is wrong.
    """
    names = _names(templates, findings)
    baselines = list(content.get("baselines", ("majority", "tfidf")))
    given = content.get("settings", {})
    own = {key: value for key, value in given.items() if isinstance(value, Mapping) and key in (*names, *baselines)}
    common = {key: value for key, value in given.items() if key not in own}
    _check(common, KNOWN, findings, "settings", more=(*names, *baselines))
    for name, values in own.items():
        _check(values, KNOWN if name in names else sorted(ALLOWED.get(name, ())), findings, "settings", name)
    merged = {name: {**common, **own.get(name, {})} for name in names}
    choices = _choices(content.get("choose", []), names, findings)
    if findings.found:
        return {}
    found: dict[str, Any] = {name: _folded(values, findings, "settings") for name, values in merged.items() if values}
    found |= {name: dict(own[name]) for name in baselines if name in own}
    choose = {
        name: [
            _folded({**{k: v for k, v in merged[name].items() if k in TRAINING}, **one}, findings, "choose")
            for one in tried
        ]
        for name, tried in choices.items()
    }
    return {"settings": found or None, "choose": choose or None}


def _names(templates: Any, findings: Findings) -> list[str]:
    """The names of the templates; of those without, compare()'s, where they can be read."""
    if isinstance(templates, Mapping) or findings.found:
        return list(templates) if isinstance(templates, Mapping) else []
    try:
        return list(named_templates(templates))
    except PromptDSLError as error:
        findings.take(error, "templates")
        return []


def _choices(given: Any, names: Sequence[str], findings: Findings) -> dict[str, Sequence[Mapping[str, Any]]]:
    """Template → candidates, checked."""
    by_name: dict[str, Any] = (
        dict(given) if isinstance(given, Mapping) else dict.fromkeys(names, given) if given else {}
    )
    for name in by_name:
        if name not in names:
            findings.unknown(names, "choose", name)
    for tried in by_name.values() if isinstance(given, Mapping) else [given]:
        for one in tried:
            _check(one, KNOWN, findings, "choose")
    return by_name


def _check(
    given: Mapping[str, Any], known: Sequence[str], findings: Findings, *path: str, more: Sequence[str] = ()
) -> None:
    for key in given:
        if key not in known:
            findings.unknown((*more, *known), *path, key)


def _folded(given: Mapping[str, Any], findings: Findings, what: str) -> dict[str, Any]:
    """With what only TrainingSettings has as such, and a table `tune` as a PEFT configuration."""
    found = {key: value for key, value in given.items() if key not in TRAINING}
    try:
        training: dict[str, Any] = {key: value for key, value in given.items() if key in TRAINING}
        if training:
            found["settings"] = TrainingSettings(**training)
        if isinstance(found.get("tune"), Mapping):
            found["tune"] = _peft(found["tune"])
    except PromptDSLError as error:
        findings.take(error, what)
    return found


def _peft(given: Mapping[str, Any]) -> Any:
    """{peft_type = "LORA", r = 8, …}. Raises TrainingError PD740."""
    try:
        from peft import get_peft_config
    except ImportError:
        fail("PD740", "a table tune is a PEFT configuration", help='pip install "promptdsl[peft]"', origin="tune")
    try:
        return get_peft_config(dict(given))
    except (KeyError, TypeError, ValueError) as error:
        fail("PD740", f"tune is no PEFT configuration: {error}", origin="tune",
             help='write tune = {peft_type = "LORA", r = 8, target_modules = ["query", "value"]}')  # fmt: skip
