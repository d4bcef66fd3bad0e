"""Class scores made fairer without touching the language model: a bias for each class, learnt from labelled rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

__all__ = ["add_bias", "fit_class_bias"]

PRIOR_PRECISION = 0.01  # of the Gaussian prior on each bias: weak, it only keeps separable data from running away


def fit_class_bias(log_proba: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """A bias b for each class that makes softmax(log p + b) likeliest on labelled rows.

    Minimises Σ cross-entropy + 0.01/2 · Σ b², which is convex; this is the bias half of vector scaling
    (Guo et al. 2017, section 4.2). Classes without a row are left out of the fit and get the mean of the others, 0.

    Args:
        log_proba: (rows, classes) class log-probabilities.
        labels: (rows,) class numbers.

    Returns:
        (classes,) biases with mean 0 over the classes that have rows.
    """
    scores, wanted = np.asarray(log_proba, np.float64), np.asarray(labels)
    seen = np.unique(wanted)
    bias = np.zeros(scores.shape[1])
    if len(seen) < 2:
        return bias
    scores, wanted = scores[:, seen], np.searchsorted(seen, wanted)
    counts = np.bincount(wanted, minlength=len(seen))

    def loss(b: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_p = log_softmax(scores + b, axis=1)
        value = -log_p[np.arange(len(wanted)), wanted].sum() + PRIOR_PRECISION / 2 * (b**2).sum()
        return float(value), np.exp(log_p).sum(0) - counts + PRIOR_PRECISION * b

    found = minimize(loss, np.zeros(len(seen)), jac=True, method="L-BFGS-B", options={"gtol": 1e-9, "ftol": 1e-14})
    bias[seen] = found.x - found.x.mean()
    return bias


def add_bias(log_proba: ArrayLike, bias: ArrayLike) -> NDArray[np.float64]:
    """log softmax(log p + b): (rows, classes) stays (rows, classes)."""
    return np.asarray(log_softmax(np.asarray(log_proba, np.float64) + np.asarray(bias), axis=1))
