"""States at the masks, kept while many verbalizers read the same prompts through the same frozen language model."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter

import torch
from torch import Tensor

from promptdsl.models.prompt import Prompt

__all__ = ["KeptStates", "keeping", "read_states"]

LIMIT = 2**29  # bytes

Key = tuple[str, bytes, bytes, bytes]


class KeptStates:
    """What a frozen language model said at the masks of prompts, by the prompts' token ids; the oldest are let go.

    It serves one language model, and only while no gradients are taken and nothing below the masks can learn.

    Args:
        limit: bytes to hold at most.

    Attributes:
        lines: how many prompts went through the language model.
        saved: the seconds that the prompts which did not would have taken.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit, self.lines, self.saved = limit, 0, 0.0
        self._known: OrderedDict[Key, tuple[Tensor, float]] = OrderedDict()
        self._bytes = 0

    def read(
        self, prompt: Prompt, reads: Tensor, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None
    ) -> Tensor:
        """As `read_states`, for a prompt without anything to train."""
        keys = _keys(prompt, reads, input_ids, attention_mask, token_type_ids)
        found = {key: self._known[key] for key in keys if key in self._known}
        self.saved += sum(found[key][1] for key in keys if key in found)
        missing = [line for line, key in enumerate(keys) if key not in found]
        if missing:
            start = perf_counter()
            some = torch.tensor(missing, device=input_ids.device)
            types = None if token_type_ids is None else token_type_ids[some]
            states = _states_at(prompt.states(input_ids[some], attention_mask[some], types), reads[some]).cpu()
            seconds = (perf_counter() - start) / len(missing)
            self.lines += len(missing)
            for line, state in zip(missing, states, strict=True):
                found[keys[line]] = state.clone(), seconds
                self._keep(keys[line], *found[keys[line]])
        return torch.stack([found[key][0] for key in keys]).to(input_ids.device)

    def _keep(self, key: Key, state: Tensor, seconds: float) -> None:
        if key not in self._known:
            self._bytes += state.nbytes
        self._known[key] = state, seconds
        while self._bytes > self.limit and self._known:
            self._bytes -= self._known.popitem(last=False)[1][0].nbytes

    def __str__(self) -> str:
        return f"{len(self._known)} prompts, {self._bytes / 2**20:.1f} MiB, {self.saved:.1f} s saved"


_kept: ContextVar[KeptStates | None] = ContextVar("kept states", default=None)


@contextmanager
def keeping(store: KeptStates) -> Iterator[None]:
    """While this lasts, this thread's frozen language model reads no prompt twice."""
    before = _kept.set(store)
    try:
        yield
    finally:
        _kept.reset(before)


def read_states(
    prompt: Prompt,
    reads: Tensor,
    input_ids: Tensor,
    attention_mask: Tensor,
    token_type_ids: Tensor | None = None,
    soft: Tensor | None = None,
    target: Tensor | None = None,
    target_of: Tensor | None = None,
) -> Tensor:
    """States at the places that are read, (lines, reads, hidden), of lines as `PromptBatch` has them."""
    store = _kept.get()
    learns = torch.is_grad_enabled() or prompt.learns or prompt.backbone.trainable
    if store is None or learns or soft is not None or target is not None:
        states = prompt.states(input_ids, attention_mask, token_type_ids, soft, target, target_of)
        return _states_at(states, reads)
    return store.read(prompt, reads, input_ids, attention_mask, token_type_ids)


def _keys(
    prompt: Prompt, reads: Tensor, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None
) -> list[Key]:
    """What a line's states depend on: its tokens without the padding on their right, and what is read."""
    weight = prompt.backbone.output_weight
    view = f"{weight.device} {weight.dtype}"
    sizes = attention_mask.sum(1).tolist()
    ids, places = input_ids.cpu().numpy(), reads.cpu().numpy()
    types = torch.zeros_like(input_ids).numpy(force=True) if token_type_ids is None else token_type_ids.cpu().numpy()
    return [
        (view, ids[line, :size].tobytes(), types[line, :size].tobytes(), places[line].tobytes())
        for line, size in enumerate(sizes)
    ]


def _states_at(states: Tensor, reads: Tensor) -> Tensor:
    """(lines, length, hidden), (lines, reads) → (lines, reads, hidden)."""
    return states[torch.arange(len(reads), device=reads.device)[:, None], reads]
