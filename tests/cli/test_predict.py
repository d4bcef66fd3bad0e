"""`promptdsl predict`: the rows in order, the probabilities as plain transformers gives them, errors with lines."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from cli_models import TEMPLATE, TEXTS, by_hand, save_bert

from promptdsl.verbalizers.calibration import add_bias, fit_class_bias

if TYPE_CHECKING:
    from conftest import Cli

WORDS = ["not", "good"]
STRINGS = ("--template", TEMPLATE, "--verbalizer", "no: not; yes: good")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    pd.DataFrame({"text_a": TEXTS}).to_csv(path, index=False)
    return path


def test_csv_in_a_pipe_has_the_rows_in_order_with_plain_transformers_probabilities(
    cli: Cli, model: str, data: Path
) -> None:
    ran = cli("predict", *STRINGS, "--model", model, "--data", data, "--batch-size", 4)
    assert (ran.code, ran.err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert list(rows[0]) == ["row", "label", "p(no)", "p(yes)"]
    assert [row["row"] for row in rows] == [str(i) for i in range(len(TEXTS))]
    expected = by_hand(TEXTS, WORDS)
    found = np.array([[float(row["p(no)"]), float(row["p(yes)"])] for row in rows])
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert [row["label"] for row in rows] == [["no", "yes"][i] for i in expected.argmax(1)]
    assert len({row["label"] for row in rows}) == 2  # the test would not see a constant answer otherwise


def test_json_lines_from_standard_input_with_other_columns(cli: Cli, model: str) -> None:
    lines = "".join(json.dumps({"body": t, "label": 1}) + "\n" for t in TEXTS)
    ran = cli(
        "predict", *STRINGS, "--model", model, "--data", "-", "--text-column", "body", "--json", stdin=lines
    )  # fmt: skip
    found = [json.loads(line) for line in ran.out.splitlines()]
    assert [f["row"] for f in found] == list(range(len(TEXTS)))
    assert {f["given"] for f in found} == {"1"}
    expected = by_hand(TEXTS, WORDS)
    np.testing.assert_allclose([[f["probabilities"][c] for c in ("no", "yes")] for f in found], expected, atol=2e-5)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_output_goes_to_a_file(cli: Cli, model: str, data: Path, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"out{suffix}"
    ran = cli("predict", *STRINGS, "--model", model, "--data", data, "--output", target)
    assert (ran.code, ran.out, ran.err) == (0, "", f"{len(TEXTS)} predictions in {target}\n")
    frame = pd.read_csv(target) if suffix == ".csv" else pd.read_json(target, lines=True)
    assert frame["row"].tolist() == list(range(len(TEXTS)))
    expected = by_hand(TEXTS, WORDS).argmax(1)
    assert frame["label"].tolist() == [["no", "yes"][i] for i in expected]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data.csv", target.name]


def test_strings_may_stand_in_files(cli: Cli, model: str, data: Path, tmp_path: Path) -> None:
    (tmp_path / "a.template").write_text(TEMPLATE + "\n")
    (tmp_path / "a.verbalizer").write_text("no: not\nyes: good\n")
    options = ("--model", model, "--data", data)
    by_file = ("--template", f"@{tmp_path / 'a.template'}", "--verbalizer", f"@{tmp_path / 'a.verbalizer'}")
    assert cli("predict", *by_file, *options).out == cli("predict", *STRINGS, *options).out


def test_labelled_rows_shift_each_class_by_the_likeliest_bias(cli: Cli, model: str, data: Path, tmp_path: Path) -> None:
    truth = np.array([0, 1, 1, 1, 1, 1])
    train = tmp_path / "train.csv"
    pd.DataFrame({"text_a": TEXTS, "sense": [["no", "yes"][i] for i in truth]}).to_csv(train, index=False)
    ran = cli(
        "predict", *STRINGS, "--model", model, "--data", data, "--train", train, "--label-column", "sense", "--json"
    )  # fmt: skip
    scores = np.log(by_hand(TEXTS, WORDS))
    expected = np.exp(add_bias(scores, fit_class_bias(scores, truth)))
    found = [json.loads(line)["probabilities"] for line in ran.out.splitlines()]
    np.testing.assert_allclose([[f["no"], f["yes"]] for f in found], expected, atol=1e-4)
    assert np.abs(expected - np.exp(scores)).max() > 0.01


def test_a_bad_row_is_named_by_its_line(cli: Cli, model: str, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('"fine"\n\n{"text_a": null}\n')
    ran = cli("predict", *STRINGS, "--model", model, "--data", path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith('RowError: PD604 row 1, column "text_a": the value is None\n')
    assert ran.err.endswith(f"  = note: this is {path}, line 3\n")


@pytest.mark.parametrize(
    ("options", "code", "part"),
    [
        (("--data", "none.csv"), 2, "FileError: PD801 no file 'none.csv'"),
        (("--data", "{data}", "--text-column", "body"), 2, 'FileError: PD814 no column "body"'),
        (("--data", "{data}", "--output", "out.txt"), 2, 'FileError: PD810 predictions cannot be written as "out.txt"'),
        (("--data", "{data}", "--output", "{data}/x.csv"), 2, "FileError: PD817 the file"),
        (("--data", "{data}", "--train", "{data}"), 2, 'FileError: PD814 no column "label"'),
        (("--data", "{data}", "--shots", "2"), 2, "--shots draws from the rows of --train"),
        (("--data", "{data}", "--max-length", "4"), 2, "ModelError: PD504 the template alone takes 6 positions"),
    ],
)
def test_mistakes_are_told_and_exit_with_2(
    cli: Cli, model: str, data: Path, options: tuple[str, ...], code: int, part: str
) -> None:
    ran = cli("predict", *STRINGS, "--model", model, *(o.replace("{data}", str(data)) for o in options))
    assert (ran.code, ran.out) == (code, "")
    assert part in ran.err
    assert "Traceback" not in ran.err


def test_a_template_that_reads_another_column_names_those_there_are(cli: Cli, model: str, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("id,body\n1,x\n")
    ran = cli("predict", *STRINGS, "--model", model, "--data", path)
    assert f'PD814 the template reads the column "text_a", and {path} has id, body\n' in ran.err
    assert "--text-column" in ran.err
