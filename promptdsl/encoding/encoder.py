"""TokenProgram × rows → Encodings: batches through the tokenizer, cut to fit, masks where the program says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from promptdsl.encoding.compiler import TokenProgram
from promptdsl.encoding.demos import Demonstration, joined
from promptdsl.encoding.fields import field_ids
from promptdsl.encoding.rows import Rows, as_rows
from promptdsl.encoding.slots import DemosSlot, FieldSlot, FixedSlot, MaskSlot, Slot, SoftSlot
from promptdsl.encoding.targets import target
from promptdsl.encoding.truncation import shorten
from promptdsl.errors import fail, fail_row

__all__ = ["Encoding", "Layout", "RowTokens", "default_layout", "encode", "lay_out", "tokenize"]

Ids = NDArray[np.int64]
OUTSIDE = -1  # the slot number of what the tokenizer itself adds


@dataclass(frozen=True, slots=True)
class Layout:
    """What stands at the masks in one forward pass, and where the states are read.

    `fills` has the ids at each mask slot, in order. On a masked LM they are mask tokens and every one is read. On a
    causal LM they are label words' tokens, the sequence ends after the last of them, and what is read is the position
    before each of them and the last position. On an encoder-decoder they stand in the decoder, likewise, each mask's
    behind its sentinel, and every mask of the encoder's text is a sentinel.
    """

    fills: tuple[tuple[int, ...], ...]

    @property
    def length(self) -> int:
        """Tokens at the masks together."""
        return sum(map(len, self.fills))


@dataclass(frozen=True, slots=True)
class RowTokens:
    """Rows after tokenising and cutting.

    Attributes:
        program: the bound template.
        fields: for each row, the ids of each field slot.
        demos: for each row, the solved examples that have room.
        cut: for each row and slot, how many tokens were cut; at the demos tag, how many examples were left out.
        first: the number of the first row, for errors.
    """

    program: TokenProgram
    fields: list[list[Sequence[int]]]
    demos: list[Sequence[Demonstration]]
    cut: list[tuple[int, ...]]
    first: int = 0

    def __len__(self) -> int:
        return len(self.fields)


@dataclass(frozen=True, slots=True)
class Encoding:
    """One row as the model reads it.

    Attributes:
        input_ids: (length,) token ids; a soft vector's place holds the padding id.
        slots: (length,) which slot of the program a token came from; -1 for what the tokenizer adds itself.
        reads: (reads,) positions whose states are read for the masks; those of the decoder where there is one.
        soft: (length,) number of the soft vector at this place; -1 elsewhere.
        token_type_ids: (length,) 0 before the first separator, 1 after it.
        cut: tokens that were cut from each slot; at the demos tag, examples that were left out.
        demos: the solved examples in it, in order.
        target: (target length,) what an encoder-decoder's decoder has after its start token; nothing for other LMs.
    """

    input_ids: Ids
    slots: Ids
    reads: Ids
    soft: Ids
    token_type_ids: Ids
    cut: tuple[int, ...]
    program: TokenProgram = field(repr=False, compare=False)
    demos: tuple[Demonstration, ...] = ()
    target: Ids = field(default_factory=lambda: np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.input_ids)

    def tokens(self) -> list[str]:
        """The vocabulary's text of each place; soft vectors as «0», «1» …"""
        pairs = zip(self.input_ids.tolist(), self.soft.tolist(), strict=True)
        return [f"«{s}»" if s >= 0 else self.program.text.token(i) for i, s in pairs]

    def target_tokens(self) -> list[str]:
        """The vocabulary's text of what stands in the decoder, after «start»; nothing for other LMs."""
        decodes = self.program.family == "seq2seq"
        return ["«start»", *map(self.program.text.token, self.target.tolist())] if decodes else []

    def __str__(self) -> str:
        reads, tokens, decoder = set(self.reads.tolist()), self.tokens(), self.target_tokens()
        shown = " ".join(f"→{t}←" if i in reads else t for i, t in enumerate(decoder or tokens))
        return f"{' '.join(tokens)} | {shown}" if decoder else shown


def default_layout(program: TokenProgram) -> Layout:
    """One position at a plain mask, n at `mask:n`; on a causal LM, and in a decoder, the first mask is the end."""
    if program.family != "masked":
        return Layout(((),) if program.masks else ())
    mask = program.text.mask_id
    assert mask is not None or not program.masks
    return Layout(tuple((mask or 0,) * (m.count or 1) for m in program.masks))


def tokenize(
    program: TokenProgram,
    rows: Rows,
    *,
    max_length: int | None = None,
    at_masks: int | Sequence[int] | None = None,
    demos: Sequence[Sequence[Demonstration]] | None = None,
) -> RowTokens:
    """Tokenise the rows' fields in one batch and cut them to fit.

    Args:
        program: the bound template.
        rows: the data.
        max_length: the most positions that the model may see, soft vectors, prefix and specials included.
        at_masks: tokens to keep free for the masks, in every row or in each; by default what `default_layout` needs.
        demos: for each row the solved examples at the demos tag, in order; none by default. A row's own text comes
            first: examples that it leaves no room for are left out, the last ones first.

    Raises:
        PromptDSLError: PD504 if the template alone does not fit; PD6 if a row cannot be read or does not fit.
    """
    if max_length is not None and (isinstance(max_length, bool) or not isinstance(max_length, int) or max_length < 1):
        fail("PD505", f"max_length must be a whole number ≥ 1, not {max_length!r}", origin="max_length")
    if program.family == "seq2seq":
        at_masks = len(program.masks)  # their sentinels; the label words stand in the decoder
    given = [()] * len(rows) if demos is None else demos
    assert len(given) == len(rows) and (program.demos is not None or not any(given))
    alone, among = program.standing(False), program.standing(True)
    plain = _rows_of(program, alone, rows)
    spoken = plain if alone == among or not any(given) else _rows_of(program, among, rows)
    fitting = list(given)
    for_all = default_layout(program).length if at_masks is None or isinstance(at_masks, Sequence) else at_masks
    free = at_masks if isinstance(at_masks, Sequence) else [for_all] * len(rows)
    if max_length is not None:
        fixed = _needed(program, alone)
        needed = fixed + for_all
        if needed > max_length:
            fail("PD504", f"the template alone takes {needed} positions and max_length is {max_length}",
                 source=program.template.source,
                 help="shorten the fixed text, the soft tokens or the prefix, or raise max_length")  # fmt: skip
        room = max_length - _needed(program, among) - sum(len(i) for i in _loose(among))
        rooms = [room - taken - sum(map(len, fields)) for taken, fields in zip(free, spoken, strict=True)]
        fitting = [_fitting(g, r) for g, r in zip(given, rooms, strict=True)]
    place = next((i for i, s in enumerate(program.slots) if isinstance(s, DemosSlot)), None)
    left_out = [len(g) - len(f) for g, f in zip(given, fitting, strict=True)]
    cut = [tuple(n if i == place else 0 for i in range(len(alone))) for n in left_out]
    fields = [with_demos if kept else without for with_demos, without, kept in zip(spoken, plain, fitting, strict=True)]
    tokens = RowTokens(program, fields, fitting, cut, rows.first)
    return tokens if max_length is None else _shorten(tokens, alone, [max_length - fixed - taken for taken in free])


def _rows_of(program: TokenProgram, slots: Sequence[Slot], rows: Rows) -> list[list[Sequence[int]]]:
    """For each row, the ids of each field slot."""
    columns = field_ids(program.text, [s for s in slots if isinstance(s, FieldSlot)], rows)
    return [[column[i] for column in columns] for i in range(len(rows))]


def _needed(program: TokenProgram, slots: Sequence[Slot]) -> int:
    """Positions beside the masks that no row may take: specials, soft vectors, prefix, fixed text that stays whole."""
    fixed = sum(len(s.ids) for s in slots if isinstance(s, FixedSlot) and not s.truncate)
    soft = sum(len(s.vectors) for s in slots if isinstance(s, SoftSlot))
    return len(program.before) + len(program.after) + program.prefix + fixed + soft


def _loose(slots: Sequence[Slot]) -> list[tuple[int, ...]]:
    """The fixed text that may be cut."""
    return [s.ids for s in slots if isinstance(s, FixedSlot) and s.truncate]


def _fitting(given: Sequence[Demonstration], room: int) -> Sequence[Demonstration]:
    """The first of the given examples, as many as there is room for."""
    length = 0
    for number, demo in enumerate(given):
        length += len(demo.ids if number else demo.first)
        if length > room:
            return given[:number]
    return given


def _shorten(tokens: RowTokens, slots: Sequence[Slot], budgets: Sequence[int]) -> RowTokens:
    """Cut the shortenable pieces of every row that is over its budget; a row with examples is not."""
    can_cut = {
        i: s.truncate
        for i, s in enumerate(slots)
        if isinstance(s, FieldSlot) or (isinstance(s, FixedSlot) and s.truncate)
    }
    for row, (fields, budget) in enumerate(zip(tokens.fields, budgets, strict=True)):
        texts = iter(fields)
        pieces = [s.ids if isinstance(s, FixedSlot) else next(texts) for s in map(slots.__getitem__, can_cut)]
        if tokens.demos[row] or sum(map(len, pieces)) <= budget:
            continue
        kept = shorten(pieces, list(can_cut.values()), budget)
        if kept is None:
            over = sum(len(p) for p, cut in zip(pieces, can_cut.values(), strict=True) if not cut) - budget
            fail_row(
                "PD608",
                f"what may not be cut of its columns, and its label words, are {over} tokens too long"
                if budget < 0
                else f"its columns that may not be cut are {over} tokens too long",
                tokens.first + row,
                help='write "shortenable":true in a tag, or raise max_length',
            )
        cut = list(tokens.cut[row])
        for place, before, after in zip(can_cut, pieces, kept, strict=True):
            cut[place] = len(before) - len(after)
        tokens.cut[row] = tuple(cut)
        fields[:] = [p for p, place in zip(kept, can_cut, strict=True) if isinstance(slots[place], FieldSlot)]
    return tokens


def lay_out(tokens: RowTokens, layout: Layout, rows: Sequence[int] | None = None) -> list[Encoding]:
    """Put the rows' tokens, the fixed text and one layout's fills together; RowError where nothing can be read."""
    return [_one(tokens, layout, row) for row in (range(len(tokens)) if rows is None else rows)]


def _one(tokens: RowTokens, layout: Layout, row: int) -> Encoding:
    program = tokens.program
    ids: list[int] = list(program.before)
    slots = [OUTSIDE] * len(ids)
    soft = [OUTSIDE] * len(ids)
    reads: list[int] = []
    second: int | None = None
    fields = iter(tokens.fields[row])
    causal, decodes = program.family == "causal", program.family == "seq2seq"
    written, decoder_reads = target(program.text.sentinels, layout.fills) if decodes else ([], [])
    fills = [(sentinel,) for sentinel in program.text.sentinels] if decodes else list(layout.fills)
    for number, slot in enumerate(program.standing(bool(tokens.demos[row]))):
        if number == program.segment_from:
            second = len(ids)
        vectors: Sequence[int] = ()
        piece: Sequence[int]
        if isinstance(slot, FieldSlot):
            piece = next(fields)
        elif isinstance(slot, DemosSlot):
            piece, vectors = joined(tokens.demos[row])
        elif isinstance(slot, FixedSlot):
            piece = slot.ids[: len(slot.ids) - tokens.cut[row][number]]
        elif isinstance(slot, SoftSlot):
            vectors, piece = slot.vectors, (program.text.pad_id,) * len(slot.vectors)
        else:
            piece = fills.pop(0)
            reads += range(len(ids) - causal, len(ids) - causal + len(piece))
        ids += piece
        slots += [number] * len(piece)
        soft += vectors or [OUTSIDE] * len(piece)
        if causal and isinstance(slot, MaskSlot) and not fills:
            reads.append(len(ids) - 1)
            break
    if reads and reads[0] < 0 and not program.prefix:
        fail_row(
            "PD609",
            "nothing stands before the mask, where a causal LM reads it",
            tokens.first + row,
            help="give this row some text, or begin the template with fixed text",
        )
    ids += program.after
    outside = [OUTSIDE] * len(program.after)
    types = [0] * len(ids) if second is None else [0] * second + [1] * (len(ids) - second)
    reads = decoder_reads if decodes else reads
    ids_array, slots_array, reads_array, soft_array, types_array, target_array = (
        np.array(a, np.int64) for a in (ids, slots + outside, reads, soft + outside, types, written)
    )
    demos, cut = tuple(tokens.demos[row]), tokens.cut[row]
    return Encoding(ids_array, slots_array, reads_array, soft_array, types_array, cut, program, demos, target_array)


def encode(program: TokenProgram, rows: object, *, max_length: int | None = None) -> list[Encoding]:
    """Encode rows as the model reads them, with one position at each plain mask.

    Args:
        program: a bound template.
        rows: texts, pairs, mappings, a DataFrame or a Dataset (`as_rows`).
        max_length: the most positions; None keeps everything.
    """
    return lay_out(tokenize(program, as_rows(rows), max_length=max_length), default_layout(program))
