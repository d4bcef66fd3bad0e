"""What a language model says at the masks of batches, in the order of their rows; nothing learns meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from promptdsl.models.batching import PromptBatch
from promptdsl.models.kept_states import read_states
from promptdsl.models.prompt import Prompt
from promptdsl.models.reading import MaskReader
from promptdsl.verbalizers.head import Observations

__all__ = ["first_states", "observed", "vocabulary_log_proba", "vocabulary_prior"]


@torch.no_grad()
def observed(reader: MaskReader, given: Iterable[PromptBatch], *, normalised: bool = False) -> Observations:
    """What a verbalizer looks at; `normalised` asks for log-probabilities also where logits would do."""
    parts: list[Observations] = []
    order: list[int] = []
    for batch in given:
        parts.append(reader(**batch.tensors(reader.backbone.device), normalised=normalised))
        order += batch.rows
    seen = Observations.joined(parts) if parts else reader.nothing()
    return seen[_places(order).to(seen.words.device)]


def first_states(prompt: Prompt, given: Iterable[PromptBatch], rows: int) -> NDArray[np.float32]:
    """(rows, hidden): the state at the first thing that is read of each row."""
    parts: list[Tensor] = []
    order: list[int] = []
    with torch.inference_mode():
        for batch in given:
            tensors = batch.tensors(prompt.backbone.device)
            parts.append(read_states(prompt, **tensors)[:, 0].float().cpu())
            order += batch.rows
    found = torch.cat(parts).numpy() if parts else np.zeros((0, 0), np.float32)
    states = np.empty((rows, found.shape[1]), np.float32)
    states[order] = found
    return states


def vocabulary_log_proba(prompt: Prompt, given: Iterable[PromptBatch], tokens: Tensor | None) -> Tensor:
    """Log-probabilities at the first mask: (rows, vocabulary), or (rows, tokens) of some tokens."""
    parts: list[Tensor] = []
    order: list[int] = []
    for numbers, found in _vocabulary(prompt, given):
        parts.append((found if tokens is None else found[:, tokens.to(found.device)]).cpu())
        order += numbers
    return torch.cat(parts)[_places(order)]


def vocabulary_prior(prompt: Prompt, given: Iterable[PromptBatch]) -> Tensor:
    """(vocabulary,) mean log-probability of each token at the first mask, in memory that rows do not add to."""
    total, count = torch.zeros(prompt.backbone.vocab_size, dtype=torch.float64), 0
    for numbers, found in _vocabulary(prompt, given):
        total, count = total + found.double().sum(0).cpu(), count + len(numbers)
    return (total / count).float()


@torch.no_grad()
def _vocabulary(prompt: Prompt, given: Iterable[PromptBatch]) -> Iterator[tuple[tuple[int, ...], Tensor]]:
    """Batch by batch the numbers of rows and their log-probabilities at the first mask, (rows, vocabulary)."""
    for batch in given:
        states = read_states(prompt, **batch.tensors(prompt.backbone.device))
        yield batch.rows, prompt.backbone.logits(states[:, 0]).float().log_softmax(-1)


def _places(order: list[int]) -> Tensor:
    """Where each row stands among batches that have the rows in some order."""
    return torch.tensor(np.argsort(order), dtype=torch.long)
