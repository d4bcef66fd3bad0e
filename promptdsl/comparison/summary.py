"""The lines of a study's table: means, spread, intervals, costs, and a paired test against one arm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptdsl.comparison.spec import StudySpec
from promptdsl.comparison.statistics import holm, interval, paired
from promptdsl.comparison.values import DONE, Arm, CellResult

__all__ = ["Line", "correctness", "summarise"]


@dataclass(frozen=True, slots=True)
class Line:
    """An arm at a number of shots, over its seeds.

    Attributes:
        arm, template, verbalizer, shots: which; template and verbalizer are names, "" for a baseline.
        status: "done" if all cells are, "partly" if some are, else the first cell's, or "pending".
        seeds: cells that are done.
        accuracy: their mean accuracy; `low` and `high` are its 95 % interval over seeds and test rows.
        sd: the standard deviation of the accuracy over seeds; None for fewer than two.
        macro_f1: their mean.
        difference: mean accuracy minus that of the study's baseline arm on the same seeds and rows, with its interval.
        p: two-sided, of the paired bootstrap; `p_holm` is corrected for all comparisons of the table.
        trained_parameters, fit_seconds, predict_seconds, train_rows, dev_rows: means over seeds.
        why: why cells are not done.
    """

    arm: str
    template: str
    verbalizer: str
    shots: int
    status: str
    seeds: int = 0
    accuracy: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    macro_f1: float | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    trained_parameters: float | None = None
    fit_seconds: float | None = None
    predict_seconds: float | None = None
    train_rows: float | None = None
    dev_rows: float | None = None
    why: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Column → value."""
        return asdict(self)

    def __str__(self) -> str:
        if self.accuracy is None:
            return f"{self.arm}, {self.shots} shots: {self.status}"
        return f"{self.arm}, {self.shots} shots: accuracy {self.accuracy:.3f} [{self.low:.3f}, {self.high:.3f}]"


def summarise(
    spec: StudySpec, truth: Sequence[str], results: Sequence[CellResult], *, resamples: int, seed: int
) -> list[Line]:
    """The lines of the table, arm by arm in the study's order, shots ascending.

    Args:
        spec: the study.
        truth: (test rows,) the true labels.
        results: what is there; cells that are not count as pending.
        resamples, seed: of the bootstrap.
    """
    by_cell: dict[tuple[str, int], dict[int | None, CellResult]] = {}
    for result in results:
        by_cell.setdefault((result.arm, result.shots), {})[result.seed] = result
    options = {"resamples": resamples, "seed": seed}
    lines = []
    for arm in spec.arms:
        for shots in spec.shots:
            found = by_cell.get((arm.name, shots), {})
            line = _line(arm, shots, spec.seeds_of(shots), found, truth, options)
            against = {} if arm.name == spec.baseline else by_cell.get((spec.baseline, shots), {})
            lines.append(_tested(line, found, against, truth, options))
    tested = [i for i, line in enumerate(lines) if line.p is not None]
    corrected = holm([lines[i].p or 0.0 for i in tested])
    for i, p in zip(tested, corrected, strict=True):
        lines[i] = replace(lines[i], p_holm=p)
    return lines


def correctness(results: Sequence[CellResult], truth: Sequence[str]) -> NDArray[np.float64]:
    """(seeds, test rows) 1 where a prediction is right, of finished cells."""
    return np.array(
        [[r.labels[n] == label for n, label in zip(r.predicted, truth, strict=True)] for r in results], float
    )


def _line(
    arm: Arm,
    shots: int,
    seeds: Sequence[int | None],
    found: Mapping[int | None, CellResult],
    truth: Sequence[str],
    options: dict[str, int],
) -> Line:
    """What an arm did by itself."""
    there = [found[s] for s in seeds if s in found]
    done = [r for r in there if r.status == DONE]
    why = "; ".join(dict.fromkeys(r.why for r in there if r.status != DONE))
    status = DONE if len(done) == len(seeds) else "partly" if done else there[0].status if there else "pending"
    line = Line(arm.name, arm.template, arm.verbalizer, shots, status, len(done), why=why)
    if not done:
        return line
    seen = interval(correctness(done, truth), **options)
    accuracies = [r.accuracy or 0.0 for r in done]
    costs: dict[str, Callable[[CellResult], float | None]] = {
        "macro_f1": lambda r: r.macro_f1,
        "trained_parameters": lambda r: r.trained_parameters,
        "fit_seconds": lambda r: r.fit_seconds,
        "predict_seconds": lambda r: r.predict_seconds,
        "train_rows": lambda r: r.train_rows,
        "dev_rows": lambda r: r.dev_rows,
    }
    means: dict[str, Any] = {name: float(np.mean([of(r) or 0 for r in done])) for name, of in costs.items()}
    sd = float(np.std(accuracies, ddof=1)) if len(done) > 1 else None
    return replace(line, accuracy=seen.mean, sd=sd, low=seen.low, high=seen.high, **means)


def _tested(
    line: Line,
    found: Mapping[int | None, CellResult],
    against: Mapping[int | None, CellResult],
    truth: Sequence[str],
    options: dict[str, int],
) -> Line:
    """With the paired test against another arm, on the seeds that both have finished."""
    both = [s for s in found if s in against and found[s].status == DONE == against[s].status]
    if not both:
        return line
    test = paired(
        correctness([found[s] for s in both], truth), correctness([against[s] for s in both], truth), **options
    )
    d = test.difference
    return replace(line, difference=d.mean, difference_low=d.low, difference_high=d.high, p=test.p)
