"""Rows → encodings and batches, for a template and a verbalizer that are bound to a language model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from promptdsl.encoding.compiler import TokenProgram
from promptdsl.encoding.demos import Demonstration, require_demos
from promptdsl.encoding.encoder import Encoding, Layout, RowTokens, default_layout, lay_out, tokenize
from promptdsl.encoding.rows import Rows, as_rows
from promptdsl.errors import fail
from promptdsl.models.batching import PromptBatch, batches
from promptdsl.models.content_free import content_free, readable
from promptdsl.models.demonstrations import DemoStore, States
from promptdsl.models.row_words import row_passes, row_words
from promptdsl.verbalizers.verbalizer import BoundVerbalizer

__all__ = ["TOKEN_BUDGET", "WINDOW", "PromptInputs", "length_limit"]

WINDOW = 4096  # rows that are tokenised and sorted by length together
TOKEN_BUDGET = 8192  # tokens of one batch, padding included


class PromptInputs:
    """What rows become before a language model sees them.

    Args:
        program: the bound template.
        bound: the bound verbalizer.
        layouts: what stands at the masks in each forward pass of a row.
        room: positions to keep free for the masks.
        max_length: the most positions of an input; None for any.
        states: rows → their mask states, (rows, hidden), for solved examples that are chosen by them.

    Attributes:
        demos: the solved examples of a template with a demos tag, once rows were fitted.
    """

    def __init__(
        self,
        program: TokenProgram,
        bound: BoundVerbalizer,
        layouts: Sequence[Layout],
        room: int,
        max_length: int | None,
        states: Callable[[Rows], States],
    ) -> None:
        self.program, self.bound, self.layouts = program, bound, layouts
        self.room, self.max_length, self.states = room, max_length, states
        self.demos: DemoStore | None = None

    def encode(
        self,
        rows: Any,
        *,
        draw: int = 0,
        own: Sequence[int | None] | None = None,
        alone: bool = False,
        at_rest: bool = False,
        states: States | None = None,
    ) -> Sequence[Sequence[Encoding]]:
        """For each row, its encodings, one for each forward pass that the label words need.

        Args:
            rows: the data.
            draw: which draw of solved examples, where the template has a demos tag.
            own: for each row its number among the fitted rows, so that it is not an example of its own.
            alone: leave the solved examples out.
            at_rest: one encoding a row, without anything at the masks but mask tokens.
            states: (rows, hidden) what `mask_states` says, where it is known.
        """
        data = as_rows(rows)
        demos = None if alone else self.examples(data, draw, own, states)
        words = row_words(self.bound, self.program, data) if self.bound.from_rows else None
        room = self.room if words is None else [w.room for w in words]
        tokens = tokenize(self.program, data, max_length=self.max_length, at_masks=room, demos=demos)
        if at_rest:
            return [[e] for e in lay_out(tokens, default_layout(self.program))]
        return self.lay_out(tokens) if words is None else row_passes(self.bound, tokens, words)

    def examples(
        self, rows: Rows, draw: int = 0, own: Sequence[int | None] | None = None, states: States | None = None
    ) -> Sequence[Sequence[Demonstration]] | None:
        """For each row its solved examples; None where the template has no demos tag. See `encode`."""
        if self.program.demos is None:
            return None
        require_demos(self.program, self.demos)
        assert self.demos is not None
        if states is None and self.demos.needs_states:
            states = self.states(rows)
        return self.demos.pick(len(rows) if states is None else states, draw, exclude=own)

    def lay_out(self, tokens: RowTokens) -> list[list[Encoding]]:
        """For each row of tokens, its encodings, one for each forward pass."""
        return [list(row) for row in zip(*(lay_out(tokens, layout) for layout in self.layouts), strict=True)]

    def batches(
        self,
        rows: Any,
        *,
        batch_size: int = 64,
        own: Sequence[int | None] | None = None,
        states: States | None = None,
        **options: Any,
    ) -> Iterator[PromptBatch]:
        """Padded batches of all rows, window by window, so that memory does not grow with the data; see `encode`."""
        data = as_rows(rows)
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            fail("PD505", f"batch_size must be a whole number ≥ 1, not {batch_size!r}", origin="batch_size")
        for start in range(0, len(data), WINDOW):
            some = slice(start, start + WINDOW)
            known = None if states is None else states[some]
            encoded = self.encode(data[some], own=None if own is None else own[some], states=known, **options)
            yield from self.batched(encoded, batch_size, start)

    def batched(self, encoded: Sequence[Sequence[Encoding]], batch_size: int, offset: int = 0) -> Iterator[PromptBatch]:
        """Padded batches of encodings."""
        pad_id = self.program.text.pad_id
        return batches(encoded, pad_id, batch_size=batch_size, token_budget=TOKEN_BUDGET, offset=offset)

    def content_free(self, fills: Sequence[str | None]) -> list[list[list[Encoding]]]:
        """For each draw of solved examples the encodings of `fills` in the fields, below as many as there is room for.

        Where each row has examples of its own, there are none here.
        """
        store, kinds = self.demos, readable(self.program, fills)
        shared = store is not None and not store.needs_states
        draws = [store.pick(1, d)[0] for d in range(store.draws)] if store is not None and shared else [[]]
        return [self._content_free_below(demos, kinds) for demos in draws]

    def _content_free_below(self, demos: Sequence[Demonstration], fills: Sequence[str | None]) -> list[list[Encoding]]:
        """The most content that there is room for: fewer examples first, then fewer tokens of the fills."""
        fuller = [(demos[:kept], None) for kept in range(len(demos), 0, -1)]
        for examples, most in [*fuller, ((), None), ((), 2), ((), 1)]:
            encoded = self.lay_out(content_free(self.program, fills, examples, most=most))
            if max(len(e) for row in encoded for e in row) <= (self.max_length or math.inf):
                return encoded
        return self.lay_out(content_free(self.program, fills, most=0))


def length_limit(wanted: int | None, model: int | None) -> int | None:
    """The most positions of an input: what is wanted, else what the LM takes. Raises PD506 if it takes fewer."""
    if wanted is not None and model is not None and isinstance(wanted, int) and wanted > model:
        fail("PD506", f"max_length is {wanted} and the language model takes {model} positions",
             help=f"use max_length={model} or less", origin="max_length")  # fmt: skip
    return model if wanted is None else wanted
