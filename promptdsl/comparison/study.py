"""A finished, or unfinished, study: one frozen value that can be tabled, saved, loaded and drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptdsl.comparison.folder import Folder
from promptdsl.comparison.spec import StudySpec
from promptdsl.comparison.statistics import RESAMPLES
from promptdsl.comparison.summary import Line, summarise
from promptdsl.comparison.values import Cell, CellResult
from promptdsl.errors import fail

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["Study"]

# Columns of the printed table: heading → attribute of a Line, and how it is written.
_SHOWN = {
    "arm": ("arm", "{}"),
    "shots": ("shots", "{}"),
    "seeds": ("seeds", "{}"),
    "accuracy": ("accuracy", "{:.3f}"),
    "sd": ("sd", "{:.3f}"),
    "difference": ("difference", "{:+.3f}"),
    "p (Holm)": ("p_holm", "{:.4f}"),
    "trained": ("trained_parameters", "{:,.0f}"),
    "fit s": ("fit_seconds", "{:.2f}"),
}


@dataclass(frozen=True, slots=True)
class Study:
    """What `compare` found.

    Attributes:
        spec: what was compared: templates, verbalizers, baselines, shots, seeds, settings, and the arm that the
            others are tested against.
        truth: (test rows,) the true labels.
        results: of the cells that are finished, in the order of `spec.cells`.
    """

    spec: StudySpec
    truth: tuple[str, ...] = field(repr=False)
    results: tuple[CellResult, ...] = field(repr=False)

    @property
    def pending(self) -> tuple[Cell, ...]:
        """The cells that are not finished."""
        finished = {result.cell for result in self.results}
        return tuple(cell for cell in self.spec.cells if cell not in finished)

    def lines(self, *, resamples: int = RESAMPLES, seed: int = 0) -> list[Line]:
        """One Line for each arm and number of shots: what `table` and `rows` show."""
        return summarise(self.spec, self.truth, self.results, resamples=resamples, seed=seed)

    def rows(self, *, resamples: int = RESAMPLES, seed: int = 0) -> list[dict[str, Any]]:
        """The table as dicts, without pandas; the columns are the attributes of `Line`."""
        return [line.as_dict() for line in self.lines(resamples=resamples, seed=seed)]

    def table(self, *, resamples: int = RESAMPLES, seed: int = 0) -> DataFrame:
        """The table as a DataFrame, a row for each arm and number of shots; the columns are the attributes of `Line`.

        Args:
            resamples, seed: of the paired bootstrap over seeds and test rows.

        Raises:
            TrainingError: PD745 where pandas is not installed.
        """
        return _frame(self.rows(resamples=resamples, seed=seed))

    def records(self) -> list[dict[str, Any]]:
        """The long table: a dict for each cell, in the order of `spec.cells`, without the predictions.

        The columns are the attributes of `CellResult`, with `template` and `verbalizer` beside the arm.
        """
        arms = {arm.name: arm for arm in self.spec.arms}
        found = {result.cell: result for result in self.results}
        records = []
        for cell in self.spec.cells:
            result = found.get(cell) or CellResult(cell.arm, cell.shots, cell.seed, status="pending")
            values = {k: v for k, v in result.as_json().items() if k not in ("labels", "predicted")}
            arm = arms[cell.arm]
            records.append({"arm": values.pop("arm"), "template": arm.template, "verbalizer": arm.verbalizer, **values})
        return records

    def save(self, folder: str | PathLike[str]) -> None:
        """Write everything that it takes to table and draw the study again; neither rows nor weights.

        Args:
            folder: a new one, or one that holds the same study, whose cells stay.

        Raises:
            TrainingError: PD742 if the folder holds another study.
            FileError: PD804 where it cannot be written.
        """
        files = Folder(Path(folder))
        files.open(self.spec, self.truth)
        for result in self.results:
            if files.result(self.spec, result.cell) != result:
                files.keep(self.spec, result)

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> Study:
        """The study of a folder, finished or not. A damaged cell is pending.

        Raises:
            TrainingError: PD743 if there is none, or it cannot be read.
        """
        files = Folder(Path(folder))
        spec, truth = files.require()
        return cls(spec, truth, tuple(files.results(spec)))

    def plot(self, which: str = "all") -> Figure:
        """Learning curves with bands, accuracy against cost, and the spread of templates: `comparison.drawing`.

        Args:
            which: "curves", "cost", "templates", or "all" for one figure of all three.

        Raises:
            TrainingError: PD770 for another name of a picture.
            FileError: PD820 where matplotlib is not installed.
        """
        from promptdsl.comparison.drawing import draw

        return draw(self, which)

    def report(self, path: str | PathLike[str]) -> None:
        """Write one HTML file that needs nothing else: the table, the pictures, the strings, what failed and why.

        Raises:
            FileError: PD804 where it cannot be written.
        """
        from promptdsl.comparison.publishing import write_report

        write_report(self, Path(path))

    def __str__(self) -> str:
        lines = [
            [_cell(getattr(line, name), how) for name, how in _SHOWN.values()] + [_remark(line)]
            for line in self.lines()
        ]
        head = [*_SHOWN, ""]
        wide = [max(len(row[i]) for row in [head, *lines]) for i in range(len(head))]
        shown = ["  ".join(v.rjust(w) if i else v.ljust(w) for i, (v, w) in enumerate(zip(row, wide, strict=True)))
                 for row in [head, *lines]]  # fmt: skip
        against = f"differences are to {self.spec.baseline}" if self.spec.baseline else ""
        return "\n".join([str(self.spec), *(line.rstrip() for line in shown), against]).rstrip()


def _cell(value: Any, how: str) -> str:
    return "–" if value is None else how.format(value)


def _remark(line: Line) -> str:
    return "" if line.status == "done" else line.status


def _frame(rows: list[dict[str, Any]]) -> DataFrame:
    try:
        import pandas
    except ImportError:
        fail("PD745", "a DataFrame takes pandas", help='pip install "promptdsl[datasets]", or use rows()',
             origin="study")  # fmt: skip
    return pandas.DataFrame(rows)
