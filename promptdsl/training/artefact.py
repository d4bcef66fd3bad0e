"""Saving and loading what was trained: two strings, the digest of a language model, and the tensors that are new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from promptdsl import __version__
from promptdsl.encoding.compiler import bind
from promptdsl.errors import fail, printable
from promptdsl.language.nodes import Tag
from promptdsl.language.template import Template
from promptdsl.models.artefact_files import read_files, write_files
from promptdsl.models.backbone import Backbone
from promptdsl.models.loading import torch_dtype
from promptdsl.models.prompt import Prompt
from promptdsl.models.prompt_model import PromptModel
from promptdsl.training.artefact_base import BaseModel, base_model
from promptdsl.training.artefact_record import entry, refuse, verbalizer_from_json, verbalizer_to_json
from promptdsl.training.artefact_tensors import give_back, trained_tensors
from promptdsl.training.artefact_tune import tune_from_json, tune_to_json
from promptdsl.training.card import write_card

__all__ = ["Loaded", "load", "load_whole", "save"]


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A model from an artefact, and the artefact's record."""

    model: PromptModel
    record: Mapping[str, Any] = field(repr=False)

    def __str__(self) -> str:
        return f"{self.model}\n  metrics     {dict(self.record['metrics'])}"


def save(
    model: Any,
    folder: str | Path,
    *,
    metrics: Mapping[str, Any] | None = None,
    seeds: Mapping[str, Any] | None = None,
    classifier: Mapping[str, Any] | None = None,
) -> None:
    """Write what was trained and fitted of a model to a folder, and a model card if the user has put none there.

    Killed at any moment, the folder has what it had before, or this. The language model is not written, but for what of
    it was trained. Solved examples (a demos tag) are rows of the fitted data, and are written as token ids.

    Args:
        model: a PromptModel, or a PromptClassifier, which is then saved as by its `save_pretrained`.
        folder: it is made if it is not there; other files in it stay.
        metrics: scores by name, for the card.
        seeds: the seeds that it was trained with, by name.
        classifier: the parameters of a classifier around the model.

    Raises:
        TrainingError: PD713 for a model that lacks the rows that its strings need.
        FileError: PD804 if the system refuses, PD839 for what cannot be saved.
    """
    if not isinstance(model, PromptModel):
        if not hasattr(model, "save_pretrained"):
            message = f"{type(model).__name__} is neither a PromptModel nor a PromptClassifier"
            fail("PD839", message, help="give one of these", origin="model")
        model.save_pretrained(folder, metrics=metrics, seeds=seeds)
        return
    model.require_fitted()
    record = _record(model) | {
        "metrics": _mapping("metrics", metrics),
        "seeds": _mapping("seeds", seeds),
        "classifier": None if classifier is None else dict(classifier),
    }
    write_files(folder, record, trained_tensors(model))
    write_card(folder, record)


def load(folder: str | Path, model: Any = None, *, device: str | None = None) -> PromptModel:
    """The model of an artefact: it says what it said when it was saved, to the last bit.

    Args:
        folder: where `save` wrote it.
        model: the language model, as PromptModel takes it; by default the one that the artefact names. It must have
            the very weights, in the same number format, that the artefact was trained on; the device does not matter.
        device: a torch device; by default the CPU for a name, and where a given model is.

    Raises:
        FileError: PD830–PD842 for whatever is wrong with the artefact, or does not go with the language model.
        PromptDSLError: what PromptModel raises.
    """
    return load_whole(folder, model, device=device).model


def load_whole(
    folder: str | Path,
    model: Any = None,
    *,
    device: str | None = None,
    from_hub: bool = False,
    within: Path | None = None,
) -> Loaded:
    """As `load`, with the record; of an artefact `from_hub` a folder that it names is not looked for.

    `within` is the folder that links of the artefact's files may lead into.
    """
    stored = read_files(folder, within=within)
    record = stored.record
    for name in ("metrics", "seeds"):
        entry(record, name, dict)
    base = BaseModel.from_json(record)
    template = Template(entry(record, "template", str), origin="template of the artefact", limit=None)
    written = verbalizer_from_json(record, "verbalizer.written")
    found = verbalizer_from_json(record, "verbalizer.found", found=True)
    tune = tune_from_json(record.get("tune"))
    options: dict[str, Any] = {"dtype": entry(record, "dtype", str), "device": device}
    limit, several = entry(record, "max_length", int | None), entry(record, "multi_label", bool)
    lm = base_model(base, model, device=device, from_hub=from_hub)
    backbone = Backbone(lm, tune=tune, device=device, dtype=torch_dtype(options["dtype"]))
    prompt = Prompt(bind(_without_files(template), lm.text, family=lm.family), backbone)
    options |= {"tune": tune, "max_length": limit, "multi_label": several, "backbone": backbone, "prompt": prompt}
    made = PromptModel(lm, template, found, **options)
    prompt.program, made.label_words = made.program, written
    if tuple(entry(record, "labels", list)) != made.labels:
        refuse("the labels are not those of the verbalizer")
    seed = record.get("examples_seed")
    give_back(made, stored.tensors, seed if isinstance(seed, int) else 0)
    prompt.trained()
    made.unfitted = frozenset()
    if made.program.demos is not None and made.demos is None:
        refuse("the solved examples of the template are missing")
    made.eval()
    return Loaded(made, record)


def _record(model: PromptModel) -> dict[str, Any]:
    view, base = model.backbone.output_weight.dtype, BaseModel.of(model.lm)
    dtype = str(view).removeprefix("torch.")
    head, step = model.head, next((s for s in model.verbalizer.verbalizer.steps if s.kind == "calibrate"), None)
    return {
        "promptdsl": __version__,
        "template": model.template.source,
        "verbalizer": {
            "written": verbalizer_to_json(model.label_words),
            "found": verbalizer_to_json(model.verbalizer.verbalizer),
        },
        "labels": list(model.labels),
        "language_model": base.to_json(),
        "tune": tune_to_json(model.backbone.tune),
        "dtype": "auto" if dtype == base.dtype else dtype,
        "max_length": model.max_length,
        "multi_label": model.multi_label,
        "calibration": {"step": None if step is None else str(step.value), "bias": _numbers(head.bias)},
        "examples": 0 if model.demos is None else len(model.demos.demonstrations),
        "examples_seed": 0 if model.demos is None else model.demos.seed,
    }


def _numbers(tensor: torch.Tensor) -> list[float]:
    """For people; the exact numbers are among the tensors."""
    return [round(number, 6) for number in tensor.double().tolist()]


def _mapping(name: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """A mapping with plain numbers in it, as numpy's and torch's are not."""
    if given is not None and (not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given)):
        message = f"{name} are given by name, not as {printable(repr(given), 60)}"
        fail("PD839", message, help=f'write {name}={{"accuracy": 0.9}}', origin=name)
    return {key: value.item() if hasattr(value, "item") else value for key, value in (given or {}).items()}


def _without_files(template: Template) -> Template:
    """The template without the files that vectors started from: what they became is in the artefact."""
    pieces = [
        replace(p, attributes=tuple(a for a in p.attributes if (a.key, str(a.value)[:5]) != ("init", "file:")))
        if isinstance(p, Tag)
        else p
        for p in template.pieces
    ]
    return Template.from_pieces(pieces)
