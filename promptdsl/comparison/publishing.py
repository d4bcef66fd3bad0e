"""What a study leaves in its folder for people: tables, pictures, and the report."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from promptdsl.comparison.drawing import draw, picture
from promptdsl.comparison.report import ALTERNATIVES, html_report
from promptdsl.comparison.storing import write_bytes
from promptdsl.comparison.summary import Line
from promptdsl.comparison.tables import as_csv, as_markdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from promptdsl.comparison.study import Study

__all__ = ["can_draw", "publish", "write_report"]


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def publish(study: Study, folder: Path, *, source: str = "", lines: Sequence[Line] | None = None) -> None:
    """Write table.csv, table.md, each picture as .png and .svg (with matplotlib only), and report.html.

    Args:
        study: finished or not.
        folder: where; it is made if it is not there.
        source: the study file that it was made from, for the report.
        lines: `study.lines()`, where they are there already.

    Raises:
        FileError: PD804 where the folder cannot be written to.
    """
    found = list(study.lines() if lines is None else lines)
    pictures = {}
    for name in ALTERNATIVES if can_draw() else ():
        figure = draw(study, name, lines=found)
        pictures[name] = picture(figure, "svg")
        write_bytes(folder / f"{name}.svg", pictures[name])
        write_bytes(folder / f"{name}.png", picture(figure, "png"))
    _write(folder / "table.csv", as_csv(found))
    _write(folder / "table.md", as_markdown(found))
    _write(folder / "report.html", html_report(study, found, pictures, source=source, folder=folder.name))


def write_report(study: Study, path: Path) -> None:
    """The report alone. Raises FileError PD804."""
    lines = study.lines()
    names = ALTERNATIVES if can_draw() else ()
    pictures = {name: picture(draw(study, name, lines=lines), "svg") for name in names}
    _write(path, html_report(study, lines, pictures))


def _write(path: Path, text: str) -> None:
    write_bytes(path, text.encode("utf-8", "backslashreplace"))
