"""A cell of a template and a verbalizer: fit on its shots, choose settings on its few-shot dev rows, predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from promptdsl.classifier import PromptClassifier
from promptdsl.comparison.task import Outcome, Skipped, Task
from promptdsl.comparison.values import NO_SENSE
from promptdsl.errors import PromptDSLError
from promptdsl.models.kept_states import KeptStates, keeping

__all__ = ["run_prompt"]


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A fitted classifier, and how good it is on the dev rows: by accuracy, then by log-likelihood."""

    number: int
    classifier: PromptClassifier
    accuracy: float | None = None
    log_likelihood: float = 0.0

    @property
    def rank(self) -> tuple[float, float]:
        return self.accuracy or 0.0, self.log_likelihood


def run_prompt(task: Task) -> Outcome | Skipped:
    """Fit and predict; without shots predict at once.

    Raises:
        PromptDSLError: whatever fitting and predicting raise; with several settings only if all of them fail.
    """
    skipped = _untrainable(task)
    if skipped is not None:
        return skipped
    with keeping(task.kept):
        return _run(task)


def _run(task: Task) -> Outcome | Skipped:
    clock = _Clock(task.kept)
    choosing = len(task.settings) > 1 and len(task.dev) > 0 and task.cell.shots > 0
    try:
        best = _best(task) if choosing else _Fitted(0, _fitted(task, task.settings[0]))
        fit_seconds = clock.lap()
        log_p = best.classifier.predict_log_proba(task.test.rows)
    except PromptDSLError as error:
        if error.code == "PD713" and not task.cell.shots:
            return Skipped(NO_SENSE, error.diagnostics[0].message)
        raise
    predicted = [str(label) for label in best.classifier.classes_[log_p.argmax(1)]]
    return Outcome(
        predicted,
        _trained_parameters(best.classifier) if task.cell.shots else 0,
        fit_seconds,
        clock.lap(),
        dev_rows=len(task.dev) if choosing else 0,
        dev_score=best.accuracy,
        chosen=best.number if len(task.settings) > 1 else None,
    )


class _Clock:
    """Seconds that something would take by itself: those saved by states that other cells left behind are added."""

    def __init__(self, kept: KeptStates) -> None:
        self._kept = kept
        self._start = self._now()

    def _now(self) -> float:
        return perf_counter() + self._kept.saved

    def lap(self) -> float:
        """Seconds since the last call."""
        before, self._start = self._start, self._now()
        return self._start - before


def _untrainable(task: Task) -> Skipped | None:
    """Why the cell makes no sense without shots."""
    if task.cell.shots:
        return None
    if task.settings[0].get("tune", "prompt") != "prompt":
        return Skipped(NO_SENSE, "the language model is tuned, and there are no shots")
    return None


def _fitted(task: Task, settings: Mapping[str, Any]) -> PromptClassifier:
    """A classifier with these settings, fitted where there are rows to fit on."""
    given = {"random_state": task.seed, **settings}
    classifier = PromptClassifier(task.template, task.verbalizer, task.lm, **given)
    support = task.support.rows if len(task.support) else None
    if task.cell.shots:
        return classifier.fit(task.train.rows, list(task.train.labels), support=support)
    try:
        classifier.predict_log_proba(task.test.rows[:0])  # what can predict needs no rows
    except PromptDSLError as error:
        if error.code != "PD713" or support is None:
            raise
        classifier.fit(support)
    return classifier


def _best(task: Task) -> _Fitted:
    """The settings that do best on the dev rows, of those that can be fitted; of equal ones the first."""
    best: _Fitted | None = None
    failure: PromptDSLError | None = None
    for number, settings in enumerate(task.settings):
        try:
            tried = _judged(task, number, _fitted(task, settings))
        except PromptDSLError as error:
            failure = error
            continue
        if best is None or tried.rank > best.rank:
            best = tried
    if best is None:
        assert failure is not None
        raise failure
    return best


def _judged(task: Task, number: int, classifier: PromptClassifier) -> _Fitted:
    """With its accuracy and mean log-likelihood on the dev rows."""
    log_p = classifier.predict_log_proba(task.dev.rows)
    classes = [str(label) for label in classifier.classes_]
    wanted = np.array([classes.index(label) for label in task.dev.labels])
    accuracy = float((log_p.argmax(1) == wanted).mean())
    return _Fitted(number, classifier, accuracy, float(log_p[np.arange(len(wanted)), wanted].mean()))


def _trained_parameters(classifier: PromptClassifier) -> int:
    """Numbers that fitting changed."""
    known = getattr(classifier, "trained_parameters_", None)
    if known is not None:
        return int(known)
    groups = classifier.prompt_model_.parameter_groups()
    return sum(p.numel() for group in groups.values() for p in group)
