"""Encodings → padded batches: similar lengths together, a budget of tokens for each, results in input order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from promptdsl.encoding.encoder import Encoding

__all__ = ["PromptBatch", "batches", "collate"]


@dataclass(frozen=True, slots=True)
class PromptBatch:
    """Tensors of some rows, padded on the right. A row takes one line for each forward pass (layout), side by side.

    Attributes:
        input_ids, attention_mask, token_type_ids: (rows · layouts, length).
        reads: (rows · layouts, reads) positions that are read; short lists are filled up with 0.
        rows: which rows of the input these are.
    """

    input_ids: Tensor
    attention_mask: Tensor
    token_type_ids: Tensor
    reads: Tensor
    rows: tuple[int, ...]

    def tensors(self, device: torch.device | str | None = None) -> dict[str, Tensor]:
        """The keyword tensors of `PromptModel.forward`, on `device`."""
        names = ("input_ids", "attention_mask", "token_type_ids", "reads")
        return {n: getattr(self, n).to(device) for n in names}

    def __str__(self) -> str:
        lines, length = self.input_ids.shape
        real = self.attention_mask.float().mean().item()
        return f"batch of {len(self.rows)} rows, {lines} × {length} tokens, {real:.0%} of them real"


def collate(rows: Sequence[Sequence[Encoding]], numbers: Sequence[int], pad_id: int) -> PromptBatch:
    """Pad some rows' encodings (one for each layout) into a batch.

    Args:
        rows: for each row, its encodings, one a layout.
        numbers: the rows' places in the input.
        pad_id: any token id; the attention mask hides it.
    """
    flat = [encoding for row in rows for encoding in row]
    shape = (len(flat), max(len(e) for e in flat))
    input_ids, attention, types = np.full(shape, pad_id, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    reads = np.zeros((len(flat), max(len(e.reads) for e in flat)), np.int64)
    for line, encoding in enumerate(flat):
        input_ids[line, : len(encoding)] = encoding.input_ids
        attention[line, : len(encoding)] = 1
        types[line, : len(encoding)] = encoding.token_type_ids
        reads[line, : len(encoding.reads)] = encoding.reads
    ids, mask, segments, places = map(torch.from_numpy, (input_ids, attention, types, reads))
    return PromptBatch(ids, mask, segments, places, tuple(numbers))


def batches(
    rows: Sequence[Sequence[Encoding]], pad_id: int, *, batch_size: int, token_budget: int, offset: int = 0
) -> Iterator[PromptBatch]:
    """Batches of rows of similar length, longest first, so that what is going to run out of memory does so at once.

    Args:
        rows: for each row, its encodings, one a layout.
        pad_id: any token id.
        batch_size: the most rows of a batch, ≥ 1.
        token_budget: the most tokens of a batch, padding and layouts included (a single row may exceed it).
        offset: the number of the first row.
    """
    lengths = [max(len(e) for e in row) for row in rows]
    order = sorted(range(len(rows)), key=lambda i: (-lengths[i], i))
    start = 0
    while start < len(order):
        per_row = lengths[order[start]] * len(rows[order[start]])
        size = max(1, min(batch_size, token_budget // max(per_row, 1)))
        chosen = order[start : start + size]
        yield collate([rows[i] for i in chosen], [offset + i for i in chosen], pad_id)
        start += size
