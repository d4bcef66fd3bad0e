"""Training a PromptModel with transformers.Trainer: seeded, silent, the caller's random state untouched."""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from promptdsl.encoding.encoder import Encoding
from promptdsl.encoding.rows import as_rows
from promptdsl.errors import fail
from promptdsl.models.batching import collate
from promptdsl.models.prompt_model import PromptModel
from promptdsl.training.choices import require_choices

__all__ = ["TrainingSettings", "train"]


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How to train: AdamW with linear warm-up and decay.

    `steps`, where given, overrides `epochs`. `warmup` is a share of the steps.
    """

    learning_rate: float = 5e-5
    epochs: int = 10
    steps: int | None = None
    batch_size: int = 8
    weight_decay: float = 0.01
    warmup: float = 0.1
    seed: int = 0
    verbose: bool = False

    def __post_init__(self) -> None:
        """Raise TrainingError PD705 for a value that training cannot use."""
        whole = {"epochs": self.epochs, "batch_size": self.batch_size, "steps": 1 if self.steps is None else self.steps}
        real = {
            "learning_rate": (self.learning_rate, math.inf),
            "warmup": (self.warmup, 1),
            "weight_decay": (self.weight_decay, math.inf),
        }
        for name, value in whole.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                fail(
                    "PD705", f"{name} must be a whole number ≥ 1, not {value!r}", help="give such a number", origin=name
                )
        for name, (number, most) in real.items():
            if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number <= most:
                fail(
                    "PD705",
                    f"{name} must be a number from 0 to {most}, not {number!r}",
                    help="give such a number",
                    origin=name,
                )


@dataclass(frozen=True, slots=True)
class _Example:
    encodings: Sequence[Encoding]
    label: Tensor


class _Examples(Dataset[_Example]):
    def __init__(self, encoded: Sequence[Sequence[Encoding]], labels: Tensor) -> None:
        self.items = [_Example(e, y) for e, y in zip(encoded, labels, strict=True)]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> _Example:
        return self.items[index]


def train(model: PromptModel, rows: Any, labels: Tensor | Sequence[int], settings: TrainingSettings) -> PromptModel:
    """Train whatever of `model` has gradients on labelled rows, in place, and return it in evaluation mode.

    Args:
        model: a PromptModel built with `tune="full"`.
        rows: labelled rows.
        labels: (rows,) class numbers in the model's order of labels; (rows, classes) of 0 and 1 for multi-label ones.
        settings: learning rate, epochs …

    Raises:
        TrainingError: PD703 if the loss is not a number, PD704 if nothing of the model can be trained.
        RowError: PD611 for a row that lacks the choice that it is labelled with.
    """
    from transformers import Trainer

    if not any(p.requires_grad for p in model.parameters()):
        fail("PD704", "nothing of this model can be trained", help='build it with tune="full"', origin="tune")
    data = as_rows(rows)
    require_choices(model, data, torch.as_tensor(labels))
    own = None if model.demos is None else range(len(data))
    examples = _Examples(model.encode(data, own=own), torch.as_tensor(labels))
    pad_id = model.program.text.pad_id

    def batch(items: list[_Example]) -> dict[str, Tensor]:
        tensors = collate([i.encodings for i in items], range(len(items)), pad_id).tensors()
        return tensors | {"labels": torch.stack([i.label for i in items])}

    with _own_random_state(), tempfile.TemporaryDirectory() as scratch:
        trainer = Trainer(model, _arguments(settings, scratch, model), train_dataset=examples, data_collator=batch)
        if not settings.verbose:
            _silence(trainer)
        result = trainer.train()
    if not math.isfinite(result.training_loss):
        fail(
            "PD703", "the loss is not a number", help="lower the learning rate, or train in float32", origin="training"
        )
    return model.eval()


def _silence(trainer: Any) -> None:
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)


def _arguments(settings: TrainingSettings, scratch: str, model: PromptModel) -> Any:
    from transformers import TrainingArguments

    return TrainingArguments(
        output_dir=scratch,
        learning_rate=settings.learning_rate,
        num_train_epochs=settings.epochs,
        max_steps=settings.steps or -1,
        per_device_train_batch_size=settings.batch_size,
        weight_decay=settings.weight_decay,
        warmup_steps=settings.warmup,
        lr_scheduler_type="linear",
        seed=settings.seed,
        data_seed=settings.seed,
        use_cpu=model.backbone.device.type == "cpu",
        save_strategy="no",
        logging_strategy="steps" if settings.verbose else "no",
        report_to="none",
        logging_nan_inf_filter=False,  # else a loss that is not a number would be averaged away
        disable_tqdm=not settings.verbose,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        label_names=["labels"],
    )


@contextmanager
def _own_random_state() -> Iterator[None]:
    """Trainer seeds the global generators; the caller's go on afterwards as if nothing had happened."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
