"""Reading OpenPrompt's brace language: text and `{…}` tags with the part of Python's literals that has a meaning there.

Hand-written, one pass, linear in the text. A lambda is kept as text; nothing is evaluated.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import NoReturn

from promptdsl.errors import Span, fail, printable
from promptdsl.language.schema import Scalar

__all__ = ["LITERAL_BRACE", "Code", "Pair", "Part", "read"]

LITERAL_BRACE = 'for a brace that is text write {"text": "{"}'

_BLANKS = re.compile(r"[ \t\r\n\f]*")
_QUOTED = re.compile(
    r"""(?P<prefix>[A-Za-z]{0,2})"""
    r"""(?:"(?P<double>[^"\\\n]*(?:\\[\s\S][^"\\\n]*)*)"|'(?P<single>[^'\\\n]*(?:\\[\s\S][^'\\\n]*)*)')"""
)
_QUOTE_OPENS = re.compile(r"""[A-Za-z]{0,2}["']""")
_NUMBER = re.compile(r"[+-]?(?:\d[\d_]*+(?:\.[\d_]*+)?|\.\d[\d_]*+)(?:[eE][+-]?\d++)?(?![\w.])")
_NAME = re.compile(r"[^\W\d]\w*(?:\.\w+)*")
_NAMES = {"True": True, "False": False, "None": None, "true": True, "false": False, "null": None}
_CODE_OPENS = re.compile(r"lambda\b|str\.")
_CODE = re.compile(r"""[^"'()\[\]{},]+""")
_ESCAPE = re.compile(r"\\(\r?\n|[0-7]{1,3}|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|N\{[^{}]*\}|[\s\S])")
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\n": "", "\r\n": ""}
_TYPOGRAPHIC = "“”„‟‘’‚‛«»`"


@dataclass(frozen=True, slots=True)
class Code:
    """A lambda, as text; never run."""

    text: str


@dataclass(frozen=True, slots=True)
class Pair:
    """One `key: value`; `bare` where no value was written."""

    key: str
    value: Scalar | Code
    key_span: Span
    value_span: Span
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """Fixed text, or a tag's pairs; `space` says that OpenPrompt writes one blank before it."""

    content: str | tuple[Pair, ...]
    space: bool
    span: Span


def read(text: str) -> list[Part]:
    """The pieces of an OpenPrompt string, by OpenPrompt's blank rule. Raises PD150 … PD153 at the first mistake."""
    return _Reader(text).parts()


class _Reader:
    """The text and a place in it; every method reads forward."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def fail(self, code: str, message: str, start: int, end: int, label: str = "", help: str = "") -> NoReturn:
        """Raise the error; `start` and `end` are held within the text."""
        stop = len(self.text)
        span = Span(min(start, stop), min(max(start, end), stop))
        fail(code, message, span=span, source=self.text, label=label, help=help)

    def parts(self) -> list[Part]:
        """The pieces, blanks resolved: before a piece they are its `space`, at the end they go."""
        found: list[Part] = []
        text = self.text
        while self.at < len(text):
            space = text[self.at] == " " or (self.at > 0 and text[self.at - 1] == " ")
            while text.startswith(" ", self.at):
                self.at += 1
            start = self.at
            if start == len(text):
                break
            if text[start] == "{":
                found.append(Part(self._tag(), space, Span(start, self.at)))
                continue
            stop = text.find("{", start)
            self.at = len(text) if stop < 0 else stop
            found.append(Part(text[start : self.at].rstrip(" "), space, Span(start, self.at)))
        return found

    def _blanks(self) -> None:
        match = _BLANKS.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def _tag(self) -> tuple[Pair, ...]:
        """`{ key [: value] , … }` from its brace to its brace."""
        opened = self.at
        self.at += 1
        pairs: list[Pair] = []
        while True:
            self._blanks()
            if pairs and self.text.startswith("}", self.at):
                break
            pairs.append(self._pair(opened))
            self._blanks()
            if not self.text.startswith(",", self.at):
                break
            self.at += 1
        if not self.text.startswith("}", self.at):
            self._unclosed(opened, '"," or "}"')
        self.at += 1
        return tuple(pairs)

    def _unclosed(self, opened: int, expected: str) -> NoReturn:
        if self.at >= len(self.text):
            self.fail("PD150", "this brace is never closed", opened, opened + 1, "opened here", help='write "}"')
        self.fail("PD151", f"{expected} is expected here", self.at, self.at + 1, _quotes_help(self.text[self.at]))

    def _pair(self, opened: int) -> Pair:
        start = self.at
        if start >= len(self.text):
            self._unclosed(opened, "a key")
        if not _QUOTE_OPENS.match(self.text, start):
            self.fail(
                "PD151",
                "in OpenPrompt's strings every { opens a tag, and a tag begins with a quoted key",
                start,
                start + 1,
                _quotes_help(self.text[start]) or "a quoted key is expected",
                help=LITERAL_BRACE,
            )
        key = self._string()
        key_span = Span(start, self.at)
        self._blanks()
        if not self.text.startswith(":", self.at):
            return Pair(key, None, key_span, key_span, bare=True)
        self.at += 1
        self._blanks()
        begin = self.at
        value = self._value(opened)
        return Pair(key, value, key_span, Span(begin, self.at))

    def _value(self, opened: int) -> Scalar | Code:
        start = self.at
        if start >= len(self.text):
            self._unclosed(opened, "a value")
        if _CODE_OPENS.match(self.text, start):
            return self._code(opened)
        if _QUOTE_OPENS.match(self.text, start):
            return self._string()
        name = _NAME.match(self.text, start)
        if name and name.group() in _NAMES:
            self.at = name.end()
            return _NAMES[name.group()]
        number = _NUMBER.match(self.text, start)
        if number:
            self.at = number.end()
            return self._number(number.group(), start)
        end = name.end() if name else start + 1
        self.fail(
            "PD153",
            "this is not a value",
            start,
            end,
            _quotes_help(self.text[start]),
            help="a value is a quoted text, a number, True, False, None, or a lambda after post_processing",
        )

    def _number(self, written: str, start: int) -> int | float:
        try:
            plain = written.replace("_", "")
            value = int(plain) if plain.lstrip("+-").isdecimal() else float(plain)
        except ValueError:
            value = float("inf")
        if value in (float("inf"), float("-inf")):
            self.fail("PD153", f"the number {printable(written, 20)} is too large", start, self.at)
        return value

    def _code(self, opened: int) -> Code:
        """A lambda up to the comma or brace that ends it; its parameters may hold commas, its body in brackets too."""
        start, depth, in_head = self.at, 0, self.text.startswith("lambda", self.at)
        while self.at < len(self.text):
            plain = _CODE.match(self.text, self.at)
            if plain:
                in_head = in_head and ":" not in plain.group()
                self.at = plain.end()
                continue
            character = self.text[self.at]
            if character in "\"'":
                self.at = self._quoted().end()
                continue
            if depth == 0 and (character == "}" or (character == "," and not in_head)):
                return Code(self.text[start : self.at])
            depth += (character in "([{") - (character in ")]}")
            self.at += 1
        self._unclosed(opened, "")

    def _string(self) -> str:
        """One quoted text, or several side by side, which Python joins."""
        out: list[str] = []
        while True:
            start = self.at
            match = self._quoted()
            self.at = match.end()
            prefix = match["prefix"].lower()
            body = match["double"] if match["single"] is None else match["single"]
            if prefix not in ("", "r", "u"):
                self.fail("PD152", f"a text that begins with {prefix!r} has no meaning here", start, self.at)
            out.append(body if prefix == "r" else self._unescaped(body, start))
            end = self.at
            self._blanks()
            if not _QUOTE_OPENS.match(self.text, self.at):
                self.at = end
                return "".join(out)

    def _quoted(self) -> re.Match[str]:
        match = _QUOTED.match(self.text, self.at)
        if match is None:
            self.fail("PD152", "this quote is never closed", self.at, self.at + 1, "opened here", help="close it")
        return match

    def _unescaped(self, body: str, start: int) -> str:
        return _ESCAPE.sub(lambda m: self._escape(m, start), body)

    def _escape(self, match: re.Match[str], start: int) -> str:
        """One of Python's escapes; an unknown one stays as it is."""
        body = match.group(1)
        if body in _SIMPLE:
            return _SIMPLE[body]
        if body in "\\'\"":
            return body
        try:
            if body[0] in "01234567":
                return chr(int(body, 8))
            if body[0] in "xuU" and len(body) > 1:
                return chr(int(body[1:], 16))
            if body[0] == "N" and len(body) > 1:
                return unicodedata.lookup(body[2:-1])
        except (ValueError, KeyError, OverflowError):
            pass
        if body[0] in "xuUN":
            self.fail("PD152", f"the escape \\{printable(body, 20)} names no character", start, self.at)
        return "\\" + body


def _quotes_help(character: str) -> str:
    """A word about quotes that only look like quotes."""
    return "a typographic quote; write \" or '" if character in _TYPOGRAPHIC else ""
