"""Run as a program: writers that kill themselves before the k-th call that changes files, for all k; what is left.

Each line of output is a JSON list: the versions that were readable before and after, what the writer wrote, the step
before which it was killed (null where it was not), and how.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from promptdsl.errors import FileError
from promptdsl.models.artefact_files import read_files, write_files

CALLS = ("open", "fsync", "replace", "unlink", "mkdir", "close")


def write(folder: Path, version: int) -> None:
    write_files(folder, {"version": version}, {"soft": torch.full((40, 5), float(version))})


def readable(folder: Path) -> int | None:
    """The version that a reader finds; None for none."""
    try:
        stored = read_files(folder)
    except FileError as error:
        if error.code == "PD830":
            return None
        raise
    version = stored.record["version"]
    assert torch.equal(stored.tensors["soft"], torch.full((40, 5), float(version)))
    return int(version)


def deadly(name: str, call: Callable[..., Any], left: list[int], torn: bool) -> Callable[..., Any]:
    def wrapped(*given: Any, **more: Any) -> Any:
        if left[0] == 0:
            if torn and name == "fsync":  # as a power cut leaves a file that has not reached the disk
                with suppress(OSError):  # a folder
                    os.truncate(given[0], os.fstat(given[0]).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return call(*given, **more)

    return wrapped


def killed(folder: Path, version: int, step: int, torn: bool) -> bool:
    """Write in a process of its own that is killed before a step; False if it ended before."""
    child = os.fork()
    if child == 0:
        left = [step]
        for name in CALLS:
            setattr(os, name, deadly(name, getattr(os, name), left, torn))
        write(folder, version)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def report(*values: Any) -> None:
    print(json.dumps(values))


def once(place: Path, old: bool, torn: bool) -> int:
    """All steps of one writer, over an old version or none; how many there are."""
    step = 0
    while True:
        folder = place / f"{old}-{torn}-{step}"
        if old:
            write(folder, 1)
        before = readable(folder)
        was = killed(folder, 2, step, torn)
        report(before, readable(folder), 2, step if was else None, torn)
        if not was:
            return step
        step += 1


def twice(place: Path, steps: int) -> None:
    """A writer that is killed after one that was killed when its version was whole, in part under its own names."""
    for first in (steps - 5, steps - 4, steps - 3):
        origin = place / f"origin-{first}"
        write(origin, 1)
        killed(origin, 2, first, False)
        before = readable(origin)
        for second in range(steps + 10):
            folder = place / "again"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(origin, folder)
            was = killed(folder, 3, second, False)
            report(before, readable(folder), 3, second if was else None, False)
            if not was:
                break


if __name__ == "__main__":
    torch.set_num_threads(1)
    os.fsync = lambda _: None  # killing a process takes nothing from the system's memory; real ones take a minute
    here = Path(sys.argv[1])
    write(here / "warm", 0)  # what is imported late is there before calls are counted
    for is_torn in (False, True):
        counted = once(here, True, is_torn)
        once(here, False, is_torn)
    twice(here, counted)
