"""Labelled rows in whatever people keep them → rows and labels, with a checksum."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from promptdsl.comparison.storing import digest
from promptdsl.encoding.rows import ABSENT, Rows, as_rows
from promptdsl.encoding.tables import read_table
from promptdsl.errors import fail, printable

__all__ = ["Labelled", "labelled"]


@dataclass(frozen=True, slots=True)
class Labelled:
    """Rows with a label each, as texts."""

    rows: Rows
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def __str__(self) -> str:
        return f"{self.rows}, {len(set(self.labels))} classes"

    def take(self, chosen: Sequence[int]) -> Labelled:
        """These rows, by number."""
        columns = {name: [values[i] for i in chosen] for name, values in self.rows.columns.items()}
        return Labelled(Rows(columns, len(chosen)), tuple(self.labels[i] for i in chosen))

    def as_json(self) -> dict[str, Any]:
        """As JSON has it."""
        columns = {n: [_plain(v) for v in values] for n, values in self.rows.columns.items()}
        absent = {n: [i for i, v in enumerate(values) if v is ABSENT] for n, values in self.rows.columns.items()}
        return {"columns": columns, "absent": {n: p for n, p in absent.items() if p}, "labels": list(self.labels)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Labelled:
        """Back from `as_json`."""
        columns = {name: list(values) for name, values in content["columns"].items()}
        for name, places in content["absent"].items():
            for place in places:
                columns[name][place] = ABSENT
        return cls(Rows(columns, len(content["labels"])), tuple(content["labels"]))

    @property
    def is_json(self) -> bool:
        """Whether JSON has all values, so that others can be given the rows."""
        try:
            json.dumps(self.as_json())
        except (TypeError, ValueError):
            return False
        return True

    @property
    def checksum(self) -> str:
        """SHA-256 of rows and labels."""
        return digest(self.as_json())


def labelled(data: Any, label_column: str, text_columns: Sequence[str] = (), *, origin: str = "data") -> Labelled:
    """Rows with labels.

    Args:
        data: a pair (rows, labels); rows with a label column: a DataFrame, a Dataset or a list of mappings; or the
            path of a file of such.
        label_column: the name of that column.
        text_columns: one or two columns that are also `text_a` and `text_b`.
        origin: what the data is, for errors.

    Raises:
        TrainingError: PD741 for data without labels, without rows, or without a text column that was named.
        FileError: PD8 for a file that cannot be read.
    """
    if isinstance(data, (str, Path)):
        data = read_table(str(data)).rows
    if isinstance(data, tuple) and len(data) == 2 and not isinstance(data[0], Mapping):
        rows, labels = as_rows(data[0]), _listed(data[1], origin)
    else:
        rows = as_rows(data)
        if label_column not in rows.columns:
            shown = ", ".join(printable(name, 40) for name in rows.columns)
            _refuse(f'no column "{printable(label_column, 80)}" in {shown}', "name it with label_column", origin)
        labels = list(rows.columns[label_column])
        rows = Rows({name: v for name, v in rows.columns.items() if name != label_column}, rows.count)
    if len(labels) != len(rows) or not labels:
        _refuse(f"{len(rows)} rows and {len(labels)} labels", "give one label for each row, and some rows", origin)
    bad = next((i for i, label in enumerate(labels) if _no_label(label)), None)
    if bad is not None:
        _refuse(f"row {bad} has no label, or one that is no text or number", "give each row one label", origin)
    return Labelled(_named(rows, text_columns, origin), tuple(map(str, labels)))


def _no_label(label: Any) -> bool:
    return (
        label is None
        or label is ABSENT
        or (isinstance(label, float) and math.isnan(label))
        or isinstance(label, (list, tuple, set, dict))
    )


def _listed(labels: Any, origin: str) -> list[Any]:
    if isinstance(labels, (str, bytes, Mapping)) or not isinstance(labels, Iterable):
        _refuse(f"labels cannot be read from {type(labels).__name__}", "give (rows, labels)", origin)
    return [label.item() if isinstance(label, np.generic) else label for label in labels]


def _named(rows: Rows, text_columns: Sequence[str], origin: str) -> Rows:
    """The same rows with these columns also known as `text_a`, `text_b`."""
    missing = [name for name in text_columns if name not in rows.columns]
    if missing or len(text_columns) > 2:
        message = f'no column "{printable(missing[0], 80)}"' if missing else f"{len(text_columns)} text columns"
        _refuse(message, "name one or two that are there", origin)
    named = dict(zip(("text_a", "text_b"), (rows.columns[name] for name in text_columns), strict=False))
    return Rows({**rows.columns, **named}, rows.count)


def _plain(value: Any) -> Any:
    if value is ABSENT:
        return None
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def _refuse(message: str, remedy: str, origin: str) -> NoReturn:
    fail("PD741", message, help=remedy, origin=origin)
