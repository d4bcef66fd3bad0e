"""What both recipes share: the schedule, checkpoints without pickle, a loop that can be stopped and taken up again."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from safetensors.torch import load_file, save_file


@dataclass(frozen=True, slots=True)
class Schedule:
    """Warm-up, stable, decay (WSD): the factor on every learning rate. Without `decay_from` it stays at one."""

    warmup: int
    decay_from: int | None = None
    decay_steps: int = 0

    def factor(self, step: int) -> float:
        """The factor for a step counted from zero."""
        if self.decay_from is not None and step >= self.decay_from:
            return max(0.0, 1.0 - (step - self.decay_from + 1) / (self.decay_steps + 1))
        return min(1.0, (step + 1) / max(1, self.warmup))


@dataclass(slots=True)
class Progress:
    """How far a run is: steps, tokens seen (padding not counted) and seconds of training."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0


def save_checkpoint(
    folder: Path, model: torch.nn.Module, optimizers: list[torch.optim.Optimizer], progress: Progress
) -> None:
    """Writes weights and optimizer state as safetensors and the progress as JSON, whole or not at all."""
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    weights = {name: value.detach().clone().contiguous() for name, value in named_once(model).items()}
    save_file(weights, fresh / "weights.safetensors")
    state: dict[str, torch.Tensor] = {}
    for number, optimizer in enumerate(optimizers):
        for index, entries in optimizer.state_dict()["state"].items():
            for key, value in entries.items():
                state[f"{number}.{index}.{key}"] = torch.as_tensor(value).clone().contiguous()
    save_file(state, fresh / "optimizers.safetensors")
    (fresh / "progress.json").write_text(json.dumps(asdict(progress)))
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def load_checkpoint(
    folder: Path, model: torch.nn.Module, optimizers: list[torch.optim.Optimizer] | None = None
) -> Progress:
    """Restores what `save_checkpoint` wrote into a model and its optimizers built the same way."""
    weights = load_file(folder / "weights.safetensors")
    with torch.no_grad():
        for name, value in named_once(model).items():
            value.copy_(weights[name])
    if optimizers:
        flat = load_file(folder / "optimizers.safetensors")
        for number, optimizer in enumerate(optimizers):
            state: dict[int, dict[str, torch.Tensor]] = {}
            for name, value in flat.items():
                which, index, key = name.split(".", 2)
                if int(which) == number:
                    state.setdefault(int(index), {})[key] = value
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return Progress(**json.loads((folder / "progress.json").read_text()))


def named_once(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The parameters of a model, tied ones once."""
    return dict(model.named_parameters())


def train(
    *,
    run: Path,
    model: torch.nn.Module,
    optimizers: list[torch.optim.Optimizer],
    schedule: Schedule,
    loss_at: Callable[[int], tuple[torch.Tensor, int, dict[str, float]]],
    evaluate: Callable[[], dict[str, float]],
    steps: int,
    minutes: float,
    start: Path | None,
    evaluate_every: int,
    save_every_minutes: float = 5.0,
) -> None:
    """Trains until `steps` or `minutes` are over or SIGTERM comes, then saves; goes on from `run/last` if it is there.

    `loss_at(step)` returns the loss, the number of tokens and figures to log, from the step alone, so that a run
    taken up again sees what it would have seen. `start` is another run's checkpoint to begin from (a decay stage).
    """
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGTERM, stop)
    progress = Progress()
    last = run / "last"
    begin = last if last.exists() else start
    if begin is not None:
        progress = load_checkpoint(begin, model, optimizers)
    base = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    run.mkdir(parents=True, exist_ok=True)
    began = saved = time.monotonic()
    spent = progress.seconds
    sums: dict[str, float] = {}
    with (run / "log.jsonl").open("a", encoding="utf-8") as log:

        def note(**figures: Any) -> None:
            figures = {k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items()}
            log.write(json.dumps({"step": progress.step, "tokens": progress.tokens, **figures}) + "\n")
            log.flush()

        while progress.step < steps and not stopped and time.monotonic() - began < 60 * minutes:
            factor = schedule.factor(progress.step)
            for optimizer, rates in zip(optimizers, base, strict=True):
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate * factor
            loss, tokens, figures = loss_at(progress.step)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            progress.step += 1
            progress.tokens += tokens
            progress.seconds = spent + time.monotonic() - began
            for key, value in {"loss": loss.item(), **figures}.items():
                sums[key] = sums.get(key, 0.0) + value
            if progress.step % 20 == 0:
                note(seconds=progress.seconds, lr=factor, **{key: value / 20 for key, value in sums.items()})
                sums = {}
            if progress.step % evaluate_every == 0:
                note(**evaluate())
            if time.monotonic() - saved > 60 * save_every_minutes:
                save_checkpoint(last, model, optimizers, progress)
                saved = time.monotonic()
        save_checkpoint(last, model, optimizers, progress)
        note(seconds=progress.seconds, **evaluate())
