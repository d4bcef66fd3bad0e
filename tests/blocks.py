"""Reads the fixture files: texts that a person can read and edit.

A file holds cases separated by lines of five or more `=`. In a case a line of five or more `-` parts the input from
what is expected. Words after the `=` are flags; `escaped` says that the input is written with Python's escapes, for
characters that nobody could see.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FIXTURES = Path(__file__).parent / "fixtures"


@dataclass(frozen=True)
class Case:
    """One case; `line` is where it begins in its file."""

    line: int
    input: str
    expected: str

    def __str__(self) -> str:
        return f"line{self.line}"


def cases(name: str) -> list[Case]:
    """The cases of `tests/fixtures/<name>`."""
    found: list[Case] = []
    text = (FIXTURES / name).read_text(encoding="utf-8")
    for match in re.finditer(r"^={5,}(?P<flags>[^\n]*)\n(?P<body>.*?)(?=^={5,}|\Z)", text, re.DOTALL | re.MULTILINE):
        parts = re.split(r"^-{5,}\n", match["body"], maxsplit=1, flags=re.MULTILINE)
        written = parts[0].removesuffix("\n")
        if "escaped" in match["flags"]:
            written = written.encode("ascii", "backslashreplace").decode("unicode_escape")
        expected = parts[1].removesuffix("\n") if len(parts) > 1 else ""
        found.append(Case(text.count("\n", 0, match.start()) + 1, written, expected))
    return found
