"""Floor 0: what went wrong, where, and what to do — as data first, as text second."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

__all__ = [
    "Diagnostic",
    "FileError",
    "ModelError",
    "PromptDSLError",
    "RowError",
    "Span",
    "TemplateError",
    "TemplateNameError",
    "TemplateSyntaxError",
    "TrainingError",
    "VerbalizerError",
    "fail",
    "fail_row",
    "printable",
    "raise_all",
    "width",
]

MESSAGE_LIMIT = 2048  # bytes of a whole rendered message
LINE_LIMIT = 100  # columns of a quoted source line
PART_LIMIT = 300  # characters of one message, help or note


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open range of character offsets into a source text."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"no span from {self.start} to {self.end}")


def printable(text: str, limit: int = PART_LIMIT) -> str:
    """`text` with control, format and surrogate characters escaped, cut so that at most `limit` characters result."""
    shown: list[str] = []
    room = limit
    for character in text:
        cell = _cell(character)
        room -= len(cell)
        if room < 0:
            room += len(cell)
            while shown and room < 1:
                room += len(shown.pop())
            return "".join(shown) + "…"
        shown.append(cell)
    return "".join(shown)


def _cell(character: str) -> str:
    """One character as it is printed."""
    hidden = character != " " and unicodedata.category(character).startswith(("C", "Z"))
    return _escape(character) if hidden else character


def _escape(character: str) -> str:
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character)
    if short:
        return short
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: a stable code, a message, the place it points at, and a remedy.

    `span` counts characters of `source`; `origin` names the source ("template", "verbalizer", a file).
    `label` stands beside the caret; `help` says what to do; `note` what else is good to know.
    """

    code: str
    message: str
    severity: str = "error"
    span: Span | None = None
    label: str = ""
    help: str = ""
    note: str = ""
    source: str | None = None
    origin: str = "template"

    @property
    def line(self) -> int | None:
        """Line of the span's start, from 1."""
        return None if self.span is None or self.source is None else self.source.count("\n", 0, self.span.start) + 1

    @property
    def column(self) -> int | None:
        """Column of the span's start, in characters, from 1."""
        if self.span is None or self.source is None:
            return None
        return self.span.start - (self.source.rfind("\n", 0, self.span.start) + 1) + 1

    def __str__(self) -> str:
        lines = [f"{self.code} {printable(self.message)}", *self._excerpt()]
        indent = " " * len(str(self.line or 1))
        for name, text in (("help", self.help), ("note", self.note)):
            if text:
                lines.append(f"{indent} = {name}: {printable(text)}")
        return "\n".join(lines)

    def _excerpt(self) -> list[str]:
        """The source line with the caret under the span, windowed so that long lines stay readable."""
        if self.span is None or self.source is None:
            return []
        begin = self.source.rfind("\n", 0, self.span.start) + 1
        stop = self.source.find("\n", begin)
        stop = len(self.source) if stop < 0 else stop - self.source[begin:stop].endswith("\r")
        left = _reach(self.source, self.span.start, begin, LINE_LIMIT // 2)
        right = _reach(self.source, self.span.start, stop, LINE_LIMIT // 2)
        first = min(self.span.start, right)
        last = max(first, min(self.span.end, right))
        head, body, tail = (
            "".join(map(_cell, self.source[a:b])) for a, b in ((left, first), (first, last), (last, right))
        )
        dots = "…" if left > begin else ""
        gutter = " " * len(str(self.line))
        carets = " " * (width(dots) + width(head)) + "^" * max(1, width(body))
        return [
            f"{gutter}--> {printable(self.origin, 200)}:{self.line}:{self.column}",
            f"{gutter} |",
            f"{self.line} | {dots}{head}{body}{tail}{'…' if right < stop else ''}".rstrip(),
            f"{gutter} | {carets}{' ' + printable(self.label) if self.label else ''}",
        ]


def _reach(source: str, start: int, end: int, columns: int) -> int:
    """How far from `start` towards `end` the printed text fits into about so many columns."""
    step = 1 if end >= start else -1
    at = start
    while at != end and columns > 0:
        columns -= max(1, width(_cell(source[min(at, at + step)])))
        at += step
    return at


def width(text: str) -> int:
    """Terminal columns of a printable text: wide characters take two, combining marks none."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


class PromptDSLError(ValueError):
    """Base of every error that promptdsl raises for a user's mistake; `diagnostics` carries it as data."""

    diagnostics: tuple[Diagnostic, ...]

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__(*diagnostics)
        self.diagnostics = diagnostics

    @property
    def code(self) -> str:
        """Code of the first diagnostic."""
        return self.diagnostics[0].code

    def __str__(self) -> str:
        shown: list[str] = []
        size = 0
        for number, diagnostic in enumerate(self.diagnostics):
            text = _within_limit(str(diagnostic))
            size += len(text.encode("utf-8")) + 2
            if shown and size > MESSAGE_LIMIT - 64:
                shown.append(f"… and {len(self.diagnostics) - number} more")
                break
            shown.append(text)
        return "\n\n".join(shown)


def _within_limit(text: str) -> str:
    """`text` cut to the size that one diagnostic may have: a whole message, less the line that counts the others."""
    most = MESSAGE_LIMIT - 64
    data = text.encode("utf-8")
    return text if len(data) <= most else data[: most - 3].decode("utf-8", "ignore") + "…"


class TemplateSyntaxError(PromptDSLError):
    """PD1: a string that does not follow the grammar."""


class TemplateNameError(PromptDSLError):
    """PD2: an unknown tag, attribute, filter or column."""


class TemplateError(PromptDSLError):
    """PD3: a template that parses but cannot mean anything."""


class VerbalizerError(PromptDSLError):
    """PD4: a verbalizer that cannot be read or used."""


class ModelError(PromptDSLError):
    """PD5: a tokenizer or a language model that cannot do what the strings ask."""


class RowError(PromptDSLError):
    """PD6: a row of data that cannot be used; `row` (from 0), `column` and `character` say which."""

    row: int | None = None
    column: str | None = None
    character: int | None = None


class TrainingError(PromptDSLError):
    """PD7: training or evaluation that cannot go on."""


class FileError(PromptDSLError):
    """PD8: a file that cannot be read or written."""


BY_FLOOR: dict[str, type[PromptDSLError]] = {
    "PD1": TemplateSyntaxError,
    "PD2": TemplateNameError,
    "PD3": TemplateError,
    "PD4": VerbalizerError,
    "PD5": ModelError,
    "PD6": RowError,
    "PD7": TrainingError,
    "PD8": FileError,
}


def raise_all(diagnostics: Iterable[Diagnostic], kind: type[PromptDSLError] | None = None) -> None:
    """Raise the errors among `diagnostics` as one exception; return if there are none.

    `kind` is the exception's class. Without it the first error's code chooses the class, except that whatever a
    verbalizer's text does wrong is a `VerbalizerError`.
    """
    found = tuple(d for d in diagnostics if d.severity == "error")
    if found:
        chosen = VerbalizerError if found[0].origin == "verbalizer" else BY_FLOOR[found[0].code[:3]]
        raise (kind or chosen)(*found)


def fail(
    code: str,
    message: str,
    *,
    help: str = "",
    note: str = "",
    span: Span | None = None,
    source: str | None = None,
    origin: str = "template",
    label: str = "",
) -> NoReturn:
    """The one door out for a single error: raise it as the class that its code belongs to."""
    diagnostic = Diagnostic(code, message, span=span, source=source, origin=origin, label=label, help=help, note=note)
    raise (VerbalizerError if origin == "verbalizer" else BY_FLOOR[code[:3]])(diagnostic)


def fail_row(
    code: str, message: str, row: int, column: str = "", character: int | None = None, help: str = ""
) -> NoReturn:
    """Raise a RowError for row `row` (from 0), its `column` and the offending `character` (offset, from 0)."""
    where = f"row {row}" + (f', column "{column}"' if column else "")
    where += "" if character is None else f", character {character}"
    error = RowError(Diagnostic(code, f"{where}: {message}", origin="rows", help=help))
    error.row, error.column, error.character = row, column or None, character
    raise error
