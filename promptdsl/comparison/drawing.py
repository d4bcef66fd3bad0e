"""Pictures of a study: learning curves, accuracy against cost, the spread of templates. Drawn with matplotlib."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from promptdsl.comparison.looks import remarks
from promptdsl.comparison.summary import Line
from promptdsl.errors import fail, printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from promptdsl.comparison.study import Study

__all__ = ["accuracy_against_cost", "draw", "learning_curves", "picture", "template_spread"]

WIDE = 9.0  # inches of a figure
LETTERS = 165  # of a remark's line in such a figure
REMARKS = 4  # lines of remarks, at most

# Names are text, whatever is in them, and the same study gives the same bytes.
STYLE: Mapping[str, Any] = {
    "text.parse_math": False,
    "text.usetex": False,
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": "cycler('color', ['#0072B2'])",
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "svg.hashsalt": "promptdsl",
    "svg.fonttype": "path",
    "savefig.dpi": 160,
}


def learning_curves(study: Study, *, lines: Sequence[Line] | None = None) -> Figure:
    """Mean accuracy against labelled rows of each class, with 95 % bands; baselines are dashed and grey.

    The numbers of shots stand at equal distances: they are a design, mostly geometric, and 0 is among them.

    Args:
        study: finished or not.
        lines: `study.lines()`, where they are there already.

    Raises:
        FileError: PD820 where matplotlib is not installed.
    """
    return draw(study, "curves", lines=lines)


def accuracy_against_cost(study: Study, *, lines: Sequence[Line] | None = None) -> Figure:
    """Accuracy against trained parameters and against seconds to fit, each arm at its most shots, with 95 % intervals.

    Thin lines lead there from fewer shots. Arguments and errors as for `learning_curves`.
    """
    return draw(study, "cost", lines=lines)


def template_spread(study: Study, *, lines: Sequence[Line] | None = None) -> Figure:
    """Every cell of a template, by shots: how much wording matters beside the draw of rows.

    A dot is a cell (template, verbalizer, seed), a bar a template's mean, the pale box all cells from the lowest to the
    highest. Arguments and errors as for `learning_curves`.
    """
    return draw(study, "templates", lines=lines)


def draw(study: Study, which: str = "all", *, lines: Sequence[Line] | None = None) -> Figure:
    """One of the pictures, or all in one figure.

    Args:
        study: finished or not.
        which: "curves", "cost", "templates" or "all".
        lines: `study.lines()`, where they are there already.

    Raises:
        TrainingError: PD770 for another name of a picture.
        FileError: PD820 where matplotlib is not installed.
    """
    known = _pictures()
    if which != "all" and which not in known:
        fail("PD770", f'there is no picture "{printable(str(which), 40)}"', origin="which",
             help=f"pictures are {', '.join(known)}; all has all of them")  # fmt: skip
    shown = list(known) if which == "all" else [which]
    found = list(study.lines() if lines is None else lines)
    with _style():
        from matplotlib.figure import Figure

        heights = [known[name][0](study) for name in shown]
        under = _wrapped(remarks(found))
        figure = Figure(figsize=(WIDE, sum(heights) + 0.17 * len(under)), layout="constrained")
        parts = figure.subfigures(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
        for part, name in zip(parts, shown, strict=True):
            known[name][1](part, study, found)
        if under:
            figure.supxlabel("\n".join(under), x=0.01, ha="left", fontsize=7.5, color="#555555", linespacing=1.4)
    return figure


def picture(figure: Figure, kind: str) -> bytes:
    """A figure as "png" or "svg": of the same study always the same bytes, with the same matplotlib."""
    out = io.BytesIO()
    stamp = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    with _style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)  # a box stands for it
        figure.savefig(out, format=kind, metadata=stamp)
    return out.getvalue()


def _pictures() -> Mapping[str, tuple[Callable[[Study], float], Callable[[Any, Study, Sequence[Line]], None]]]:
    """Name → (height in inches, what draws it)."""
    from promptdsl.comparison import panels

    return panels.PICTURES


@contextmanager
def _style() -> Iterator[None]:
    """matplotlib with our settings, whatever the caller's are."""
    try:
        import matplotlib
    except ImportError:
        fail("PD820", "pictures take matplotlib", help='pip install "promptdsl[plots]"', origin="plots")
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(dict[Any, Any](STYLE))
        yield


def _wrapped(sentences: Sequence[str]) -> list[str]:
    """Lines below the picture; of more than a few the first."""
    found = [line for sentence in sentences for line in textwrap.wrap(sentence, LETTERS)]
    if len(found) <= REMARKS:
        return found
    return [*found[: REMARKS - 1], f"… {len(sentences)} remarks in all: the table has the others"]
