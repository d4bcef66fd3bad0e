"""How sure a comparison is: a paired bootstrap over seeds and test rows, Holm's correction, what choosing flatters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.stats import norm

__all__ = ["Interval", "Paired", "expected_maximum", "flattery", "holm", "interval", "paired", "resampled_means"]

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
        by_seed = random.multinomial(drawn, np.full(seeds, 1 / seeds), size=count) / drawn
        by_row = random.multinomial(rows, np.full(rows, 1 / rows), size=count) / rows
        means[start : start + count] = ((by_row @ correct.T) * by_seed).sum(1)
    return means


def interval(correct: Correct, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """The mean of (seeds, rows) with its 95 % percentile interval, over seeds and rows."""
    return _interval(correct, resampled_means(correct, resamples=resamples, seed=seed))


def paired(arm: Correct, baseline: Correct, *, resamples: int = RESAMPLES, seed: int = 0) -> Paired:
    """How much better an arm is than a baseline on the same seeds and rows, both (seeds, rows).

    p is twice the smaller share of resamples on either side of no difference, those without one on both sides, plus one
    for what was observed (Davison and Hinkley 1997, section 4.2): two equal arms have 1, and none has 0.
    """
    difference = arm - baseline
    means = resampled_means(difference, resamples=resamples, seed=seed)
    noise = 1e-12  # a sum of +1 and −1 in floating point
    tail = min(int((means <= noise).sum()), int((means >= -noise).sum()))
    return Paired(_interval(difference, means), min(1.0, 2 * (tail + 1) / (resamples + 1)))


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
