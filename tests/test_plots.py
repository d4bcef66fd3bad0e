"""Pictures show their numbers: those of `reliability_bins`, worked out by hand, of similarities and ablations."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from families import tiny

import promptdsl
from promptdsl import PromptClassifier, PromptDSLError, expected_calibration_error
from promptdsl.models.ablation import Ablated, Ablation
from promptdsl.models.inspection import Similarity
from promptdsl.plots import ablation, reliability, reliability_diagram, similarity_map

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


COSINES = np.array([[1.0, -0.5, 0.25], [-0.5, 1.0, 0.0], [0.25, 0.0, 1.0]])


def test_a_map_of_similarities_shows_the_cosines() -> None:
    pytest.importorskip("matplotlib")
    soft = Similarity("soft tokens", ("soft 0", "soft 1", "soft 2"), COSINES)
    many = Similarity("prefix, layer 0", tuple(f"prefix {n}" for n in range(81)), np.eye(81))
    figure = similarity_map([soft, many])
    first, second, bar = figure.axes
    np.testing.assert_array_equal(first.images[0].get_array(), COSINES)
    assert first.images[0].get_clim() == second.images[0].get_clim() == (-1, 1)
    assert [t.get_text() for t in first.get_yticklabels()] == ["soft 0", "soft 1", "soft 2"]
    assert [t.get_text() for t in second.get_xticklabels()] == [f"prefix {n}" for n in range(0, 81, 3)]
    assert list(second.get_xticks()) == list(range(0, 81, 3))
    assert (first.get_title(), second.get_title(), bar.get_ylabel()) == ("soft tokens", "prefix, layer 0", "cosine")
    np.testing.assert_array_equal(similarity_map(soft).axes[0].images[0].get_array(), COSINES)
    assert similarity_map([]).axes == []


def test_the_bars_of_an_ablation_are_its_losses(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    parts = Ablated("soft 0", 0.5, 0.75, 0.25), Ablated("prefix 0", 0.75, 0.5, 0.0)
    figure = ablation(Ablation(Ablated("nothing", 0.75, 0.25, 0.0), parts))
    (axes,) = figure.axes
    np.testing.assert_allclose([bar[2] for bar in bars(axes)], [0.75, 0.5])
    assert [t.get_text() for t in axes.get_yticklabels()] == ["soft 0", "prefix 0"]
    assert axes.yaxis_inverted() and [t.get_text() for t in axes.texts] == ["25%", "0%"]
    assert axes.lines[0].get_xdata()[0] == 0.25
    assert axes.get_title() == "whole prompt: accuracy 0.750"
    figure.savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("draw", [lambda: similarity_map([]), lambda: ablation(Ablation(Ablated("", 0, 0, 0), ()))])
def test_pictures_of_a_prompt_without_matplotlib(draw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(PromptDSLError, match="PD820"):
        draw()


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(PromptDSLError) as caught:
        reliability_diagram(PROBABILITIES, None, NUMBERS)
    assert caught.value.code == "PD820"
    assert 'pip install "promptdsl[plots]"' in str(caught.value)


def test_the_public_names() -> None:
    assert promptdsl.reliability_bins(PROBABILITIES, NUMBERS, 2).error == pytest.approx(0.16)
    assert {"expected_calibration_error", "reliability_bins"} <= set(dir(promptdsl)) & set(promptdsl.__all__)
