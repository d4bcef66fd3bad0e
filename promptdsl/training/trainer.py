"""Training a PromptModel with transformers.Trainer: seeded, silent, the caller's random state untouched."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from promptdsl.encoding.rows import Rows, as_rows
from promptdsl.errors import fail, printable
from promptdsl.models.prompt_model import PromptModel
from promptdsl.models.random_state import random_state_kept
from promptdsl.models.unfitted import refuse_unfitted
from promptdsl.training.checkpoints import Checkpoints
from promptdsl.training.choices import require_choices
from promptdsl.training.data import Collator, Plan, Stream
from promptdsl.training.job import Job
from promptdsl.training.logs import LogEntry, LogFiles, entries_of
from promptdsl.training.settings import SCHEDULES, TrainingSettings

if TYPE_CHECKING:
    from transformers import TrainerCallback, TrainingArguments

    from promptdsl.training.loop import PromptTrainer

__all__ = ["TrainingRun", "TrainingSettings", "train", "train_run"]


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRun:
    """What came of a training.

    Attributes:
        model: what was trained, in evaluation mode.
        plan: how many rows were read in how many steps.
        history: the log; of a training that was gone on with, from its beginning.
        resumed: the step that it was gone on from; 0 where it was not.
        seconds: what this took.
    """

    model: PromptModel = field(repr=False)
    plan: Plan
    history: tuple[LogEntry, ...]
    resumed: int
    seconds: float

    @property
    def steps(self) -> int:
        """Updates of the parameters."""
        return self.plan.steps

    def __str__(self) -> str:
        losses = f", loss {self.history[0].loss:.4f} → {self.history[-1].loss:.4f}" if self.history else ""
        gone_on = f", from step {self.resumed} on" if self.resumed else ""
        return f"{self.plan} in {self.seconds:.1f} s{gone_on}{losses}"


def train(model: PromptModel, rows: Any, labels: Tensor | Sequence[int], settings: TrainingSettings) -> PromptModel:
    """As `train_run`, for those who want the model alone."""
    return train_run(model, rows, labels, settings).model


def train_run(
    model: PromptModel,
    rows: Any,
    labels: Tensor | Sequence[int],
    settings: TrainingSettings,
    *,
    callbacks: Sequence[TrainerCallback] = (),
) -> TrainingRun:
    """Train whatever of `model` has gradients on labelled rows, in place.

    Started by torchrun or accelerate, each process trains on its part of each batch, and all have the same model at
    the end, which is the one that a single process would have.

    Args:
        model: a PromptModel that has something to train: soft tokens, soft label words, a language model that is tuned.
        rows: labelled rows.
        labels: (rows,) class numbers in the model's order of labels; (rows, classes) of 0 and 1 for multi-label ones.
        settings: learning rates, steps …
        callbacks: further callbacks of transformers.Trainer.

    Raises:
        TrainingError: PD703 if the loss is not a number: the model then has its last good parameters; PD704 if nothing
            of it can be trained; PD713 if its verbalizer needs rows that it has not seen; PD701 for another number of
            labels than of rows; PD720–PD724 for a batch, rows, checkpoints or reports that cannot be used. But for
            PD703 nothing was changed.
        RowError: PD611 for a row that lacks the choice that it is labelled with.
        FileError: PD804 if logs or checkpoints cannot be written.
    """
    started, data, targets = time.monotonic(), as_rows(rows), torch.as_tensor(labels)
    _check(model, data, targets)
    try:
        with random_state_kept(), _scratch(settings) as scratch:
            arguments = _arguments(settings, scratch, model)
            plan = _fit_in(arguments, settings, len(data))
            own = None if model.demos is None else range(len(data))
            stream = Stream(model.encode(data, own=own), targets, plan, settings.seed)
            trainer = _trainer(model, settings, plan, stream, arguments, callbacks)
            history, resumed = _run(trainer, stream)
        model.prompt.trained()
    finally:
        model.zero_grad()
        model.eval()
    return TrainingRun(model, plan, history, resumed, time.monotonic() - started)


def _check(model: PromptModel, data: Rows, targets: Tensor) -> None:
    if not any(p.requires_grad for p in model.parameters()):
        remedy = 'build it with tune="full", or write <"soft":20> in the template'
        fail("PD704", "nothing of this model can be trained", help=remedy, origin="tune")
    if model.unfitted:
        refuse_unfitted(model.verbalizer.verbalizer, model.unfitted)
    if len(targets) != len(data):
        fail(
            "PD701", f"{len(data)} rows and {len(targets)} labels", help="give one label for each row", origin="labels"
        )
    require_choices(model, data, targets)


def _run(trainer: PromptTrainer, stream: Stream) -> tuple[tuple[LogEntry, ...], int]:
    """Train, from the last checkpoint of this job on if there is one: the whole log, and that checkpoint's step."""
    from promptdsl.training.loop import Sealing, saved_state

    settings, arguments = trainer.settings, trainer.args
    checkpoints, last = None, None
    if settings.checkpoints is not None:
        checkpoints = Checkpoints.of(settings.checkpoints)
        job = Job.of(trainer.prompt_model, stream.items, trainer.plan, settings)
        checkpoints.require(job)
        last = checkpoints.last()
        trainer.add_callback(Sealing(checkpoints))
        arguments.distributed_state.wait_for_everyone()  # all have looked before anything is written
        if arguments.should_save:
            checkpoints.begin(job)
    before = saved_state(last)
    if settings.output is not None and arguments.should_save:
        trainer.files = LogFiles(settings.output, entries_of(before.log_history))
    torch.manual_seed(settings.seed + arguments.process_index)  # each process has dropout of its own
    trainer.train(resume_from_checkpoint=None if last is None else str(last))
    if not trainer.all_finite():
        trainer.diverged(trainer.plan.steps)
    arguments.distributed_state.wait_for_everyone()
    if checkpoints is not None and arguments.should_save:
        checkpoints.remove()
    return entries_of(trainer.state.log_history), before.global_step


def _trainer(
    model: PromptModel,
    settings: TrainingSettings,
    plan: Plan,
    stream: Stream,
    arguments: TrainingArguments,
    callbacks: Sequence[TrainerCallback],
) -> PromptTrainer:
    """The trainer; TrainingError PD724 if one of `report_to` is not known or not installed."""
    from promptdsl.training.loop import LastStep, PromptTrainer, silence

    options: dict[str, Any] = {"args": arguments, "train_dataset": stream, "callbacks": [LastStep(), *callbacks]}
    collator = Collator(model.program.text.pad_id)
    try:
        trainer = PromptTrainer(model, settings, plan, data_collator=collator, **options)
    except (ValueError, RuntimeError, ImportError) as error:
        if not settings.report_to:
            raise
        names = printable(", ".join(settings.report_to), 60)
        note, remedy = printable(str(error).split("\n")[0], 200), "install what is missing, or leave report_to out"
        fail("PD724", f"nothing can be reported to {names}", help=remedy, note=note, origin="report_to")
    if not settings.verbose:
        silence(trainer)
    return trainer


def _fit_in(arguments: TrainingArguments, settings: TrainingSettings, rows: int) -> Plan:
    """The plan for as many processes as there turn out to be, entered into Trainer's arguments."""
    plan = Plan.of(settings, rows, arguments.world_size)
    arguments.per_device_train_batch_size = plan.batch_size // plan.processes
    arguments.max_steps = plan.steps
    arguments.warmup_steps = int(settings.warmup * plan.steps)
    arguments.logging_steps = min(settings.logging_steps, plan.steps)
    if arguments.n_gpu > 1:  # without a launcher one device is used: replicas would each take a whole batch
        arguments._n_gpu = 1
    return plan


def _arguments(settings: TrainingSettings, scratch: str, model: PromptModel) -> TrainingArguments:
    from transformers import TrainingArguments

    on_cpu = model.backbone.device.type == "cpu"
    return TrainingArguments(
        output_dir=scratch,
        lr_scheduler_type=SCHEDULES[settings.schedule],
        max_grad_norm=settings.max_grad_norm,
        seed=settings.seed,
        use_cpu=on_cpu,
        ddp_backend="gloo" if on_cpu and "LOCAL_RANK" in os.environ else None,  # set by torchrun and by accelerate
        save_strategy="no" if settings.checkpoints is None else "steps",
        save_steps=settings.save_steps,
        save_total_limit=2,  # the one before counts if the last was not completed
        logging_strategy="steps",
        report_to=list(settings.report_to) or "none",
        logging_nan_inf_filter=False,  # else a loss that is not a number would be averaged away
        disable_tqdm=not settings.verbose,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        label_names=["labels"],
    )


def _scratch(settings: TrainingSettings) -> Any:
    """Where transformers.Trainer may write: checkpoints, and what it reports to files."""
    given = settings.checkpoints or (settings.output if settings.report_to else None)
    if given is not None:
        Checkpoints.of(given).make()
    return tempfile.TemporaryDirectory() if given is None else nullcontext(given)
