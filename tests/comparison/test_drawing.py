"""The pictures show the numbers of a study written by hand, and every name as text."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from comparison.made_up import NO_SHOTS, example, study

from promptdsl import PromptDSLError
from promptdsl.comparison import drawing
from promptdsl.comparison.drawing import accuracy_against_cost, draw, learning_curves, picture, template_spread
from promptdsl.comparison.looks import panels, short_names

matplotlib = pytest.importorskip("matplotlib")
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402


def panes(figure: Any) -> list[Any]:
    return [axes for part in figure.subfigs for axes in part.axes]


def named(figure: Any) -> list[str]:
    """The names of the legends."""
    return [text.get_text() for part in figure.subfigs for legend in part.legends for text in legend.get_texts()]


def test_the_curves_are_means_with_gaps_where_nothing_is_known() -> None:
    made = example()
    figure = learning_curves(made)
    (axes,) = panes(figure)
    majority, hard, soft = [line.get_ydata() for line in axes.lines]
    np.testing.assert_allclose(hard, [0.5, (0.6 + 0.8) / 2])
    np.testing.assert_allclose(soft, [np.nan, 0.9])
    np.testing.assert_allclose(majority, [np.nan, 0.5])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "4"]
    assert named(figure) == ["hard", "soft", "majority"]
    assert [line.get_linestyle() for line in axes.lines] == ["--", "-", "-"]


def test_the_bands_are_the_intervals_of_the_table() -> None:
    made = example()
    band = panes(learning_curves(made))[0].collections
    heights = {round(float(y), 9) for part in band for path in part.get_paths() for _, y in path.vertices}
    lines = [line for line in made.lines() if line.accuracy is not None]
    assert {round(v, 9) for line in lines for v in (line.low, line.high) if v is not None} <= heights


def test_what_is_not_drawn_is_said_below() -> None:
    text = learning_curves(example()).get_supxlabel()
    assert f"no sense at 0 shots: soft/words, majority ({NO_SHOTS})" in text
    assert "partly at 4 shots: soft/words (PD703 the loss is <not> a number)" in text


def test_costs_are_where_the_table_has_them() -> None:
    """Most shots have the marker: 400 numbers and a second each; what took no time stands at a millisecond."""
    left, right = panes(accuracy_against_cost(example()))
    marked = [[tuple(map(float, line.get_xydata()[0])) for line in axes.lines if len(line.get_xydata()) == 1
               and line.get_marker() not in (".", "None")] for axes in (left, right)]  # fmt: skip
    np.testing.assert_allclose(marked[0], [(400, 0.7), (400, 0.9), (400, 0.5)])
    np.testing.assert_allclose(marked[1], [(1, 0.7), (1, 0.9), (1, 0.5)])
    path = next(line.get_xydata().tolist() for line in right.lines if len(line.get_xydata()) == 2)
    assert path == [[0.001, 0.5], [1.0, pytest.approx(0.7)]]
    assert [t.get_text() for t in left.get_xticklabels()] == ["0", "1", "10", "100"]


def test_every_cell_of_a_template_is_a_dot_and_its_mean_a_bar() -> None:
    (axes,) = panes(template_spread(example()))
    dots = sorted(float(line.get_ydata()[0]) for line in axes.lines if len(line.get_ydata()) == 1)
    bars = [list(map(float, line.get_ydata())) for line in axes.lines if len(line.get_ydata()) == 2]
    assert dots == [0.5, 0.6, 0.8, 0.9]  # no baselines
    assert bars == [[0.5, 0.5], pytest.approx([0.7, 0.7]), [0.9, 0.9]]
    assert [text.get_text() for text in axes.texts] == ["0 points", "30 points"]


def test_all_has_all_and_other_names_are_refused() -> None:
    figure = draw(example())
    assert len(panes(figure)) == 4
    assert example().plot("curves").get_supxlabel() == figure.get_supxlabel()
    with pytest.raises(PromptDSLError, match="PD770") as caught:
        example().plot("curve")
    assert "curves, cost, templates" in str(caught.value)


def test_names_are_text_whatever_is_in_them() -> None:
    """Mathematics of TeX, a leading underscore, markup, and letters that the font lacks."""
    made = example(soft=r"$\frac{1", hard="_hidden", words="<b> 好")
    figure = draw(made)
    assert named(figure)[:3] == ["_hidden", r"$\frac{1", "majority"]
    svg = picture(figure, "svg")
    assert ET.fromstring(svg).tag.endswith("svg")
    assert picture(figure, "png").startswith(b"\x89PNG")


def test_the_same_study_gives_the_same_bytes_whatever_the_callers_style() -> None:
    first = picture(learning_curves(example()), "svg")
    assert b"<dc:date>" not in first
    with matplotlib.rc_context({"font.size": 30, "svg.hashsalt": "x", "axes.grid": False}):
        before = dict(matplotlib.rcParams)
        assert picture(learning_curves(example()), "svg") == first
        assert dict(matplotlib.rcParams) == before


def test_twelve_arms_are_in_panels_and_no_names_overlap() -> None:
    """Drawn, no two texts of the figure share a place, and none is cut off."""
    names, words = ["one", "two", "three", "a template with a name much too long to stand in a legend"], ["x", "y", "z"]
    cells = {(f"{n}/{w}", 4, s): 4 + i + s for i, n in enumerate(names) for w in words for s in (1, 2)}
    made = study(names, words, cells)
    assert [(panel.title, len(panel.arms)) for panel in panels(made.spec)] == [("x", 4), ("y", 4), ("z", 4)]
    figure = draw(made)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    texts = [t for t in figure.findobj(matplotlib.text.Text) if t.get_text().strip() and t.get_visible()]
    texts = [t for t in texts if not re.fullmatch(r"[\d.]+", t.get_text())]  # ticks beyond the axes are not drawn
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in texts]
    overlapping = [(a, b) for i, (a, x) in enumerate(boxes) for b, y in boxes[i + 1 :] if x.overlaps(y)]
    assert len(boxes) > 20
    assert overlapping == []
    whole = figure.bbox
    assert [name for name, box in boxes if box.x1 > whole.x1 + 1 or box.y1 > whole.y1 + 1 or box.x0 < -1] == []


def test_fewer_templates_than_verbalizers_have_the_panels() -> None:
    made = study(["s", "t"], list("abcdefgh"), {})
    found = panels(made.spec)
    assert [panel.title for panel in found] == ["s (1 of 2)", "s (2 of 2)", "t (1 of 2)", "t (2 of 2)"]
    assert [name for _, name in found[0].arms.values()] == list("abcd")


def test_long_names_show_what_tells_them_apart() -> None:
    start = '<"placeholder":"text_a"> In a word it '
    assert list(short_names([start + "was <mask>.", start + "seemed <mask>."]).values()) == [
        "…was <mask>.", "…seemed <mask>."
    ]  # fmt: skip
    assert list(short_names(["a" * 40, "a" * 41], 10).values()) == ["1: aaaaaa", "2: aaaaaa"]


def test_an_unfinished_study_can_be_drawn() -> None:
    made = study(["t"], ["w"], {("t/w", 0, None): 5})
    text = draw(made).get_supxlabel()
    assert "pending at 4 shots: t/w" in text


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(PromptDSLError) as caught:
        drawing.draw(example())
    assert caught.value.code == "PD820"
    assert 'pip install "promptdsl[plots]"' in str(caught.value)
