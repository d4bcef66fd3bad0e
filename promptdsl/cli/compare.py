"""`promptdsl compare`: a study from a file, with a table, pictures and a report in a folder at the end."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptdsl.cli.grid import print_grid
from promptdsl.cli.progress import progress
from promptdsl.cli.study_example import EXAMPLE
from promptdsl.cli.terminal import FAILED, write
from promptdsl.errors import printable

if TYPE_CHECKING:
    from promptdsl.cli.study_file import StudyFile
    from promptdsl.comparison.study import Study
    from promptdsl.comparison.summary import Line
    from promptdsl.comparison.values import Cell

__all__ = ["INTERRUPTED", "command"]

WIDE = 150  # columns of a terminal that has room for the whole table
ESSENTIAL = ("arm", "shots", "accuracy", "95 %", "difference", "p (Holm)", "")  # of the table, where it has not
INTERRUPTED = 130  # as shells have it


def command(
    study: Annotated[
        str | None, typer.Argument(metavar="STUDY.toml", show_default=False, help="What is compared; see --example.")
    ] = None,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="FOLDER", help="Where the study goes; study/ beside the file by default."),
    ] = None,
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="Processes to run at once.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Run the cells again that failed.")] = False,
    example: Annotated[bool, typer.Option("--example", help="Print a study file to start from, and end.")] = False,
) -> None:
    """Compare templates, verbalizers and baselines on the same few-shot rows.

    The folder gets the table (table.csv, table.md), pictures (curves, cost and templates, each as .png and .svg) and
    report.html. It has each finished cell at once: the same call goes on with a study that was cut short, and runs
    what was added to the file.

    \b
    promptdsl compare --example > study.toml
    promptdsl compare study.toml
    """
    if example:
        write(EXAMPLE.rstrip())
        return
    if study is None:
        raise typer.BadParameter("name a study file, or print one with --example", param_hint="STUDY.toml")
    from promptdsl.cli.study_file import read_study
    from promptdsl.comparison.publishing import can_draw, publish

    asked = read_study(study)
    folder = asked.folder if out is None else Path(out)
    arguments = dict(asked.arguments) | ({} if workers is None else {"workers": workers})
    found = _run(asked, arguments, folder, retry)
    lines = found.lines()
    publish(found, folder, source=asked.text, lines=lines)
    _show(found, lines)
    if not can_draw():
        write('no pictures: they take matplotlib, pip install "promptdsl[plots]"', sys.stderr)
    write(f"\n{printable(str(folder / 'report.html'), 300)} has the report; table and pictures are beside it")
    _end(found)


def _run(asked: StudyFile, arguments: dict[str, Any], folder: Path, retry: bool) -> Study:
    """The study, with a progress bar of its cells; stopped by Ctrl-C it says how to go on."""
    from promptdsl.comparison.comparing import compare

    cells = _planned(arguments)
    try:
        with _warnings_written(), progress("cells", len(cells)) as advance:
            advance(_finished(folder, cells, retry))
            return compare(**arguments, folder=folder, retry=retry, progress=lambda result: advance(1))
    except KeyboardInterrupt:
        count = _finished(folder, cells, retry)
        write(
            f"\nstopped: {count} of {len(cells)} cells are done and kept; the same call goes on from there", sys.stderr
        )
        raise typer.Exit(INTERRUPTED) from None


def _planned(arguments: dict[str, Any]) -> Sequence[Cell]:
    """The cells of the file."""
    from inspect import signature

    from promptdsl.comparison.arguments import named_templates, named_verbalizers, numbers
    from promptdsl.comparison.comparing import compare
    from promptdsl.comparison.spec import StudySpec

    default = {name: p.default for name, p in signature(compare).parameters.items()}
    given = default | arguments
    return StudySpec(
        named_templates(given["templates"]),
        {name: str(verbalizer) for name, verbalizer in named_verbalizers(given["verbalizers"]).items()},
        tuple(dict.fromkeys(given["baselines"])),
        {},
        {"name": ""},
        {},
        tuple(sorted(numbers("shots", given["shots"], 0))),
        numbers("seeds", given["seeds"], 0),
        given["support"],
    ).cells


def _finished(folder: Path, cells: Sequence[Cell], retry: bool) -> int:
    """How many cells a folder has results of, that count."""
    from promptdsl.comparison.study import Study
    from promptdsl.comparison.values import DONE, FAILED, NO_SENSE

    if not (folder / "study.json").is_file():
        return 0
    counting = {DONE, NO_SENSE} if retry else {DONE, NO_SENSE, FAILED}
    there = {result.cell for result in Study.load(folder).results if result.status in counting}
    return len(there.intersection(cells))


@contextmanager
def _warnings_written() -> Iterator[None]:
    """Warnings of a study as a line on stderr."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default", UserWarning)
        try:
            yield
        finally:
            for warning in caught:
                write(f"warning: {printable(str(warning.message), 600)}", sys.stderr)


def _show(study: Study, lines: Sequence[Line]) -> None:
    from promptdsl.comparison.tables import COLUMNS, cells

    write(str(study.spec))
    narrow = sys.stdout.isatty() and get_terminal_size().columns < WIDE
    shown = [i for i, name in enumerate(COLUMNS) if not narrow or name in ESSENTIAL]
    rows = [[row[i] for i in shown] for row in cells(lines)]
    print_grid([list(COLUMNS)[i] for i in shown], rows, right=range(1, len(shown) - 1), plain=narrow)
    if narrow:
        write("the terminal is too narrow for all columns: table.md and the report have them")
    write(f"differences are to {printable(study.spec.baseline, 200)}")


def _end(study: Study) -> None:
    """Exit code 1 if cells failed."""
    from promptdsl.comparison.values import FAILED as BROKEN

    broken = [result for result in study.results if result.status == BROKEN]
    if broken:
        write(f"{len(broken)} cells failed, the first {printable(str(broken[0]), 300)}", sys.stderr)
        write("--retry runs them again", sys.stderr)
        raise typer.Exit(FAILED)
