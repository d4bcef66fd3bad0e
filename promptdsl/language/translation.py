"""Writing another framework's string in our language while remembering which characters came from where.

An importer only translates; our own parser is the one judge of what the result means. What it finds is told with the
caret in the text that the user wrote.
"""

from __future__ import annotations

from dataclasses import replace

from promptdsl.errors import Diagnostic, PromptDSLError, Span
from promptdsl.language.findings import Findings
from promptdsl.language.nodes import escape, scalar
from promptdsl.language.parser import LONGEST_TEMPLATE
from promptdsl.language.schema import Value
from promptdsl.language.template import Template

__all__ = ["Translation"]


class Translation:
    """Our template text, grown piece by piece, with the span of `original` behind every piece."""

    def __init__(self, original: str, literal_help: str = "") -> None:
        """`literal_help` says how the other language writes its opening bracket as text.

        Raises the parser's limit error for an `original` that is larger than a template may be.
        """
        Findings(original, "template").refuse_larger(LONGEST_TEMPLATE, "template")
        self.original = original
        self._literal_help = literal_help
        self._parts: list[str] = []
        self._waiting: list[tuple[str, Span]] = []  # text since the last tag
        self._length = 0
        self._marks: list[tuple[int, int, Span]] = []  # start and end in our text, span in the original

    def text(self, text: str, span: Span) -> None:
        """Fixed text; what needs an escape in our language gets one."""
        self._waiting.append((text, span))

    def tag(self, pairs: list[tuple[str, Value, Span, Span]], span: Span) -> None:
        """A tag: (key, value, span of the key, span of the value); a null value is written as the key alone."""
        self._write_text(before_tag=True)
        start = self._length
        for number, (key, value, key_span, value_span) in enumerate(pairs):
            self._add("," if number else "<", span)
            self._add(scalar(key), key_span)
            if value is not None:
                self._add(":", span)
                self._add(scalar(value), value_span)
        self._add(">", span)
        self._marks.append((start, self._length, span))

    def _write_text(self, before_tag: bool) -> None:
        """The waiting texts as one, for a tag could begin where two of them meet."""
        if self._waiting:
            span = Span(self._waiting[0][1].start, max(s.end for _, s in self._waiting))
            self._add(escape("".join(t for t, _ in self._waiting), before_tag), span)
            self._waiting.clear()

    def _add(self, text: str, span: Span) -> None:
        self._marks.append((self._length, self._length + len(text), span))
        self._parts.append(text)
        self._length += len(text)

    def template(self) -> Template:
        """The parsed template. Raises the parser's errors with their spans in the original text."""
        self._write_text(before_tag=False)
        try:
            return Template("".join(self._parts))
        except PromptDSLError as error:
            raise type(error)(*map(self._moved, error.diagnostics)) from None

    def _moved(self, diagnostic: Diagnostic) -> Diagnostic:
        """The diagnostic with its span (the narrowest written piece around it) in the original text."""
        if diagnostic.span is None:
            return diagnostic
        start, end = diagnostic.span.start, diagnostic.span.end
        around = [m for m in self._marks if m[0] <= start and (end <= m[1] or start < m[1])]
        inside = [m for m in around if end <= m[1]] or around
        span = min(inside, key=lambda m: m[1] - m[0])[2] if inside else Span(0, len(self.original))
        shown = self._literal_help if "\\<" in diagnostic.help else diagnostic.help
        return replace(diagnostic, span=span, source=self.original, help=shown)
