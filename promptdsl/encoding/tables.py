"""Data files → rows: CSV, TSV, JSON lines, JSON and Parquet, with errors that name the line."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from promptdsl.encoding.rows import Rows, as_rows
from promptdsl.errors import RowError, fail, printable

__all__ = ["FORMATS", "Table", "lines_named", "read_table"]


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file. `lines` has the line that each row begins at, from 1; it is empty where there are none."""

    name: str
    rows: Rows
    lines: tuple[int, ...] = ()

    def place(self, row: int) -> str:
        """Where a row stands, for people: `reviews.csv, line 7`."""
        where = f"line {self.lines[row]}" if row < len(self.lines) else f"row {row}"
        return f"{self.name}, {where}"

    def column(self, name: str) -> Sequence[Any]:
        """One column's values; FileError PD814 where there is no such column."""
        if name not in self.rows.columns:
            fail(
                "PD814",
                f'no column "{printable(name, 80)}" in {self.name}',
                help=f"its columns are: {', '.join(printable(c, 40) for c in self.rows.columns) or 'none'}",
                origin="file",
            )
        return self.rows.columns[name]

    def with_texts(self, columns: Sequence[str]) -> Table:
        """The same rows with these columns also known as `text_a`, `text_b`."""
        if len(columns) > 2:
            fail("PD814", f"{len(columns)} text columns", help="name one or two; a template can name any column itself",
                 origin="file")  # fmt: skip
        named = dict(zip(("text_a", "text_b"), map(self.column, columns), strict=False))
        return replace(self, rows=replace(self.rows, columns={**self.rows.columns, **named}))


def read_table(path: str, *, kind: str | None = None) -> Table:
    """Read a data file; `-` is standard input.

    Args:
        path: the file.
        kind: "csv", "tsv", "jsonl", "json" or "parquet"; by default what the name ends with, and for standard input
            what the first character says: `{` is JSON lines, `[` JSON, anything else CSV.

    Raises:
        FileError: PD801–PD803 if it cannot be read as text, PD810–PD816 if it is not what its kind says.
    """
    name = "standard input" if path == "-" else printable(path, 100)
    chosen = kind or Path(path).suffix.lower().lstrip(".")
    chosen = {"ndjson": "jsonl", "tab": "tsv", "pq": "parquet"}.get(chosen, chosen)
    if path == "-" and kind is None:
        data = _bytes(path, name)
        first = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        chosen = {b"{": "jsonl", b"[": "json"}.get(first, "csv")
        return FORMATS[chosen](data, name)
    if chosen not in FORMATS:
        fail("PD810", f'"{name}" is no kind of data file that is known here', origin="file",
             help=f"known are {', '.join(FORMATS)}; say which with --format")  # fmt: skip
    return FORMATS[chosen](_bytes(path, name), name)


def _bytes(path: str, name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except FileNotFoundError:
        fail("PD801", f"no file {name!r}", help="check the path", origin="file")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        fail("PD803", f"the file {name!r} cannot be read: {reason}", help="check the path", origin="file")


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        fail("PD802", f"{name}, line {line}: byte 0x{error.object[error.start]:02x} is not UTF-8",
             help="save the file as UTF-8", origin="file")  # fmt: skip


def _csv(data: bytes, name: str) -> Table:
    return _delimited(_text(data, name), name, ",")


def _tsv(data: bytes, name: str) -> Table:
    return _delimited(_text(data, name), name, "\t")


def _delimited(text: str, name: str, delimiter: str) -> Table:
    """A header line and rows, quoted as RFC 4180 has it; empty lines are skipped."""
    header: list[str] | None = None
    values: list[list[str]] = []
    lines: list[int] = []
    for line, fields in _records(text, name, delimiter):
        if header is None:
            header = _header(fields, name, line)
            continue
        if len(fields) != len(header):
            fail("PD812", f"{name}, line {line}: {len(fields)} fields, and the header has {len(header)}",
                 help='put a text that holds a separator or a line end in "quotes"', origin="file")  # fmt: skip
        values.append(fields)
        lines.append(line)
    if header is None:
        fail("PD812", f"{name} is empty", help="the first line names the columns", origin="file")
    columns = {c: [row[i] for row in values] for i, c in enumerate(header)}
    return Table(name, Rows(columns, len(values)), tuple(lines))


def _records(text: str, name: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line that it begins at, fields) of every record that is not an empty line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    limit = csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    try:
        while True:
            line = reader.line_num + 1
            fields = next(reader, None)
            if fields is None:
                return
            if fields:
                yield line, fields
    except csv.Error as error:
        fail("PD812", f"{name}, line {line}: {error}", help='write a quote inside "quotes" twice: ""', origin="file")
    finally:
        csv.field_size_limit(limit)


def _header(fields: list[str], name: str, line: int) -> list[str]:
    names = [f.strip() for f in fields]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        fail("PD814", f'{name}, line {line}: the column "{printable(twice, 80)}" twice', help="rename one of them",
             origin="file")  # fmt: skip
    return names


def _jsonl(data: bytes, name: str) -> Table:
    items: list[Any] = []
    lines: list[int] = []
    for line, text in enumerate(_text(data, name).split("\n"), 1):
        if text.strip():
            items.append(_item(_parsed(text, name, line), name, line))
            lines.append(line)
    return Table(name, as_rows(items), tuple(lines))


def _json(data: bytes, name: str) -> Table:
    whole = _parsed(_text(data, name), name, 1)
    if not isinstance(whole, list):
        fail("PD813", f"{name} holds {_named(whole)}, not a list of rows",
             help="write [{…}, {…}], or one object a line as .jsonl", origin="file")  # fmt: skip
    return Table(name, as_rows([_item(item, name, None, row) for row, item in enumerate(whole)]))


def _parsed(text: str, name: str, line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = f"line {line + error.lineno - 1}, column {error.colno}"
        fail("PD811", f"{name}, {at}: not JSON: {error.msg}", help="one JSON object a line, keys in double quotes",
             origin="file")  # fmt: skip
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; thousands of open brackets
        fail("PD811", f"{name}, line {line}: not readable as JSON: {error}", help="correct this line", origin="file")


def _item(item: Any, name: str, line: int | None, row: int = 0) -> dict[str, Any]:
    """A row as a mapping; a bare string is `text_a`."""
    if isinstance(item, str):
        return {"text_a": item}
    if not isinstance(item, dict):
        where = f"row {row}" if line is None else f"line {line}"
        fail("PD813", f"{name}, {where}: {_named(item)} is not a row", origin="file",
             help='a row is an object, {"text_a": "…", "label": "…"}, or a string')  # fmt: skip
    return item


def _named(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}.get(
        type(value), "a number"
    )


def _parquet(data: bytes, name: str) -> Table:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        fail("PD815", f"{name} is Parquet, and pyarrow is not installed", help='pip install "promptdsl[datasets]"',
             origin="file")  # fmt: skip
    try:
        table = parquet.read_table(io.BytesIO(data))
        return Table(name, as_rows(table))
    except (pyarrow.ArrowException, OSError) as error:
        fail("PD816", f"{name} is not readable as Parquet: {printable(str(error), 120)}", help="write the file again",
             origin="file")  # fmt: skip


# The kinds of data files: what a name ends with → how its bytes become rows. A new kind is one entry and one function.
FORMATS: dict[str, Callable[[bytes, str], Table]] = {
    "csv": _csv,
    "tsv": _tsv,
    "jsonl": _jsonl,
    "json": _json,
    "parquet": _parquet,
}


@contextmanager
def lines_named(table: Table) -> Iterator[None]:
    """Errors about a row of this table say which line of the file it is."""
    try:
        yield
    except RowError as error:
        if error.row is None:
            raise
        placed = RowError(*(replace(d, note=f"this is {table.place(error.row)}") for d in error.diagnostics))
        placed.row, placed.column, placed.character = error.row, error.column, error.character
        raise placed from None
