"""One cell with everything that it takes, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptdsl.comparison.data import Labelled
from promptdsl.comparison.values import Arm, Cell
from promptdsl.models.kept_states import KeptStates
from promptdsl.models.loading import LanguageModel

__all__ = ["Outcome", "Skipped", "Task"]


@dataclass(frozen=True, slots=True)
class Task:
    """A cell, ready to run.

    Attributes:
        cell, arm: what is run.
        template, verbalizer: their texts; "" for a baseline.
        train: the labelled rows drawn for it; none with 0 shots.
        dev: rows to choose settings on.
        test: rows to predict.
        support: rows without labels.
        settings: the settings to choose from, ≥ 1.
        columns: the columns that the templates' texts come from, for baselines.
        lm: the language model, shared by all cells.
        kept: what it said already, where it is frozen.
    """

    cell: Cell
    arm: Arm
    template: str
    verbalizer: str
    train: Labelled = field(repr=False)
    dev: Labelled = field(repr=False)
    test: Labelled = field(repr=False)
    support: Labelled = field(repr=False)
    settings: Sequence[Mapping[str, Any]]
    columns: Sequence[str]
    lm: LanguageModel = field(repr=False)
    kept: KeptStates = field(repr=False)

    @property
    def seed(self) -> int:
        """Of everything random."""
        return self.cell.seed or 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What running a task gave; the fields are those of `CellResult`, `chosen` a number in the task's settings."""

    predicted: Sequence[str] = field(repr=False)
    trained_parameters: int
    fit_seconds: float
    predict_seconds: float
    dev_rows: int = 0
    dev_score: float | None = None
    chosen: int | None = None

    def __str__(self) -> str:
        return f"{len(self.predicted)} predictions after {self.fit_seconds:.1f} s and {self.predict_seconds:.1f} s"


@dataclass(frozen=True, slots=True)
class Skipped:
    """Why a task was not run."""

    status: str
    why: str

    def __str__(self) -> str:
        return f"{self.status}: {self.why}"
