"""`promptdsl show`: the tree without a model, every stage with one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_models import TEMPLATE, save_bert

if TYPE_CHECKING:
    from conftest import Cli

TREE = 'template\n  placeholder "text_a"\n  " It was "\n  mask\n  "."\n'


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_bert(tmp_path_factory.mktemp("bert"))


def test_without_a_model_there_is_the_tree(cli: Cli, tmp_path: Path) -> None:
    assert cli("show", TEMPLATE) == (0, TREE, "")
    (tmp_path / "a.template").write_text(TEMPLATE + "\n")
    assert cli("show", f"@{tmp_path / 'a.template'}") == (0, TREE, "")
    assert json.loads(cli("show", TEMPLATE, "--json").out) == {"template": TEMPLATE, "tree": TREE.rstrip("\n")}


def test_rows_come_from_options_or_a_file(cli: Cli, model: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("body\na film\nthe film\nit was\n")
    by_file = cli("show", TEMPLATE, "--model", model, "--data", path, "--text-column", "body", "--rows", 2)
    by_text = cli("show", TEMPLATE, "--model", model, "--text", "a film", "--text", "the film")
    assert by_file == by_text
    assert by_file.out.startswith(TREE)
    assert by_file.out.count("(read here)") == 2


def test_json_has_the_ids_and_the_places_that_are_read(cli: Cli, model: str) -> None:
    found = json.loads(
        cli("show", TEMPLATE, "--model", model, "--text", "film film film film", "--max-length", 8, "--json").out
    )
    (row,) = found["rows"]
    assert row["tokens"] == ["[CLS]", "film", "film", "it", "was", "[MASK]", ".", "[SEP]"]
    assert row["pieces"] == [None, 0, 0, 1, 1, 2, 3, None]
    assert row["reads"] == [5]
    assert row["cut"] == [2, 0, 0, 0]
    assert len(row["top_words"]) == 1


def test_soft_templates_can_be_shown(cli: Cli, model: str) -> None:
    ran = cli("show", '<"prefix":2><"soft":3> <"placeholder":"text_a"> <"mask">', "--model", model, "--text", "a film")
    assert ran.code == 0
    assert "«0» «1» «2»" in ran.out
    assert "row 0: 10 positions of at most 128, 2 of them prefix" in ran.out


@pytest.mark.parametrize(
    "options", [("--text", "x"), ("--model", "{model}", "--text", "x", "--data", "y.csv"), ("--verbalizer", "a: b")]
)
def test_options_that_do_not_go_together(cli: Cli, model: str, options: tuple[str, ...]) -> None:
    ran = cli("show", TEMPLATE, *(o.replace("{model}", model) for o in options))
    assert (ran.code, ran.out) == (2, "")
    assert "Error: Invalid value" in ran.err


def test_an_error_points_into_the_template(cli: Cli) -> None:
    ran = cli("show", '<"plceholder":"text_a">')
    assert ran.code == 2
    assert ran.err.startswith('TemplateNameError: PD201 unknown tag "plceholder"\n --> template:1:2\n')
