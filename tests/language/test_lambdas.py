"""Lambdas → filters: Python's own lambda is the oracle for what the filters do."""

from __future__ import annotations

import string
from collections.abc import Callable
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptdsl.language.filters import apply_filter
from promptdsl.language.lambdas import filters_of

# What is written, the filters expected by hand, and the same lambda as Python itself runs it.
TEXTS: list[tuple[str, list[str], Callable[[str], str]]] = [
    ("lambda s: s[:-1]", ["drop_last"], lambda s: s[:-1]),
    ("lambda sentence:sentence[1:]", ["drop_first"], lambda s: s[1:]),
    ("lambda x: x[1:-2]", ["drop_first", "drop_last", "drop_last"], lambda x: x[1:-2]),
    ("lambda s: s[:1].lower() + s[1:]", ["uncapitalize"], lambda s: s[:1].lower() + s[1:]),
    ("lambda s : s[ : 1 ].lower()+s[1 : ]", ["uncapitalize"], lambda s: s[:1].lower() + s[1:]),
    ("lambda s: s[0:1].upper() + s[1:]", ["capitalize"], lambda s: s[0:1].upper() + s[1:]),
    ("lambda x:x+'.'", ["append:."], lambda x: x + "."),
    ('lambda x: "." + x', ["prepend:."], lambda x: "." + x),
    ('lambda x: "(" + x + ")"', ["prepend:(", "append:)"], lambda x: "(" + x + ")"),
    ('lambda x: f"({x})."', ["prepend:(", "append:)."], lambda x: f"({x})."),
    ("lambda x: x.strip()", ["strip"], lambda x: x.strip()),
    ("lambda x: x.strip(None)", ["strip"], lambda x: x.strip(None)),
    ("lambda x: x.strip('')", [], lambda x: x.strip("")),
    ('lambda x:x.strip("。")', ["strip:。"], lambda x: x.strip("。")),
    ("lambda x: x.lstrip('ab')", ["lstrip:ab"], lambda x: x.lstrip("ab")),
    ("lambda x: x.rstrip('.!')", ["rstrip:.!"], lambda x: x.rstrip(".!")),
    ("lambda s: s.rstrip(string.punctuation)", ["rstrip_punctuation"], lambda s: s.rstrip(string.punctuation)),
    (
        "lambda s: s.strip(string.punctuation + ' ')",
        ["strip:" + string.punctuation + " "],
        lambda s: s.strip(string.punctuation + " "),
    ),
    ("lambda x: x.lower()", ["lower"], lambda x: x.lower()),
    ("lambda x: x.upper()", ["upper"], lambda x: x.upper()),
    ("lambda x: x.title()", ["title"], lambda x: x.title()),
    ("lambda x: x.capitalize()", ["sentence_case"], lambda x: x.capitalize()),
    ("lambda x: x.strip().lower() + '.'", ["strip", "lower", "append:."], lambda x: x.strip().lower() + "."),
    (
        "lambda x: (x.rstrip('.') + '?').upper()",
        ["rstrip:.", "append:?", "upper"],
        lambda x: (x.rstrip(".") + "?").upper(),
    ),
    (
        "lambda x: x.strip()[:1].lower() + x.strip()[1:]",
        ["strip", "uncapitalize"],
        lambda x: x.strip()[:1].lower() + x.strip()[1:],
    ),
    (
        "lambda x: x[:-1][:1].upper() + x[:-1][1:]",
        ["drop_last", "capitalize"],
        lambda x: x[:-1][:1].upper() + x[:-1][1:],
    ),
    ("lambda s: s[:1].lower() + s[1:] + '!'", ["uncapitalize", "append:!"], lambda s: s[:1].lower() + s[1:] + "!"),
    ("lambda x: str(x)", [], str),
    ("str.lower", ["lower"], str.lower),
    ("lambda x: x", [], lambda x: x),
]
LISTS: list[tuple[str, list[str], Any]] = [
    ('lambda x: ", ".join(x)', ["join:, "], ["a", "b"]),
    ("lambda x: ' '.join([str(i) for i in x])", ["join: "], ["a", "b"]),
    ("lambda x: ''.join(map(str, x))", ["join:"], ["a", "b"]),
    ('lambda lis: ",".join([f"{i}:{choice}" for i, choice in enumerate(lis)])', ["enumerate:,"], ["a", "b"]),
    ("lambda l: ';'.join(str(n) + ':' + w for n, w in enumerate(l))", ["enumerate:;"], ["a", "b"]),
    (
        'lambda x:"|".join(["("+i["label"]+")" + " " + i["text"] for i in x])',
        ["choices:|"],
        [{"label": "A", "text": "no"}, {"label": "B", "text": "yes"}],
    ),
    (
        "lambda x: ' '.join(f\"({c['label']}) {c['text']}\" for c in x).lower()",
        ["choices: ", "lower"],
        [{"label": "A", "text": "no"}, {"label": "B", "text": "yes"}],
    ),
]
MADE_BY_HAND = ["a, b", "a b", "ab", "0:a,1:b", "0:a;1:b", "(A) no|(B) yes", "(a) no (b) yes"]
REFUSED = [
    "lambda x: __import__('os').system('echo no')",
    "lambda x: open(x).read()",
    "lambda x: x[:512]",
    "lambda x: x[::-1]",
    "lambda x: x[-1:]",
    "lambda x: x[:0]",
    "lambda x: x[0]",
    "lambda x: x + x",
    "lambda x: 'fixed'",
    "lambda x: y",
    "lambda x: x.strip(x)",
    "lambda x: x.replace('a', 'b')",
    "lambda x: x.lower",
    "lambda x: x.join(',')",
    "lambda x: x[:1].lower() + x[2:]",
    "lambda x: x[:1].lower() + x.strip()[1:]",
    "lambda x: x[:1].title() + x[1:]",
    "lambda x: f'{x!r}'",
    "lambda x: f'{x:>5}'",
    "lambda x: ','.join([f'{c}:{i}' for i, c in enumerate(x)])",
    "lambda x: ','.join([f'{i}:{c}' for i, c in enumerate(x, 1)])",
    "lambda x: ','.join([i for i in x if i])",
    "lambda x: ','.join(y)",
    "lambda x: x if x else ''",
    "lambda: 'a'",
    "lambda x, y: x",
    "lambda x=1: x",
    "lambda *x: x",
    "x.lower()",
    "str.format",
    "str.strip('a')",
    "lambda x: (",
    "lambda x: x\0",
    "lambda x: x.strip('\\。')",
    "lambda x: " + "(" * 300 + "x" + ")" * 300,
    "lambda x: " + "-" * 900 + "x",
    "lambda x: x" + ".lower()" * 200,
    "",
]


def filtered(value: Any, filters: list[str]) -> Any:
    return reduce(lambda v, f: apply_filter(f, v), filters, value)


@pytest.mark.parametrize(("written", "expected", "real"), TEXTS, ids=[t[0] for t in TEXTS])
@given(text=st.text() | st.sampled_from(["", "A", "Two Words.", " ab ba ", "。意。", "ǆ İ ß", "ΑΣ"]))
def test_text_lambdas_become_filters_that_do_the_same(
    written: str, expected: list[str], real: Callable[[str], str], text: str
) -> None:
    assert filters_of(written) == expected
    assert filtered(text, expected) == real(text)


@pytest.mark.parametrize(("case", "made"), list(zip(LISTS, MADE_BY_HAND, strict=True)), ids=MADE_BY_HAND)
def test_list_lambdas_become_filters(case: tuple[str, list[str], Any], made: str) -> None:
    written, expected, value = case
    assert filters_of(written) == expected
    assert filtered(value, expected) == made


@pytest.mark.parametrize("written", REFUSED, ids=lambda w: w[:60].replace("\0", "NUL"))
def test_anything_else_is_no_filter(written: str) -> None:
    assert filters_of(written) is None


@given(st.text())
def test_arbitrary_bodies_never_raise(body: str) -> None:
    found = filters_of("lambda x: " + body)
    assert found is None or all(isinstance(f, str) for f in found)
