"""Files that are on the disk itself, whole or not at all, whatever is killed and whenever the power goes."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__ = ["make_folder", "replace_file", "synchronise", "write_new"]


def replace_file(path: Path, data: bytes) -> None:
    """Whoever reads at any time finds the old file or the new; its folder is made. Raises OSError."""
    make_folder(path.parent)
    scratch = path.parent / f".{path.name}.{secrets.token_hex(8)}.tmp"
    try:
        write_new(scratch, data)
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    synchronise(path.parent)


def write_new(path: Path, data: bytes) -> None:
    """Write a file in the place of whatever is there, a link too, which is not followed. Raises OSError."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def make_folder(folder: Path) -> None:
    """Make a folder that outlives a power cut. Raises OSError."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        synchronise(folder.absolute().parent)


def synchronise(folder: Path) -> None:
    """Write a folder's names to the disk itself, where the system has folders that can be opened. Raises OSError."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
