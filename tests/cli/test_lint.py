"""`promptdsl lint`: what it prints and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Cli


def test_nothing_found_is_silent(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "a.template"
    file.write_text('<"placeholder":"text_a"> It was <"mask">.\n')
    assert cli("lint", file) == (0, "", "")


def test_a_finding_is_printed_whole_and_ends_in_1(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "a.template"
    file.write_text('<"placeholder":"text_a">\nIt was<"mask">.\n')
    ran = cli("lint", file)
    assert (ran.code, ran.err) == (1, "")
    assert ran.out == (
        "warning: PW102 a blank is missing before the mask\n"
        f" --> {file}:2:7\n"
        "  |\n"
        '2 | It was<"mask">.\n'
        "  |       ^\n"
        '  = help: write a blank: was <"mask">\n\n'
    )


def test_options_are_texts_or_files(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "words.verbalizer"
    file.write_text("a: x\nb: x\n")
    ran = cli("lint", "--template", "no mask", "--verbalizer", file)
    assert [line.split()[1] for line in ran.out.splitlines() if line.startswith("warning")] == ["PW101", "PW202"]


def test_a_text_that_can_be_no_file_name_is_a_text(cli: Cli) -> None:
    assert cli("lint", "--template", "x" * 5000 + ' <"mask">').code == 0
    assert cli("lint", "--template", 'a\0b <"mask">').code == 0


def test_a_template_and_a_verbalizer_are_looked_at_together(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "t.template").write_text('It <"mask">')
    (tmp_path / "v.json").write_text('{"a": ["x"], "b": ["x"]}')
    ran = cli("lint", tmp_path / "t.template", tmp_path / "v.json", "--json")
    (finding,) = json.loads(ran.out)
    assert (finding["code"], finding["file"]) == ("PW202", str(tmp_path / "v.json"))


def test_yaml_by_suffix(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    file = tmp_path / "v.yaml"
    file.write_text("no: [bad]\nyes: [bad]\n")
    ran = cli("lint", file)
    assert ran.code == 1
    assert 'PW202 "bad" stands in two classes, "no" and "yes"' in ran.out


def test_family(cli: Cli) -> None:
    template = 'x <"mask">.'
    assert cli("lint", "--template", template).code == 0
    assert cli("lint", "--template", template, "--family", "masked").code == 0
    ran = cli("lint", "--template", template, "--family", "causal")
    assert ran.code == 1
    assert "PW105" in ran.out
    assert cli("lint", "--template", template, "--family", "prefix").code == 2


def test_a_model_gives_family_and_tokenizer(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptdsl.cli.lint.load_counter", lambda name: ("causal", len))
    ran = cli("lint", "--template", 'x<"mask">!', "--verbalizer", "a: x\nb: yz", "--model", "any", "--json")
    assert [f["code"] for f in json.loads(ran.out)] == ["PW102", "PW105", "PW201"]


def test_lines_are_places_in_the_file(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "many.txt"
    file.write_text('fine <"mask">\n\nIt was<"mask">\n<"msk">\n')
    ran = cli("lint", "--lines", file)
    assert ran.code == 2
    assert f" --> {file}:3:7\n" in ran.out
    assert f'PD201 unknown tag "msk"\n --> {file}:4:2\n' in ran.err


def test_one_bad_file_does_not_hide_the_others(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "bad.template").write_text('<"mask"')
    (tmp_path / "other.template").write_text("no mask")
    ran = cli("lint", tmp_path / "bad.template", tmp_path / "missing.template", tmp_path / "other.template")
    assert ran.code == 2
    assert "PW101" in ran.out
    assert ran.err.count("Error: ") == 2
    assert "PD801" in ran.err


def test_json_has_errors_and_findings(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "bad.template").write_text('<"msk">')
    (tmp_path / "other.template").write_text('It was<"mask">')
    ran = cli("lint", "--json", tmp_path / "bad.template", tmp_path / "other.template")
    found = {f["code"]: f for f in json.loads(ran.out)}
    assert (ran.code, ran.err) == (2, "")
    assert found["PD201"]["severity"] == "error"
    assert found["PW102"]["severity"] == "warning"
    assert (found["PW102"]["line"], found["PW102"]["column"], found["PW102"]["span"]) == (1, 7, [6, 7])
    assert found["PW102"]["file"] == str(tmp_path / "other.template")


def test_json_of_nothing_is_an_empty_list(cli: Cli) -> None:
    assert cli("lint", "--json", "--template", '<"mask">') == (0, "[]\n", "")


def test_stdin(cli: Cli) -> None:
    ran = cli("lint", "-", stdin='It was<"mask">\n')
    assert ran.code == 1
    assert " --> stdin:1:7\n" in ran.out


@pytest.mark.parametrize("bytes_", [b"\xff", b"a\xe9b"])
def test_bytes_that_are_no_utf8(cli: Cli, tmp_path: Path, bytes_: bytes) -> None:
    file = tmp_path / "a.template"
    file.write_bytes(bytes_)
    for ran in (cli("lint", file), cli("lint", "-", stdin=bytes_)):
        assert ran.code == 2
        assert ran.err.startswith("FileError: PD802 ")
