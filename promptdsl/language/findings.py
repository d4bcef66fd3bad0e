"""Collects what is wrong with one source text, so that one pass reports several errors."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from promptdsl.errors import Diagnostic, PromptDSLError, Span, VerbalizerError, printable, raise_all
from promptdsl.language.schema import Value

__all__ = ["MOST_ERRORS", "Findings", "listed", "named", "quoted", "suggest"]

MOST_ERRORS = 32  # parsing stops here: nobody reads more, and a hostile text must not cost more


class Findings:
    """The diagnostics of one source text, in the order of their places when raised."""

    def __init__(self, source: str | None, origin: str) -> None:
        self.source = source
        self.origin = origin
        self.found: list[Diagnostic] = []

    def add(self, code: str, message: str, span: Span | None, label: str = "", help: str = "", note: str = "") -> None:
        """Report one error."""
        self.found.append(
            Diagnostic(
                code,
                message,
                span=span,
                label=label,
                help=help,
                note=note,
                source=self.source if span is not None else None,
                origin=self.origin,
            )
        )

    @property
    def full(self) -> bool:
        """Whether so many errors were found that looking further is of no use."""
        return len(self.found) >= MOST_ERRORS

    def refuse_larger(self, limit: int | None, language: str) -> None:
        """Raise if the source has more than `limit` bytes of UTF-8."""
        if limit is None or self.source is None or len(self.source) * 4 <= limit:
            return
        size = len(self.source.encode("utf-8", "surrogatepass"))
        if size > limit:
            message = f"the {language} has {size:,} bytes; at most {limit:,} are read"
            self.add("PD121", message, None, help="a text this long is data: let the rows carry it")
            self.raise_found(language)

    def raise_found(self, language: str) -> None:
        """Raise what was found, if anything, as one exception for `language` ("template" or "verbalizer")."""
        ordered = sorted(self.found, key=lambda d: -1 if d.span is None else d.span.start)
        kind: type[PromptDSLError] | None = VerbalizerError if language == "verbalizer" else None
        raise_all(ordered, kind)


def quoted(text: str, limit: int = 40) -> str:
    """What the user wrote, in double quotes, printable and short."""
    return f'"{printable(text, limit)}"'


def listed(names: Iterable[Any]) -> str:
    """Names as a person would list them: `a, b, c`."""
    return ", ".join(str(n) for n in names)


def named(value: Value) -> str:
    """A tag's value in words: `the text "3"`, `the number 3.0`, `true`, `a list with the integer 3`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    if isinstance(value, tuple):
        odd = next((item for item in value if not isinstance(item, str)), "")
        return "an empty list" if not value else "a list" if isinstance(odd, str) else f"a list with {named(odd)}"
    return f"the number {value}" if isinstance(value, float) else f"the integer {value}"


def suggest(written: str, options: Iterable[str]) -> str | None:
    """The option that `written` was probably meant to be."""
    if len(written) > 40:
        return None
    folded = {option.casefold(): option for option in options}
    wanted = written.strip().casefold().replace("-", "_").replace(" ", "_")
    if wanted in folded:
        return folded[wanted]
    close = difflib.get_close_matches(wanted, list(folded), n=1, cutoff=0.6)
    return folded[close[0]] if close else None
