"""A study with its data and its language model: it runs one cell at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from promptdsl.comparison.baselines import run_majority, run_tfidf
from promptdsl.comparison.data import Labelled
from promptdsl.comparison.described import described, revived
from promptdsl.comparison.fine_tuning import run_fine_tuning
from promptdsl.comparison.prompting import run_prompt
from promptdsl.comparison.spec import StudySpec
from promptdsl.comparison.task import Outcome, Skipped, Task
from promptdsl.comparison.values import FAILED, Arm, Cell, CellResult
from promptdsl.comparison.with_setfit import run_setfit
from promptdsl.errors import PromptDSLError
from promptdsl.models.kept_states import KeptStates
from promptdsl.models.loading import LanguageModel
from promptdsl.training.few_shot import few_shot_split

__all__ = ["BASELINES", "Job"]

# Arms without a template: a new one is an entry and a function.
BASELINES: Mapping[str, Callable[[Task], Outcome | Skipped]] = {
    "majority": run_majority,
    "tfidf": run_tfidf,
    "fine-tuning": run_fine_tuning,
    "setfit": run_setfit,
}


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """All that it takes to run the cells of a study.

    Attributes:
        spec: what is compared.
        train, test: the data.
        dev: given rows to choose settings on; None for few-shot ones.
        lm: the one language model of all arms.
        kept: what it said, frozen, at the masks: no template reads a row twice.
    """

    spec: StudySpec
    train: Labelled
    test: Labelled
    dev: Labelled | None
    lm: LanguageModel = field(repr=False)
    kept: KeptStates = field(default_factory=KeptStates, repr=False)

    def run(self, cell: Cell) -> CellResult:
        """Run a cell; a PromptDSLError is its result, not the study's end."""
        task = self.task(cell)
        runner = BASELINES[task.arm.name] if task.arm.is_baseline else run_prompt
        seen: dict[str, Any] = {"arm": cell.arm, "shots": cell.shots, "seed": cell.seed}
        seen["train_rows"] = len(task.train)
        try:
            outcome = runner(task)
        except PromptDSLError as error:
            first = error.diagnostics[0]
            return CellResult(**seen, status=FAILED, why=f"{first.code} {first.message}")
        if isinstance(outcome, Skipped):
            return CellResult(**seen, status=outcome.status, why=outcome.why)
        return CellResult(**seen, **measures(outcome, task))

    def task(self, cell: Cell) -> Task:
        """A cell with its rows: the same for every arm."""
        arm = self.spec.arm(cell.arm)
        train, dev = self._drawn(cell)
        return Task(
            cell,
            arm,
            self.spec.templates.get(arm.template, ""),
            self.spec.verbalizers.get(arm.verbalizer, ""),
            train,
            dev,
            self.test,
            self._support(cell),
            self.settings(arm),
            self.spec.columns,
            self.lm,
            self.kept,
        )

    def _drawn(self, cell: Cell) -> tuple[Labelled, Labelled]:
        """Rows to train on and to choose on."""
        none = self.train.take([])
        if not cell.shots:
            return none, none
        split = few_shot_split(self.train.labels, cell.shots, seed=cell.seed or 0)
        return self.train.take(split.train), self.train.take(split.dev) if self.dev is None else self.dev

    def _support(self, cell: Cell) -> Labelled:
        """Rows without labels, drawn from all training rows."""
        if not self.spec.support:
            return self.train.take([])
        order = np.random.default_rng([cell.seed or 0, 1]).permutation(len(self.train))
        return self.train.take(sorted(order[: self.spec.support].tolist()))

    def settings(self, arm: Arm) -> Sequence[Mapping[str, Any]]:
        """What an arm's settings are chosen from."""
        return [revived(s) for s in self.spec.settings.get(arm.settings_name) or [{}]]


def measures(outcome: Outcome, task: Task) -> dict[str, Any]:
    """What a CellResult says about predictions; macro-F1 is over the labels that occur in them or in the test rows."""
    labels = sorted({*task.test.labels, *outcome.predicted})
    place = {label: number for number, label in enumerate(labels)}
    wanted, predicted = list(task.test.labels), list(outcome.predicted)
    right = sum(a == b for a, b in zip(wanted, predicted, strict=True))
    return {
        "labels": tuple(labels),
        "predicted": tuple(place[label] for label in predicted),
        "accuracy": right / len(wanted),
        "macro_f1": float(f1_score(wanted, predicted, labels=labels, average="macro", zero_division=0)),
        "trained_parameters": outcome.trained_parameters,
        "fit_seconds": outcome.fit_seconds,
        "predict_seconds": outcome.predict_seconds,
        "dev_rows": outcome.dev_rows,
        "dev_score": outcome.dev_score,
        "chosen": None if outcome.chosen is None else task_settings(task, outcome.chosen),
    }


def task_settings(task: Task, number: int) -> Mapping[str, Any]:
    """The settings of this number, as JSON."""
    return {name: described(value) for name, value in task.settings[number].items()}
