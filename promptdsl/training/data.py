"""Labelled rows as one long seeded stream, cut into full batches: what any number of processes read together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from promptdsl.encoding.encoder import Encoding
from promptdsl.errors import fail
from promptdsl.models.batching import collate
from promptdsl.training.settings import TrainingSettings

__all__ = ["Collator", "Example", "Plan", "Stream"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How many rows are read in how many steps.

    Attributes:
        rows: how many there are.
        batch_size: rows of one step, over all processes.
        steps: updates of the parameters.
        processes: how many share a step.
    """

    rows: int
    batch_size: int
    steps: int
    processes: int = 1

    @classmethod
    def of(cls, settings: TrainingSettings, rows: int, processes: int = 1) -> Plan:
        """The plan that settings make for so many rows.

        Raises:
            TrainingError: PD720 for a batch that cannot be split evenly over the processes, PD721 without rows.
        """
        if not rows:
            fail("PD721", "there are no rows to train on", help="give labelled rows", origin="rows")
        size = min(settings.batch_size, rows)
        if size % processes:
            fitting = [n for n in range(processes, rows + 1, processes) if n <= 2 * size]
            near = min(fitting, key=lambda n: abs(n - size), default=None)
            remedy = f"use batch_size={near}" if near else f"use {size} processes or fewer"
            few = (
                f" (that is all there are, of a batch_size of {settings.batch_size})"
                if size < settings.batch_size
                else ""
            )
            message = f"a batch of {size} rows{few} cannot be split evenly over {processes} processes"
            fail("PD720", message, help=remedy, origin="batch_size")
        return cls(rows, size, settings.steps_for(rows, size), processes)

    def order(self, seed: int) -> NDArray[np.int64]:
        """(steps · batch_size,) the number of the row at each place: one permutation of all rows after another."""
        random, length = np.random.default_rng(seed), self.steps * self.batch_size
        rounds = [random.permutation(self.rows) for _ in range(math.ceil(length / self.rows))]
        return np.concatenate(rounds)[:length].astype(np.int64)

    def epoch(self, step: int) -> float:
        """How often all rows were read after so many steps."""
        return step * self.batch_size / self.rows

    def __str__(self) -> str:
        shared = f" over {self.processes} processes" if self.processes > 1 else ""
        return (
            f"{self.steps} steps of {self.batch_size} rows{shared}, {self.epoch(self.steps):.3g} epochs of {self.rows}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A row as it is trained on: its encodings, one for each forward pass, and its class, () or (classes,)."""

    encodings: Sequence[Encoding]
    label: Tensor


class Stream(Dataset[Example]):
    """All the examples of a training, in the order in which they are read.

    Read in sequence, in batches of `batch_size / processes` that go round the processes, it gives all of them together
    in each step what one process would read, and any step can be gone on from.
    """

    def __init__(self, encoded: Sequence[Sequence[Encoding]], labels: Tensor, plan: Plan, seed: int) -> None:
        self.items = [Example(e, y) for e, y in zip(encoded, labels, strict=True)]
        self.order = plan.order(seed)

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place: int) -> Example:
        return self.items[int(self.order[place])]


@dataclass(frozen=True, slots=True)
class Collator:
    """Examples → the keyword tensors of `PromptModel.forward`, with labels."""

    pad_id: int

    def __call__(self, items: Sequence[Example]) -> dict[str, Any]:
        tensors = collate([i.encodings for i in items], range(len(items)), self.pad_id).tensors()
        return tensors | {"labels": torch.stack([i.label for i in items])}
