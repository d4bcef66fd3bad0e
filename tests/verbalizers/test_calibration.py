"""The bias of each class, where it can be derived by hand."""

import numpy as np
import pytest

from promptdsl.verbalizers.calibration import add_bias, fit_class_bias


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
