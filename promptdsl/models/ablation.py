"""What a trained prompt loses without each of its vectors."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from promptdsl.encoding.rows import Rows, as_rows
from promptdsl.errors import fail
from promptdsl.models.soft_tokens import entering
from promptdsl.verbalizers.losses import class_loss

if TYPE_CHECKING:
    from promptdsl.models.prompt import Prompt
    from promptdsl.models.prompt_model import PromptModel

__all__ = ["Ablated", "Ablation", "ablate"]


@dataclass(frozen=True, slots=True)
class Ablated:
    """How a prompt does without one of its vectors.

    Attributes:
        without: which one: "soft 0", "prefix 3"; "nothing" for the whole prompt.
        accuracy: share of the rows that are right; of rows with several labels, that are right in all of them.
        loss: mean cross-entropy, in nats.
        changed: share of the rows that are predicted otherwise than by the whole prompt.
    """

    without: str
    accuracy: float
    loss: float
    changed: float

    def __str__(self) -> str:
        return f"without {self.without}: accuracy {self.accuracy:.3f}, loss {self.loss:.3f}, changed {self.changed:.3f}"


@dataclass(frozen=True, slots=True)
class Ablation:
    """How a prompt does whole, and without each of its vectors.

    Attributes:
        whole: the prompt as it is.
        parts: without each soft token, then without each position of the prefix.
    """

    whole: Ablated
    parts: tuple[Ablated, ...]

    @property
    def ranked(self) -> tuple[Ablated, ...]:
        """The parts, the one whose absence costs most first."""
        return tuple(sorted(self.parts, key=lambda part: -part.loss))

    def __str__(self) -> str:
        return "\n".join(map(str, (self.whole, *self.ranked)))


def ablate(model: PromptModel, rows: Any, labels: Tensor, *, batch_size: int = 64) -> Ablation:
    """How well labelled rows are predicted when a vector says nothing: each in turn, nothing trained again.

    A soft token is replaced by the mean of the vocabulary's input vectors, at all its places. All keys and values of a
    prefix position are replaced by the mean of the other positions', so that the tokens keep their positions; a prefix
    of one is left out. What several vectors say alike no single one is missed for: a prompt may fall with all of them
    and with none alone.

    Args:
        model: with a template that has soft tokens or a prefix; it is left as it is. Without any there are no parts.
        rows: labelled rows.
        labels: (rows,) class numbers; (rows, classes) of 0 and 1 for multi-label models.
        batch_size: rows of a forward pass, at most; there are as many passes over the rows as vectors, and one more.

    Raises:
        TrainingError: PD713 if something needs rows that it has not seen, PD701 for labels that are not the rows'.
    """
    model.require_fitted()
    data, wanted = as_rows(rows), torch.as_tensor(labels).cpu()
    _check(model, data, wanted)
    view = _view(model)
    whole = _scores(view, data, batch_size)
    parts = []
    for name in _each(view.prompt, model.prompt):
        parts.append(_judged(name, _scores(view, data, batch_size), whole, wanted, model.multi_label))
    return Ablation(_judged("nothing", whole, whole, wanted, model.multi_label), tuple(parts))


@torch.no_grad()
def _each(prompt: Prompt, given: Prompt) -> Iterator[str]:
    """Take away one vector of `prompt` after the other, and put each back that `given` has; their names."""
    if prompt.soft is not None and given.soft is not None:
        table, mean = given.soft(), entering(given.backbone).mean(0)
        for number in range(len(table)):
            prompt.soft.keep(table.index_copy(0, torch.tensor([number], device=table.device), mean[None].to(table)))
            yield f"soft {number}"
        prompt.soft.keep(table)
    if given.prefix is not None:
        table, prefix = given.prefix.table(), prompt.prefix
        for number in range(len(table)):
            others = torch.arange(len(table), device=table.device) != number
            if others.any() and prefix is not None:
                prefix.keep(torch.where(others[:, None], table, table[others].mean(0)))
            else:
                prompt.prefix = None
            yield f"prefix {number}"


def _view(model: PromptModel) -> PromptModel:
    """The same model with a prompt of its own, around the same language model."""
    shared = (model.lm, model.backbone, model.verbalizer, model.program)
    view = copy.deepcopy(model, {id(part): part for part in shared})
    return view.eval()


def _scores(model: PromptModel, rows: Rows, batch_size: int) -> Tensor:
    return torch.from_numpy(model.predict_log_proba(rows, batch_size=batch_size))


def _judged(name: str, scores: Tensor, whole: Tensor, wanted: Tensor, multi_label: bool) -> Ablated:
    found, before = (_predicted(s, multi_label) for s in (scores, whole))
    right, same = ((found == other).reshape(len(found), -1).all(1).double().mean() for other in (wanted, before))
    loss = class_loss(scores.double(), wanted, multi_label)
    return Ablated(name, float(right), float(loss), 1 - float(same))


def _predicted(scores: Tensor, multi_label: bool) -> Tensor:
    """(rows,) class numbers, or (rows, classes) whether a row has each."""
    return scores >= 0 if multi_label else scores.argmax(1)


def _check(model: PromptModel, rows: Rows, wanted: Tensor) -> None:
    shape = (len(rows), len(model.labels)) if model.multi_label else (len(rows),)
    most = 1 if model.multi_label else len(model.labels) - 1
    if not len(rows) or wanted.shape != shape or wanted.min() < 0 or wanted.max() > most:
        wide = "0 and 1 for each row and class" if model.multi_label else f"one number from 0 to {most} for each row"
        fail(
            "PD701",
            f"{len(rows)} rows, and labels of shape {tuple(wanted.shape)}",
            help=f"give {wide}",
            origin="labels",
        )
