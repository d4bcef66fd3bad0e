"""transformers.Trainer for a PromptModel: a learning rate for each part, a stop at the first loss that is no number."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import Dataset, Sampler, SequentialSampler
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from promptdsl.errors import fail
from promptdsl.models.prompt_model import PromptModel
from promptdsl.training.checkpoints import PARAMETERS, STATE, Checkpoints
from promptdsl.training.data import Plan
from promptdsl.training.logs import LogEntry, LogFiles
from promptdsl.training.settings import RATES, TrainingSettings
from promptdsl.training.trained import GoodState, trained_parameters

__all__ = ["LastStep", "PromptTrainer", "Sealing", "saved_state", "silence"]


class PromptTrainer(Trainer):
    """Everything is Trainer's but what is said here.

    Args:
        model: what is trained.
        settings: how.
        plan: how many rows in how many steps.
        options: Trainer's own arguments.
    """

    def __init__(self, model: PromptModel, settings: TrainingSettings, plan: Plan, **options: Any) -> None:
        self.prompt_model, self.settings, self.plan = model, settings, plan
        super().__init__(model, **options)
        self.trained = trained_parameters(model)
        self.good = GoodState(self.trained)
        self.files: LogFiles | None = None
        self.started = time.monotonic()
        self._rates: dict[str, float] = {}

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW with one group for each part that learns; biases and norms of the language model are not decayed."""
        if self.optimizer is None:
            self.optimizer = torch.optim.AdamW(self._groups(), fused=self.args.device.type in ("cpu", "cuda"))
        return self.optimizer

    def _groups(self) -> list[dict[str, Any]]:
        decayed = set(self.get_decay_parameter_names(self.prompt_model))
        plain = {id(p) for name, p in self.trained.items() if name not in decayed}
        groups = []
        for part, parameters in self.prompt_model.parameter_groups().items():
            rate = self.settings.rate_of(part, self.prompt_model.backbone.tune)
            decay, epsilon = self.settings.decay_of(part), self.settings.epsilon_of(part)
            bare = [p for p in parameters if part == "lm" and id(p) in plain]
            rest = [p for p in parameters if not (part == "lm" and id(p) in plain)]
            groups += [
                {"part": part, "params": some, "lr": rate, "weight_decay": weight, "eps": epsilon}
                for some, weight in ((rest, decay), (bare, 0.0))
                if some
            ]
        return groups

    def _get_train_sampler(self, train_dataset: Dataset[Any] | None = None) -> Sampler[int]:
        """The stream is in its order already."""
        return SequentialSampler(range(self.plan.steps * self.plan.batch_size))

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        """A step up to its gradients; TrainingError PD703 if they, or the loss, are no numbers in any process."""
        groups = [] if self.optimizer is None else self.optimizer.param_groups
        self._rates = {RATES[group["part"]]: float(group["lr"]) for group in groups}
        loss = super().training_step(model, inputs, num_items_in_batch)
        if not self._agreed(self._finite(loss)):
            self.diverged(self.state.global_step + 1)
        self.good.keep(self.state.global_step + 1)
        return loss

    def _finite(self, loss: Tensor) -> bool:
        """Whether loss and gradients are numbers; scaled gradients of float16 may overflow, and are then skipped."""
        if self.accelerator.scaler is not None:
            return bool(loss.isfinite())
        gradients = [p.grad for p in self.trained.values() if p.grad is not None]
        return bool((loss + torch.nn.utils.get_total_norm(gradients)).isfinite())

    def _agreed(self, fine: bool) -> bool:
        """Whether all is well in every process: they go on together, or stop together."""
        if self.args.world_size == 1:
            return fine
        flag = torch.tensor([float(fine)], device=self.args.device)
        return bool(self.accelerator.reduce(flag, "sum").item() == self.args.world_size)

    def diverged(self, step: int) -> NoReturn:
        """Put back the parameters of the last step whose loss was a number, and raise TrainingError PD703."""
        self.good.put_back()
        kept = self.good.step
        state = "nothing was changed" if kept is None else f"what is trained is again as it was before step {kept}"
        groups = [] if self.optimizer is None else self.optimizer.param_groups
        wanted = {RATES[group["part"]]: group.get("initial_lr", group["lr"]) for group in groups}
        rates = ", ".join(f"{name} is {rate:g}" for name, rate in wanted.items())
        fail(
            "PD703",
            f"the loss, or its gradient, is not a number at step {step} of {self.plan.steps}",
            help=f"lower the learning rate ({rates}), warm up for longer, or train in float32",
            note=state,
            origin="training",
        )

    def all_finite(self) -> bool:
        """Whether all that was trained is still numbers."""
        return all(bool(p.isfinite().all()) for p in self.trained.values())

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """What is logged of the loss gets the rates of all parts, and goes to the files."""
        if "loss" in logs:
            logs.pop("learning_rate", None)
            logs |= self._rates | {"seconds": time.monotonic() - self.started}
        super().log(logs, start_time)
        if "loss" in logs:
            self.state.log_history[-1]["epoch"] = self.plan.epoch(self.state.global_step)
            if self.files is not None:
                self.files.add(LogEntry.of(self.state.log_history[-1]))

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save what is trained and nothing else: the frozen language model is where it came from."""
        if self.args.should_save:
            folder = Path(output_dir or str(self.args.output_dir))
            folder.mkdir(parents=True, exist_ok=True)
            tensors = {name: p.detach().contiguous() for name, p in self.trained.items()}
            save_file(tensors, folder / PARAMETERS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Read what `save_model` wrote."""
        saved: Mapping[str, Tensor] = load_file(Path(resume_from_checkpoint) / PARAMETERS)
        with torch.no_grad():
            for name, parameter in self.trained.items():
                parameter.copy_(saved[name])


class LastStep(TrainerCallback):
    """The last step is logged too."""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        control.should_log = control.should_log or state.global_step >= state.max_steps


class Sealing(TrainerCallback):
    """Seals a checkpoint when all processes have written their part of it."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self.checkpoints = checkpoints

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        args.distributed_state.wait_for_everyone()
        if args.should_save:
            self.checkpoints.seal(state.global_step)


def saved_state(checkpoint: Path | None) -> TrainerState:
    """The state that a checkpoint was saved in, with the log so far; a new one without a checkpoint."""
    return TrainerState() if checkpoint is None else TrainerState.load_from_json(str(checkpoint / STATE))


def silence(trainer: Trainer) -> None:
    """Neither a progress bar nor the log on standard output."""
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
