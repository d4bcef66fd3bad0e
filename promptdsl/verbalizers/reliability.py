"""How far predicted probabilities can be believed: confidence against accuracy, bin by bin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from promptdsl.errors import fail

__all__ = ["Reliability", "ReliabilityBin", "expected_calibration_error", "reliability_bins"]

WIDTH = 40  # characters of a full bar


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Predictions with a confidence above `low` and up to `high`: how many, how confident, how often right.

    `confidence` and `accuracy` are means from 0 to 1; NaN where the bin is empty.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float

    def __str__(self) -> str:
        head = f"{self.low:.2f}–{self.high:.2f} {self.count:>7,}"
        if not self.count:
            return head
        bar = ["█" if i < round(self.accuracy * WIDTH) else "·" for i in range(WIDTH)]
        bar[min(WIDTH - 1, round(self.confidence * WIDTH))] = "|"
        return f"{head}  {self.confidence:10.3f}  {self.accuracy:8.3f}  {''.join(bar)}"


@dataclass(frozen=True, slots=True)
class Reliability:
    """A reliability diagram; `str` draws it: the bar is the accuracy, the stroke where it should end."""

    bins: tuple[ReliabilityBin, ...]

    @property
    def error(self) -> float:
        """Expected calibration error: mean over the predictions of |accuracy − confidence| of their bin."""
        total = sum(b.count for b in self.bins)
        return sum(b.count * abs(b.accuracy - b.confidence) for b in self.bins if b.count) / total

    def __str__(self) -> str:
        head = "confidence   count        mean  accuracy"
        return "\n".join([head, *map(str, self.bins), f"expected calibration error {self.error:.4f}"])


def expected_calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, bins: int = 15, *, adaptive: bool = False
) -> float:
    """Mean gap between confidence and accuracy, 0 (best) to 1 (Guo et al. 2017, section 2); see `reliability_bins`."""
    return reliability_bins(probabilities, labels, bins, adaptive=adaptive).error


def reliability_bins(
    probabilities: ArrayLike, labels: ArrayLike, bins: int = 15, *, adaptive: bool = False
) -> Reliability:
    """Confidence and accuracy of the most probable class, in bins of the confidence.

    Args:
        probabilities: (rows, classes), each row summing to 1.
        labels: (rows,) class numbers.
        bins: how many.
        adaptive: bins with the same number of predictions (Nguyen & O'Connor 2015), as far as equal confidences
            allow, in place of bins of the same width.

    Raises:
        VerbalizerError: PD463 for probabilities or labels that are none; PD464 for a number of bins that is none.
    """
    found, wanted = _checked(probabilities, labels)
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        fail("PD464", f"bins must be a whole number ≥ 1, not {bins!r}", help="give such a number", origin="bins")
    confidence, right = found.max(1), found.argmax(1) == wanted
    edges = np.linspace(0, 1, bins + 1)
    if adaptive:
        ordered = np.sort(confidence)
        ends = np.arange(1, bins) * len(ordered) // bins
        edges = np.unique(np.concatenate([[0.0], ordered[ends[ends > 0] - 1], [1.0]]))
    # Up to and with the upper edge, as in the paper; rounding may have left 1 + 1e-16.
    number = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, len(edges) - 2)
    return Reliability(
        tuple(_bin(edges[i], edges[i + 1], confidence[number == i], right[number == i]) for i in range(len(edges) - 1))
    )


def _bin(low: float, high: float, confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> ReliabilityBin:
    if not len(right):
        return ReliabilityBin(float(low), float(high), 0, float("nan"), float("nan"))
    return ReliabilityBin(float(low), float(high), len(right), float(confidence.mean()), float(right.mean()))


def _checked(probabilities: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    found, wanted = np.asarray(probabilities, np.float64), np.asarray(labels)
    problem = ""
    if found.ndim != 2 or not found.size:
        problem = f"probabilities are a table of rows and classes, not of shape {found.shape}"
    elif wanted.shape != found.shape[:1]:
        problem = f"there are {len(found)} rows of probabilities and labels of shape {wanted.shape}"
    elif not np.issubdtype(wanted.dtype, np.integer) or wanted.min() < 0 or wanted.max() >= found.shape[1]:
        problem = f"labels are class numbers from 0 to {found.shape[1] - 1}"
    elif not (found.min() >= -1e-6 and np.abs(found.sum(1) - 1).max() < 1e-3):
        problem = "each row of probabilities is ≥ 0 and sums to 1"
    if problem:
        fail(
            "PD463", problem, help="give what predict_proba returns, and the numbers of the true classes", origin="ece"
        )
    return found, wanted.astype(np.int64)
