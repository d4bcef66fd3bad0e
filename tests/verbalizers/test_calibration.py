"""The bias of each class, where it can be derived by hand."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from promptdsl.verbalizers.calibration import add_bias, fit_class_bias, fit_scale_and_bias


def test_the_fitted_bias_makes_mean_probabilities_the_class_frequencies() -> None:
    """The gradient of the cross-entropy is zero where they agree; the weak prior moves it by no more than 0.01 · b."""
    random = np.random.default_rng(0)
    scores = np.log(random.dirichlet([1, 2, 5], size=300))
    labels = random.choice(3, 300, p=[0.5, 0.3, 0.2])
    bias = fit_class_bias(scores, labels)
    probabilities = np.exp(add_bias(scores, bias))
    np.testing.assert_allclose(probabilities.sum(0), np.bincount(labels), atol=0.01 * np.abs(bias).max() + 1e-3)
    assert bias.sum() == pytest.approx(0, abs=1e-9)


def test_two_constant_rows_by_hand() -> None:
    """Scores that say nothing and three of four rows in class 1: the log-odds become log 3."""
    bias = fit_class_bias(np.log([[0.5, 0.5]] * 4000), [0] * 1000 + [1] * 3000)
    assert bias[1] - bias[0] == pytest.approx(np.log(3), abs=1e-4)


def test_one_class_alone_teaches_nothing() -> None:
    assert fit_class_bias(np.log([[0.9, 0.1], [0.8, 0.2]]), [1, 1]).tolist() == [0.0, 0.0]


def test_add_bias_by_hand() -> None:
    np.testing.assert_allclose(np.exp(add_bias(np.log([[0.2, 0.8]]), [np.log(4), 0.0])), [[0.5, 0.5]])


def test_scale_and_biases_against_a_minimiser_without_gradients() -> None:
    random = np.random.default_rng(5)
    odds = random.normal(size=(60, 3)) * [1, 2, 0.5] + [0.5, -1, 0]
    table = (random.random((60, 3)) < expit(1.7 * odds + [1, 0, -2])).astype(float)

    def loss(v: np.ndarray) -> float:
        p = expit(np.exp(v[0]) * odds + v[1:])
        return float(-(table * np.log(p) + (1 - table) * np.log1p(-p)).sum() + 0.05 * v[0] ** 2 + 0.005 * v[1:] @ v[1:])

    options = {"xatol": 1e-9, "fatol": 1e-13, "maxiter": 20_000, "maxfev": 20_000}
    expected = minimize(loss, np.zeros(4), method="Nelder-Mead", options=options).x
    log_scale, bias = fit_scale_and_bias(odds, table)
    np.testing.assert_allclose([log_scale, *bias], expected, atol=1e-5)


def test_separable_rows_and_a_class_without_rows_stay_finite() -> None:
    """The one class is always there, the other never; b solves 4 · sigmoid(−b) = 0.01 · b where the odds are 0."""
    log_scale, bias = fit_scale_and_bias(np.zeros((4, 2)), [[1, 0]] * 4)
    assert log_scale == 0
    assert bias[0] == pytest.approx(-bias[1])
    assert 4 * expit(-bias[0]) == pytest.approx(0.01 * bias[0], abs=1e-6)
