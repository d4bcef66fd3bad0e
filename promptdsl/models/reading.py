"""States at the masks → what a verbalizer looks at, with no more of the LM head than it needs."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from promptdsl.encoding.compiler import TokenProgram
from promptdsl.models.backbone import Backbone
from promptdsl.models.batching import PromptBatch
from promptdsl.verbalizers.head import Observations
from promptdsl.verbalizers.verbalizer import BoundVerbalizer

__all__ = ["MaskReader", "first_states"]


class MaskReader(nn.Module):
    """Reads label words' tokens, mask states and features where a bound verbalizer wants them.

    Args:
        backbone: the language model; it stays the caller's.
        bound: the verbalizer.
        program: the template that it was bound to.
    """

    _place_fill: Tensor
    _place_read: Tensor
    _term_place: Tensor
    _term_token: Tensor
    _token_ids: Tensor

    def __init__(self, backbone: Backbone, bound: BoundVerbalizer, program: TokenProgram) -> None:
        super().__init__()
        self._shared = (backbone,)  # not registered: its parameters are the PromptModel's
        self.bound, self.fills = bound, len(bound.fills)
        fill = bound.state_fill
        alone = fill is None or program.family == "causal"
        # Mask states of one row: one for each mask position; on a causal LM the one before the first mask.
        self.rest_reads = 1 if alone or fill is None else sum(map(len, bound.fills[fill]))
        places = sorted({(r.fill, r.read) for r in bound.readings})
        place_of = {place: i for i, place in enumerate(places)}
        column_of = {token: token if bound.normalised else i for i, token in enumerate(bound.token_ids)}
        self._table("_place_fill", [f for f, _ in places])
        self._table("_place_read", [r for _, r in places])
        self._table("_term_place", [place_of[r.fill, r.read] for r in bound.readings])
        self._table("_term_token", [column_of[r.token] for r in bound.readings])
        self._table("_token_ids", list(bound.token_ids))

    def _table(self, name: str, values: list[int]) -> None:
        table = torch.tensor(values, dtype=torch.long, device=self.backbone.device)
        self.register_buffer(name, table, persistent=False)

    @property
    def backbone(self) -> Backbone:
        """The language model."""
        return self._shared[0]

    def picked(
        self, input_ids: Tensor, attention_mask: Tensor, reads: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """States at what is read, (batch, layouts, reads, hidden), of a batch as `PromptModel.forward` has it."""
        picked = _at(self.backbone.states(input_ids, attention_mask, token_type_ids), reads)
        return picked.reshape(-1, self.fills, *picked.shape[1:])

    def forward(self, picked: Tensor, normalised: bool = False) -> Observations:
        """(batch, layouts, reads, hidden) → what there is to see; `normalised` asks for log-probabilities anyway."""
        places = picked[:, self._place_fill, self._place_read]  # (batch, places, hidden)
        words = self.bound.word_scores(self._token_scores(places, normalised))
        return Observations(words, *self._at_rest(picked))

    def vocabulary(self, picked: Tensor) -> Tensor:
        """(batch, layouts, reads, hidden) → (batch, vocabulary) log-probabilities at the first mask state."""
        return self.backbone.logits(picked[:, self.bound.state_fill or 0, 0]).float().log_softmax(-1)

    def nothing(self) -> Observations:
        """The observations of no rows."""
        empty = torch.zeros(0, len(self.bound.words), device=self.backbone.device)
        return Observations(empty, empty[:, :0], empty[:, :0], empty.sum(1))

    def _token_scores(self, places: Tensor, normalised: bool) -> Tensor:
        """(batch, places, hidden) → (batch, terms)."""
        if not len(self._token_ids):
            return places.new_zeros(len(places), 0, dtype=torch.float32)
        flat = places.flatten(0, 1)
        if self.bound.normalised or normalised:
            scores = self.backbone.logits(flat).float().log_softmax(-1)
            scores = scores if self.bound.normalised else scores[:, self._token_ids]
        else:
            scores = self.backbone.rows(flat, self._token_ids).float()
        scores = scores.reshape(*places.shape[:2], -1)
        return scores[:, self._term_place, self._term_token]

    def _at_rest(self, picked: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mask states, features and normaliser, as `Observations` has them."""
        none = picked.new_zeros(len(picked), 0, dtype=torch.float32)
        if self.bound.state_fill is None:
            return none, none, none.sum(1)
        states = picked[:, self.bound.state_fill, : self.rest_reads]
        features, normaliser = none, none.sum(1)
        if self.bound.soft:
            features = self.backbone.features(states[:, 0]).float()
            if self.bound.normalised:
                normaliser = self.backbone.logits(states[:, 0]).float().logsumexp(-1)
        return states.flatten(1).float(), features, normaliser


def first_states(backbone: Backbone, given: Iterable[PromptBatch], rows: int) -> NDArray[np.float32]:
    """(rows, hidden): the state at the first thing that is read of each row, in the order of the rows."""
    parts: list[Tensor] = []
    order: list[int] = []
    with torch.inference_mode():
        for batch in given:
            tensors = batch.tensors(backbone.device)
            reads = tensors.pop("reads")
            parts.append(_at(backbone.states(**tensors), reads[:, :1])[:, 0].float().cpu())
            order += batch.rows
    found = torch.cat(parts).numpy() if parts else np.zeros((0, 0), np.float32)
    states = np.empty((rows, found.shape[1]), np.float32)
    states[order] = found
    return states


def _at(states: Tensor, reads: Tensor) -> Tensor:
    """(lines, length, hidden), (lines, reads) → (lines, reads, hidden)."""
    return states[torch.arange(len(reads), device=reads.device)[:, None], reads]
