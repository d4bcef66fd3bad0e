"""What the commands read: files, stdin, and options that hold a text or the name of a file."""

from __future__ import annotations

import sys
from pathlib import Path

from promptdsl.errors import Diagnostic, FileError
from promptdsl.language.files import read_text
from promptdsl.language.template import Template
from promptdsl.language.verbalizer import Verbalizer

__all__ = ["STDIN", "is_verbalizer", "template_from", "text_of", "verbalizer_from"]

STDIN = "-"
VERBALIZERS = (".verbalizer", ".json", ".yaml", ".yml")


def is_verbalizer(path: str) -> bool:
    """Whether a file holds a verbalizer, by its suffix; any other file holds a template."""
    return Path(path).suffix.lower() in VERBALIZERS


def text_of(path: str) -> str:
    """The text of a file, or of stdin for `-`. Raises FileError."""
    if path != STDIN:
        return read_text(path)
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        message = f"stdin is not UTF-8: byte 0x{error.object[error.start]:02x} at {error.start}"
        raise FileError(Diagnostic("PD802", message, help="write UTF-8", origin="stdin")) from None


def template_from(text: str) -> Template:
    """The template that an option gives: the name of a file that exists, or the template itself."""
    return Template.from_file(text) if _is_file(text) else Template(text)


def verbalizer_from(text: str) -> Verbalizer:
    """The verbalizer that an option gives: the name of a file that exists, or the verbalizer itself."""
    return Verbalizer.from_file(text) if _is_file(text) else Verbalizer(text)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # longer than a name may be, or with a NUL
        return False
