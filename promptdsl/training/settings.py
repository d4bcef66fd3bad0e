"""How to train: learning rates for each part that learns, steps, batches, schedule, and where the records go."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from promptdsl.errors import fail, printable

__all__ = ["RATES", "SCHEDULES", "TrainingSettings"]

# Name → what transformers calls this schedule of the learning rate after warm-up.
SCHEDULES: Mapping[str, str] = {"linear": "linear", "constant": "constant_with_warmup", "cosine": "cosine"}

# Part of the model → the setting, and the column of the log, that its learning rate is.
RATES: Mapping[str, str] = {
    "prompt": "prompt_learning_rate",
    "network": "network_learning_rate",
    "verbalizer": "verbalizer_learning_rate",
    "lm": "learning_rate",
}

_SEEDS = 2**32 - 1  # numpy's
# Name → the least and the most that a whole number, or a real one, may be.
_WHOLE: Mapping[str, tuple[int, float]] = {
    "epochs": (1, math.inf),
    "steps": (1, math.inf),
    "max_steps": (1, math.inf),
    "batch_size": (1, math.inf),
    "logging_steps": (1, math.inf),
    "save_steps": (1, math.inf),
    "seed": (0, _SEEDS),
}
_OPTIONAL = ("epochs", "steps", "max_steps", "learning_rate")

EPOCHS, LEAST = 10, 100  # passes over the rows and, where they are few, steps: what is trained where nothing is said
# Way to tune the language model → its learning rate; any other way is a PEFT configuration.
TUNED_WITH: Mapping[str, float] = {"full": 5e-5, "bitfit": 1e-3}
ADAPTED_WITH = 1e-3
_REAL: Mapping[str, float] = {
    "learning_rate": math.inf,
    "prompt_learning_rate": math.inf,
    "network_learning_rate": math.inf,
    "verbalizer_learning_rate": math.inf,
    "weight_decay": math.inf,
    "prompt_weight_decay": math.inf,
    "prompt_epsilon": math.inf,
    "warmup": 1,
    "max_grad_norm": math.inf,
}


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How to train: AdamW with warm-up and decay, each part with a learning rate of its own.

    Attributes:
        learning_rate: of the language model; by default 5e-5 for all of it, 1e-3 for its biases and for adapters.
        prompt_learning_rate: of the template's vectors, keys and values, in deviations of the language model's own.
        prompt_epsilon: AdamW's ε for these (Kingma & Ba 2015, algorithm 1). Where gradients are smaller, as they are
            few-shot, a step follows the gradient and not its signs: what the few rows say little about stays where it
            started. No step is longer than the learning rate.
        network_learning_rate: of the networks that these go through where the template names an encoder.
        verbalizer_learning_rate: of what the verbalizer brings.
        epochs: passes over the rows; by default 10, and then at least 100 steps.
        steps: updates of the parameters; where given it overrides `epochs`.
        max_steps: the most updates that `epochs` may come to; None for any number.
        batch_size: rows of one update, split evenly over all processes; all rows where there are fewer.
        weight_decay, prompt_weight_decay: of the language model, without its biases and norms, and of what the template
            brings; what the verbalizer brings is not decayed.
        warmup: the share of the steps in which the learning rates rise to what they are.
        schedule: what they do afterwards: "linear" (down to 0), "constant" or "cosine".
        max_grad_norm: the gradients' norm is cut to this; 0 for not at all.
        seed: of the order of rows and of dropout.
        verbose: show a progress bar.
        report_to: whom else to tell, by the names that transformers.Trainer has for them: "tensorboard", "wandb" ….
        logging_steps: how many steps the losses of the log are means of.
        output: the folder of log.jsonl and log.csv; None for none.
        checkpoints: a folder of local scratch to save to while training, and to go on from; None for none.
        save_steps: how many steps lie between two checkpoints.
    """

    learning_rate: float | None = None
    prompt_learning_rate: float = 0.2
    prompt_epsilon: float = 1e-2
    network_learning_rate: float = 1e-3
    verbalizer_learning_rate: float = 1e-3
    epochs: int | None = None
    steps: int | None = None
    max_steps: int | None = None
    batch_size: int = 8
    weight_decay: float = 0.01
    prompt_weight_decay: float = 0.0
    warmup: float = 0.1
    schedule: str = "linear"
    max_grad_norm: float = 1.0
    seed: int = 0
    verbose: bool = False
    report_to: tuple[str, ...] = ()
    logging_steps: int = 10
    output: str | None = None
    checkpoints: str | None = None
    save_steps: int = 100

    def __post_init__(self) -> None:
        """Raise TrainingError PD705 for a value that training cannot use."""
        for name, (least, most) in _WHOLE.items():
            value = getattr(self, name)
            if not (name in _OPTIONAL and value is None) and not (_is_number(value, int) and least <= value <= most):
                _refuse(name, value, f"a whole number ≥ {least}" + (f" and ≤ {most}" if most < math.inf else ""))
        for name, highest in _REAL.items():
            value = getattr(self, name)
            if name in _OPTIONAL and value is None:
                continue
            if not (_is_number(value, (int, float)) and 0 <= value <= highest and value < math.inf):
                _refuse(name, value, f"a number from 0 to {highest}")
        if self.schedule not in SCHEDULES:
            _refuse("schedule", self.schedule, f"one of {', '.join(SCHEDULES)}")
        if not isinstance(self.report_to, tuple) or not all(isinstance(name, str) for name in self.report_to):
            _refuse("report_to", self.report_to, 'a tuple of names, such as ("tensorboard",)')
        for name in ("output", "checkpoints"):
            if not isinstance(getattr(self, name), str | None) or getattr(self, name) == "":
                _refuse(name, getattr(self, name), "the name of a folder, or None")

    def changed(self, **given: Any) -> TrainingSettings:
        """With the values given; None leaves a setting as it is. Epochs that are given alone override steps."""
        values = {name: value for name, value in given.items() if value is not None}
        if "epochs" in values:
            values.setdefault("steps", None)
        return replace(self, **values)

    def rate_of(self, part: str, tune: Any = "full") -> float:
        """The learning rate of a part that learns, as `PromptModel.parameter_groups` names it."""
        if part == "lm" and self.learning_rate is None:
            return TUNED_WITH.get(tune, ADAPTED_WITH) if isinstance(tune, str) else ADAPTED_WITH
        return float(getattr(self, RATES[part]))

    def steps_for(self, rows: int, size: int) -> int:
        """The updates that so many rows get in batches of this size."""
        if self.steps is not None:
            return self.steps
        through = math.ceil((self.epochs or EPOCHS) * rows / size)
        wanted = through if self.epochs is not None else max(through, LEAST)
        return min(wanted, self.max_steps or wanted)

    def epsilon_of(self, part: str) -> float:
        """AdamW's ε of a part."""
        return self.prompt_epsilon if part == "prompt" else 1e-8

    def decay_of(self, part: str) -> float:
        """The weight decay of a part."""
        return {"lm": self.weight_decay, "prompt": self.prompt_weight_decay}.get(part, 0.0)


def _is_number(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _refuse(name: str, value: Any, wanted: str) -> NoReturn:
    shown = printable(repr(value), 80)
    fail("PD705", f"{name} must be {wanted}, not {shown}", help=f"give {wanted}", origin=name)
