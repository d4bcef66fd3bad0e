"""The log of a training: entries, and the files log.jsonl and log.csv, which hold whole lines at any moment."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from promptdsl.errors import fail, printable

__all__ = ["LogEntry", "LogFiles", "entries_of"]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the log.

    Attributes:
        step: how many updates there were.
        epoch: how often all rows were read.
        loss: the mean loss of the steps since the entry before, or since training went on after an interruption.
        grad_norm: the gradients' norm in this step, before it was cut.
        learning_rate, prompt_learning_rate, network_learning_rate, verbalizer_learning_rate: what this step was taken
            with; None for a part that has nothing to train.
        seconds: since training began; since it went on, where it was interrupted.
    """

    step: int
    epoch: float
    loss: float
    grad_norm: float
    learning_rate: float | None
    prompt_learning_rate: float | None
    network_learning_rate: float | None
    verbalizer_learning_rate: float | None
    seconds: float

    @classmethod
    def of(cls, logged: Mapping[str, Any]) -> LogEntry:
        """The entry of what transformers.Trainer keeps in its history."""
        found: dict[str, Any] = {f.name: logged.get(f.name) for f in fields(cls)}
        return cls(**found)

    def __str__(self) -> str:
        return f"step {self.step} (epoch {self.epoch:.2f}): loss {self.loss:.4f}, {self.seconds:.1f} s"


def entries_of(history: Iterable[Mapping[str, Any]]) -> tuple[LogEntry, ...]:
    """The entries among what transformers.Trainer logged, which also has a summary at its end."""
    return tuple(LogEntry.of(logged) for logged in history if "loss" in logged)


class LogFiles:
    """log.jsonl and log.csv in a folder: begun anew, then a line is appended, and written out, at a time.

    Args:
        folder: it is made if it is not there.
        entries: those from before an interruption.

    Raises:
        FileError: PD804 if it cannot be written to.
    """

    def __init__(self, folder: str, entries: Iterable[LogEntry] = ()) -> None:
        self.folder = Path(folder)
        given = list(entries)
        with _file_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write("w", "".join(map(_json_line, given)), _csv_lines([_COLUMNS, *map(_values, given)]))

    def add(self, entry: LogEntry) -> None:
        """Append an entry to both files."""
        with _file_errors(self.folder):
            self._write("a", _json_line(entry), _csv_lines([_values(entry)]))

    def _write(self, mode: str, lines: str, table: str) -> None:
        for name, text in (("log.jsonl", lines), ("log.csv", table)):
            with (self.folder / name).open(mode, encoding="utf-8", newline="") as file:
                file.write(text)


@contextmanager
def _file_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f'the log cannot be written to "{printable(str(folder), 100)}": {error.strerror or error}'
        fail("PD804", message, help="give a folder that can be written to", origin="output")


_COLUMNS = [f.name for f in fields(LogEntry)]


def _values(entry: LogEntry) -> list[Any]:
    return [getattr(entry, name) for name in _COLUMNS]


def _json_line(entry: LogEntry) -> str:
    return json.dumps(asdict(entry)) + "\n"


def _csv_lines(rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
