"""A study's table for people: columns of text, as Markdown and CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence

from promptdsl.comparison.summary import Line
from promptdsl.comparison.values import DONE
from promptdsl.errors import printable

__all__ = ["COLUMNS", "NONE", "as_csv", "as_markdown", "cells"]

NONE = "–"
LONG = 160  # characters of an arm's name

# Heading → what stands in a line's cell. The first is set to the left, and the last; the others are numbers.
COLUMNS: Mapping[str, Callable[[Line], str]] = {
    "arm": lambda line: printable(line.arm, LONG),
    "shots": lambda line: str(line.shots),
    "seeds": lambda line: str(line.seeds),
    "accuracy": lambda line: _number(line.accuracy, ".3f"),
    "95 %": lambda line: _interval(line.low, line.high, ".3f"),
    "sd": lambda line: _number(line.sd, ".3f"),
    "difference": lambda line: _number(line.difference, "+.3f"),
    "95 % of it": lambda line: _interval(line.difference_low, line.difference_high, "+.3f"),
    "p (Holm)": lambda line: _number(line.p_holm, ".4f"),
    "trained": lambda line: _number(line.trained_parameters, ",.0f"),
    "fit s": lambda line: _number(line.fit_seconds, ".2f"),
    "dev rows": lambda line: _number(line.dev_rows, ".0f"),
    "": lambda line: "" if line.status == DONE else line.status,
}


def _number(value: float | None, how: str) -> str:
    return NONE if value is None else format(value, how).replace("-", "−")


def _interval(low: float | None, high: float | None, how: str) -> str:
    return NONE if low is None or high is None else f"[{_number(low, how)}, {_number(high, how)}]"


def cells(lines: Sequence[Line]) -> list[list[str]]:
    """A list of texts for each line, in the order of `COLUMNS`."""
    return [[show(line) for show in COLUMNS.values()] for line in lines]


def as_markdown(lines: Sequence[Line]) -> str:
    """A table in Markdown; what would be markup in names is text."""
    rule = ["---", *["---:"] * (len(COLUMNS) - 2), "---"]
    rows = [[_plain(cell) for cell in row] for row in cells(lines)]
    return "".join(f"| {' | '.join(row)} |\n" for row in [list(COLUMNS), rule, *rows])


def _plain(text: str) -> str:
    """Text that Markdown leaves alone."""
    return re.sub(r"([\\`*_{}\[\]<>|#~$&])", r"\\\1", text)


def as_csv(lines: Sequence[Line]) -> str:
    """All columns of the lines in full precision, under their names; what is not there is empty."""
    out = io.StringIO(newline="")
    names = list(Line.__dataclass_fields__)
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    for line in lines:
        writer.writerow(line.as_dict())
    return out.getvalue()
