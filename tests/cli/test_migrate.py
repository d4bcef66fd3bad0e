"""`promptdsl migrate`: other frameworks' files → ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Cli

GOOD = '{"placeholder": "text_a", "post_processing": lambda s: s[:-1]} It was {"mask"} . '
OURS = '<"placeholder":"text_a","filters":["drop_last"]> It was <"mask"> .'


def test_one_a_line(cli: Cli) -> None:
    assert cli("migrate", "-", stdin=f'{GOOD}\n\n{{"mask"}}\n') == (0, f'{OURS}\n\n<"mask">\n', "")


def test_a_bad_line_is_told_with_its_place_and_the_others_come(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "old.txt"
    file.write_text(f'{GOOD}\n{{"mask": open}}\n{GOOD}\n')
    ran = cli("migrate", file)
    assert ran.code == 1
    assert ran.out == f"{OURS}\n{OURS}\n"
    assert ran.err.startswith("TemplateSyntaxError: PD153 ")
    assert f" --> {file}:2:10\n" in ran.err


def test_jsonl_stays_jsonl(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "old.jsonl"
    records = [{"template": GOOD, "id": 7}, {"template": '{"meta": "x"}\n{"mask"}'}, {"text": "no template"}, "text"]
    file.write_text("".join(json.dumps(r) + "\n" for r in records) + "not json\n" + json.dumps({"template": "{x}"}))
    ran = cli("migrate", file)
    assert ran.code == 1
    assert [json.loads(line) for line in ran.out.splitlines()] == [
        {"template": OURS, "id": 7},
        {"template": '<"meta":"x">\n<"mask">'},
    ]
    assert ran.err.count("FileError: PD806 ") == 3
    assert f" --> {file}:5:1\n" in ran.err
    assert f" --> {file}:6, template:1:2\n" in ran.err


def test_other_frameworks(cli: Cli) -> None:
    ran = cli("migrate", "-", "--from", "lm-bff", stdin="*cls**sent_0*_It_was*mask*.*sep+*\n")
    assert ran == (0, '<"placeholder":"text_a"> It was <"mask">.\n', "")
    ran = cli("migrate", "-", "--from", "autoprompt", stdin="<s> {sentence} [T] [P] . </s>")
    assert ran == (0, '<"placeholder":"sentence"> <"soft"> <"mask"> .\n', "")
    assert cli("migrate", "-", "--from", "openpromt").code == 2


def test_a_missing_file(cli: Cli, tmp_path: Path) -> None:
    ran = cli("migrate", tmp_path / "none.txt")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("FileError: PD801 ")
