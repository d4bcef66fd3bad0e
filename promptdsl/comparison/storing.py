"""Files of a study: written whole or not at all, with a checksum that shows damage."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NoReturn

from promptdsl.errors import fail, printable
from promptdsl.models.whole_files import replace_file

__all__ = ["canonical", "digest", "read_checked", "write_bytes", "write_checked"]


def canonical(content: Any) -> str:
    """JSON with one spelling: sorted keys, no blanks; what JSON does not have as Python shows it."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=repr)


def digest(content: Any) -> str:
    """SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(content).encode("utf-8", "surrogatepass")).hexdigest()


def write_checked(path: Path, content: Any) -> None:
    """Write JSON with its checksum. Whoever reads at any time, and whatever is killed, finds the old file or the new.

    Raises:
        FileError: PD804 where the system refuses.
    """
    text = json.dumps({"sha256": digest(content), "content": content}, ensure_ascii=False, separators=(",", ":"))
    write_bytes(path, text.encode("utf-8", "surrogatepass"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole, as `write_checked` does, and as whose errors."""
    try:
        replace_file(path, data)
    except OSError as error:
        _refused("PD804", path, "written", error)


def read_checked(path: Path) -> Any:
    """What `write_checked` wrote; None where there is no such file, or a damaged one."""
    try:
        stored = json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))
        return stored["content"] if digest(stored["content"]) == stored["sha256"] else None
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    except OSError as error:
        _refused("PD803", path, "read", error)


def _refused(code: str, path: Path, verb: str, error: OSError) -> NoReturn:
    message = f"{printable(str(path), 120)} cannot be {verb}: {error.strerror or error}"
    fail(code, message, help="check the path and its permissions", origin="folder")
