"""Data files of each kind give the same rows; what is wrong with one is told with its line."""

from __future__ import annotations

import builtins
import csv
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from promptdsl.encoding.tables import Table, lines_named, read_table
from promptdsl.errors import FileError, RowError, fail_row

ROWS = [
    {"text_a": 'He said "no", twice', "label": "a"},
    {"text_a": "two\nlines", "label": "b"},
    {"text_a": "naïve 中文 \u2028 end", "label": "a"},
]


def _as_csv(delimiter: str) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, ["text_a", "label"], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(ROWS)
    return out.getvalue()


def _write(path: Path, kind: str) -> None:
    if kind == "parquet":
        pd.DataFrame(ROWS).to_parquet(path)
        return
    text = {
        "csv": _as_csv(","),
        "tsv": _as_csv("\t"),
        "jsonl": "\n\n".join(json.dumps(row) for row in ROWS),
        "json": json.dumps(ROWS, ensure_ascii=False),
    }[kind]
    path.write_bytes(b"\xef\xbb\xbf" + text.encode() if kind == "csv" else text.encode())


def _mappings(table: Table) -> list[dict[str, Any]]:
    columns = table.rows.columns
    return [{name: values[i] for name, values in columns.items()} for i in range(len(table.rows))]


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_every_kind_of_file_gives_the_same_rows(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"data.{kind}"
    _write(path, kind)
    assert _mappings(read_table(str(path))) == ROWS
    renamed = tmp_path / "data.dat"
    path.rename(renamed)
    assert _mappings(read_table(str(renamed), kind=kind)) == ROWS


def test_lines_are_where_rows_begin(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text_a\n"one\ntwo"\n\nthree\n')
    assert read_table(str(tmp_path / "a.csv")).lines == (2, 5)
    (tmp_path / "a.jsonl").write_text('\n"one"\n\n{"text_a": "two"}\n')
    table = read_table(str(tmp_path / "a.jsonl"))
    assert table.lines == (2, 4)
    assert table.rows.columns["text_a"] == ["one", "two"]


def test_a_field_may_be_longer_than_the_csv_module_allows_by_itself(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    (tmp_path / "a.csv").write_text("text_a\n" + "x" * (before + 1))
    assert len(read_table(str(tmp_path / "a.csv")).rows.columns["text_a"][0]) == before + 1
    assert csv.field_size_limit() == before


def test_text_columns_become_text_a_and_text_b(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,body,title\n1,long,short\n")
    table = read_table(str(tmp_path / "a.csv")).with_texts(["body", "title"])
    assert _mappings(table) == [{"id": "1", "body": "long", "title": "short", "text_a": "long", "text_b": "short"}]
    with pytest.raises(FileError, match=r'PD814 no column "txt" in .*\n  = help: its columns are: id, body, title'):
        read_table(str(tmp_path / "a.csv")).with_texts(["txt"])


@pytest.mark.parametrize(
    ("name", "data", "code", "part"),
    [
        ("a.csv", b"text_a\nfine\n\xff\xfe\n", "PD802", "a.csv, line 3: byte 0xff is not UTF-8"),
        ("a.csv", b"", "PD812", "a.csv is empty"),
        ("a.csv", b"text_a,label\nx,y\nx,y,z\n", "PD812", "a.csv, line 3: 3 fields, and the header has 2"),
        ("a.csv", b'text_a,label\n"x,y\nx,z\n', "PD812", "a.csv, line 2: unexpected end of data"),
        ("a.csv", b'text_a,label\n"x"y,z\n', "PD812", "a.csv, line 2: ',' expected after '\"'"),
        ("a.csv", b"text_a,text_a\nx,y\n", "PD814", 'a.csv, line 1: the column "text_a" twice'),
        ("a.jsonl", b'{"text_a": "x"}\n{"text_a": }\n', "PD811", "a.jsonl, line 2, column 12: not JSON"),
        ("a.jsonl", b'{"text_a": "x"}\n\n7\n', "PD813", "a.jsonl, line 3: a number is not a row"),
        ("a.jsonl", b"[" * 100_000, "PD811", "a.jsonl, line 1: not readable as JSON"),
        ("a.jsonl", b'{"n": ' + b"1" * 5000 + b"}", "PD811", "a.jsonl, line 1: not readable as JSON"),
        ("a.json", b'{"text_a": "x"}', "PD813", "a.json holds an object, not a list of rows"),
        ("a.json", b'["x", null]', "PD813", "a.json, row 1: null is not a row"),
        ("a.json", b'[\n"x",\n"y"\n', "PD811", "a.json, line 4, column 1: not JSON"),
        ("a.parquet", b"PAR1 nonsense", "PD816", "a.parquet is not readable as Parquet"),
        ("a.xlsx", b"", "PD810", 'a.xlsx" is no kind of data file'),
    ],
)
def test_what_is_wrong_is_told_with_its_line(name: str, data: bytes, code: str, part: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FileError) as caught:
        read_table(str(tmp_path / name))
    assert caught.value.code == code
    assert part in str(caught.value)
    assert "= help: " in str(caught.value)


def test_a_file_that_is_not_there_and_one_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="PD801 no file"):
        read_table(str(tmp_path / "none.csv"))
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(FileError, match=r"PD803 .* cannot be read: Is a directory"):
        read_table(str(tmp_path / "folder.csv"))


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path / "a.parquet", "parquet")
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(FileError, match=r"PD815 (.|\n)*promptdsl\[datasets\]"):
        read_table(str(tmp_path / "a.parquet"))


@pytest.mark.parametrize(
    ("data", "columns"),
    [
        (b'\n {"text_a": "x"}\n', {"text_a": ["x"]}),
        (b'["x", "y"]', {"text_a": ["x", "y"]}),
        (b"text_a,label\nx,y\n", {"text_a": ["x"], "label": ["y"]}),
    ],
)
def test_standard_input_says_what_it_is(data: bytes, columns: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    table = read_table("-")
    assert table.rows.columns == columns
    assert table.name == "standard input"


def test_an_error_about_a_row_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text_a\none\n\ntwo\n")
    table = read_table(str(tmp_path / "a.csv"))
    with pytest.raises(RowError, match=r"note: this is .*a\.csv, line 4$") as caught, lines_named(table):
        fail_row("PD604", "the value is missing", 1, "text_a")
    assert (caught.value.row, caught.value.column) == (1, "text_a")
