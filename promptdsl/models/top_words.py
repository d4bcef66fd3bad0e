"""What a language model itself would put at the masks, whatever a verbalizer says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from promptdsl.encoding.compiler import TokenProgram
from promptdsl.encoding.demos import Demonstration
from promptdsl.encoding.encoder import default_layout, lay_out, tokenize
from promptdsl.encoding.rows import as_rows
from promptdsl.encoding.tokenizer import TextTokenizer
from promptdsl.errors import fail
from promptdsl.models.batching import batches
from promptdsl.models.prompt import Prompt

__all__ = ["top_words"]


def top_words(
    prompt: Prompt,
    program: TokenProgram,
    rows: Any,
    k: int = 10,
    *,
    max_length: int | None = None,
    batch_size: int = 64,
    budget: int = 8192,
    demos: Sequence[Sequence[Demonstration]] | None = None,
) -> list[list[list[tuple[str, float]]]]:
    """The k likeliest tokens at each mask position of each row, with their probabilities, best first.

    Args:
        prompt: what the template trains, around the language model.
        program: the bound template, with masks.
        rows: texts, pairs, mappings, a DataFrame or a Dataset.
        k: tokens a position, ≥ 1.
        max_length: the most positions of an input.
        batch_size, budget: the most rows and the most tokens of a forward pass.
        demos: for each row its solved examples, where the template has a demos tag.
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        fail("PD505", f"k must be a whole number ≥ 1, not {k!r}", origin="k")
    tokens = tokenize(program, as_rows(rows), max_length=max_length, demos=demos)
    encoded = [[e] for e in lay_out(tokens, default_layout(program))]
    found: list[list[list[tuple[str, float]]]] = [[] for _ in encoded]
    backbone = prompt.backbone
    with torch.inference_mode():
        for batch in batches(encoded, program.text.pad_id, batch_size=batch_size, token_budget=budget):
            tensors = batch.tensors(backbone.device)
            reads = tensors.pop("reads")
            states = prompt.states(**tensors)
            picked = states[torch.arange(len(reads), device=reads.device)[:, None], reads]
            likely = backbone.logits(picked.flatten(0, 1)).float().softmax(-1)
            best = likely.topk(min(k, backbone.vocab_size))
            for line, row in enumerate(batch.rows):
                at = range(line * reads.shape[1], (line + 1) * reads.shape[1])
                found[row] = [_named(program.text, best.values[i], best.indices[i]) for i in at]
    return found


def _named(text: TextTokenizer, values: Tensor, indices: Tensor) -> list[tuple[str, float]]:
    return [(text.word(i), p) for i, p in zip(indices.tolist(), values.tolist(), strict=True)]
