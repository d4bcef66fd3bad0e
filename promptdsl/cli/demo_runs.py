"""What the demo measures: zero-shot and few-shot accuracy of one task with one language model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from promptdsl.classifier import PromptClassifier
from promptdsl.cli.demo_tasks import SEEDS, SHOTS, Task
from promptdsl.cli.progress import progress
from promptdsl.training.few_shot import few_shot_indices
from promptdsl.verbalizers.calibration import add_bias, fit_class_bias

__all__ = ["Outcome", "Sample", "fitted_on_few", "measure", "sample"]

CHUNK = 20  # rows between two steps of the progress bar


@dataclass(frozen=True, slots=True)
class Sample:
    """One half of a labelled sample: texts and their labels."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Accuracies on the test half: without any labelled row, and after each draw of few rows."""

    zero_shot: float
    few_shot: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean of the few-shot accuracies."""
        return float(np.mean(self.few_shot))

    @property
    def deviation(self) -> float:
        """Their sample standard deviation (n - 1)."""
        return float(np.std(self.few_shot, ddof=1))


def sample(name: str, split: str) -> Sample:
    """The "train" or "test" half of a sample that ships with the package."""
    text = (resources.files("promptdsl") / "samples" / f"{name}.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    chosen = [row for row in rows if row["split"] == split]
    return Sample(tuple(r["text_a"] for r in chosen), tuple(r["label"] for r in chosen))


def measure(task: Task, model: str) -> Outcome:
    """Zero-shot accuracy, and the accuracy with a bias for each class learnt from few rows, for each seed.

    The language model is frozen, so it reads every text once: what `PromptClassifier.fit` learns is a bias on these
    same scores.
    """
    classifier = PromptClassifier(task.template, task.verbalizer, model)
    place = {label: i for i, label in enumerate(classifier.classes_.tolist())}
    train, test = sample(task.sample, "train"), sample(task.sample, "test")
    scores = _scores(classifier, train.texts + test.texts, f"{model} reads {task.sample}")
    wanted = np.array([place[label] for label in train.labels + test.labels])
    (seen, unseen), (given, truth) = (np.split(a, [len(train.texts)]) for a in (scores, wanted))
    few = []
    for seed in SEEDS:
        rows = few_shot_indices(train.labels, SHOTS, seed=seed)
        bias = fit_class_bias(seen[rows], given[rows])
        few.append(float((add_bias(unseen, bias).argmax(1) == truth).mean()))
    return Outcome(float((unseen.argmax(1) == truth).mean()), tuple(few))


def _scores(classifier: PromptClassifier, texts: Sequence[str], title: str) -> NDArray[np.float64]:
    """Class log-probabilities, with a progress bar: (texts, classes)."""
    parts = []
    with progress(title, len(texts)) as advance:
        for start in range(0, len(texts), CHUNK):
            part = texts[start : start + CHUNK]
            parts.append(classifier.predict_log_proba(part))
            advance(len(part))
    return np.concatenate(parts)


def fitted_on_few(task: Task, model: str, verbalizer: str | None = None) -> PromptClassifier:
    """A classifier fitted on the first of the draws, with the task's verbalizer or another."""
    train = sample(task.sample, "train")
    rows = few_shot_indices(train.labels, SHOTS, seed=SEEDS[0])
    classifier = PromptClassifier(task.template, verbalizer or task.verbalizer, model)
    return classifier.fit([train.texts[i] for i in rows], [train.labels[i] for i in rows])
