"""The panels of a study's pictures. matplotlib's objects come in; nothing here imports it before it is drawn with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from promptdsl.comparison.looks import GREYS, Look, Panel, baseline_looks, look, panels, short_names
from promptdsl.comparison.summary import Line
from promptdsl.comparison.values import DONE, CellResult

if TYPE_CHECKING:
    from promptdsl.comparison.study import Study

__all__ = ["PICTURES"]

ACROSS = {1: 1, 2: 2, 4: 2}  # panels → how many stand side by side; else 3
FASTEST = 1e-3  # seconds: what took less is drawn there
ROOM = 0.8  # of the distance between two numbers of shots, for the templates between them


def _curves_height(study: Study) -> float:
    found = panels(study.spec)
    down = -(-len(found) // ACROSS.get(len(found), 3))
    return max(3.6, 2.7 * down + 0.4, 0.19 * len(_legend_of(found)) + 1.2)


def _curves(figure: Any, study: Study, lines: Sequence[Line]) -> None:
    """Learning curves, a panel for each group of arms, the baselines in all."""
    found = panels(study.spec)
    across = ACROSS.get(len(found), 3)
    grid = figure.subplots(-(-len(found) // across), across, sharey=True, squeeze=False)
    looks, where = baseline_looks(study.spec), {shots: i for i, shots in enumerate(study.spec.shots)}
    for axes, panel in zip(grid.flat, found, strict=False):
        for name, style in looks.items():
            _curve(axes, [line for line in lines if line.arm == name], where, style, band=False)
        for name, (number, _) in panel.arms.items():
            _curve(axes, [line for line in lines if line.arm == name], where, look(number), band=True)
        axes.set_title(panel.title, loc="left")
        axes.set_xticks(list(where.values()), [str(shots) for shots in where])
        axes.set_xlim(-0.3, len(where) - 0.7)
    for axes in grid.flat[len(found) :]:
        axes.set_axis_off()
    for axes in grid[:, 0]:
        axes.set_ylabel("accuracy")
    for axes in grid.flat[max(0, len(found) - across) : len(found)]:
        axes.set_xlabel("labelled rows of each class")
    _legend(figure, [*_legend_of(found), *((style, name) for name, style in looks.items())])
    _title(figure, f"Learning curves: means over {_seeds(study)} with 95 % bands, {len(study.truth)} test rows")


def _curve(axes: Any, lines: Sequence[Line], where: Mapping[int, int], style: Look, *, band: bool) -> None:
    """An arm's means, with a gap where there is none, and their band."""
    values = {where[line.shots]: line for line in lines if line.accuracy is not None}
    places = range(len(where))
    means, low, high = (
        [getattr(values.get(i), name, None) or np.nan for i in places] for name in ("accuracy", "low", "high")
    )
    if band:
        axes.fill_between(list(places), low, high, color=style.colour, alpha=0.13, linewidth=0)
    axes.vlines(list(places), low, high, color=style.colour, linewidth=0.7, alpha=0.3 if band else 0.6)
    axes.plot(list(places), means, **style.style, linewidth=1.6 if band else 1.1, markersize=4.5 if band else 4)


def _legend_of(found: Sequence[Panel]) -> list[tuple[Look, str]]:
    """Looks and their names, each once."""
    entries = {name: look(number) for panel in found for number, name in panel.arms.values()}
    return [(style, name) for name, style in entries.items()]


def _legend(figure: Any, entries: Sequence[tuple[Look, str]]) -> None:
    """To the right. Names are put in afterwards: matplotlib would leave out those that begin with an underscore."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], **style.style, linewidth=1.4, markersize=4.5) for style, _ in entries]
    legend = figure.legend(handles, ["."] * len(handles), loc="outside right upper")
    for text, (_, name) in zip(legend.get_texts(), entries, strict=True):
        text.set_text(name)


def _title(figure: Any, text: str) -> None:
    figure.suptitle(text, x=0.01, ha="left", fontsize=10, fontweight="bold")


def _seeds(study: Study) -> str:
    count = len(study.spec.seeds)
    return f"{count} seed" + "s" * (count != 1)


def _cost_height(study: Study) -> float:
    spec = study.spec
    return max(3.8, 0.19 * (len(spec.templates) + len(spec.verbalizers) + len(spec.baselines)) + 1.2)


def _cost(figure: Any, study: Study, lines: Sequence[Line]) -> None:
    """Accuracy against what an arm takes; colours are templates, markers verbalizers."""
    left, right = figure.subplots(1, 2, sharey=True)
    looks = _arm_looks(study)
    for name, style in looks.items():
        there = [line for line in lines if line.arm == name and line.accuracy is not None]
        _path(left, there, [line.trained_parameters or 0 for line in there], style)
        _path(right, there, [max(line.fit_seconds or 0, FASTEST) for line in there], style)
    most = max([line.trained_parameters or 0 for line in lines], default=0)
    left.set_xscale("symlog", linthresh=1, linscale=0.5)
    left.set_xlim(-0.3, max(10, most) * 3)
    ticks = [0, *(10**e for e in range(int(np.log10(max(10, most))) + 1))]
    left.set_xticks(ticks, [_count(t) for t in ticks])
    left.set_xticks([], minor=True)
    slowest = max([line.fit_seconds or 0 for line in lines], default=0)
    right.set_xscale("log")
    right.set_xlim(FASTEST / 2, max(1, slowest) * 3)
    seconds = [10.0**e for e in range(-3, int(np.ceil(np.log10(max(1, slowest)))) + 1)]
    right.set_xticks(seconds, ["≤ 0.001", *(f"{s:g}" for s in seconds[1:])])
    right.set_xticks([], minor=True)
    left.set(xlabel="trained parameters", ylabel="accuracy")
    right.set_xlabel("seconds to fit")
    _legend(figure, _cost_entries(study))
    _title(figure, "Accuracy against cost: each arm at its most shots, with 95 % intervals")


def _path(axes: Any, lines: Sequence[Line], costs: Sequence[float], style: Look) -> None:
    """From the fewest shots to the most, which has the marker."""
    if not lines:
        return
    last, cost = lines[-1], costs[-1]
    thin = {"color": style.colour, "linewidth": 0.8, "alpha": 0.4}
    axes.plot(costs, [line.accuracy for line in lines], marker=".", markersize=3, **thin)
    axes.vlines([cost], [last.low], [last.high], color=style.colour, linewidth=1, alpha=0.7)
    axes.plot([cost], [last.accuracy], **style.style | {"linestyle": ""}, markersize=6.5)


def _arm_looks(study: Study) -> dict[str, Look]:
    """Arm → its template's colour and its verbalizer's marker."""
    spec = study.spec
    templates, verbalizers = list(spec.templates), list(spec.verbalizers)
    found = {}
    for arm in spec.arms:
        if not arm.is_baseline:
            own = look(templates.index(arm.template))
            marker = look(verbalizers.index(arm.verbalizer)).marker if len(verbalizers) > 1 else own.marker
            found[arm.name] = Look(own.colour, marker, hollow=own.hollow)
    return found | baseline_looks(spec)


def _cost_entries(study: Study) -> list[tuple[Look, str]]:
    """Templates by colour, then verbalizers by marker, then baselines."""
    spec = study.spec
    several = len(spec.verbalizers) > 1
    entries = []
    for i, name in enumerate(short_names(list(spec.templates)).values()):
        own = look(i)
        entries.append((Look(own.colour, "" if several and not own.hollow else own.marker, "-", own.hollow), name))
    if several:
        entries += [
            (Look(GREYS[0], look(i).marker, ""), name)
            for i, name in enumerate(short_names(list(spec.verbalizers)).values())
        ]
    return [*entries, *((Look(s.colour, s.marker, ""), name) for name, s in baseline_looks(spec).items())]


def _count(number: float) -> str:
    """1000 → 1k."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return f"{number:g}"


def _templates_height(study: Study) -> float:
    return max(3.6, 0.19 * (len(study.spec.templates) + len(study.spec.verbalizers)) + 1.2)


def _templates(figure: Any, study: Study, lines: Sequence[Line]) -> None:
    """Dots of all cells, template by template at each number of shots."""
    spec, axes = study.spec, figure.subplots()
    done = [r for r in study.results if r.status == DONE and not spec.arm(r.arm).is_baseline]
    looks, names = _arm_looks(study), list(spec.templates)
    step = ROOM / max(1, len(names))
    for place, shots in enumerate(spec.shots):
        here = [r for r in done if r.shots == shots]
        if here:
            _box(axes, place, [r.accuracy or 0.0 for r in here])
        for number, name in enumerate(names):
            own = [r for r in here if spec.arm(r.arm).template == name]
            _strip(axes, place + step * (number - (len(names) - 1) / 2), own, step, looks)
    axes.set_xticks(range(len(spec.shots)), [str(shots) for shots in spec.shots])
    axes.set_xlim(-0.6, len(spec.shots) - 0.4)
    axes.grid(visible=False, axis="x")
    axes.set(xlabel="labelled rows of each class", ylabel="accuracy")
    _legend(figure, _cost_entries(study)[: len(names) + (len(spec.verbalizers) if len(spec.verbalizers) > 1 else 0)])
    _title(figure, "Spread of templates: each cell a dot, each template's mean a bar")


def _box(axes: Any, place: float, accuracies: Sequence[float]) -> None:
    """From the lowest to the highest cell, with the distance in points of a percent."""
    low, high = min(accuracies), max(accuracies)
    axes.fill_between([place - 0.46, place + 0.46], low, high, color="#f1f1ee", linewidth=0, zorder=0.5)
    axes.annotate(
        f"{100 * (high - low):.0f} points",
        (place, high),
        xytext=(0, 4),
        textcoords="offset points",
        ha="center",
        fontsize=7.5,
        color="#555555",
    )


def _strip(axes: Any, place: float, cells: Sequence[CellResult], step: float, looks: Mapping[str, Look]) -> None:
    """A template's cells in the order of its verbalizers and seeds, side by side, and a bar at their mean."""
    if not cells:
        return
    offsets = np.linspace(-0.3, 0.3, len(cells)) * step if len(cells) > 1 else np.zeros(1)
    for offset, cell in zip(offsets, sorted(cells, key=lambda r: list(looks).index(r.arm)), strict=True):
        style = looks[cell.arm].style | {"linestyle": ""}
        axes.plot([place + offset], [cell.accuracy], **style, markersize=3.5, alpha=0.75, markeredgewidth=0.6)
    mean = float(np.mean([r.accuracy for r in cells]))
    colour = looks[cells[0].arm].colour
    axes.plot([place - 0.42 * step, place + 0.42 * step], [mean, mean], color=colour, linewidth=2)


# Name → (height in inches, what draws it into a figure). A new picture is one entry and one function.
PICTURES: Mapping[str, tuple[Callable[[Study], float], Callable[[Any, Study, Sequence[Line]], None]]] = {
    "curves": (_curves_height, _curves),
    "cost": (_cost_height, _cost),
    "templates": (_templates_height, _templates),
}
