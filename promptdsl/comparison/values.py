"""What is compared and what came out, one frozen value for each: arms, cells, results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["DONE", "FAILED", "NOT_INSTALLED", "NO_SENSE", "Arm", "Cell", "CellResult"]

# What a finished cell can be.
DONE, NO_SENSE, FAILED, NOT_INSTALLED = "done", "no sense", "failed", "not installed"


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to classify: a template with a verbalizer, or a baseline.

    Attributes:
        name: `template/verbalizer`, or the baseline's name.
        template, verbalizer: their names; "" for a baseline.
    """

    name: str
    template: str = ""
    verbalizer: str = ""

    @property
    def is_baseline(self) -> bool:
        """Whether it has no template of its own."""
        return not self.template

    @property
    def settings_name(self) -> str:
        """The name that its settings go by: the template's, or the baseline's."""
        return self.template or self.name

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Cell:
    """One run: an arm, on so many rows of each class, drawn with a seed; None where nothing is drawn."""

    arm: str
    shots: int
    seed: int | None

    def __str__(self) -> str:
        return f"{self.arm}, {self.shots} shots" + ("" if self.seed is None else f", seed {self.seed}")


@dataclass(frozen=True, slots=True)
class CellResult:
    """What a cell came to.

    Attributes:
        arm, shots, seed: the cell.
        status: "done", "no sense" (0 shots where something has to be learnt), "failed" or "not installed".
        why: the reason of any other status than "done"; of a failure the error's code and message.
        labels: (classes,) what the numbers in `predicted` stand for.
        predicted: (test rows,) the predicted class of each row, a number in `labels`.
        accuracy, macro_f1: on the test rows, from 0 to 1.
        trained_parameters: how many numbers were learnt.
        fit_seconds: of training, with all that was tried where settings were chosen.
        predict_seconds: of predicting the test rows.
        train_rows, dev_rows: labelled rows that were trained and chosen on.
        dev_score: accuracy of the chosen settings on the dev rows, which is too good: they were chosen by it.
        chosen: the settings that were chosen, where several were given.
    """

    arm: str
    shots: int
    seed: int | None
    status: str = DONE
    why: str = ""
    labels: tuple[str, ...] = ()
    predicted: tuple[int, ...] = field(default=(), repr=False)
    accuracy: float | None = None
    macro_f1: float | None = None
    trained_parameters: int | None = None
    fit_seconds: float | None = None
    predict_seconds: float | None = None
    train_rows: int = 0
    dev_rows: int = 0
    dev_score: float | None = None
    chosen: Mapping[str, Any] | None = None

    @property
    def cell(self) -> Cell:
        """The cell that it is the result of."""
        return Cell(self.arm, self.shots, self.seed)

    def as_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> CellResult:
        """Back from `as_json`."""
        lists = {"labels": tuple(content["labels"]), "predicted": tuple(content["predicted"])}
        return cls(**{**content, **lists})

    def __str__(self) -> str:
        if self.status != DONE:
            return f"{self.cell}: {self.status} ({self.why})"
        return f"{self.cell}: accuracy {self.accuracy:.3f}, {self.fit_seconds:.1f} s to fit"
