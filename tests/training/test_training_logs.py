"""The log against losses and rates that were computed beside it; the command; reports to others."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from still import TEMPLATE, still
from torch import Tensor

from promptdsl.errors import TrainingError
from promptdsl.models.prompt_model import PromptModel
from promptdsl.training.__main__ import main
from promptdsl.training.settings import TrainingSettings
from promptdsl.training.trained import trained_parameters
from promptdsl.training.trainer import train, train_run

TEXTS, LABELS = ["a stirring film", "the plot is dull", "no", "of the year"], [0, 1, 1, 0]
WORDS = 'x: <"soft":"the">\ny: <"soft":"a">'


def test_the_log_has_means_of_losses_and_each_parts_rate(tmp_path: Path) -> None:
    model = PromptModel(still(), f'<"soft":2> {TEMPLATE}', WORDS)
    losses: list[Tensor] = []
    model.register_forward_hook(lambda _model, _given, out: losses.append(out.loss.detach()))
    settings = TrainingSettings(
        steps=5, batch_size=2, warmup=0, logging_steps=2, output=str(tmp_path), max_grad_norm=0,
        prompt_learning_rate=0.1, verbalizer_learning_rate=0.01,
    )  # fmt: skip
    run = train_run(model, TEXTS, LABELS, settings)
    means = [float(torch.stack(losses[a:b]).mean()) for a, b in ((0, 2), (2, 4), (4, 5))]
    assert [entry.loss for entry in run.history] == pytest.approx(means, rel=1e-6)
    assert [(entry.step, entry.epoch) for entry in run.history] == [(2, 1.0), (4, 2.0), (5, 2.5)]
    # Linear decay without warm-up: step k is taken with (6 − k) / 5 of the rate.
    assert [entry.prompt_learning_rate for entry in run.history] == pytest.approx([0.08, 0.04, 0.02])
    assert [entry.verbalizer_learning_rate for entry in run.history] == pytest.approx([0.008, 0.004, 0.002])
    assert {entry.learning_rate for entry in run.history} == {None}
    assert run.seconds > run.history[-1].seconds > run.history[0].seconds > 0
    assert str(run).startswith("5 steps of 2 rows, 2.5 epochs of 4 in ")
    assert str(run).endswith(f"loss {means[0]:.4f} → {means[2]:.4f}")

    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    with (tmp_path / "log.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    for entry, line, row in zip(run.history, lines, table, strict=True):
        assert line == {name: getattr(entry, name) for name in entry.__slots__}
        assert {name: float(value) for name, value in row.items() if value} == {
            name: value for name, value in line.items() if value is not None
        }


def test_the_norm_of_the_log_is_the_gradients(tmp_path: Path) -> None:
    """One step, with what a pass by hand finds; it is told before it is cut."""
    settings = TrainingSettings(steps=1, batch_size=4, logging_steps=1, max_grad_norm=1e-3)
    run = train_run(PromptModel(still(), TEMPLATE, WORDS), TEXTS, LABELS, settings)
    by_hand = PromptModel(still(), TEMPLATE, WORDS)
    batch = next(by_hand.batches(TEXTS))
    by_hand(**batch.tensors(), labels=torch.tensor(LABELS)[list(batch.rows)]).loss.backward()
    squares = [float((p.grad**2).sum()) for p in trained_parameters(by_hand).values() if p.grad is not None]
    assert run.history[0].grad_norm == pytest.approx(sum(squares) ** 0.5, rel=1e-4)


def test_a_new_training_begins_the_log_anew(tmp_path: Path) -> None:
    settings = TrainingSettings(steps=2, logging_steps=1, output=str(tmp_path))
    for _ in range(2):
        train(PromptModel(still(), TEMPLATE, WORDS), TEXTS, LABELS, settings)
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3


def test_nothing_is_printed_unless_it_is_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    train(PromptModel(still(), TEMPLATE, WORDS), TEXTS, LABELS, TrainingSettings(steps=2))
    assert capfd.readouterr() == ("", "")
    train(PromptModel(still(), TEMPLATE, WORDS), TEXTS, LABELS, TrainingSettings(steps=2, verbose=True))
    assert "2/2" in capfd.readouterr().err


def test_reports_to_nobody_known() -> None:
    model = PromptModel(still(), TEMPLATE, WORDS)
    with pytest.raises(TrainingError, match="PD724 nothing can be reported to the wall"):
        train(model, TEXTS, LABELS, TrainingSettings(steps=1, report_to=("the wall",)))


def rows_file(folder: Path, labels: list[Any]) -> str:
    with (folder / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "class"), *zip(TEXTS, labels, strict=True)])
    return str(folder / "rows.csv")


def options(folder: Path, labels: list[Any], *more: str) -> list[str]:
    template = '<"placeholder":"text"> It was <"mask">.'
    strings = ["--template", template, "--verbalizer", 'x: <"soft":"bad">\ny: <"soft":"good">']
    files = ["--train", rows_file(folder, labels), "--label-column", "class", "--output", str(folder / "out")]
    return [*strings, *files, *more]


def test_the_command_does_what_the_library_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--steps", "3", "--batch-size", "2", "--verbalizer-learning-rate", "0.01", "--seed", "7"]
    assert main(options(tmp_path, ["x", "y", "y", "x"], *more)) == 0
    assert capsys.readouterr().out.startswith("3 steps of 2 rows, 1.5 epochs of 4 in ")
    template, words = '<"placeholder":"text"> It was <"mask">.', 'x: <"soft":"bad">\ny: <"soft":"good">'
    settings = TrainingSettings(steps=3, batch_size=2, verbalizer_learning_rate=0.01, seed=7)
    model = train(PromptModel("pocket-mlm", template, words), [{"text": t} for t in TEXTS], LABELS, settings)
    found = load_file(tmp_path / "out" / "prompt.safetensors")
    wanted = trained_parameters(model)
    assert found.keys() == wanted.keys() == {"head.soft_rows", "head.soft_bias"}
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize(
    ("labels", "more", "said"),
    [
        (["x", "y", "z", "x"], [], "TrainingError: PD701"),
        (["x", "y", "y", "x"], ["--warmup", "2"], "TrainingError: PD705 warmup must be"),
        (["x", "y", "y", "x"], ["--label-column", "rating"], "FileError: PD814"),
        (["x", "y", "y", "x"], ["--template", '<"placeholder":"body"> <"mask">'], "RowError: PD6"),
        (["x", "y", "y", "x"], ["--verbalizer", "x: bad; y: good"], "TrainingError: PD704"),
    ],
)
def test_a_mistake_in_the_command_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], labels: list[str], more: list[str], said: str
) -> None:
    assert main(options(tmp_path, labels, *more)) == 2
    assert capsys.readouterr().err.startswith(said)


def test_what_diverged_is_told_and_its_last_good_state_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--verbalizer-learning-rate", "1e39", "--warmup", "0", "--steps", "3"]
    assert main(options(tmp_path, ["x", "y", "y", "x"], *more)) == 2
    assert capsys.readouterr().err.startswith("TrainingError: PD703 the loss, or its gradient, is not a number")
    assert all(bool(value.isfinite().all()) for value in load_file(tmp_path / "out" / "prompt.safetensors").values())
