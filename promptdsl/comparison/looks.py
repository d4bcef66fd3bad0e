"""How the arms of a study look in its pictures: short names, colours, markers, and which panel each is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptdsl.comparison.spec import StudySpec
from promptdsl.comparison.summary import Line
from promptdsl.comparison.values import DONE, Arm
from promptdsl.errors import printable

__all__ = ["COLOURS", "GREYS", "Look", "Panel", "baseline_looks", "look", "panels", "remarks", "short_names"]

# Told apart by people who see few colours, and on paper (Okabe and Ito 2008, without yellow; dark blue added).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#332288", "#7A4B1E")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREYS = ("#444444", "#777777", "#999999", "#5f5f5f")
DASHES: tuple[Any, ...] = ((0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (3, 1.5)))
BASELINES = ("x", "+", "1", "2")

MOST = 6  # lines of a panel
NAME = 34  # characters of a name in a legend


@dataclass(frozen=True, slots=True)
class Look:
    """How a line, or points, are drawn: what matplotlib's `plot` takes."""

    colour: str
    marker: str
    dashes: Any = "-"
    hollow: bool = False

    @property
    def style(self) -> dict[str, Any]:
        """As keywords of `plot`."""
        face = "white" if self.hollow else self.colour
        return {"color": self.colour, "marker": self.marker, "linestyle": self.dashes, "markerfacecolor": face}

    def __str__(self) -> str:
        return f"{self.colour} {self.marker}"


@dataclass(frozen=True, slots=True)
class Panel:
    """Arms that are drawn together.

    Attributes:
        title: what they have in common; "" where there is one panel.
        arms: name → (number of its look, name in the legend).
    """

    title: str
    arms: Mapping[str, tuple[int, str]]

    def __str__(self) -> str:
        return f"{self.title}: {', '.join(name for _, name in self.arms.values())}"


def look(number: int) -> Look:
    """The look of a number: 8 colours, then the same ones hollow; the markers have another period."""
    return Look(COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)], hollow=number // len(COLOURS) % 2 > 0)


def baseline_looks(spec: StudySpec) -> dict[str, Look]:
    """Baselines are grey and dashed."""
    turn = range(len(spec.baselines))
    return {
        name: Look(GREYS[i % len(GREYS)], BASELINES[i % len(BASELINES)], DASHES[i % len(DASHES)])
        for i, name in zip(turn, spec.baselines, strict=True)
    }


def short_names(names: Sequence[str], limit: int = NAME) -> dict[str, str]:
    """Name → what is shown of it; those that would look the same are numbered."""
    skipped = _shared(names, limit)
    shown = {name: "…" * bool(skipped) + printable(name[skipped:], limit) for name in names}
    taken = list(shown.values())
    return {
        name: text if taken.count(text) == 1 else f"{number}: {text[: limit - 4]}"
        for number, (name, text) in enumerate(shown.items(), 1)
    }


def _shared(names: Sequence[str], limit: int) -> int:
    """How many characters too long names begin with in common, up to a blank; what tells them apart is to be seen."""
    if len(names) < 2 or max(map(len, names)) <= limit:
        return 0
    columns = enumerate(zip(*names, strict=False))
    same = next((i for i, letters in columns if len(set(letters)) > 1), min(map(len, names)))
    return names[0].rfind(" ", 0, same) + 1


def panels(spec: StudySpec) -> list[Panel]:
    """Templates with verbalizers in panels of at most six lines.

    Few arms share one panel. Many are shown by verbalizer, or by template if there are fewer of those, the other one
    being the colour; a panel that is still too full is split.
    """
    arms = [arm for arm in spec.arms if not arm.is_baseline]
    templates, verbalizers = short_names(list(spec.templates)), short_names(list(spec.verbalizers))
    if len(arms) <= MOST or 1 in (len(templates), len(verbalizers)):
        both = len(verbalizers) > 1
        names = {a.name: templates[a.template] + (f" / {verbalizers[a.verbalizer]}" if both else "") for a in arms}
        return _split("", {name: (i, text) for i, (name, text) in enumerate(names.items())})
    by_verbalizer = len(verbalizers) <= len(templates)
    found = []
    for name, title in (verbalizers if by_verbalizer else templates).items():
        own: list[Arm] = [a for a in arms if name in (a.verbalizer if by_verbalizer else a.template,)]
        texts = [templates[a.template] if by_verbalizer else verbalizers[a.verbalizer] for a in own]
        found += _split(title, {a.name: (i, t) for i, (a, t) in enumerate(zip(own, texts, strict=True))})
    return found


def _split(title: str, arms: Mapping[str, tuple[int, str]]) -> list[Panel]:
    """The arms in as few panels as hold them, evenly."""
    count = -(-len(arms) // MOST) or 1
    size = -(-len(arms) // count) or 1
    items = list(arms.items())
    parts = [dict(items[start : start + size]) for start in range(0, len(items), size)]
    titles = (
        [title] if len(parts) == 1 else [f"{title} ({i} of {len(parts)})".strip() for i in range(1, len(parts) + 1)]
    )
    return [Panel(name, part) for name, part in zip(titles, parts, strict=True)]


def remarks(lines: Sequence[Line]) -> list[str]:
    """What is not in the pictures, a sentence for each reason: `no sense at 0 shots: soft/words (…)`."""
    short = short_names(list(dict.fromkeys(line.arm for line in lines)))
    grouped: dict[tuple[str, str], dict[str, list[str]]] = {}
    for line in lines:
        if line.status != DONE:
            arms = grouped.setdefault((line.status, line.why), {})
            arms.setdefault(line.arm, []).append(str(line.shots))
    found = []
    for (status, why), arms in grouped.items():
        by_shots: dict[str, list[str]] = {}
        for arm, shots in arms.items():
            by_shots.setdefault(", ".join(shots), []).append(short[arm])
        places = "; ".join(f"at {shots} shots: {_few(names)}" for shots, names in by_shots.items())
        found.append(f"{status} {places}" + (f" ({printable(why, 120)})" if why else ""))
    return found


def _few(names: Sequence[str], most: int = 6) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
