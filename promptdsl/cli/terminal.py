"""Output of the commands: diagnostics as text, colours on a terminal only, exit codes."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from promptdsl.errors import Diagnostic, PromptDSLError

__all__ = ["FAILED", "FINE", "WRONG", "paint", "show_error", "show_finding", "write"]

FINE, FAILED, WRONG = 0, 1, 2

_STYLES = {"error": "1;31", "warning": "1;33", "good": "1;32", "strong": "1"}


def paint(text: str, style: str, stream: TextIO) -> str:
    """`text` in the colour of `style`, if the stream is a terminal and NO_COLOR is not set."""
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"


def write(text: str, stream: TextIO | None = None) -> None:
    """One line of output; what the stream's encoding cannot write is escaped."""
    out = sys.stdout if stream is None else stream
    encoding = out.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=out)


def show_error(error: PromptDSLError) -> None:
    """The error as its class and its diagnostics, on stderr."""
    first, *rest = str(error).split("\n")
    name = paint(f"{type(error).__name__}:", "error", sys.stderr)
    write("\n".join([f"{name} {first}", *rest]), sys.stderr)


def show_finding(diagnostic: Diagnostic) -> None:
    """A linter's finding, on stdout."""
    severity = paint(f"{diagnostic.severity}:", diagnostic.severity, sys.stdout)
    write(f"{severity} {diagnostic}\n")
