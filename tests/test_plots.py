"""The reliability diagram shows the numbers of `reliability_bins`, worked out by hand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from families import tiny

import promptdsl
from promptdsl import PromptClassifier, PromptDSLError, expected_calibration_error
from promptdsl.plots import reliability, reliability_diagram

TEMPLATE = '<"placeholder":"text_a"> It was <"mask">.'
TEXTS = ["A stirring film", "the plot is dull", "I would see it again", "No.", "of the year", "a mess"]
LABELS = ["pos", "neg", "pos", "neg", "pos", "neg"]
# Two bins: {0.4: right, 0.5: wrong} and {0.8: right, 0.9: right, 1.0: wrong}.
TOPS = np.array([0.4, 0.5, 0.8, 0.9, 1.0])
PROBABILITIES = np.stack([TOPS, (1 - TOPS) / 2, (1 - TOPS) / 2], 1)
NUMBERS = [0, 1, 0, 0, 2]


def bars(axes: Any) -> list[list[float]]:
    """x, bottom, width, height of each bar."""
    return [[b.get_x(), b.get_y(), b.get_width(), b.get_height()] for b in axes.patches]


def test_the_bars_are_the_accuracies_and_the_gaps() -> None:
    pytest.importorskip("matplotlib")
    figure = reliability_diagram(PROBABILITIES, None, NUMBERS, bins=2)
    (axes,) = figure.axes
    two_thirds = 2 / 3
    expected = [
        [0, 0, 0.5, 0.5], [0.5, 0, 0.5, two_thirds], [0, 0.5, 0.5, 0.45 - 0.5], [0.5, two_thirds, 0.5, 0.9 - two_thirds]
    ]  # fmt: skip
    np.testing.assert_allclose(bars(axes), expected, atol=1e-12)
    assert axes.get_title() == "expected calibration error 0.160"  # 0.4 · 0.05 + 0.6 · (0.9 − 2/3)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("confidence", "accuracy")


def test_before_and_after_stand_side_by_side(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    sure = np.eye(3)[NUMBERS]
    figure = reliability_diagram(sure, None, NUMBERS, before=PROBABILITIES, bins=2)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["before: expected calibration error 0.160", "after: expected calibration error 0.000"]
    assert bars(figure.axes[1])[0] == [0.5, 0, 0.5, 1]
    figure.savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_classifier_s_labels_are_matched_by_name() -> None:
    classifier = PromptClassifier(TEMPLATE, "pos: the, of; neg: a", tiny("bert"))
    numbers = [{"neg": 0, "pos": 1}[label] for label in LABELS]
    found = reliability(classifier, TEXTS, LABELS, bins=5)
    assert found.error == expected_calibration_error(classifier.predict_proba(TEXTS), numbers, 5)
    with pytest.raises(PromptDSLError, match="PD701"):
        reliability(classifier, TEXTS, ["good"] * 6)
    with pytest.raises(PromptDSLError, match="PD463"):
        reliability(PromptClassifier(TEMPLATE, "pos: the; neg: a", tiny("bert"), multi_label=True), TEXTS, LABELS)
    with pytest.raises(PromptDSLError, match="PD463"):
        reliability(classifier, TEXTS, None)  # type: ignore[arg-type]


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(PromptDSLError) as caught:
        reliability_diagram(PROBABILITIES, None, NUMBERS)
    assert caught.value.code == "PD820"
    assert 'pip install "promptdsl[plots]"' in str(caught.value)


def test_the_public_names() -> None:
    assert promptdsl.reliability_bins(PROBABILITIES, NUMBERS, 2).error == pytest.approx(0.16)
    assert {"expected_calibration_error", "reliability_bins"} <= set(dir(promptdsl)) & set(promptdsl.__all__)
