"""A training that is interrupted and gone on with against one that is not: the same weights, bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from families import tiny
from safetensors.torch import load_file
from still import TEMPLATE
from torch import Tensor
from transformers import TrainerCallback

from promptdsl.errors import FileError, TrainingError
from promptdsl.models.prompt_model import PromptModel
from promptdsl.training.settings import TrainingSettings
from promptdsl.training.trained import trained_parameters
from promptdsl.training.trainer import TrainingRun, train_run

TESTS = Path(__file__).resolve().parent.parent
TEXTS = ["a stirring film", "the plot is dull", "no", "of the year", "a film", "the film is not for the dull"]
LABELS = [0, 1, 1, 0, 0, 1]
SETTINGS = TrainingSettings(steps=12, batch_size=4, learning_rate=1e-3, save_steps=3, logging_steps=2, seed=3)


def model() -> PromptModel:
    """One with dropout, so that what is random must go on as well."""
    made = PromptModel(tiny("bert"), f'<"soft":2> {TEMPLATE}', 'x: the, <"soft":"this">\ny: a', tune="full")
    assert made.backbone.lm.config.hidden_dropout_prob > 0
    return made


def weights(run: TrainingRun) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in trained_parameters(run.model).items()}


@pytest.fixture(scope="module")
def whole() -> tuple[dict[str, Tensor], list[float]]:
    """The weights, and the losses of the log, of a training that nothing interrupts."""
    run = train_run(model(), TEXTS, LABELS, SETTINGS)
    return weights(run), [entry.loss for entry in run.history]


class Stop(TrainerCallback):
    """Interrupts after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.step:
            raise KeyboardInterrupt


def interrupted(folder: Path, step: int, settings: TrainingSettings = SETTINGS) -> TrainingSettings:
    """Settings to go on with what was interrupted after a step."""
    settings = replace(settings, checkpoints=str(folder))
    with pytest.raises(KeyboardInterrupt):
        train_run(model(), TEXTS, LABELS, settings, callbacks=[Stop(step)])
    return settings


def same(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> bool:
    return found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in found)


@pytest.mark.parametrize(("step", "resumed"), [(2, 0), (8, 6), (9, 6), (10, 9)])
def test_gone_on_with_equals_uninterrupted(tmp_path: Path, whole: Any, step: int, resumed: int) -> None:
    """At step 9 it stops after the update and before the checkpoint of that step."""
    settings = interrupted(tmp_path / "scratch", step)
    run = train_run(model(), TEXTS, LABELS, settings)
    assert run.resumed == resumed
    assert same(weights(run), whole[0])
    told = {entry.step: entry.loss for entry in run.history}
    told.pop(10 if resumed == 9 else 0, None)  # the mean of steps 9 and 10 is that of step 10 alone
    assert told == {step: loss for step, loss in zip(range(2, 13, 2), whole[1], strict=True) if step in told}
    assert [entry.step for entry in run.history] == [2, 4, 6, 8, 10, 12]
    assert not (tmp_path / "scratch").exists()


def test_killed_and_gone_on_with(tmp_path: Path, whole: Any) -> None:
    """As the system does it: SIGKILL while the checkpoint of step 9 is being written."""
    code = f"""
import os, signal
from training import test_training_checkpoints as here
import promptdsl.training.checkpoints as checkpoints
seal = checkpoints.Checkpoints.seal
def killing(self, step):
    if step == 9:
        (self.at(9) / "optimizer.pt").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)
    seal(self, step)
checkpoints.Checkpoints.seal = killing
here.torch.set_num_threads(1)
settings = here.replace(here.SETTINGS, checkpoints={str(tmp_path)!r}, output={str(tmp_path / "out")!r})
here.train_run(here.model(), here.TEXTS, here.LABELS, settings)
"""
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    run = subprocess.run([sys.executable, "-c", code], env=env, check=False, capture_output=True, text=True)
    assert run.returncode == -signal.SIGKILL, run.stderr[-2000:]
    assert (tmp_path / "checkpoint-9").is_dir()
    log = tmp_path / "out" / "log.jsonl"
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == [2, 4, 6, 8]

    settings = replace(SETTINGS, checkpoints=str(tmp_path), output=str(tmp_path / "out"))
    gone_on = train_run(model(), TEXTS, LABELS, settings)
    assert gone_on.resumed == 6
    assert same(weights(gone_on), whole[0])
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == [2, 4, 6, 8, 10, 12]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_checkpoint_holds_what_is_trained_and_no_more(tmp_path: Path) -> None:
    frozen = PromptModel(tiny("bert"), f'<"soft":2> {TEMPLATE}', "x: the\ny: a")
    settings = replace(SETTINGS, checkpoints=str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        train_run(frozen, TEXTS, LABELS, settings, callbacks=[Stop(7)])
    saved = load_file(tmp_path / "checkpoint-6" / "trained.safetensors")
    assert {name: tuple(value.shape) for name, value in saved.items()} == {"prompt.soft.offsets": (2, 32)}
    size = sum(path.stat().st_size for path in (tmp_path / "checkpoint-6").iterdir())
    assert size < 4 * sum(p.numel() for p in frozen.parameters()) / 2  # half of the language model's bytes
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == ["checkpoint-3", "checkpoint-6"]


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, whole: Any) -> None:
    settings = interrupted(tmp_path, 10)
    damaged = tmp_path / "checkpoint-9" / "trained.safetensors"
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    run = train_run(model(), TEXTS, LABELS, settings)
    assert run.resumed == 6
    assert same(weights(run), whole[0])


def test_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    train_run(model(), TEXTS, LABELS, replace(SETTINGS, checkpoints=str(tmp_path)))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def refused(folder: Path, code: str, made: PromptModel, labels: list[int], settings: TrainingSettings) -> str:
    """What is said of going on with another training; nothing on disk, and nothing of the model, is changed."""
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    before = {name: parameter.detach().clone() for name, parameter in trained_parameters(made).items()}
    with pytest.raises(TrainingError) as caught:
        train_run(made, TEXTS, labels, settings)
    assert caught.value.code == code
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == files
    assert all(torch.equal(p, before[name]) for name, p in trained_parameters(made).items())
    return caught.value.diagnostics[0].message.partition("another training: ")[2]


def test_another_training_is_told_what_differs(tmp_path: Path) -> None:
    settings = interrupted(tmp_path, 4)
    assert refused(tmp_path, "PD723", model(), LABELS, replace(settings, seed=4)) == "seed is 4 and was 3"
    other = replace(settings, steps=20, learning_rate=1e-4)
    said = refused(tmp_path, "PD723", model(), LABELS, other)
    assert said == "steps is 20 and was 12; learning_rate is 0.0001 and was 0.001"
    assert refused(tmp_path, "PD723", model(), LABELS[::-1], settings) == "other rows and labels"
    frozen = PromptModel(tiny("bert"), f'<"soft":2> {TEMPLATE}', 'x: the, <"soft":"this">\ny: a')
    assert refused(tmp_path, "PD723", frozen, LABELS, settings) == "other trained parameters"
    lm, tokenizer = tiny("bert")
    changed = type(lm)(lm.config)
    words = 'x: the, <"soft":"this">\ny: a'
    again = PromptModel((changed, tokenizer), f'<"soft":2> {TEMPLATE}', words, tune="full")
    assert refused(tmp_path, "PD723", again, LABELS, settings) == "other language model"
    longer = PromptModel(tiny("bert"), f'<"soft":2> {TEMPLATE} no', words, tune="full")
    assert refused(tmp_path, "PD723", longer, LABELS, settings).startswith('template is "<\\"soft\\":2>')


def test_how_often_it_is_saved_and_told_does_not_make_another_training(tmp_path: Path, whole: Any) -> None:
    settings = interrupted(tmp_path, 7)
    run = train_run(model(), TEXTS, LABELS, replace(settings, save_steps=100, logging_steps=12))
    assert run.resumed == 6
    assert same(weights(run), whole[0])


def test_checkpoints_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-500").mkdir()
    (tmp_path / "checkpoint-500" / "model.safetensors").write_bytes(b"somebody's")
    refused(tmp_path, "PD722", model(), LABELS, replace(SETTINGS, checkpoints=str(tmp_path)))


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="PD804"):
        train_run(model(), TEXTS, LABELS, replace(SETTINGS, checkpoints=str(tmp_path / "file" / "folder")))
    with pytest.raises(FileError, match="PD804"):
        train_run(model(), TEXTS, LABELS, replace(SETTINGS, output=str(tmp_path / "file")))
