"""How a diagnostic is drawn, and what an error carries."""

from __future__ import annotations

import pickle

import pytest

from promptdsl.errors import (
    Diagnostic,
    ModelError,
    PromptDSLError,
    Span,
    TemplateNameError,
    VerbalizerError,
    printable,
    raise_all,
)


def drawn(source: str, start: int, end: int) -> list[str]:
    """The lines of the excerpt, without the first and the place."""
    return str(Diagnostic("PD201", "m", span=Span(start, end), label="here", source=source)).split("\n")[2:]


def test_the_whole_shape() -> None:
    diagnostic = Diagnostic(
        "PD201",
        'unknown tag "msk"',
        span=Span(10, 15),
        label="not a kind of tag",
        help='did you mean "mask"?',
        note="kinds are …",
        source='It\nwas <"\t"msk">.',
        origin="a.template",
    )
    assert str(diagnostic) == (
        'PD201 unknown tag "msk"\n'
        " --> a.template:2:8\n"
        "  |\n"
        '2 | was <"\\t"msk">.\n'
        "  |         ^^^^^ not a kind of tag\n"
        '  = help: did you mean "mask"?\n'
        "  = note: kinds are …"
    )


@pytest.mark.parametrize(
    ("source", "start", "end", "line", "caret"),
    [
        ("abc", 1, 2, "1 | abc", "  |  ^ here"),
        ("abc", 3, 3, "1 | abc", "  |    ^ here"),
        ("", 0, 0, "1 |", "  | ^ here"),
        ("評価 x", 3, 4, "1 | 評価 x", "  |      ^ here"),
        ("評価", 0, 2, "1 | 評価", "  | ^^^^ here"),
        ("e\u0301x", 2, 3, "1 | e\u0301x", "  |  ^ here"),
        ("\x1b[1mx", 4, 5, "1 | \\x1b[1mx", "  |        ^ here"),
        ("\ud83dx", 1, 2, "1 | \\ud83dx", "  |       ^ here"),
        ("ab\r\nc", 1, 5, "1 | ab", "  |  ^ here"),
    ],
)
def test_the_caret_stands_under_what_it_means(source: str, start: int, end: int, line: str, caret: str) -> None:
    assert drawn(source, start, end) == ["  |", line, caret]


def test_a_long_line_is_a_window_around_the_place() -> None:
    _, line, caret = drawn("a" * 500 + "X" + "b" * 500, 500, 501)
    assert line == "1 | …" + "a" * 50 + "X" + "b" * 49 + "…"
    assert caret.index("^") == line.index("X")


def test_no_part_and_no_message_grows_without_bound() -> None:
    assert printable("é" * 400) == "é" * 299 + "…"
    assert len(printable("\u200b" * 400)) <= 300
    wide = "\U0001f642" * 1000
    error = PromptDSLError(
        *[Diagnostic("PD1", wide, span=Span(9, 99), label=wide, help=wide, note=wide, source=wide)] * 9
    )
    assert len(str(error).encode()) <= 2048
    error = PromptDSLError(*[Diagnostic("PD101", f"number {n}", help="x" * 200) for n in range(40)])
    assert len(str(error).encode()) <= 2048
    assert "number 0" in str(error) and str(error).endswith(" more")
    assert len(error.diagnostics) == 40


def test_the_class_follows_the_first_code_and_the_language() -> None:
    for code, origin, kind in (
        ("PD201", "template", TemplateNameError),
        ("PD201", "verbalizer", VerbalizerError),
        ("PD501", "model", ModelError),
    ):
        with pytest.raises(kind) as caught:
            raise_all([Diagnostic("PW101", "only a finding", severity="warning"), Diagnostic(code, "m", origin=origin)])
        assert isinstance(caught.value, ValueError) and caught.value.code == code
        assert len(caught.value.diagnostics) == 1
    with pytest.raises(VerbalizerError):
        raise_all([Diagnostic("PD101", "m", origin="a/file")], VerbalizerError)
    raise_all([Diagnostic("PW101", "only a finding", severity="warning")])


def test_errors_travel() -> None:
    error = TemplateNameError(Diagnostic("PD201", "m", span=Span(1, 2), source="abc"))
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is TemplateNameError and again.diagnostics == error.diagnostics and str(again) == str(error)


def test_spans_are_in_order() -> None:
    with pytest.raises(ValueError, match="no span"):
        Span(2, 1)
