"""How sure a comparison is: a paired bootstrap over seeds and test rows, Holm's correction, what choosing flatters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.stats import norm
from scipy.stats import t as student

__all__ = [
    "Interval",
    "Paired",
    "expected_maximum",
    "flattery",
    "holm",
    "interval",
    "paired",
    "resampled_means",
    "uncertainty",
]

RESAMPLES = 10_000
CHUNK = 2**22  # row weights that are held at once
WORST = 0.5  # the standard deviation of one right-or-wrong row at an accuracy of one half

Correct = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, slots=True)
class Paired:
    """A difference of mean accuracies with its 95 % interval and two-sided p."""

    difference: Interval
    p: float

    def __str__(self) -> str:
        return f"{self.difference}, p = {self.p:.4f}"


def resampled_means(correct: Correct, *, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.float64]:
    """Means of resampled seeds and rows, the two drawn independently: (resamples,).

    Rows are drawn with replacement, as many as there are. Of s seeds s − 1 are drawn: the mean of s − 1 draws varies by
    the unbiased s²/s, the mean of s draws by less, a fifth less with five seeds (Rao and Wu 1988). The seeds and rows
    that are drawn depend on the shape and `seed` alone, so that two arms of one shape get the same ones.

    Args:
        correct: (seeds, rows) 1 where a prediction is right, or differences of such.
        resamples: how many.
        seed: of the draws.
    """
    seeds, rows = correct.shape
    random = np.random.default_rng(seed)
    means = np.empty(resamples)
    drawn = max(1, seeds - 1)
    at_once = max(1, CHUNK // rows)
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        by_seed = random.multinomial(drawn, np.full(seeds, 1 / seeds), size=count)
        by_row = random.multinomial(rows, np.full(rows, 1 / rows), size=count)
        means[start : start + count] = ((by_row @ correct.T) * by_seed).sum(1) / (drawn * rows)  # counts: exact
    return means


def interval(correct: Correct, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """The mean of (seeds, rows) with its 95 % percentile interval, over seeds and rows."""
    return _interval(correct, _calibrated(correct, resampled_means(correct, resamples=resamples, seed=seed)))


def paired(arm: Correct, baseline: Correct, *, resamples: int = RESAMPLES, seed: int = 0) -> Paired:
    """How much better an arm is than a baseline on the same seeds and rows, both (seeds, rows).

    p is twice the smaller share of resamples on either side of no difference, those without one on both sides, plus one
    for what was observed (Davison and Hinkley 1997, section 4.2): two equal arms have 1, and none has 0.
    """
    difference = arm - baseline
    means = _calibrated(difference, resampled_means(difference, resamples=resamples, seed=seed))
    tail = min(int((means <= 0).sum()), int((means >= 0).sum()))
    return Paired(_interval(difference, means), min(1.0, 2 * (tail + 1) / (resamples + 1)))


def uncertainty(correct: Correct) -> tuple[float, float]:
    """The variance of the mean of (seeds ≥ 2, rows ≥ 2) over draws of both, and its degrees of freedom.

    Two crossed random factors, by the method of moments (Searle, Casella and McCulloch 1992, chapter 4): what seeds
    add, what rows add, and what is left; less than nothing counts as nothing. The degrees of freedom are those of
    Satterthwaite (1946), at least those of the seeds alone.
    """
    seeds, rows = correct.shape
    mean, by_seed, by_row = correct.mean(), correct.mean(1, keepdims=True), correct.mean(0, keepdims=True)
    of_seeds = rows * float(((by_seed - mean) ** 2).sum()) / (seeds - 1)
    of_rows = seeds * float(((by_row - mean) ** 2).sum()) / (rows - 1)
    left = float(((correct - by_seed - by_row + mean) ** 2).sum()) / ((seeds - 1) * (rows - 1))
    squares = max(0.0, of_seeds - left) + max(0.0, of_rows - left) + left
    doubt = of_seeds**2 / (seeds - 1) + of_rows**2 / (rows - 1) + left**2 / ((seeds - 1) * (rows - 1))
    return squares / (seeds * rows), max(seeds - 1.0, squares**2 / doubt) if doubt else seeds - 1.0


def _calibrated(correct: Correct, means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Resampled means as wide as they should be.

    Drawing seeds and rows counts what neither explains three times (Owen 2007), and a handful of seeds tells little
    about the seeds: the width is that of `uncertainty`, times how much wider Student's t is than the normal.
    """
    spread = float(means.var())
    if min(correct.shape) < 2 or not spread:
        return means
    variance, freedom = uncertainty(correct)
    width = np.sqrt(variance / spread) * student.ppf(0.975, freedom) / norm.ppf(0.975)
    mean = correct.mean()
    return np.asarray(mean + (means - mean) * width)


def _interval(correct: Correct, means: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(correct.mean()), float(low), float(high))


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's (1979) correction of several tests: reject below 0.05, and any false rejection has at most that chance."""
    corrected = [0.0] * len(ps)
    highest = 0.0
    for done, place in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        highest = max(highest, min(1.0, (len(ps) - done) * ps[place]))
        corrected[place] = highest
    return corrected


def expected_maximum(count: int) -> float:
    """The expected largest of `count` standard normal numbers: 0, 0.564, 0.846 …"""
    if count < 2:
        return 0.0
    value, _ = quad(lambda x: x * count * norm.pdf(x) * norm.cdf(x) ** (count - 1), -8, 8 + np.sqrt(2 * np.log(count)))
    return float(value)


def flattery(candidates: int, rows: int, honest_rows: int) -> float:
    """By how much choosing on `rows` can raise the accuracy of what is chosen over choosing on `honest_rows`.

    Candidates whose true accuracies spread normally by t are told apart by scores with noise s = 0.5/√rows; the best
    score then belongs to a candidate that is E[max]·t²/√(t² + s²) above the mean. This is the largest difference of
    that between the two sets, over all t.

    Args:
        candidates: how many are chosen from.
        rows: of the set that is chosen on.
        honest_rows: of a set that is as small as the training set.
    """
    if candidates < 2 or rows <= honest_rows or not honest_rows:
        return 0.0
    fine, coarse = WORST / np.sqrt(rows), WORST / np.sqrt(honest_rows)

    def lost(spread: float) -> float:
        return float(spread**2 / np.hypot(spread, coarse) - spread**2 / np.hypot(spread, fine))

    least = minimize_scalar(lost, bounds=(0.0, 4 * coarse), method="bounded")
    return expected_maximum(candidates) * -float(least.fun)
