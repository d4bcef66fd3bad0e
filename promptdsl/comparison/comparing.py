"""compare(): templates × verbalizers × shots × seeds, and baselines, on the same splits."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from promptdsl.comparison.arguments import named_settings, named_templates, named_verbalizers, numbers
from promptdsl.comparison.data import Labelled, labelled
from promptdsl.comparison.folder import Folder
from promptdsl.comparison.running import BASELINES, Job
from promptdsl.comparison.spec import StudySpec
from promptdsl.comparison.statistics import WORST, expected_maximum, flattery
from promptdsl.comparison.study import Study
from promptdsl.comparison.values import FAILED, NOT_INSTALLED, CellResult
from promptdsl.comparison.weights import fingerprint
from promptdsl.comparison.working import run_here, run_with_workers
from promptdsl.errors import fail
from promptdsl.language.template import Template
from promptdsl.language.verbalizer import Verbalizer
from promptdsl.models.loading import LanguageModel, as_language_model
from promptdsl.training.targets import Targets

__all__ = ["compare"]

FLATTERED = "PD749"
Progress = Callable[[CellResult], None]


def compare(
    templates: Any,
    verbalizers: Any,
    data: tuple[Any, Any],
    model: Any = "pocket-mlm",
    *,
    shots: Sequence[int] = (0, 4, 16, 64),
    seeds: Sequence[int] = (13, 21, 42, 87, 100),
    settings: Mapping[str, Any] | None = None,
    choose: Any = None,
    dev: Any = None,
    support: int = 0,
    baselines: Sequence[str] = ("majority", "tfidf"),
    baseline: str | None = None,
    folder: str | PathLike[str] | None = None,
    workers: int = 1,
    retry: bool = False,
    label_column: str = "label",
    text_columns: Sequence[str] = (),
    test_rows: int | None = None,
    random_state: int = 0,
    progress: Progress | None = None,
) -> Study:
    """Compare every template with every verbalizer, and baselines, at every number of shots and seed.

    All arms see the same rows: with a seed, k rows of each class of the training data. What is chosen is chosen on true
    few-shot rows (Perez et al. 2021), never on the test rows. Cells that make no sense are shown as such, and a cell
    that fails with a PromptDSLError does not stop the others. All arms share one language model.

    Args:
        templates: name → template, a list, or one template; what has no name goes by its own text.
        verbalizers: the same of verbalizers; one verbalizer may be a mapping label → list of words.
        data: (train, test), each a pair (rows, labels), rows with a label column, or the path of a
            .jsonl, .csv, .tsv, .json or .parquet file.
        model: as for PromptClassifier.
        shots: training rows of each class; a class that has fewer gives what it has.
        seeds: of the draws of rows, and of training. Without shots nothing is drawn, and there is one cell.
        settings: PromptClassifier's arguments for all templates, or template or baseline → arguments.
        choose: a list of settings to choose from in each cell, or template → list; they go on top of `settings`.
        dev: rows to choose on, given like train; by default they are drawn from what train has left, at most as many
            of each class as there are shots.
        support: training rows without labels, drawn with the seed, for refine and calibrate steps.
        baselines: of "majority", "tfidf", "fine-tuning" and "setfit".
        baseline: the arm that others are tested against, `template/verbalizer` or a baseline; by default the first
            template without anything to train, with the first verbalizer.
        folder: where each finished cell is kept. A study that was cut short goes on from there; one with more
            templates, verbalizers, shots or seeds extends it. The rows are kept there too, for workers.
        workers: processes to run at once, through Optuna; they take a folder. More, on other machines that see the
            folder, are started with `promptdsl.comparison.work(folder)`.
        retry: run the cells again that failed.
        label_column, text_columns: of train and test; text columns are known as `text_a`, `text_b` too.
        test_rows: predict only so many test rows, drawn with `random_state`.
        random_state: the seed of that draw.
        progress: called with each result, as soon as it is there.

    Raises:
        PromptDSLError: PD1–PD4 for strings that cannot be read, PD740 for other arguments, PD741 for data, PD742 for a
            folder of another study, PD744 for workers without Optuna, PD748 for workers that could not be given the
            model or the data; PD701 for labels that a verbalizer does not have.

    Warns:
        UserWarning: PD749 where settings are chosen on more rows than a few-shot learner has, and how much that can
            flatter.
    """
    texts, words = named_templates(templates), named_verbalizers(verbalizers)
    train, test, own_dev = _read(data, dev, label_column, tuple(text_columns), test_rows, random_state)
    _check_labels(words, train, test, own_dev)
    lm = _language_model(model, settings)
    chosen_from = named_settings(settings, choose, texts, tuple(baselines))
    spec = StudySpec(
        templates=texts,
        verbalizers={name: str(verbalizer) for name, verbalizer in words.items()},
        baselines=_known(baselines, texts),
        settings=chosen_from,
        model={"name": lm.name, "weights": fingerprint(lm)},
        data={"train": train.checksum, "test": test.checksum, "dev": own_dev.checksum if own_dev else ""},
        shots=tuple(sorted(numbers("shots", shots, 0))),
        seeds=numbers("seeds", seeds, 0),
        support=numbers("support", [support], 0)[0],
        dev="few-shot" if own_dev is None else f"{len(own_dev)} given rows",
        random_state=random_state,
    )
    spec = _against(spec, baseline)
    _warn_of_flattery(spec, own_dev, len(set(train.labels)))
    job = Job(spec, train, test, own_dev, lm)
    if numbers("workers", [workers], 1)[0] > 1:
        return _with_workers(job, model, folder, workers, retry, progress)
    return _alone(job, model, folder, retry, progress)


def _alone(job: Job, model: Any, folder: Any, retry: bool, progress: Progress | None) -> Study:
    """All cells in this process."""
    if folder is None:
        found = []
        for cell in job.spec.cells:
            found.append(job.run(cell))
            if progress is not None:
                progress(found[-1])
        return Study(job.spec, job.test.labels, tuple(found))
    files, job = _opened(job, model, folder, retry)
    run_here(job, files, progress)
    return Study.load(folder)


def _with_workers(job: Job, model: Any, folder: Any, workers: int, retry: bool, progress: Progress | None) -> Study:
    """All cells in other processes, which share the folder."""
    if folder is None:
        fail("PD740", f"{workers} workers and no folder", help="give folder: it is what they share", origin="workers")
    if not isinstance(model, (str, PathLike)):
        fail("PD748", "workers load the language model by its name, and an object was given",
             help="give a name or a folder, or workers=1", origin="model")  # fmt: skip
    if not all(part.is_json for part in (job.train, job.test, job.dev) if part is not None):
        fail("PD748", "the rows hold values that JSON does not have", origin="data",
             help="give texts, numbers and lists, or workers=1")  # fmt: skip
    files, job = _opened(job, model, folder, retry)
    run_with_workers(job.spec, files, workers, progress)
    return Study.load(folder)


def _opened(job: Job, model: Any, folder: Any, retry: bool) -> tuple[Folder, Job]:
    """The folder with the study written down, what is to be run again removed, and the job as the folder has it."""
    files = Folder(Path(folder))
    spec = files.open(job.spec, job.test.labels)
    named = str(model) if isinstance(model, (str, PathLike)) else None
    rows = {"train": job.train, "test": job.test, "dev": job.dev}
    shared = all(part is None or part.is_json for part in rows.values())
    files.write_data({"model": named} | {n: part.as_json() for n, part in rows.items() if shared and part is not None})
    again = {NOT_INSTALLED, FAILED} if retry else {NOT_INSTALLED}
    for result in files.results(spec):
        if result.status in again:
            files.forget(spec, result.cell)
    return files, Job(spec, job.train, job.test, job.dev, job.lm)


def _read(
    data: Any, dev: Any, label_column: str, text_columns: tuple[str, ...], test_rows: int | None, random_state: int
) -> tuple[Labelled, Labelled, Labelled | None]:
    """Training, test and given development rows."""
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        remedy = "each is (rows, labels), rows with a label column, or a path"
        fail("PD741", "data is a pair (train, test)", help=remedy, origin="data")
    train, test = (
        labelled(part, label_column, text_columns, origin=name)
        for part, name in zip(data, ("train", "test"), strict=True)
    )
    if test_rows is not None and numbers("test_rows", [test_rows], 1)[0] < len(test):
        order = np.random.default_rng(random_state).permutation(len(test))
        test = test.take(sorted(order[:test_rows].tolist()))
    return train, test, None if dev is None else labelled(dev, label_column, text_columns, origin="dev")


def _check_labels(words: Mapping[str, Verbalizer], *parts: Labelled | None) -> None:
    """Raise TrainingError PD701 for a label that a verbalizer does not have, before anything is run."""
    for verbalizer in words.values():
        for part in parts:
            if part is not None:
                Targets.of(part.labels, verbalizer.labels, len(part))


def _language_model(model: Any, settings: Mapping[str, Any] | None) -> LanguageModel:
    """The one language model of all arms, where all settings say in which type and on what device."""
    given = {name: (settings or {}).get(name) for name in ("dtype", "device")}
    options = {name: value for name, value in given.items() if isinstance(value, str)}
    return as_language_model(model, **options)


def _known(baselines: Sequence[str], templates: Mapping[str, str]) -> tuple[str, ...]:
    names = (baselines,) if isinstance(baselines, str) else tuple(dict.fromkeys(baselines))
    for name in names:
        if name not in BASELINES or name in templates:
            what = "is the name of a template too" if name in templates else "is no baseline"
            fail("PD740", f'"{name}" {what}', help=f"baselines are {', '.join(BASELINES)}", origin="baselines")
    return names


def _against(spec: StudySpec, wanted: str | None) -> StudySpec:
    """With the arm that others are tested against."""
    names = [arm.name for arm in spec.arms]
    if wanted is None:
        hard = [a.name for a in spec.arms if not a.is_baseline and _is_hard(spec, a.template)]
        return replace(spec, baseline=(hard or names)[0])
    found = [name for name in names if name in (wanted, f"{wanted}/{next(iter(spec.verbalizers))}")]
    if not found:
        fail("PD740", f'there is no arm "{wanted}" to test against', help=f"arms are {', '.join(names)[:200]}",
             origin="baseline")  # fmt: skip
    return replace(spec, baseline=found[0])


def _is_hard(spec: StudySpec, template: str) -> bool:
    """Whether nothing but the verbalizer is trained."""
    settings = spec.settings.get(template) or [{}]
    return not Template(spec.templates[template]).soft and all(s.get("tune", "prompt") == "prompt" for s in settings)


def _warn_of_flattery(spec: StudySpec, dev: Labelled | None, classes: int) -> None:
    """Say by how much choosing on given rows can be better than choosing on as few rows as are trained on."""
    candidates = max((len(s) for s in spec.settings.values()), default=1)
    fewest = min((k for k in spec.shots if k), default=0) * classes
    if dev is None or candidates < 2 or not 0 < fewest < len(dev):
        return
    points = 100 * flattery(candidates, len(dev), fewest)
    noise = 100 * expected_maximum(candidates) * WORST / len(dev) ** 0.5
    warnings.warn(
        f"{FLATTERED} choosing from {candidates} settings on {len(dev)} rows, where {fewest} are trained on, can raise "
        f"the accuracy by up to {points:.1f} points over a true few-shot choice; the score of what is chosen is, on "
        f"these rows, too good by up to {noise:.1f} points more. Leave out dev to choose on few-shot rows",
        UserWarning,
        stacklevel=3,
    )
