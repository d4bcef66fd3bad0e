"""Rows of every kind become the same columns; bad ones name the row, the column and the character."""

from __future__ import annotations

from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest

from promptdsl.encoding.rows import as_rows, column_texts
from promptdsl.errors import PromptDSLError, RowError
from promptdsl.language.nodes import Tag
from promptdsl.language.template import Template


def field(text: str) -> Tag:
    (piece,) = Template(text).pieces
    assert isinstance(piece, Tag)
    return piece


A = '<"placeholder":"text_a">'
MAPPINGS = [{"text_a": "one", "text_b": "two"}, {"text_a": "drei", "text_b": "vier"}]


@pytest.mark.parametrize(
    "data",
    [
        MAPPINGS,
        tuple(MAPPINGS),
        (row for row in MAPPINGS),
        [("one", "two"), ("drei", "vier")],
        [["one", "two"], ["drei", "vier"]],
        pd.DataFrame(MAPPINGS),
        pd.DataFrame(MAPPINGS, index=[7, 7]),
        datasets.Dataset.from_list(MAPPINGS),
        datasets.Dataset.from_list(MAPPINGS).data.table,
        np.array([["one", "two"], ["drei", "vier"]], dtype=object),
        np.array([["one", "two"], ["drei", "vier"]]),
    ],
    ids=lambda d: type(d).__name__,
)
def test_every_kind_of_rows_gives_the_same_columns(data: Any) -> None:
    rows = as_rows(data)
    assert len(rows) == 2
    assert column_texts(rows, field(A)) == ["one", "drei"]
    assert column_texts(rows, field('<"meta":"text_b">')) == ["two", "vier"]


@pytest.mark.parametrize("data", [["one", "drei"], np.array(["one", "drei"]), pd.Series(["one", "drei"], index=[5, 9])])
def test_texts_are_the_column_text_a(data: Any) -> None:
    assert column_texts(as_rows(data), field(A)) == ["one", "drei"]


def test_numbers_and_booleans_become_text_and_filters_apply_in_order() -> None:
    rows = as_rows(pd.DataFrame({"n": [3, -4], "x": [0.5, 2.0], "b": [True, False], "t": ["  Ab. ", "C"]}))
    assert column_texts(rows, field('<"meta":"n">')) == ["3", "-4"]
    assert column_texts(rows, field('<"meta":"x">')) == ["0.5", "2.0"]
    assert column_texts(rows, field('<"meta":"b">')) == ["True", "False"]
    assert column_texts(rows, field('<"meta":"t","filters":["strip","rstrip_punctuation","lower"]>')) == ["ab", "c"]


def test_a_list_becomes_text_only_through_a_filter_that_takes_one() -> None:
    rows = as_rows([{"o": ["a", "b"]}, {"o": ["c"]}])
    assert column_texts(rows, field('<"meta":"o","filters":["join: or "]>')) == ["a or b", "c"]
    with pytest.raises(RowError, match='PD605 row 0, column "o": list is not text'):
        column_texts(rows, field('<"meta":"o">'))


@pytest.mark.parametrize(
    ("bad", "code", "row", "character"),
    [
        ([{"text_a": "x"}, {"other": "y"}], "PD604", 1, None),
        ([{"text_a": "x"}, {"text_a": None}], "PD604", 1, None),
        ([{"text_a": "x"}, {"text_a": float("nan")}], "PD604", 1, None),
        (pd.DataFrame({"text_a": ["x", pd.NA]}), "PD604", 1, None),
        ([{"text_b": "x"}], "PD604", 0, None),
        (["x", b"y"], "PD605", 1, None),
        (["x", {"text_a": "y"}], "PD605", 1, None),
        (["fine", "also", "bro\ud800ken"], "PD607", 2, 3),
    ],
)
def test_a_bad_row_is_named(bad: Any, code: str, row: int, character: int | None) -> None:
    with pytest.raises(RowError) as caught:
        column_texts(as_rows(bad), field(A))
    error = caught.value
    assert (error.code, error.row, error.column, error.character) == (code, row, "text_a", character)
    assert f"row {row}" in str(error) and "text_a" in str(error)
    str(error).encode("utf-8")


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ("just a text", "PD601"),
        ({"text_a": "x"}, "PD601"),
        (b"bytes", "PD601"),
        (5, "PD601"),
        ([{"text_a": "x"}, "y"], "PD603"),
        ([("a", "b"), ("c",)], "PD603"),
        ([("a", "b", "c")], "PD603"),
        (pd.DataFrame([["a", "b"]], columns=["t", "t"]), "PD602"),
    ],
)
def test_what_is_not_rows_is_refused(bad: Any, code: str) -> None:
    with pytest.raises(PromptDSLError) as caught:
        as_rows(bad)
    assert caught.value.code == code


def test_missing_may_be_empty() -> None:
    tag = field('<"placeholder":"text_a","missing":"empty">')
    assert column_texts(as_rows([{"text_a": "x"}, {"b": 1}, {"text_a": None}]), tag) == ["x", "", ""]
    assert column_texts(as_rows([{"b": "x"}]), tag) == [""]


def test_a_slice_of_rows_names_rows_by_their_place_in_the_whole() -> None:
    part = as_rows(["one", "two", "three", None, "five"])[1:][1:4]
    with pytest.raises(RowError) as caught:
        column_texts(part, field(A))
    assert caught.value.row == 3
    assert 'row 3, column "text_a"' in str(caught.value)
