"""Checkpoints in local scratch: sealed when complete, found again by the same job only, removed at the end."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from promptdsl.errors import fail, printable
from promptdsl.training.job import Job

__all__ = ["PARAMETERS", "STATE", "Checkpoints"]

PARAMETERS = "trained.safetensors"  # in each checkpoint, beside what transformers.Trainer keeps there
STATE = "trainer_state.json"
_JOB, _SEAL = "promptdsl-job.json", "promptdsl-seal.json"


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoints of a job in a folder, which may hold other files.

    A checkpoint counts once it is sealed with the digests of its files: one that was being written when training was
    interrupted, or that was damaged since, is passed over for the one before.
    """

    folder: Path

    @classmethod
    def of(cls, name: str) -> Checkpoints:
        """Those in the folder of this name."""
        return cls(Path(name).expanduser().absolute())

    def require(self, job: Job) -> None:
        """Raise TrainingError PD722 if the folder has checkpoints of nobody knows what, PD723 if of another job."""
        if not self._steps():
            return
        shown = printable(str(self.folder), 100)
        remedy = "give another folder, or remove this one if its training shall not go on"
        try:
            before = Job.from_json((self.folder / _JOB).read_text("utf-8"))
        except (OSError, ValueError):
            fail("PD722", f'"{shown}" has checkpoints, and does not say of what', help=remedy, origin="checkpoints")
        different = job.differences(before)
        if different:
            message = f'the checkpoints in "{shown}" are of another training: {"; ".join(different[:5])}'
            fail("PD723", message, help=f"train as it was begun there, {remedy}", origin="checkpoints")

    def make(self) -> None:
        """Make the folder. Raises FileError PD804."""
        with self._file_errors():
            self.folder.mkdir(parents=True, exist_ok=True)

    def begin(self, job: Job) -> None:
        """Note the job in the folder. Raises FileError PD804."""
        with self._file_errors():
            if not self._steps():
                (self.folder / _JOB).write_text(job.to_json(), "utf-8")

    def last(self) -> Path | None:
        """The last checkpoint that is complete."""
        for step in sorted(self._steps(), reverse=True):
            if _is_whole(self.at(step)):
                return self.at(step)
        return None

    def at(self, step: int) -> Path:
        """Where the checkpoint of a step is."""
        return self.folder / f"checkpoint-{step}"

    def seal(self, step: int) -> None:
        """Say that the checkpoint of this step is complete. Raises FileError PD804."""
        with self._file_errors():
            (self.at(step) / _SEAL).write_text(json.dumps(_digests(self.at(step))), "utf-8")

    def remove(self) -> None:
        """Remove the checkpoints, and the folder if nothing else is in it."""
        for step in self._steps():
            shutil.rmtree(self.at(step), ignore_errors=True)
        (self.folder / _JOB).unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _steps(self) -> list[int]:
        if not self.folder.is_dir():
            return []
        found = (re.fullmatch(r"checkpoint-(\d+)", path.name) for path in self.folder.iterdir())
        return [int(match[1]) for match in found if match]

    @contextmanager
    def _file_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            shown = printable(str(self.folder), 100)
            message = f'"{shown}" cannot be written to: {error.strerror or error}'
            fail("PD804", message, help="give a folder that can be written to", origin="checkpoints")

    def __str__(self) -> str:
        return f"{len(self._steps())} checkpoints in {self.folder}"


def _digests(folder: Path) -> dict[str, str]:
    """File → digest, of all files of a checkpoint but its seal."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.name != _SEAL:
            with path.open("rb") as file:
                found[path.name] = hashlib.file_digest(file, "blake2b").hexdigest()
    return found


def _is_whole(folder: Path) -> bool:
    try:
        sealed = json.loads((folder / _SEAL).read_text("utf-8"))
        return bool(sealed == _digests(folder) and {PARAMETERS, STATE} <= sealed.keys())
    except (OSError, ValueError, AttributeError):
        return False
