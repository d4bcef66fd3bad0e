"""`promptdsl show`: every stage between a template string and what the language model reads."""

from __future__ import annotations

import json
import re
import sys
from typing import Annotated

import typer

from promptdsl.cli.options import Format, JsonFlag, MaxLength, TextColumns, template_of, verbalizer_of
from promptdsl.cli.terminal import write

__all__ = ["command"]


def command(
    template: Annotated[str, typer.Argument(metavar="TEMPLATE|@FILE", help="The template.")],
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Whose tokens; without it, the tree alone.")
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option("--text", metavar="TEXT", help="A row's text_a; may be given again.")
    ] = None,
    data: Annotated[str | None, typer.Option("--data", metavar="FILE", help="Rows from a data file.")] = None,
    rows: Annotated[int, typer.Option("--rows", min=1, help="So many rows of that file.")] = 3,
    verbalizer: Annotated[
        str | None, typer.Option("--verbalizer", metavar="TEXT|@FILE", help="Label words, to see their tokens.")
    ] = None,
    text_column: TextColumns = None,
    max_length: MaxLength = None,
    file_format: Format = None,
    as_json: JsonFlag = False,
) -> None:
    """Show every stage: tree, tokens and where each came from, the mask, what was cut, the model's own words.

    \b
    promptdsl show '<"placeholder":"text_a"> It was <"mask">.' --model pocket-mlm --text 'a stirring, funny film'
    """
    if text and data:
        raise typer.BadParameter("--text and --data exclude each other")
    if model is None and (text or data or verbalizer):
        raise typer.BadParameter("rows and label words become tokens only with a model", param_hint="--model")
    parsed = template_of(template)
    words = None if verbalizer is None else verbalizer_of(verbalizer)
    if model is None:
        write(json.dumps({"template": str(parsed), "tree": parsed.tree()}) if as_json else parsed.tree())
        return
    from promptdsl.encoding.tables import lines_named, read_table
    from promptdsl.models.show import show

    if data is None:
        shown = show(parsed, text or None, model, verbalizer=words, max_length=max_length)
    else:
        table = read_table(data, kind=file_format).with_texts(text_column or ())
        with lines_named(table):
            shown = show(parsed, table.rows[:rows], model, verbalizer=words, max_length=max_length)
    if as_json:
        write(json.dumps(shown.as_dict(), ensure_ascii=False))
    elif sys.stdout.isatty():
        _print(str(shown))
    else:
        write(str(shown))


# What is lit up on a terminal: the heading of each stage, the tags, the place that is read, what was cut.
_LIT = (
    (re.compile(r"^(?! ).+$", re.MULTILINE), "bold"),
    (re.compile(r"<\".*?>"), "cyan"),
    (re.compile(r"\(read [^)]*\)"), "bold green"),
    (re.compile(r"\(\d+ tokens? cut [^)]*\)"), "bold yellow"),
    (re.compile(r"«\d+»"), "magenta"),
)


def _print(text: str) -> None:
    from rich.console import Console
    from rich.text import Text

    shown = Text(text)
    for pattern, style in _LIT:
        shown.highlight_regex(pattern, style)
    Console(highlight=False).print(shown, soft_wrap=True)
