"""`promptdsl evaluate`: the measures against numbers worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from cli_models import TEMPLATE, TEXTS, by_hand, save_bert

from promptdsl.cli.evaluate import report
from promptdsl.verbalizers.calibration import add_bias, fit_class_bias

if TYPE_CHECKING:
    from conftest import Cli

STRINGS = ("--template", TEMPLATE, "--verbalizer", "no: not; yes: good")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_bert(tmp_path_factory.mktemp("bert"))


def test_the_measures_by_hand() -> None:
    """a: precision 2/2, recall 2/3, F1 4/5. b: 1/2, 1/2, 1/2. c: 1/2, 1/1, 2/3. d: neither true nor predicted."""
    found = report(list("aaabbc"), list("aabbcc"), list("abcd"))
    assert found["rows"] == 6
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert found["macro_f1"] == pytest.approx((4 / 5 + 1 / 2 + 2 / 3) / 3)
    assert found["labels"] == ["a", "b", "c", "d"]
    assert found["confusion"] == [[2, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_a_label_that_is_only_predicted_counts_with_an_f1_of_0() -> None:
    assert report(["a", "a"], ["a", "b"], ["a", "b"])["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)


def _labelled(path: Path, labels: list[str]) -> Path:
    pd.DataFrame({"text_a": TEXTS, "label": labels}).to_csv(path, index=False)
    return path


def test_predictions_are_compared_with_the_files_labels(cli: Cli, model: str, tmp_path: Path) -> None:
    """The labels are the zero-shot answers of plain transformers, but for the last two rows."""
    answers = [["no", "yes"][i] for i in by_hand(TEXTS, ["not", "good"]).argmax(1)]
    labels = [*answers[:4], *({"no": "yes", "yes": "no"}[a] for a in answers[4:])]
    data = _labelled(tmp_path / "test.csv", labels)
    ran = cli("evaluate", *STRINGS, "--model", model, "--data", data, "--json")
    assert (ran.code, ran.err) == (0, "")
    found = json.loads(ran.out)
    assert found["accuracy"] == pytest.approx(4 / 6)
    counts = [[sum(t == a and p == b for t, p in zip(labels, answers, strict=True)) for b in ("no", "yes")]
              for a in ("no", "yes")]  # fmt: skip
    assert found["confusion"] == counts
    assert found["labels"] == ["no", "yes"]
    text = cli("evaluate", *STRINGS, "--model", model, "--data", data).out
    assert text.startswith(f"rows      6\naccuracy  0.667\nmacro-F1  {found['macro_f1']:.3f}\n\n")
    assert text.splitlines()[-2:] == [f"no                {counts[0][0]:2}  {counts[0][1]:3}",
                                      f"yes               {counts[1][0]:2}  {counts[1][1]:3}"]  # fmt: skip


def test_shots_are_drawn_from_the_training_file(cli: Cli, model: str, tmp_path: Path) -> None:
    """With as many shots as rows the fit sees them all, so the outcome is the bias that all of them give."""
    truth = np.array([0, 1, 1, 0, 0, 1])
    train = _labelled(tmp_path / "train.csv", [["no", "yes"][i] for i in truth])
    scores = np.log(by_hand(TEXTS, ["not", "good"]))
    expected = (add_bias(scores, fit_class_bias(scores, truth)).argmax(1) == truth).mean()
    options = ("--model", model, "--data", train, "--train", train, "--json")
    found = json.loads(cli("evaluate", *STRINGS, *options, "--shots", 3, "--seed", 13).out)
    assert found["accuracy"] == pytest.approx(expected)
    assert (found["shots"], found["seed"]) == (3, 13)
    one = [cli("evaluate", *STRINGS, *options, "--shots", 1, "--seed", seed).out for seed in (1, 1)]
    assert one[0] == one[1]


@pytest.mark.parametrize(
    ("labels", "part"),
    [
        (["no", "yes", "", "no", "no", "no"], 'test.csv, line 4: no label in the column "label"'),
        (["no", "yes", "maybe", "no", "no", "no"], 'test.csv, line 4: the verbalizer has no label "maybe"'),
    ],
)
def test_a_label_that_is_missing_or_unknown_is_named_by_its_line(
    cli: Cli, model: str, tmp_path: Path, labels: list[str], part: str
) -> None:
    ran = cli("evaluate", *STRINGS, "--model", model, "--data", _labelled(tmp_path / "test.csv", labels))
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("FileError: PD818 ")
    assert part in ran.err


def test_no_rows_and_no_labels_are_errors(cli: Cli, model: str, tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text("text_a,label\n")
    assert "PD819" in cli("evaluate", *STRINGS, "--model", model, "--data", path).err
    path.write_text("text_a\nx\n")
    assert 'PD814 no column "label"' in cli("evaluate", *STRINGS, "--model", model, "--data", path).err
