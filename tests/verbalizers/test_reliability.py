"""Calibration error against a loop over the bins, and by hand."""

import math

import numpy as np
import pytest

from promptdsl import PromptDSLError
from promptdsl.verbalizers.reliability import ReliabilityBin, expected_calibration_error, reliability_bins


def sample(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.dirichlet([0.5, 1, 2], size=rows), random.integers(3, size=rows)


@pytest.mark.parametrize("bins", [1, 2, 15, 100])
def test_against_a_loop(bins: int) -> None:
    probabilities, labels = sample(500)
    error = 0.0
    for i in range(bins):
        held = [(p.max(), p.argmax() == y) for p, y in zip(probabilities, labels, strict=True)
                if i / bins < p.max() <= (i + 1) / bins]  # fmt: skip
        if held:
            confidence = sum(c for c, _ in held) / len(held)
            accuracy = sum(r for _, r in held) / len(held)
            error += len(held) / 500 * abs(accuracy - confidence)
    assert expected_calibration_error(probabilities, labels, bins) == pytest.approx(error, abs=1e-12)


def test_by_hand() -> None:
    """Bins of a half: {0.4: right, 0.5: wrong} and {0.8: right, 0.9: right, 1.0: wrong}."""
    tops = [0.4, 0.5, 0.8, 0.9, 1.0]
    probabilities = [[t, (1 - t) / 2, (1 - t) / 2] for t in tops]
    diagram = reliability_bins(probabilities, [0, 1, 0, 0, 2], 2)
    low, high = diagram.bins
    assert (low.low, low.high, low.count, high.low, high.high, high.count) == (0.0, 0.5, 2, 0.5, 1.0, 3)
    assert (low.confidence, low.accuracy) == pytest.approx((0.45, 0.5))
    assert (high.confidence, high.accuracy) == pytest.approx((0.9, 2 / 3))
    assert diagram.error == pytest.approx(0.4 * 0.05 + 0.6 * (0.9 - 2 / 3))


def test_perfect_and_worst() -> None:
    sure = np.eye(3)
    assert expected_calibration_error(sure, [0, 1, 2]) == 0.0
    assert expected_calibration_error(sure, [1, 2, 0]) == 1.0


def test_adaptive_bins_hold_equally_many() -> None:
    probabilities, labels = sample(103)
    diagram = reliability_bins(probabilities, labels, 10, adaptive=True)
    assert sum(b.count for b in diagram.bins) == 103
    assert {b.count for b in diagram.bins} == {10, 11}
    in_order = np.sort(probabilities.max(1))
    assert diagram.bins[0].confidence == pytest.approx(in_order[: diagram.bins[0].count].mean())


def test_adaptive_bins_do_not_part_equal_confidences() -> None:
    probabilities = [[0.9, 0.1]] * 8 + [[0.6, 0.4]] * 2
    diagram = reliability_bins(probabilities, [0] * 10, 5, adaptive=True)
    assert [b.count for b in diagram.bins if b.count] == [2, 8]
    assert diagram.error == pytest.approx(0.2 * 0.4 + 0.8 * 0.1)


def test_more_adaptive_bins_than_rows() -> None:
    diagram = reliability_bins([[0.9, 0.1], [0.7, 0.3]], [0, 1], 50, adaptive=True)
    assert sum(b.count for b in diagram.bins) == 2
    assert diagram.error == pytest.approx((0.1 + 0.7) / 2)


def test_the_diagram_in_text() -> None:
    diagram = reliability_bins([[0.75, 0.25], [0.75, 0.25]], [0, 1], 2)
    empty, full, error = str(diagram).splitlines()[1:]
    assert empty == "0.00–0.50       0"
    assert full == "0.50–1.00       2       0.750     0.500  " + "█" * 20 + "·" * 10 + "|" + "·" * 9
    assert error == "expected calibration error 0.2500"
    assert math.isnan(diagram.bins[0].accuracy)


def test_the_stroke_of_full_confidence_is_the_last_character() -> None:
    assert str(ReliabilityBin(0.5, 1.0, 3, 1.0, 1.0)).endswith("█" * 39 + "|")


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        ([0.5, 0.5], [0, 1], "a table of rows and classes"),
        (np.zeros((0, 2)), [], "a table of rows and classes"),
        ([[0.5, 0.5]], [0, 1], "there are 1 rows"),
        ([[0.5, 0.5]], [2], "class numbers from 0 to 1"),
        ([[0.5, 0.5]], [-1], "class numbers from 0 to 1"),
        ([[0.5, 0.5]], ["a"], "class numbers from 0 to 1"),
        ([[0.5, 0.6]], [0], "sums to 1"),
        ([[1.5, -0.5]], [0], "sums to 1"),
        ([[math.nan, 0.5]], [0], "sums to 1"),
    ],
)
def test_what_is_no_probability_is_an_error(probabilities: object, labels: object, message: str) -> None:
    with pytest.raises(PromptDSLError, match=message) as caught:
        expected_calibration_error(probabilities, labels)  # type: ignore[arg-type]
    assert caught.value.code == "PD463"


@pytest.mark.parametrize("bins", [0, -1, True, 2.5])
def test_a_number_of_bins_that_is_none(bins: object) -> None:
    with pytest.raises(PromptDSLError) as caught:
        expected_calibration_error([[1.0, 0.0]], [0], bins)  # type: ignore[arg-type]
    assert caught.value.code == "PD464"
