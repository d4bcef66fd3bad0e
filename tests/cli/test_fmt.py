"""`promptdsl fmt`: one spelling."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Cli

ODD = "{ 'placeholder' : 'text_a' } It was {\"mask\"}."
CANONICAL = '<"placeholder":"text_a"> It was <"mask">.'


def test_stdin_to_stdout(cli: Cli) -> None:
    assert cli("fmt", stdin=ODD) == (0, CANONICAL + "\n", "")
    assert cli("fmt", "-", stdin=CANONICAL + "\n") == (0, CANONICAL + "\n", "")
    assert cli("fmt", "--verbalizer", stdin='a : "x" ;b:y , z') == (0, "a: x\nb: y, z\n", "")


def test_write_changes_what_needs_it_and_keeps_the_last_line_end(cli: Cli, tmp_path: Path) -> None:
    ended, open_, words = tmp_path / "a.template", tmp_path / "b.template", tmp_path / "c.verbalizer"
    ended.write_text(ODD + "\n")
    open_.write_text(ODD)
    words.write_text("a :x ; b: y\n")
    assert cli("fmt", "--write", ended, open_, words) == (0, "", "")
    assert (ended.read_text(), open_.read_text(), words.read_text()) == (CANONICAL + "\n", CANONICAL, "a: x\nb: y\n")
    assert cli("fmt", "--check", ended, open_, words) == (0, "", "")


def test_check_names_the_file_and_leaves_it(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "a.template"
    file.write_text(ODD)
    assert cli("fmt", "--check", file) == (1, f"{file} would change\n", "")
    assert file.read_text() == ODD


def test_lines(cli: Cli) -> None:
    assert cli("fmt", "--lines", "-", stdin='{"mask"}\n\nx <"mask">\n') == (0, '<"mask">\n\nx <"mask">\n', "")


def test_json_is_shown_but_not_rewritten(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"a": ["x"], "b": ["y, z"]}')
    assert cli("fmt", file) == (0, 'a: x\nb: "y, z"\n', "")
    ran = cli("fmt", "--write", file)
    assert ran.code == 2
    assert ran.err.startswith("FileError: PD805 ")


def test_an_error_leaves_the_file_and_goes_on(cli: Cli, tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.template", tmp_path / "good.template"
    bad.write_text('{"mask"')
    good.write_text(ODD)
    ran = cli("fmt", "--write", bad, good)
    assert ran.code == 2
    assert f" --> {bad}:1:" in ran.err
    assert (bad.read_text(), good.read_text()) == ('{"mask"', CANONICAL)


def test_calls_that_make_no_sense(cli: Cli) -> None:
    assert cli("fmt", "--write").code == 2
    assert cli("fmt", "--write", "--check", "x").code == 2
