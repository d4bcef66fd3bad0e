"""A PromptClassifier as an artefact: its parameters and the type of its labels beside the model that predicts."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from promptdsl.errors import TrainingError
from promptdsl.language.template import Template
from promptdsl.training.artefact import Loaded, load_whole, save
from promptdsl.training.artefact_hub import fetched, pushed
from promptdsl.training.artefact_record import entry, refuse
from promptdsl.training.settings import TrainingSettings

__all__ = ["load_classifier", "push_classifier", "save_classifier"]

# Parameter of the classifier → what it may be; the two strings, the language model and `tune` stand elsewhere.
_PARAMETERS: Mapping[str, Any] = {
    "max_length": int | None,
    "dtype": str,
    "multi_label": bool,
    "batch_size": int,
    "learning_rate": int | float | None,
    "prompt_learning_rate": int | float | None,
    "verbalizer_learning_rate": int | float | None,
    "epochs": int | None,
    "steps": int | None,
    "train_batch_size": int | None,
    "random_state": int | None,
}
# Settings that name places of one machine, or say what is shown on it.
_OF_A_MACHINE = {"output", "checkpoints", "report_to", "verbose"}
_LABELS: Mapping[str, Callable[[str], Any]] = {
    "texts": str,
    "whole numbers": int,
    "booleans": lambda text: text == "True",
}


def save_classifier(
    classifier: Any,
    folder: str | Path,
    *,
    metrics: Mapping[str, Any] | None = None,
    seeds: Mapping[str, Any] | None = None,
) -> None:
    """Write what a classifier learnt, and its parameters; see `promptdsl.training.artefact.save`."""
    record = {
        **{name: _plain(getattr(classifier, name)) for name in _PARAMETERS},
        "settings": None if classifier.settings is None else _settings(classifier.settings),
        "labels": _kind(getattr(classifier, "_labels", None)),
        "columns": getattr(classifier, "n_features_in_", None),
        "trained": getattr(classifier, "_outside_head", None),
    }
    known = {"random_state": record["random_state"]} if seeds is None else seeds
    save(classifier._model(), folder, metrics=metrics, seeds=known, classifier=record)


def load_classifier(made_by: Any, name: str | Path, model: Any, revision: str | None, device: str | None) -> Any:
    """A classifier of a class from a folder, or from a hub.

    Raises:
        FileError: PD830–PD842, as `promptdsl.training.artefact.load`; PD838 for a hub that refuses.
    """
    found = fetched(name, revision)
    loaded = load_whole(found.folder, model, device=device, from_hub=found.from_hub, within=found.within)
    record = loaded.record
    if record.get("classifier") is None:  # a PromptModel was saved: a classifier with what goes along
        given = {name: record[name] for name in ("max_length", "dtype", "multi_label")}
        record = {**record, "classifier": dict.fromkeys(_PARAMETERS) | {"batch_size": 64} | given}
    parameters = {name: entry(record, f"classifier.{name}", kind) for name, kind in _PARAMETERS.items()}
    settings = _settings_from(record["classifier"].get("settings"))
    made = made_by(
        Template(record["template"], limit=None),
        loaded.model.label_words,
        _language_model(loaded, model),
        tune=loaded.model.backbone.tune,
        device=device,
        settings=settings,
        **parameters,
    )
    return _fitted(made, loaded, record["classifier"])


def push_classifier(classifier: Any, name: str, **options: Any) -> str:
    """Save a classifier to scratch and upload it; see `artefact_hub.pushed`."""
    given = {key: options.pop(key, None) for key in ("metrics", "seeds")}
    with tempfile.TemporaryDirectory() as scratch:
        save_classifier(classifier, scratch, **given)
        return pushed(Path(scratch), name, **options)


def _language_model(loaded: Loaded, given: Any) -> Any:
    """What the classifier has as its `model`: what was given, or the name, unless more than the name says which."""
    lm, base = loaded.model.lm, loaded.record["language_model"]
    if given is not None:
        return given
    return lm if base["revision"] or base["dtype"] != "float32" else lm.name


def _fitted(made: Any, loaded: Loaded, record: Mapping[str, Any]) -> Any:
    """The classifier with what `fit` sets; one that was not fitted predicts all the same."""
    made.prompt_model_, made._wrapped = loaded.model, loaded.model.lm
    kind = record.get("labels")
    if kind is not None:
        if not isinstance(kind, str) or kind not in _LABELS:
            refuse("the record does not say what the labels are")
        made._labels, made.training_ = _typed(loaded.model.labels, kind), None
    for attribute, name in (("n_features_in_", "columns"), ("_outside_head", "trained")):
        value = record.get(name)
        if isinstance(value, int):
            setattr(made, attribute, value)
    return made


def _kind(labels: Any) -> str | None:
    """What labels are, None before `fit`."""
    if labels is None:
        return None
    return {"i": "whole numbers", "u": "whole numbers", "b": "booleans"}.get(labels.dtype.kind, "texts")


def _typed(labels: tuple[str, ...], kind: str) -> Any:
    try:
        return np.array([_LABELS[kind](label) for label in labels])
    except (ValueError, OverflowError):
        refuse(f"the labels are no {kind}")


def _plain(value: Any) -> Any:
    """A parameter as JSON can hold it: numpy's numbers as Python's, a random state not at all."""
    if isinstance(value, np.random.RandomState):
        return None
    return value.item() if isinstance(value, np.generic) else value


def _settings(settings: TrainingSettings) -> dict[str, Any]:
    return {name: _plain(value) for name, value in asdict(settings).items() if name not in _OF_A_MACHINE}


def _settings_from(written: Any) -> TrainingSettings | None:
    if written is None:
        return None
    known = {f.name for f in fields(TrainingSettings)} - _OF_A_MACHINE
    if not isinstance(written, Mapping) or not set(written) <= known:
        refuse("the settings are none that training has")
    try:
        return TrainingSettings(**written)
    except (TrainingError, TypeError) as error:
        refuse(f"the settings cannot be used: {error}")
