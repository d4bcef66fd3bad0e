"""Labels as they are given → class numbers, matched to a verbalizer's labels by their text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from promptdsl.errors import fail, printable

__all__ = ["Targets"]


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What rows are labelled with.

    Attributes:
        tensor: (rows,) class numbers; (rows, classes) of 0 and 1 for multi-label rows; None without labels.
        labels: (classes,) the verbalizer's labels in its order, as the kind of value that was given: whole numbers or
            booleans where all labels read as such.
    """

    tensor: Tensor | None = field(repr=False)
    labels: NDArray[Any]

    @classmethod
    def of(cls, y: Any, labels: Sequence[str], rows: int, *, multi_label: bool = False) -> Targets:
        """Match `y` to a verbalizer's labels.

        Raises:
            TrainingError: PD701 for a label that the verbalizer does not have, or not one entry for each row.
        """
        if y is None:
            return cls(None, np.array(labels))
        place = {label: number for number, label in enumerate(labels)}
        given = _listed(y)
        if len(given) != rows:
            fail("PD701", f"{rows} rows and {len(given)} labels", help="give one label for each row", origin="y")
        if not multi_label:
            return cls(torch.tensor([_number(v, row, place) for row, v in enumerate(given)]), _typed(labels, given))
        several = [_listed(v) for v in given]
        if any(any(str(value) in place for value in v) for v in several) or not _is_indicator(several, len(labels)):
            chosen = [[_number(v, row, place) for v in values] for row, values in enumerate(several)]
            matrix = torch.zeros(rows, len(labels))
            for row, numbers in enumerate(chosen):
                matrix[row, numbers] = 1.0
            return cls(matrix, _typed(labels, [v for values in several for v in values]))
        columns = np.argsort(np.argsort(labels))  # the columns stand in the order of the sorted labels
        return cls(torch.tensor(several, dtype=torch.float32)[:, columns.tolist()], np.array(labels))


def _listed(y: Any) -> list[Any]:
    """The values of a list, a column or an array, as Python's own."""
    if isinstance(y, (str, bytes)) or not isinstance(y, Iterable):
        message = f"labels cannot be read from {type(y).__name__}"
        fail("PD701", message, help="give a list, one entry for each row", origin="y")
    return [v.item() if isinstance(v, np.generic) else v for v in y]


def _is_indicator(rows: Sequence[Sequence[Any]], classes: int) -> bool:
    return all(len(row) == classes and all(v in (0, 1) for v in row) for row in rows)


def _number(value: Any, row: int, place: Mapping[str, int]) -> int:
    if str(value) not in place:
        fail(
            "PD701",
            f'row {row} has the label "{printable(str(value), 80)}", which the verbalizer does not have',
            help=f"its labels are {', '.join(printable(label, 40) for label in list(place)[:20])}",
            origin="y",
        )
    return place[str(value)]


def _typed(labels: Sequence[str], given: Sequence[Any]) -> NDArray[Any]:
    """The labels as whole numbers or booleans where `y` has such and every label reads as one; else as texts."""
    readable: dict[type, dict[str, Any]] = {
        bool: {"True": True, "False": False},
        int: {label: int(label) for label in labels if label.lstrip("-").isdecimal()},
    }
    for kind, table in readable.items():
        same_kind = bool(given) and all(type(v) is kind for v in given)
        if same_kind and all(label in table and str(table[label]) == label for label in labels):
            return np.array([table[label] for label in labels])
    return np.array(labels)
