"""`promptdsl fit`: what it writes says, in other commands, what the classifier said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from cli_models import TEMPLATE, TEXTS, by_hand, save_bert

from promptdsl import PromptClassifier
from promptdsl.verbalizers.calibration import add_bias, fit_class_bias

if TYPE_CHECKING:
    from conftest import Cli

SOFT = '<"placeholder":"text_a"> <"soft":2> <"mask">.'
VERBALIZER = "no: not; yes: good"
LABELS = ["no", "yes", "yes", "no", "no", "yes"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A file of the labelled texts."""
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps({"text_a": t, "label": c}) for t, c in zip(TEXTS, LABELS, strict=True)]
    path.write_text("\n".join(lines))
    return path


def test_a_fixed_template_learns_its_bias_and_the_artefact_has_it(
    cli: Cli, model: str, rows: Path, tmp_path: Path
) -> None:
    """The accuracy is that of a bias fitted on plain transformers' scores."""
    truth = np.array([["no", "yes"].index(label) for label in LABELS])
    scores = np.log(by_hand(TEXTS, ["not", "good"]))
    expected = float((add_bias(scores, fit_class_bias(scores, truth)).argmax(1) == truth).mean())
    strings = ("--template", TEMPLATE, "--verbalizer", VERBALIZER, "--model", model)
    ran = cli("fit", rows, *strings, "--test", rows, "--out", tmp_path / "fitted")
    assert ran.code == 0
    assert ran.out.startswith(f"learnt    2 numbers\nrows      6\naccuracy  {expected:.3f}\n")
    assert f"promptdsl predict --artefact {tmp_path / 'fitted'} --data FILE" in ran.err
    record = json.loads((tmp_path / "fitted" / "promptdsl.json").read_text())
    assert record["metrics"]["accuracy"] == pytest.approx(expected)
    assert not (tmp_path / "fitted" / "log.jsonl").exists()
    found = json.loads(cli("evaluate", "--artefact", tmp_path / "fitted", "--data", rows, "--json").out)
    assert found["accuracy"] == pytest.approx(expected)


def test_a_soft_template_is_trained_and_logged(cli: Cli, model: str, rows: Path, tmp_path: Path) -> None:
    """What the command wrote is, to the last bit, what the same classifier learns in Python."""
    out = tmp_path / "fitted"
    options = ("--steps", 3, "--prompt-learning-rate", 0.1, "--train-batch-size", 2, "--warmup", 0, "--seed", 5)
    strings = ("--template", SOFT, "--verbalizer", VERBALIZER, "--model", model)
    ran = cli("fit", rows, *strings, *options, "--shots", 2, "--test", rows, "--out", out, "--json")
    shown = json.loads(ran.out)
    assert (ran.code, ran.err, shown["steps"]) == (0, "", 3)
    logged = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert logged[-1]["step"] == 3
    assert {"promptdsl.json", "prompt.safetensors", "log.jsonl", "log.csv"} <= {p.name for p in out.iterdir()}

    from promptdsl.training.few_shot import few_shot_indices
    from promptdsl.training.settings import TrainingSettings

    drawn = few_shot_indices(LABELS, 2, seed=5)
    given = {"steps": 3, "prompt_learning_rate": 0.1, "train_batch_size": 2, "random_state": 5}
    wanted = PromptClassifier(SOFT, VERBALIZER, model, settings=TrainingSettings(warmup=0.0), **given)
    wanted.fit([TEXTS[i] for i in drawn], [LABELS[i] for i in drawn])
    assert shown["trained_parameters"] == wanted.trained_parameters_
    lines = cli("predict", "--artefact", out, "--data", rows, "--json").out.splitlines()
    got = [[json.loads(line)["probabilities"][c] for c in ("no", "yes")] for line in lines]
    np.testing.assert_allclose(got, wanted.predict_proba(TEXTS), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "code", "part"),
    [
        (("--steps", 0), 2, "PD705 steps must be a whole number"),
        (("--tune", "some"), 2, "PD"),
        (("--test", "none.csv"), 2, "PD801"),
        (("--label-column", "class"), 2, 'PD814 no column "class"'),
    ],
)
def test_a_mistake_leaves_nothing_behind(
    cli: Cli, model: str, rows: Path, tmp_path: Path, options: tuple[object, ...], code: int, part: str
) -> None:
    strings = ("--template", SOFT, "--verbalizer", VERBALIZER, "--model", model)
    ran = cli("fit", rows, *strings, "--out", tmp_path / "fitted", *options)
    assert (ran.code, ran.out) == (code, "")
    assert part in ran.err
    assert not (tmp_path / "fitted").exists()


def test_an_artefact_goes_without_strings_and_strings_without_an_artefact(cli: Cli, rows: Path) -> None:
    for command in ("predict", "evaluate"):
        assert "give both strings, or --artefact FOLDER" in cli(command, "--data", rows).err
        ran = cli(command, "--data", rows, "--artefact", "x", "--template", TEMPLATE)
        assert ran.code == 2
        assert "Invalid value for --artefact" in ran.err


def test_a_folder_without_an_artefact_is_a_coded_error(cli: Cli, rows: Path, tmp_path: Path) -> None:
    ran = cli("predict", "--data", rows, "--artefact", tmp_path)
    assert ran.code == 2
    assert ran.err.startswith("FileError: PD830")
