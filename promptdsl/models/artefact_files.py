"""The files of an artefact: a reader always finds one whole version of them, and every byte is checked.

A new version is written beside the old one under other names, synchronised, and renamed file by file. Killed in
between, some files have their names already and some do not: together they are the new version, which is told from
damage by the digests, so that a reader finds it and the next writer completes it.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from promptdsl.errors import FileError, fail, printable
from promptdsl.models.whole_files import make_folder, synchronise, write_new

__all__ = ["FILES", "RECORD", "SCHEMA", "TENSORS", "Stored", "read_files", "stored_table", "write_files"]

SCHEMA = 1  # of what is written; a reader takes this one and older ones
TENSORS, RECORD = "prompt.safetensors", f"{'promptdsl'}.json"  # no module's name
DIGEST = f"{RECORD}.sha256"
FILES = (TENSORS, RECORD, DIGEST)  # in the order in which they get their names
NEW = ".new"  # after the name of a file of a version that has not replaced the old one yet
LONGEST = {RECORD: 64 * 2**20, DIGEST: 200}  # bytes
TRIES = 5  # readings while somebody writes


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """What an artefact's files hold.

    Attributes:
        record: the JSON object.
        tensors: by name; all numbers are finite.
    """

    record: Mapping[str, Any] = field(repr=False)
    tensors: Mapping[str, Tensor]

    def __str__(self) -> str:
        shown = (f"{name} {tuple(t.shape)}" for name, t in self.tensors.items())
        return f"artefact of schema {self.record['schema']}: {', '.join(shown) or 'no tensors'}"


def write_files(folder: str | Path, record: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write an artefact. Whatever happens, the folder has the version that it had, or this one.

    Args:
        folder: it is made if it is not there; other files in it stay.
        record: what JSON can hold; the schema and the digest of the tensors are added.
        tensors: by name.

    Raises:
        FileError: PD804 if the system refuses, PD839 for numbers that are not finite or what JSON does not know.
    """
    from safetensors.torch import save

    packed = save({name: _plain(name, tensor) for name, tensor in tensors.items()})
    whole = {**record, "schema": SCHEMA, "tensors": {"sha256": _sha256(packed), "bytes": len(packed)}}
    try:
        text = (json.dumps(whole, indent=1, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError, RecursionError) as error:
        note = printable(str(error), 200)
        fail("PD839", "what is to be saved holds what JSON does not know", help="use texts and numbers", note=note,
             origin="artefact")  # fmt: skip
    if len(text) > LONGEST[RECORD]:
        fail("PD839", f"the record would have {len(text):,} bytes", help="save fewer metrics", origin="artefact")
    place = Path(folder).expanduser()
    try:
        make_folder(place)
        with _alone(place):
            _replace(place, {TENSORS: packed, RECORD: text, DIGEST: _digest_line(text)})
    except OSError as error:
        message = f'"{printable(str(folder), 100)}" cannot be written: {error.strerror or error}'
        fail("PD804", message, help="give a folder that can be written to", origin="artefact")


def read_files(folder: str | Path, *, within: str | Path | None = None) -> Stored:
    """Read an artefact, whoever writes to it meanwhile, and check every byte of it.

    Args:
        folder: where it is.
        within: the folder that links of its files may lead into; by default itself.

    Raises:
        FileError: PD830 where there is none, PD831 for damage, PD832 for a newer schema, PD835 for files that are whole
            and say nothing of sense, PD836 for links that lead elsewhere, PD803 if the system refuses.
    """
    place = Path(folder).expanduser()
    bounds = place if within is None else Path(within)
    for last in [False] * (TRIES - 1) + [True]:
        before = _stamps(place)
        problems = []
        for suffix in ("", NEW):
            try:
                return _read_version(place, bounds, suffix)
            except FileError as error:
                if error.code not in ("PD830", "PD831"):
                    raise
                problems.append(error)
        if last or _stamps(place) == before:
            break
    raise problems[0] from None


def stored_table(folder: str | Path, name: str, width: int) -> Tensor:
    """(n, width): the soft vectors ("soft") or the prefix ("prefix") of an artefact, for others to start from.

    Raises:
        FileError: what `read_files` raises; PD837 for an artefact without them, or with ones of another width.
    """
    tensors = read_files(folder).tensors
    shown = printable(str(folder), 100)
    if name not in tensors:
        have = ", ".join(n for n in ("soft", "prefix") if n in tensors) or "neither soft tokens nor a prefix"
        fail("PD837", f'the artefact in "{shown}" has no {name}: it has {have}', help="give another one", origin="init")
    table = tensors[name]
    if table.ndim != 2 or table.shape[1] != width or not table.is_floating_point():
        shape = " × ".join(map(str, table.shape))
        message = f'the {name} in "{shown}" is {shape} numbers, and this language model takes a width of {width}'
        fail("PD837", message, help="give an artefact of this language model", origin="init")
    return table.float()


def _plain(name: str, tensor: Tensor) -> Tensor:
    """The tensor as it can be written; PD839 for one that could not be read again."""
    if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
        message = f'"{printable(name, 100)}" has numbers that are not finite'
        fail("PD839", message, help="train again, with a lower learning rate", origin="artefact")
    return tensor.detach().cpu().contiguous().clone()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _digest_line(text: bytes) -> bytes:
    """As `sha256sum -c` reads it."""
    return f"{_sha256(text)}  {RECORD}\n".encode()


# --- writing ----------------------------------------------------------------------------------------------------------


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Other writers wait meanwhile; the system gives the folder free when a writer dies."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(folder: Path, contents: Mapping[str, bytes]) -> None:
    if not _is_whole(folder, "") and _is_whole(folder, NEW):
        _rename(folder)  # what a writer left that was killed: it is all that there is
    try:
        for name, data in contents.items():
            write_new(folder / (name + NEW), data)
        synchronise(folder)
    except OSError:
        for name in contents:
            with suppress(OSError):
                (folder / (name + NEW)).unlink(missing_ok=True)
        raise
    _rename(folder)


def _rename(folder: Path) -> None:
    """Give the files of the new version their names."""
    for name in FILES:
        if (folder / (name + NEW)).exists():
            os.replace(folder / (name + NEW), folder / name)  # noqa: PTH105
    synchronise(folder)


# --- reading ----------------------------------------------------------------------------------------------------------


def _is_whole(folder: Path, suffix: str) -> bool:
    try:
        _read_version(folder, folder, suffix)
    except FileError as error:
        return error.code not in ("PD830", "PD831")  # whole, whatever it says
    return True


def _read_version(folder: Path, bounds: Path, suffix: str) -> Stored:
    """The version under plain names, or the one whose files have the suffix as far as they lack their names yet."""
    places = {name: folder / (name + suffix) for name in FILES}
    places = {name: path if os.path.lexists(path) else folder / name for name, path in places.items()}
    text = _bytes(places[RECORD], bounds, LONGEST[RECORD])
    if text is None:
        shown = printable(str(folder), 100)
        fail("PD830", f'there is no artefact in "{shown}": it has no {RECORD}', help="check the path", origin="file")
    if _bytes(places[DIGEST], bounds, LONGEST[DIGEST]) != _digest_line(text):
        _damaged(folder, f"{RECORD} is not what {DIGEST} says")
    record = _parsed(text)
    packed = _bytes(places[TENSORS], bounds, record["tensors"]["bytes"])
    if packed is None:
        _damaged(folder, f"{TENSORS} is missing")
    if len(packed) != record["tensors"]["bytes"] or _sha256(packed) != record["tensors"]["sha256"]:
        _damaged(folder, f"{TENSORS} is not what {RECORD} says")
    return Stored(record, _unpacked(packed))


def _bytes(path: Path, bounds: Path, most: int) -> bytes | None:
    """A file's bytes, one more than `most` at the most; None where there is no such file."""
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(bounds.resolve()):
            message = f'"{printable(path.name, 60)}" is a link that leads out of the artefact\'s folder'
            fail("PD836", message, help="put the file itself there", origin="file")
        handle = os.open(real, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a pipe would wait for a writer
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                message = f'"{printable(path.name, 60)}" is no plain file'
                fail("PD836", message, help="put the file itself there", origin="file")
            return file.read(most + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RuntimeError) as error:  # a name that no system takes, links in a circle
        if isinstance(error, FileError):
            raise
        reason = getattr(error, "strerror", None) or error
        message = f'"{printable(str(path), 100)}" cannot be read: {printable(str(reason), 100)}'
        fail("PD803", message, help="check the path and its permissions", origin="file")


def _parsed(text: bytes) -> dict[str, Any]:
    """The record, as far as reading the files needs it."""
    try:
        record = json.loads(text.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        _nonsense(f"{RECORD} is not JSON: {printable(str(error), 100)}")
    if not isinstance(record, dict) or not _is_count(record.get("schema")):
        _nonsense(f"{RECORD} does not say its schema")
    if record["schema"] > SCHEMA:
        message = f"the artefact has schema {record['schema']}, and this promptdsl reads up to {SCHEMA}"
        fail("PD832", message, help="update promptdsl", origin="file")
    tensors = record.get("tensors")
    if not isinstance(tensors, dict) or not _is_count(tensors.get("bytes")) or "sha256" not in tensors:
        _nonsense(f"{RECORD} does not say what {TENSORS} is")
    return record


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**62


def _unpacked(packed: bytes) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(packed)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, OverflowError) as error:
        _nonsense(f"{TENSORS} cannot be read: {printable(str(error), 100)}")
    for name, tensor in tensors.items():
        if tensor.is_complex() or (tensor.is_floating_point() and not bool(torch.isfinite(tensor.float()).all())):
            _nonsense(f'"{printable(name, 60)}" in {TENSORS} has numbers that are not finite')
    return tensors


def _stamps(folder: Path) -> list[tuple[int, int] | None]:
    """By what the files can be told from those of another version."""
    found: list[tuple[int, int] | None] = []
    for name in FILES:
        for suffix in ("", NEW):
            try:
                seen = (folder / (name + suffix)).lstat()
                found.append((seen.st_ino, seen.st_mtime_ns))
            except (OSError, ValueError):
                found.append(None)
    return found


def _damaged(folder: Path, what: str) -> NoReturn:
    message = f'the artefact in "{printable(str(folder), 100)}" is damaged: {what}'
    fail("PD831", message, help="take it from a copy, or save it again", origin="file")


def _nonsense(what: str) -> NoReturn:
    fail("PD835", what, help="save the artefact again", origin="file")
