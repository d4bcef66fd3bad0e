"""`promptdsl fmt`: templates and verbalizers in their canonical text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from promptdsl.cli.inputs import STDIN, is_verbalizer, text_of
from promptdsl.cli.terminal import FAILED, WRONG, show_error, write
from promptdsl.errors import Diagnostic, FileError, PromptDSLError
from promptdsl.language.template import Template
from promptdsl.language.verbalizer import Verbalizer

__all__ = ["command"]


def command(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help="Files: .verbalizer holds a verbalizer, any other one template; none or -: stdin.",
            show_default=False,
        ),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit code 1 if something would.")] = False,
    in_place: Annotated[bool, typer.Option("--write", help="Change the files.")] = False,
    verbalizer: Annotated[bool, typer.Option("--verbalizer", help="stdin holds a verbalizer.")] = False,
    lines: Annotated[bool, typer.Option("--lines", help="Template files hold one template a line.")] = False,
) -> None:
    """Write templates and verbalizers in their canonical text: the same meaning, one spelling.

    \b
    echo '{ "placeholder": "text_a" } It was {"mask"}.' | promptdsl fmt
    promptdsl fmt --check movie.template movie.verbalizer
    """
    if check and in_place:
        raise typer.BadParameter("--check and --write exclude each other")
    if in_place and (not files or STDIN in files):
        raise typer.BadParameter("--write needs files")
    code = 0
    for path in files or [STDIN]:
        try:
            changed = _format(path, verbalizer if path == STDIN else is_verbalizer(path), lines, check, in_place)
        except PromptDSLError as error:
            show_error(error)
            code = WRONG
        else:
            code = max(code, FAILED if check and changed else 0)
    if code:
        raise typer.Exit(code)


def _format(path: str, holds_verbalizer: bool, lines: bool, check: bool, in_place: bool) -> bool:
    """Format one file; whether its canonical text is another than what stands there."""
    written = text_of(path)
    name = "stdin" if path == STDIN else path
    end = "\n" if written.endswith("\n") else ""
    body = written.removesuffix("\n")
    if Path(path).suffix.lower() in (".json", ".yaml", ".yml"):
        _refuse(path) if in_place or check else None
        canonical = str(Verbalizer.from_file(path))
    elif holds_verbalizer:
        canonical = str(Verbalizer(body, origin=name))
    elif lines:
        canonical = "\n".join(str(Template(x, origin=name)) if x.strip() else x for x in body.split("\n"))
    else:
        canonical = str(Template(body, origin=name))
    changed = canonical != body
    if in_place and changed:
        _replace(path, canonical + end)
    if check and changed:
        write(f"{name} would change")
    if not check and not in_place:
        write(canonical)
    return changed


def _refuse(path: str) -> None:
    message = f"{path!r} is data, not our text: fmt does not rewrite it"
    raise FileError(Diagnostic("PD805", message, help="write the verbalizer to a .verbalizer file", origin="file"))


def _replace(path: str, text: str) -> None:
    try:
        Path(path).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        message = f"the file {path!r} cannot be written: {error.strerror or error}"
        raise FileError(Diagnostic("PD804", message, help="check the path", origin="file")) from None
