"""`promptdsl lint`: errors and findings in templates and verbalizers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

import typer

from promptdsl.cli.counter import load_counter
from promptdsl.cli.inputs import STDIN, is_verbalizer, template_from, text_of, verbalizer_from
from promptdsl.cli.terminal import FAILED, WRONG, show_error, show_finding, write
from promptdsl.errors import Diagnostic, PromptDSLError, Span
from promptdsl.language.linter import FAMILIES, lint
from promptdsl.language.template import Template
from promptdsl.language.verbalizer import Verbalizer

__all__ = ["command"]


@dataclass(frozen=True, slots=True)
class Model:
    """What is known of the model: nothing, its family, or also how it splits words."""

    family: str | None = None
    count_tokens: Callable[[str], int] | None = None


def command(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help="Files: .verbalizer, .json, .yaml hold a verbalizer, any other one template; - is stdin.",
            show_default=False,
        ),
    ] = None,
    template: Annotated[str | None, typer.Option(metavar="TEXT", help="A template, or a file that holds one.")] = None,
    verbalizer: Annotated[
        str | None, typer.Option(metavar="TEXT", help="A verbalizer, or a file that holds one.")
    ] = None,
    family: Annotated[
        str | None, typer.Option(metavar="|".join(FAMILIES), help="Also findings on such a model.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Also findings with this model's tokenizer (loads it).")
    ] = None,
    lines: Annotated[bool, typer.Option("--lines", help="Template files hold one template a line.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """Look for errors and for what is probably not meant. Exit code 1: findings; 2: errors.

    \b
    promptdsl lint --template '<"placeholder":"text_a"> It was<"mask">.'
    promptdsl lint movie.template movie.verbalizer --model pocket-mlm
    """
    if not files and template is None and verbalizer is None:
        raise typer.BadParameter("give files, --template or --verbalizer")
    if family is not None and family not in FAMILIES:
        raise typer.BadParameter(f"it is one of {', '.join(FAMILIES)}", param_hint="--family")
    known = Model(family) if model is None else Model(*load_counter(model))
    found: list[tuple[str, Diagnostic]] = []
    errors: list[PromptDSLError] = []
    for look in [*_options(template, verbalizer, known), *_files(files or [], lines, known)]:
        try:
            found += look()
        except PromptDSLError as error:
            errors.append(error)
    if as_json:
        found += [(d.origin, d) for e in errors for d in e.diagnostics]
        write(json.dumps([_as_data(name, d) for name, d in found], ensure_ascii=False, indent=2))
    else:
        for name, diagnostic in found:
            show_finding(replace(diagnostic, origin=name))
        for failed in errors:
            show_error(failed)
    if errors or found:
        raise typer.Exit(WRONG if errors else FAILED)


Look = Callable[[], list[tuple[str, Diagnostic]]]


def _options(template: str | None, verbalizer: str | None, model: Model) -> Iterator[Look]:
    """The two options, looked at together."""

    def look() -> list[tuple[str, Diagnostic]]:
        return _lint(
            None if template is None else template_from(template),
            None if verbalizer is None else verbalizer_from(verbalizer),
            model,
        )

    if template is not None or verbalizer is not None:
        yield look


def _files(files: list[str], lines: bool, model: Model) -> Iterator[Look]:
    """Each file by itself; one template and one verbalizer are looked at together."""
    verbalizers = [f for f in files if is_verbalizer(f)]
    templates = [f for f in files if not is_verbalizer(f)]
    if len(verbalizers) == len(templates) == 1 and not lines:
        yield partial(_lint_pair, templates[0], verbalizers[0], model)
        return
    for path in files:
        if is_verbalizer(path):
            yield partial(_lint_pair, None, path, model)
        elif not lines:
            yield partial(_lint_pair, path, None, model)
        else:
            yield from _each_line(path, model)


def _lint_pair(template: str | None, verbalizer: str | None, model: Model) -> list[tuple[str, Diagnostic]]:
    """Lint the files of a template, of a verbalizer, or of both."""
    name = "stdin" if template == STDIN else template or ""
    read = None if template is None else Template(text_of(template).removesuffix("\n"), origin=name)
    words = None if verbalizer is None else Verbalizer.from_file(verbalizer)
    return _lint(read, words, model, name, verbalizer or "")


def _each_line(path: str, model: Model) -> Iterator[Look]:
    """The lines of a file, each a template; places are told in the file."""
    try:
        text = text_of(path)
    except PromptDSLError as error:
        yield partial(_again, error)
        return
    at, name = 0, "stdin" if path == STDIN else path
    for line in text.split("\n"):
        if line.strip():
            yield partial(_lint_line, line, text, at, name, model)
        at += len(line) + 1


def _again(error: PromptDSLError) -> list[tuple[str, Diagnostic]]:
    raise error


def _lint_line(line: str, text: str, at: int, path: str, model: Model) -> list[tuple[str, Diagnostic]]:
    try:
        found = _lint(Template(line), None, model, path)
    except PromptDSLError as error:
        raise type(error)(*(_in_file(d, text, at, path) for d in error.diagnostics)) from None
    return [(name, _in_file(d, text, at, path)) for name, d in found]


def _in_file(diagnostic: Diagnostic, text: str, at: int, path: str) -> Diagnostic:
    if diagnostic.span is None:
        return replace(diagnostic, origin=path)
    span = Span(diagnostic.span.start + at, diagnostic.span.end + at)
    return replace(diagnostic, span=span, source=text, origin=path)


def _lint(
    template: Template | None,
    verbalizer: Verbalizer | None,
    model: Model,
    first: str = "template",
    second: str = "verbalizer",
) -> list[tuple[str, Diagnostic]]:
    """(where it stands, finding); `first` and `second` name the template and the verbalizer."""
    found = lint(template, verbalizer, family=model.family, count_tokens=model.count_tokens)
    return [(first if d.origin == "template" else second, d) for d in found]


def _as_data(name: str, diagnostic: Diagnostic) -> dict[str, Any]:
    """A finding as JSON: `span` counts characters from 0, `line` and `column` from 1."""
    span = diagnostic.span
    return {
        "file": name,
        "line": diagnostic.line,
        "column": diagnostic.column,
        "span": None if span is None else [span.start, span.end],
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "help": diagnostic.help,
        "note": diagnostic.note,
    }
