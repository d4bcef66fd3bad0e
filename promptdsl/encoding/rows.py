"""Whatever people keep their data in → named columns; and a column's values → texts, with errors that name the row."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptdsl.errors import fail, fail_row, printable
from promptdsl.language.filters import FILTERS, apply_filter, split_filter
from promptdsl.language.nodes import Tag

__all__ = ["Rows", "as_rows", "column_texts"]

_SURROGATE = re.compile("[\ud800-\udfff]")
ABSENT = object()


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows as columns: name → one value a row; ABSENT where a mapping did not have the key.

    `first` is the number of the first row in the data that these are a part of: errors name rows by it.
    """

    columns: Mapping[str, Sequence[Any]]
    count: int
    first: int = 0

    def __len__(self) -> int:
        return self.count

    def __str__(self) -> str:
        return f"{self.count} rows of {', '.join(self.columns)}"

    def __getitem__(self, chosen: slice) -> Rows:
        """The rows of a slice."""
        places = range(self.count)[chosen]
        return Rows({k: v[chosen] for k, v in self.columns.items()}, len(places), self.first + places.start)


def as_rows(data: Any) -> Rows:
    """Rows of a list of texts, pairs or mappings, a pandas DataFrame or Series, or a `datasets.Dataset`.

    A text is the column `text_a`; a pair is `text_a`, `text_b`; mappings and tables name their columns.
    Raises a PD6 error for anything else: a single text, a single mapping, mixed kinds of rows.
    """
    if isinstance(data, Rows):
        return data
    if isinstance(data, (str, bytes)):
        fail("PD601", "a single text was given where rows are expected", help="put it in a list: [text]", origin="rows")
    if isinstance(data, Mapping):
        fail(
            "PD601", "a single mapping was given where rows are expected", help="put it in a list: [row]", origin="rows"
        )
    names = getattr(data, "column_names", None)  # datasets.Dataset, pyarrow.Table
    if names is None and hasattr(data, "columns") and hasattr(data, "iloc"):  # pandas.DataFrame
        names = list(data.columns)
    if names is not None:
        return _from_table(data, [str(n) for n in names], list(names))
    if not isinstance(data, Iterable):
        fail(
            "PD601",
            f"rows cannot be read from {type(data).__name__}",
            help="give a list, a DataFrame or a Dataset",
            origin="rows",
        )
    return _from_list(list(data))


def _from_table(data: Any, names: list[str], keys: list[Any]) -> Rows:
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        fail("PD602", f'the table has the column "{twice}" twice', help="rename one of them", origin="rows")
    columns: dict[str, Sequence[Any]] = {}
    for name, key in zip(names, keys, strict=True):
        column = data[key]
        columns[name] = column.to_pylist() if hasattr(column, "to_pylist") else list(column)
    return Rows(columns, len(data))


def _from_list(data: list[Any]) -> Rows:
    if data and getattr(data[0], "ndim", 0) == 1:  # the rows of a two-dimensional array
        data = [row.tolist() for row in data]
    first = data[0] if data else ""
    if isinstance(first, Mapping):
        names = list(dict.fromkeys(str(k) for row in data if isinstance(row, Mapping) for k in row))
        for index, row in enumerate(data):
            if not isinstance(row, Mapping):
                fail_row("PD603", f"a mapping is expected, as in the rows before, not {type(row).__name__}", index)
        return Rows({n: [row.get(n, ABSENT) for row in data] for n in names}, len(data))
    if isinstance(first, (tuple, list)):
        for index, row in enumerate(data):
            if not isinstance(row, (tuple, list)) or len(row) != len(first) or not 1 <= len(row) <= 2:
                fail_row(
                    "PD603",
                    "a pair of texts is expected",
                    index,
                    help="give (text_a, text_b), or mappings for more columns",
                )
        return Rows({n: [row[i] for row in data] for i, n in enumerate(["text_a", "text_b"][: len(first)])}, len(data))
    return Rows({"text_a": data}, len(data))


def column_texts(rows: Rows, tag: Tag) -> list[str]:
    """The texts that a `placeholder` or `meta` tag takes from the rows, filters applied.

    Raises RowError for a missing column or value (unless the tag says `"missing":"empty"`), for bytes, lists and
    other values that no filter turns into text, and for lone surrogates, naming row, column and character.
    """
    column, filters = str(tag.value), tag["filters"]
    empty = tag["missing"] == "empty"
    assert isinstance(filters, tuple)
    values = rows.columns.get(column)
    if values is None:
        if empty or not len(rows):
            return [""] * len(rows)
        fail_row(
            "PD604", "the rows have no such column", 0, column=column, help=f"columns are: {', '.join(rows.columns)}"
        )
    return [_value_text(v, [str(f) for f in filters], empty, i, column) for i, v in enumerate(values, rows.first)]


def _value_text(value: Any, filters: list[str], empty: bool, row: int, column: str) -> str:
    if type(value) is not str:  # numpy's str_ is a str, and shall become one here
        if _is_missing(value):
            if empty:
                return ""
            what = "is missing" if value is ABSENT else f"is {value!r}"
            fail_row(
                "PD604",
                f"the value {what}",
                row,
                column=column,
                help='fill it in, or write "missing":"empty" in the tag',
            )
        value = _plain(value, filters, row, column)
    for written in filters:
        try:
            value = apply_filter(written, value)
        except (TypeError, KeyError, AttributeError) as error:
            fail_row(
                "PD606", f'filter "{written}" cannot take this value: {printable(str(error), 120)}', row, column=column
            )
    broken = _SURROGATE.search(value)
    if broken:
        fail_row(
            "PD607",
            f"a lone surrogate (\\u{ord(broken.group()):04x}) is not text",
            row,
            column=column,
            character=broken.start(),
            help="read the file with its real encoding, or replace it: text.encode('utf-8', 'replace').decode()",
        )
    return str(value)


def _is_missing(value: Any) -> bool:
    if value is None or value is ABSENT or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and math.isnan(value)


def _plain(value: Any, filters: list[str], row: int, column: str) -> Any:
    """Numbers and booleans as text; a list or mapping only where the first filter takes it."""
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a numpy scalar
        value = value.item()
    if isinstance(value, (str, bool, int, float)):
        return str(value)
    if not filters or FILTERS[split_filter(filters[0])[0]].takes != "any":
        help_text = (
            "decode it: value.decode('utf-8')"
            if isinstance(value, bytes)
            else 'a list becomes text with a filter: <"meta":"' + printable(column, 40) + '","filters":["join:, "]>'
        )
        fail_row("PD605", f"{type(value).__name__} is not text", row, column=column, help=help_text)
    return value
