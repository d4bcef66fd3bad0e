"""What a training is: two that are the same job end in the same parameters, so one can go on from the other's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from promptdsl.errors import printable
from promptdsl.models.prompt_model import PromptModel
from promptdsl.training.data import Collator, Example, Plan
from promptdsl.training.settings import TrainingSettings
from promptdsl.training.trained import trained_parameters

__all__ = ["Job"]

SAMPLE = 256  # values of each parameter of a language model that are looked at
# Settings that change nothing of what is learnt; epochs are steps by then, and the batch is cut to the rows.
_BESIDE = {
    "epochs",
    "steps",
    "max_steps",
    "batch_size",
    "verbose",
    "report_to",
    "logging_steps",
    "output",
    "checkpoints",
    "save_steps",
}


@dataclass(frozen=True, slots=True)
class Job:
    """A training, by all that its outcome depends on.

    Attributes:
        parts: name → a number, a text, or the digest of much data.
    """

    parts: Mapping[str, Any]

    @classmethod
    def of(cls, model: PromptModel, examples: Sequence[Example], plan: Plan, settings: TrainingSettings) -> Job:
        """The job of training a model, as it is now, on examples."""
        given = {name: value for name, value in asdict(settings).items() if name not in _BESIDE}
        shapes = [f"{n} {tuple(p.shape)} {p.dtype}" for n, p in trained_parameters(model).items()]
        return cls(
            {
                "template": str(model.template),
                "verbalizer": str(model.label_words),
                "label words": str(model.verbalizer.verbalizer),
                "language model": _language_model(model),
                "rows and labels": _examples(examples, model.program.text.pad_id),
                "trained parameters": _digest([line.encode() for line in shapes]),
                "number of rows": plan.rows,
                "batch_size": plan.batch_size,
                "steps": plan.steps,
                "number of processes": plan.processes,
                **given,
            }
        )

    def differences(self, other: Job) -> list[str]:
        """What of another job is different, as sentences' parts: `seed is 1 and was 0`."""
        found = []
        for name in {**self.parts, **other.parts}:
            now, before = self.parts.get(name), other.parts.get(name)
            if now != before:
                short = not _is_digest(now) and not _is_digest(before)
                found.append(f"{name} is {_shown(now)} and was {_shown(before)}" if short else f"other {name}")
        return found

    def to_json(self) -> str:
        """As a text that `from_json` reads."""
        return json.dumps(self.parts, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Raises ValueError for a text that is none of `to_json`'s."""
        parts = json.loads(text)
        if not isinstance(parts, dict):
            raise ValueError("not a job")
        return cls(parts)

    def __str__(self) -> str:
        return ", ".join(f"{name} {_shown(value)}" for name, value in self.parts.items())


_MARK = "blake2b:"


def _digest(pieces: Sequence[bytes]) -> str:
    found = hashlib.blake2b(digest_size=16)
    for piece in pieces:
        found.update(len(piece).to_bytes(8, "little") + piece)
    return _MARK + found.hexdigest()


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(_MARK)


def _shown(value: Any) -> str:
    return printable(json.dumps(value, ensure_ascii=False), 60)


def _language_model(model: PromptModel) -> str:
    """The digest of its class and of a sample of each parameter: all of a large one would take longer than a step."""
    pieces = [type(model.lm.model).__name__.encode()]
    for name, parameter in model.lm.model.named_parameters():
        flat = parameter.detach().flatten()
        some = flat[:: max(1, len(flat) // SAMPLE)][:SAMPLE]
        pieces += [f"{name} {tuple(parameter.shape)}".encode(), _bytes(some)]
    return _digest(pieces)


def _examples(examples: Sequence[Example], pad_id: int) -> str:
    collate = Collator(pad_id)
    pieces = []
    for example in examples:
        for name, tensor in collate([example]).items():
            pieces += [f"{name} {tuple(tensor.shape)}".encode(), _bytes(tensor)]
    return _digest(pieces)


def _bytes(tensor: Tensor) -> bytes:
    wide = tensor.double() if tensor.is_floating_point() else tensor
    return bytes(wide.cpu().contiguous().view(torch.uint8).numpy().tobytes())
