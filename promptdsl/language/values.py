"""What a value's token means: strings unescaped, numbers and constants read, each mistake pointed at."""

from __future__ import annotations

import math
import re

from lark import Token

from promptdsl.errors import Span
from promptdsl.language.findings import Findings, quoted
from promptdsl.language.recovery import Branch
from promptdsl.language.schema import Scalar, Value

__all__ = ["SURROGATE", "read_scalar", "read_string", "read_value", "refuse_surrogates", "span_of", "unescape_text"]

_CONSTANTS = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}
_SHORT = {'"': '"', "'": "'", "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_ESCAPE = re.compile(
    r"\\(?:u(?P<high>[dD][89abAB][0-9a-fA-F]{2})\\u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|u(?P<code>[0-9a-fA-F]{4})|(?P<short>[\"'\\/bfnrt])|(?P<wrong>u[0-9a-fA-F]{0,3}|.))",
    re.DOTALL,
)
_TEXT_ESCAPE = re.compile(r"\\([<{\\])")
SURROGATE = re.compile("[\ud800-\udfff]")
_MOST_DIGITS = 18


def span_of(token: Token) -> Span:
    """The token's place, without the blanks that its terminal took along."""
    start = token.start_pos or 0
    return Span(start, start + len(token.rstrip()))


def unescape_text(text: str) -> str:
    r"""A template's text as the model shall read it: `\<`, `\{` and `\\` are escapes, nothing else is."""
    return _TEXT_ESCAPE.sub(r"\1", text) if "\\" in text else text


def read_string(token: Token, findings: Findings) -> str:
    """The text of a quoted string; wrong escapes are reported and left out."""
    body = str(token)[1:-1]
    if "\\" not in body:
        return body
    start = (token.start_pos or 0) + 1

    def character(match: re.Match[str]) -> str:
        if match["short"]:
            return _SHORT[match["short"]]
        if match["high"]:
            return chr(0x10000 + ((int(match["high"], 16) - 0xD800) << 10) + (int(match["low"], 16) - 0xDC00))
        if match["code"] and not 0xD800 <= int(match["code"], 16) < 0xE000:
            return chr(int(match["code"], 16))
        _wrong_escape(match, Span(start + match.start(), start + match.end()), findings)
        return ""

    return _ESCAPE.sub(character, body)


def _wrong_escape(match: re.Match[str], span: Span, findings: Findings) -> None:
    if findings.full:
        return
    written = match.group()
    if match["code"]:
        findings.add(
            "PD112",
            f"{quoted(written)} is half of a character",
            span,
            "a lone surrogate",
            "write the character itself, or both halves, as in \\ud83d\\ude00",
        )
    elif written.startswith("\\u"):
        findings.add(
            "PD112", f"{quoted(written)} is not an escape", span, "four hex digits follow \\u", "write \\u00e9"
        )
    else:
        help_text = (
            f'write \\{written} for a backslash; the escapes are those of JSON: \\" \\\\ \\/ \\b \\f \\n \\r \\t \\u…'
        )
        findings.add("PD112", f"{quoted(written)} is not an escape", span, "unknown escape", help_text)


def read_scalar(token: Token, findings: Findings) -> Scalar:
    """The text, number, boolean or null that a token says."""
    if token.type == "STRING":
        return read_string(token, findings)
    if token.type == "CONSTANT":
        return _CONSTANTS[str(token)]
    if not re.search(r"[.eE]", token):
        if len(token) <= _MOST_DIGITS:
            return int(token)
    else:
        number = float(token)
        if math.isfinite(number):
            return number
    findings.add("PD111", "a number is too large", span_of(token), "too large", "no number here needs so many digits")
    return 0


def read_value(node: Token | Branch, findings: Findings) -> tuple[Value, Span, tuple[Span, ...]]:
    """A pair's value, its place, and the places of a list's items; `node` is a scalar's token or a list's tree."""
    if isinstance(node, Token):
        return read_scalar(node, findings), span_of(node), ()
    opening, *items, closing = (child for child in node.children if isinstance(child, Token))
    place = Span(span_of(opening).start, closing.end_pos or 0)
    return tuple(read_scalar(item, findings) for item in items), place, tuple(map(span_of, items))


def refuse_surrogates(text: str, findings: Findings) -> None:
    """Report the first lone surrogate: no tokenizer can read one."""
    match = SURROGATE.search(text)
    if match:
        findings.add(
            "PD113",
            f"{quoted(match.group())} is half of a character",
            Span(match.start(), match.end()),
            "a lone surrogate",
            "the text was decoded wrongly; read the file as UTF-8",
        )
