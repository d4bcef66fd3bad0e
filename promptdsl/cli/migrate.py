"""`promptdsl migrate`: other frameworks' template strings → ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, NoReturn

import typer

from promptdsl.cli.inputs import STDIN, text_of
from promptdsl.cli.terminal import FAILED, show_error, write
from promptdsl.errors import Diagnostic, FileError, PromptDSLError, Span
from promptdsl.language.importers import IMPORTERS
from promptdsl.language.template import Template

__all__ = ["command"]


def command(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help='One template a line, or .jsonl with a "template" field; - is stdin.')
    ],
    framework: Annotated[
        str, typer.Option("--from", metavar="|".join(IMPORTERS), help="Whose strings they are.")
    ] = "openprompt",
) -> None:
    """Turn other frameworks' template strings into ours, on stdout; .jsonl stays .jsonl.

    A line that cannot be read is told on stderr and left out, and the exit code is 1.

    \b
    promptdsl migrate manual_template.txt > ours.txt
    echo '*cls**sent_0*_It_was*mask*.*sep+*' | promptdsl migrate - --from lm-bff
    """
    if framework not in IMPORTERS:
        raise typer.BadParameter(f"it is one of {', '.join(IMPORTERS)}", param_hint="--from")
    reader = IMPORTERS[framework]
    name = "stdin" if file == STDIN else file
    text = text_of(file)
    convert = _record if file.endswith(".jsonl") else _line
    failed, at = False, 0
    for line in text.removesuffix("\n").split("\n"):
        try:
            write(convert(line, reader) if line.strip() else line)
        except PromptDSLError as error:
            failed = True
            moved = (_in_file(d, line, text, at, name) for d in error.diagnostics)
            show_error(type(error)(*moved))
        at += len(line) + 1
    if failed:
        raise typer.Exit(FAILED)


def _line(line: str, reader: Callable[[str], Template]) -> str:
    return str(reader(line))


def _record(line: str, reader: Callable[[str], Template]) -> str:
    """A JSON object with its "template" migrated, all else as it was."""
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError):
        _no_record(line, "this line is not JSON")
    if not isinstance(record, dict) or not isinstance(record.get("template"), str):
        _no_record(line, 'this line has no "template" that is a text')
    return json.dumps({**record, "template": str(reader(record["template"]))}, ensure_ascii=False)


def _no_record(line: str, message: str) -> NoReturn:
    remedy = 'a .jsonl file holds one object a line: {"template": "…"}'
    raise FileError(Diagnostic("PD806", message, span=Span(0, len(line)), source=line, help=remedy))


def _in_file(diagnostic: Diagnostic, line: str, text: str, at: int, name: str) -> Diagnostic:
    """The diagnostic with its place in the file; in a .jsonl file the line is all that can be said of the place."""
    if diagnostic.span is None:
        return replace(diagnostic, origin=f"{name}:{text.count(chr(10), 0, at) + 1}")
    if diagnostic.source == line:
        span = Span(diagnostic.span.start + at, diagnostic.span.end + at)
        return replace(diagnostic, span=span, source=text, origin=name)
    return replace(diagnostic, origin=f"{name}:{text.count(chr(10), 0, at) + 1}, template")
