"""Labels as they are given → class numbers, matched to a verbalizer's labels by their text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from promptdsl.errors import fail, printable

__all__ = ["Targets"]

_LISTS = "give a list of labels for each row (it may be empty), or 0 and 1 for each row and class"


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
    def of(
        cls,
        y: Any,
        labels: Sequence[str],
        rows: int,
        *,
        multi_label: bool = False,
        columns: Sequence[int] | None = None,
    ) -> Targets:
        """Match `y` to a verbalizer's labels.

        Args:
            y: one label a row; for `multi_label` a list, tuple or set of labels a row, or a table of 0 and 1 with a
                column for each class. The columns of a DataFrame may be named by the labels, in any order.
            labels: the verbalizer's labels.
            rows: how many there must be.
            multi_label: whether a row may have any number of labels.
            columns: the class numbers in the order of a table's columns; by default the labels sorted as texts.

        Raises:
            TrainingError: PD701 for a label that the verbalizer does not have, or not one entry for each row.
        """
        if y is None:
            return cls(None, np.array(labels))
        place = {label: number for number, label in enumerate(labels)}
        if multi_label:
            order = np.argsort(labels).tolist() if columns is None else list(columns)
            return _several(y, labels, rows, place, order)
        given = _listed(y)
        _check_rows(given, rows)
        return cls(torch.tensor([_number(v, row, place) for row, v in enumerate(given)]), _typed(labels, given))


def _several(y: Any, labels: Sequence[str], rows: int, place: Mapping[str, int], order: Sequence[int]) -> Targets:
    """Targets of rows with any number of labels: (rows, classes) of 0 and 1."""
    table = _as_table(y)
    given = _listed(y) if table is None else list(table)
    _check_rows(given, rows)
    several = given if table is not None else [_labels_of(v, row) for row, v in enumerate(given)]
    matrix = torch.zeros(rows, len(labels))
    if table is not None or _reads_as_table(several, place):
        named = _named_columns(y, place) or order
        for row, values in enumerate(several):
            matrix[row, named] = torch.tensor(_zeros_and_ones(_listed(values), row, len(labels)))
        return Targets(matrix, np.array(labels))
    for row, values in enumerate(several):
        matrix[row, [_number(v, row, place) for v in values]] = 1.0
    return Targets(matrix, _typed(labels, [v for values in several for v in values]))


def _as_table(y: Any) -> NDArray[Any] | None:
    """(rows, columns) of numbers, where `y` is a table of such: an array, a sparse matrix, a DataFrame; else None."""
    dense = y.toarray() if hasattr(y, "toarray") else y
    if not hasattr(dense, "ndim") or dense.ndim != 2:
        return None
    table = np.asarray(dense)
    if table.dtype == object and hasattr(y, "columns"):  # a DataFrame of several kinds of columns
        return np.array([[_own(v) for v in row] for row in table], object).reshape(table.shape)
    return table if table.dtype.kind in "biuf" else None


def _named_columns(y: Any, place: Mapping[str, int]) -> list[int] | None:
    """The class of each column, where the columns of a DataFrame are named; None where they are only numbered."""
    names = list(getattr(y, "columns", ()))
    if not names or all(not isinstance(name, str) for name in names):
        return None
    if sorted(names) != sorted(place):
        shown = ", ".join(printable(str(name), 40) for name in names[:20])
        _refuse(f"the columns {shown} are not the classes", f"name them {_some(place)}")
    return [place[name] for name in names]


def _labels_of(value: Any, row: int) -> list[Any]:
    """The labels of one row."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        _refuse(f"row {row} has {printable(repr(value), 80)} where a list of labels is expected", _LISTS)
    return _listed(value)


def _reads_as_table(several: Sequence[Sequence[Any]], place: Mapping[str, int]) -> bool:
    """Whether lists are the rows of a table of numbers, not lists of labels.

    Where 0 and 1 are labels themselves, only a value that stands twice in a row tells them apart.
    """
    values = [v for row in several for v in row]
    if not values or not all(isinstance(v, (bool, int, float)) for v in values):
        return False
    if not any(str(v) in place for v in values):
        return not all(isinstance(v, int) for v in values) or all(v in (0, 1) for v in values)
    repeated = any(len(set(row)) < len(row) for row in several)
    return repeated and all(len(row) == len(place) and set(row) <= {0, 1} for row in several)


def _zeros_and_ones(values: Sequence[Any], row: int, classes: int) -> list[float]:
    if len(values) != classes:
        _refuse(f"row {row} has {len(values)} columns, and there are {classes} classes", _LISTS)
    for column, value in enumerate(values):
        if not isinstance(value, (bool, int, float)) or value not in (0, 1):
            message = f"row {row}, column {column} holds {printable(str(value), 40)}, which is neither 0 nor 1"
            _refuse(message, "1 where the row has the label of the column, else 0")
    return [float(v) for v in values]


def _check_rows(given: Sequence[Any], rows: int) -> None:
    if len(given) != rows:
        fail("PD701", f"{rows} rows and {len(given)} labels", help="give one label for each row", origin="y")


def _listed(y: Any) -> list[Any]:
    """The values of a list, a column or an array, as Python's own."""
    if isinstance(y, (str, bytes)) or not isinstance(y, Iterable):
        message = f"labels cannot be read from {type(y).__name__}"
        fail("PD701", message, help="give a list, one entry for each row", origin="y")
    return [_own(v) for v in y]


def _own(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _number(value: Any, row: int, place: Mapping[str, int]) -> int:
    if str(value) not in place:
        message = f'row {row} has the label "{printable(str(value), 80)}", which the verbalizer does not have'
        _refuse(message, f"its labels are {_some(place)}")
    return place[str(value)]


def _some(place: Mapping[str, int]) -> str:
    return ", ".join(printable(label, 40) for label in list(place)[:20])


def _refuse(message: str, remedy: str) -> NoReturn:
    fail("PD701", message, help=remedy, origin="y")


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
