"""Encodings → padded batches: similar lengths together, a budget of tokens for each, results in input order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from promptdsl.encoding.encoder import Encoding

__all__ = ["Passes", "PromptBatch", "Terms", "batches", "collate"]


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """How the label words of one row, or of a batch of rows, are read: tokens, in groups, which make up words.

    Attributes:
        tokens: (terms, 4) the line, the number of the read in it, the token, and the group that it belongs to.
        weights: (terms,) what the token's log-probability is multiplied with.
        groups: (groups, 2) the word, counted through the rows (row · columns + column), and +1 or −1, for what is
            added to its score and what is subtracted. A word without a group has no score: −inf.
        columns: the words of a row.
    """

    tokens: NDArray[np.int64]
    weights: NDArray[np.float32]
    groups: NDArray[np.int64]
    columns: int

    @classmethod
    def joined(cls, rows: Sequence[Terms], lines: Sequence[int]) -> Terms:
        """Those of a batch, from those of its rows and the numbers of lines that they take."""
        tokens, groups = [], []
        first_line = first_group = 0
        for number, (row, taken) in enumerate(zip(rows, lines, strict=True)):
            tokens.append(row.tokens + np.array([first_line, 0, 0, first_group]))
            groups.append(row.groups + np.array([number * row.columns, 0]))
            first_line, first_group = first_line + taken, first_group + len(row.groups)
        weights = np.concatenate([row.weights for row in rows])
        return cls(np.concatenate(tokens), weights, np.concatenate(groups), rows[0].columns)

    def __str__(self) -> str:
        return f"{len(self.tokens)} tokens read for {len(np.unique(self.groups[:, 0]))} words"


@dataclass(frozen=True, slots=True, eq=False)
class Passes(Sequence[Encoding]):
    """The encodings of a row whose label words are its own, and where they are read."""

    encodings: tuple[Encoding, ...]
    terms: Terms

    @overload
    def __getitem__(self, index: int) -> Encoding: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Encoding, ...]: ...
    def __getitem__(self, index: int | slice) -> Encoding | tuple[Encoding, ...]:
        return self.encodings[index]

    def __len__(self) -> int:
        return len(self.encodings)

    def __str__(self) -> str:
        return f"{len(self)} passes, {self.terms}"


@dataclass(frozen=True, slots=True)
class PromptBatch:
    """Tensors of some rows, padded on the right. A row takes one line for each forward pass (layout), side by side.

    On an encoder-decoder a row's passes differ in the decoder alone: what the encoder reads is there once.

    Attributes:
        input_ids, attention_mask, token_type_ids: (rows · layouts, length); (inputs, length) for an encoder.
        reads: (rows · layouts, reads) positions that are read; short lists are filled up with 0.
        soft: (rows · layouts, length) the number of the soft vector at each place, -1 for a token's own; None where
            the template has no soft tokens.
        rows: which rows of the input these are.
        terms: how the label words are read where each row has its own; None where all rows have the same.
        target, target_of: (rows · layouts, target length) what stands in the decoder after its start token, and
            (rows · layouts,) the line of the encoder that it belongs to; None where there is no decoder.
    """

    input_ids: Tensor
    attention_mask: Tensor
    token_type_ids: Tensor
    reads: Tensor
    rows: tuple[int, ...]
    terms: Terms | None = None
    soft: Tensor | None = None
    target: Tensor | None = None
    target_of: Tensor | None = None

    def tensors(self, device: torch.device | str | None = None) -> dict[str, Tensor]:
        """The keyword tensors of `PromptModel.forward`, on `device`."""
        names = ("input_ids", "attention_mask", "token_type_ids", "reads")
        found: dict[str, Tensor] = {n: getattr(self, n) for n in names}
        found |= {n: t for n in ("soft", "target", "target_of") if (t := getattr(self, n)) is not None}
        if self.terms is not None:
            own = {"tokens": self.terms.tokens, "weights": self.terms.weights, "groups": self.terms.groups}
            found |= {f"word_{name}": torch.from_numpy(array) for name, array in own.items()}
        return {name: tensor.to(device) for name, tensor in found.items()}

    def __str__(self) -> str:
        lines, length = self.input_ids.shape
        real = self.attention_mask.float().mean().item()
        return f"batch of {len(self.rows)} rows, {lines} × {length} tokens, {real:.0%} of them real"


def collate(rows: Sequence[Sequence[Encoding]], numbers: Sequence[int], pad_id: int) -> PromptBatch:
    """Pad some rows' encodings (one for each layout) into a batch.

    Args:
        rows: for each row, its encodings, one a layout; `Passes` for all rows or for none.
        numbers: the rows' places in the input.
        pad_id: any token id; the attention mask hides it.
    """
    flat = [encoding for row in rows for encoding in row]
    decodes = flat[0].program.family == "seq2seq"
    inputs, of = _once(rows) if decodes else (flat, [])
    input_ids, attention = _padded([e.input_ids for e in inputs], pad_id), _padded([np.ones(len(e)) for e in inputs], 0)
    types, reads = _padded([e.token_type_ids for e in inputs], 0), _padded([e.reads for e in flat], 0)
    soft = _padded([e.soft for e in inputs], -1) if flat[0].program.soft else None
    own = [row.terms for row in rows if isinstance(row, Passes)]
    terms = Terms.joined(own, [len(row) for row in rows]) if own else None
    target = _padded([e.target for e in flat], pad_id) if decodes else None
    target_of = torch.tensor(of) if decodes else None
    return PromptBatch(input_ids, attention, types, reads, tuple(numbers), terms, soft, target, target_of)


def _padded(lists: Sequence[NDArray[Any]], fill: int) -> Tensor:
    """(lists, longest): lists of numbers, filled up on the right."""
    found = np.full((len(lists), max(map(len, lists))), fill, np.int64)
    for line, numbers in enumerate(lists):
        found[line, : len(numbers)] = numbers
    return torch.from_numpy(found)


def _once(rows: Sequence[Sequence[Encoding]]) -> tuple[list[Encoding], list[int]]:
    """The inputs of rows, each row's equal ones once, and for each encoding which of them is its own."""
    known: dict[tuple[int, bytes, bytes], int] = {}
    inputs: list[Encoding] = []
    of = []
    for number, row in enumerate(rows):
        for encoding in row:
            key = number, encoding.input_ids.tobytes(), encoding.soft.tobytes()
            if key not in known:
                known[key] = len(inputs)
                inputs.append(encoding)
            of.append(known[key])
    return inputs, of


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
        lines = np.cumsum([len(rows[i]) for i in order[start : start + batch_size]])
        fitting = int((lines * lengths[order[start]] <= token_budget).sum())
        chosen = order[start : start + max(1, fitting)]
        yield collate([rows[i] for i in chosen], [offset + i for i in chosen], pad_id)
        start += len(chosen)
