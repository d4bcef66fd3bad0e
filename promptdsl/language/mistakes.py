"""Turns a place where the grammar could not go on into an error that a beginner can act on.

The tables of `tag_mistakes` and `line_mistakes` say what people mistype; this file finds the row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from string import Template as Wording

from promptdsl.errors import Span, printable
from promptdsl.language.findings import Findings
from promptdsl.language.recovery import Problem

__all__ = ["Mistake", "report", "tag_closed"]

# A tag begins here, in any of the ways that a person may mean it.
OPENS = re.compile(r"[<{][ \t\r\n]*[\"']")


@dataclass(frozen=True, slots=True)
class Mistake:
    """One row: where the grammar stood, what stands there, and what to say about it.

    `where` names places of `Problem.where`, joined by `|`; "*" is anywhere. `looks` is matched at
    the place itself, `behind` searched in the token before it; `closed` asks whether the open tag has its closing
    bracket further on. `caret` marks what `looks` matched ("here"), the spot just behind the token before ("gap"), or
    that token ("last"); a group `spot` of `looks` narrows "here". In the
    texts, `$found` is what stands there, `$last` the token before, `$open` and `$close` the tag's brackets.
    `goes_on` says where a template goes on if not behind the broken tag: at the bracket in the token before ("last"),
    or behind the character at the place itself ("next").
    """

    where: str
    looks: re.Pattern[str]
    code: str
    message: str
    label: str
    help: str
    caret: str = "here"
    behind: re.Pattern[str] | None = None
    closed: bool | None = None
    note: str = ""
    goes_on: str = ""

    def fits(self, problem: Problem, closed: bool) -> re.Match[str] | None:
        """The match at the problem's place if this row is about it."""
        if self.where != "*" and problem.where not in self.where.split("|"):
            return None
        if self.closed is not None and self.closed != closed:
            return None
        if self.behind is not None and (problem.last is None or not self.behind.search(problem.last)):
            return None
        return self.looks.match(problem.text, problem.at)


def brackets(problem: Problem) -> tuple[str, str]:
    """The bracket that opened the tag, and the one that should close it."""
    if problem.opener is None or "<" in problem.opener:
        return "<", ">"
    return "{", "}"


def tag_closed(problem: Problem) -> tuple[bool, int]:
    """Whether the open tag's closing bracket comes before another tag begins, and where reading may go on.

    Quotes are not looked at: in a broken tag they prove nothing.
    """
    start = problem.at + (problem.where in ("key", "value", "element"))
    close = problem.text.find(brackets(problem)[1], start)
    opens = OPENS.search(problem.text, start, close if close >= 0 else len(problem.text))
    if opens:
        return False, opens.start()
    return (True, close + 1) if close >= 0 else (False, len(problem.text))


def report(problem: Problem, table: Iterable[Mistake], findings: Findings) -> Mistake:
    """Report the first row of `table` that fits; the last row of a table fits everything."""
    closed = tag_closed(problem)[0] if problem.opener is not None else False
    for row in table:
        match = row.fits(problem, closed)
        if match is not None:
            break
    else:  # pragma: no cover - the tables end with a row for everything
        raise LookupError(problem.where)
    opening, closing = brackets(problem)
    here = _here(match)
    found = printable(problem.text[here.start : here.end] or problem.text[problem.at : problem.at + 1], 40)
    last = "" if problem.last is None else printable(problem.last.strip(), 40)
    fields = {"found": found, "last": last, "open": opening, "close": closing}
    ticked = fields | {"found": _ticked(found), "last": _ticked(last)}
    message = Wording(row.message).substitute(ticked)
    label, advice, note = (Wording(text).substitute(fields) for text in (row.label, row.help, row.note))
    findings.add(row.code, message, _span(row.caret, problem, here), label, advice, note)
    return row


def _ticked(written: str) -> str:
    return f'"{written}"' if "`" in written else f"`{written}`"


def _here(match: re.Match[str]) -> Span:
    """What a row's pattern matched, or its group `spot`, without blanks at the end."""
    group: str | int = "spot" if "spot" in match.re.groupindex else 0
    start = match.start(group)
    return Span(start, start + len(match.group(group).rstrip()))


def _span(caret: str, problem: Problem, here: Span) -> Span:
    if caret == "last" and problem.last is not None:
        start = problem.last.start_pos or 0
        return Span(start, start + len(problem.last.rstrip()))
    return Span(problem.gap, problem.gap) if caret == "gap" else here
