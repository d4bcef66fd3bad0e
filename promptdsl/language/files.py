"""Reads the texts of both languages from files."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from promptdsl.errors import Diagnostic, FileError

__all__ = ["read_text"]


def read_text(path: str | PathLike[str]) -> str:
    """The file's text: UTF-8, a byte order mark ignored, line ends as `\\n`. Raises `FileError`."""
    file = Path(path)
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise _error("PD801", f"no file {str(path)!r}", "check the path") from None
    except UnicodeDecodeError as error:
        message = f"the file {str(path)!r} is not UTF-8: byte 0x{error.object[error.start]:02x} at {error.start}"
        raise _error("PD802", message, "save it as UTF-8") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _error("PD803", f"the file {str(path)!r} cannot be read: {reason}", "check the path") from None


def _error(code: str, message: str, help_text: str) -> FileError:
    return FileError(Diagnostic(code, message, help=help_text, origin="file"))
