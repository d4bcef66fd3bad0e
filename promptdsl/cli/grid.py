"""Tables on stdout: drawn with rich on a terminal, plain columns in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from promptdsl.cli.terminal import write

__all__ = ["print_grid"]


def print_grid(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), plain: bool = False
) -> None:
    """Print rows of cells under headings; the columns numbered in `right` are set to the right; `plain`: no lines."""
    if sys.stdout.isatty() and not plain:
        _draw(headings, rows, right)
        return
    cells = [headings, *rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(headings))]
    for line in cells:
        padded = (c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
        write("  ".join(padded).rstrip())


def _draw(headings: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for number, heading in enumerate(headings):
        table.add_column(Text(heading), justify="right" if number in right else "left")
    for line in rows:
        table.add_row(*map(Text, line))
    Console().print(table)
