"""A progress bar of training steps."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from promptdsl.cli.progress import progress

__all__ = ["TrainingBar"]


class TrainingBar(TrainerCallback):
    """Counts steps from when training begins, until it is left as a context."""

    def __init__(self) -> None:
        self._bar = ExitStack()
        self._advance: Callable[[int], None] = lambda steps: None

    def __enter__(self) -> TrainingBar:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._bar.close()
        self._advance = self._bar.enter_context(progress("training", state.max_steps))
        self._advance(state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._advance(1)
