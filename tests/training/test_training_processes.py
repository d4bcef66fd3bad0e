"""Several processes against one: the same batches, the same parameters, the same stop."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.data_loader import BatchSamplerShard
from parallel_worker import LABELS, ROWS, SETTINGS, parts
from safetensors.torch import load_file
from torch.utils.data import BatchSampler, SequentialSampler
from transformers import TrainerCallback

from promptdsl.errors import TrainingError
from promptdsl.training.data import Plan
from promptdsl.training.settings import TrainingSettings
from promptdsl.training.trained import trained_parameters
from promptdsl.training.trainer import train_run

TESTS = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """What two processes wrote, and what they said: they are started once."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", port]
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    command = [*launcher, str(TESTS / "parallel_worker.py"), str(folder)]
    run = subprocess.run(command, env=env, check=False, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr[-3000:]
    return folder, run.stdout


def test_two_processes_equal_one(two: tuple[Path, str]) -> None:
    """Fifty steps in float64, on the same global batches: every trained parameter is the same to 1e-9."""
    folder, _ = two
    assert [(folder / f"well-{rank}.txt").read_text() for rank in (0, 1)] == ["no error"] * 2
    alone = parts()
    before = {n: p.detach().clone() for n, p in trained_parameters(alone).items()}
    train_run(alone, ROWS, LABELS, SETTINGS)
    for rank in (0, 1):
        found = load_file(folder / f"well-{rank}")
        assert found.keys() == before.keys()
        for name, parameter in trained_parameters(alone).items():
            assert parameter.dtype == torch.float64
            assert (found[name] - parameter).abs().max() <= 1e-9, name
    for name in ("prompt.soft.offsets", "backbone.lm.bert.encoder.layer.0.attention.self.query.weight"):
        assert (before[name] - trained_parameters(alone)[name]).abs().max() > 1e-3


def test_a_loss_that_is_no_number_in_one_process_stops_all(two: tuple[Path, str]) -> None:
    """The second process alone has it, at step 6; both then have what they had before step 5."""
    folder, _ = two
    said = {(folder / f"spoilt-{rank}.txt").read_text() for rank in (0, 1)}
    assert said == {"the loss, or its gradient, is not a number at step 6 of 50"}
    alone, kept = parts(), {}

    class Keep(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 4:
                kept.update({n: p.detach().clone() for n, p in trained_parameters(alone).items()})

    train_run(alone, ROWS, LABELS, SETTINGS, callbacks=[Keep()])
    for rank in (0, 1):
        found = load_file(folder / f"spoilt-{rank}")
        assert all((found[name] - kept[name]).abs().max() <= 1e-9 for name in kept)


def test_the_command_trains_in_two_processes_and_one_writes(two: tuple[Path, str]) -> None:
    folder, said = two
    assert said.count("4 steps of 8 rows over 2 processes") == 1
    entries = [json.loads(line) for line in (folder / "out" / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries] == [1, 2, 3, 4]
    assert sorted(load_file(folder / "out" / "prompt.safetensors")) == ["head.soft_bias", "head.soft_rows"]


@pytest.mark.parametrize(("rows", "size", "processes"), [(10, 4, 2), (9, 6, 3), (3, 12, 3), (7, 4, 4)])
def test_accelerate_gives_the_processes_one_batch_together(rows: int, size: int, processes: int) -> None:
    plan = Plan.of(TrainingSettings(steps=5, batch_size=size), rows, processes)
    places = range(plan.steps * plan.batch_size)
    local = BatchSampler(SequentialSampler(places), plan.batch_size // processes, drop_last=False)
    shares = [list(BatchSamplerShard(local, processes, rank)) for rank in range(processes)]
    together = [[place for share in shares for place in share[step]] for step in range(plan.steps)]
    whole = BatchSampler(SequentialSampler(places), plan.batch_size, drop_last=False)
    assert together == list(whole)


def test_a_batch_is_split_evenly_or_not_at_all() -> None:
    with pytest.raises(TrainingError, match=r"PD720 a batch of 7 rows .* 2 processes[^$]*batch_size=6") as caught:
        Plan.of(TrainingSettings(batch_size=7), 100, 2)
    assert caught.value.code == "PD720"
    with pytest.raises(TrainingError, match="all there are, of a batch_size of 8"):
        Plan.of(TrainingSettings(batch_size=8), 3, 2)
    assert Plan.of(TrainingSettings(batch_size=8), 4, 2).batch_size == 4
