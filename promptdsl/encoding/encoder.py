"""TokenProgram × rows → Encodings: batches through the tokenizer, cut to fit, masks where the program says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from promptdsl.encoding.compiler import FieldSlot, FixedSlot, MaskSlot, SoftSlot, TokenProgram
from promptdsl.encoding.rows import Rows, as_rows, column_texts
from promptdsl.encoding.truncation import CUTS, water_fill
from promptdsl.errors import fail, fail_row

__all__ = ["Encoding", "Layout", "RowTokens", "default_layout", "encode", "lay_out", "tokenize"]

Ids = NDArray[np.int64]
OUTSIDE = -1  # the slot number of what the tokenizer itself adds


@dataclass(frozen=True, slots=True)
class Layout:
    """What stands at the masks in one forward pass, and where the states are read.

    `fills` has the ids at each mask slot, in order. On a masked LM they are mask tokens and every one is read. On a
    causal LM they are label words' tokens, the sequence ends after the last of them, and what is read is the position
    before each of them and the last position.
    """

    fills: tuple[tuple[int, ...], ...]

    @property
    def length(self) -> int:
        """Tokens at the masks together."""
        return sum(map(len, self.fills))


@dataclass(frozen=True, slots=True)
class RowTokens:
    """Rows after tokenising and cutting: for each row, the ids of each field slot, and how many tokens were cut.

    `first` is the number of the first row, for errors.
    """

    program: TokenProgram
    fields: list[list[Sequence[int]]]
    fixed: tuple[tuple[int, ...], ...]
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
        reads: (reads,) positions whose states are read for the masks.
        soft: (length,) number of the soft vector at this place; -1 elsewhere.
        token_type_ids: (length,) 0 before the first separator, 1 after it.
        cut: tokens that were cut from each slot.
    """

    input_ids: Ids
    slots: Ids
    reads: Ids
    soft: Ids
    token_type_ids: Ids
    cut: tuple[int, ...]
    program: TokenProgram = field(repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.input_ids)

    def tokens(self) -> list[str]:
        """The vocabulary's text of each place; soft vectors as «0», «1» …"""
        pairs = zip(self.input_ids.tolist(), self.soft.tolist(), strict=True)
        return [f"«{s}»" if s >= 0 else self.program.text.token(i) for i, s in pairs]

    def __str__(self) -> str:
        reads = set(self.reads.tolist())
        return " ".join(f"→{t}←" if i in reads else t for i, t in enumerate(self.tokens()))


def default_layout(program: TokenProgram) -> Layout:
    """One position at a plain mask, n at `mask:n`; on a causal LM the sequence ends where the first mask is read."""
    if program.family == "causal":
        return Layout(((),) if program.masks else ())
    mask = program.text.mask_id
    assert mask is not None or not program.masks
    return Layout(tuple((mask or 0,) * (m.count or 1) for m in program.masks))


def tokenize(
    program: TokenProgram, rows: Rows, *, max_length: int | None = None, at_masks: int | None = None
) -> RowTokens:
    """Tokenise the rows' fields in one batch and cut them to fit.

    Args:
        program: the bound template.
        rows: the data.
        max_length: the most positions that the model may see, soft vectors, prefix and specials included.
        at_masks: tokens to keep free for the masks; by default what `default_layout` needs.

    Raises:
        PromptDSLError: PD504 if the template alone does not fit; PD6 if a row cannot be read or does not fit.
    """
    if max_length is not None and (isinstance(max_length, bool) or not isinstance(max_length, int) or max_length < 1):
        fail("PD505", f"max_length must be a whole number ≥ 1, not {max_length!r}", origin="max_length")
    slots = [s for s in program.slots if isinstance(s, FieldSlot)]
    columns = _columns(program, slots, rows)
    per_row: list[list[Sequence[int]]] = [[c[i] for c in columns] for i in range(len(rows))]
    fixed = tuple(s.ids if isinstance(s, FixedSlot) else () for s in program.slots)
    budget = None if max_length is None else max_length - _reserved(program, at_masks, max_length)
    cut = [(0,) * len(program.slots)] * len(rows)
    tokens = RowTokens(program, per_row, fixed, cut, rows.first)
    return tokens if budget is None else _shorten(tokens, budget)


def _columns(program: TokenProgram, slots: list[FieldSlot], rows: Rows) -> list[list[list[int]]]:
    """Ids of each field slot for every row, all slots in one call of the tokenizer (the start of an input apart)."""
    texts: list[list[str]] = []
    for slot in slots:
        found = column_texts(rows, slot.piece)
        texts.append([f" {t}" if t else "" for t in found] if slot.leading_space else found)
    start = [i for i, s in enumerate(slots) if s.at_start]
    rest = [i for i, s in enumerate(slots) if not s.at_start]
    columns: list[list[list[int]]] = [[] for _ in slots]
    for chosen, at_start in ((start, True), (rest, False)):
        ids = program.text.encode([t for i in chosen for t in texts[i]], at_start=at_start) if chosen else []
        for number, index in enumerate(chosen):
            columns[index] = ids[number * len(rows) : (number + 1) * len(rows)]
    return columns


def _reserved(program: TokenProgram, at_masks: int | None, max_length: int) -> int:
    """Positions that no row may take: specials, soft vectors, prefix, masks and the fixed text that is never cut."""
    masks = default_layout(program).length if at_masks is None else at_masks
    fixed = sum(len(s.ids) for s in program.slots if isinstance(s, FixedSlot) and not s.truncate)
    soft = sum(len(s.vectors) for s in program.slots if isinstance(s, SoftSlot))
    needed = len(program.before) + len(program.after) + program.prefix + masks + fixed + soft
    if needed > max_length:
        fail(
            "PD504",
            f"the template alone takes {needed} positions and max_length is {max_length}",
            source=program.template.source,
            help="shorten the fixed text, the soft tokens or the prefix, or raise max_length",
        )
    return needed


def _shorten(tokens: RowTokens, budget: int) -> RowTokens:
    """Cut the shortenable pieces of every row that is over the budget."""
    program = tokens.program
    can_cut = {
        i: s.truncate
        for i, s in enumerate(program.slots)
        if isinstance(s, FieldSlot) or (isinstance(s, FixedSlot) and s.truncate)
    }
    places = list(can_cut)
    field_of = {p: n for n, p in enumerate(i for i, s in enumerate(program.slots) if isinstance(s, FieldSlot))}
    for row, fields in enumerate(tokens.fields):
        ids = {p: fields[field_of[p]] if p in field_of else tokens.fixed[p] for p in places}
        if sum(map(len, ids.values())) <= budget:
            continue
        loose = [p for p in places if can_cut[p]]
        left = budget - sum(len(ids[p]) for p in places if not can_cut[p])
        if left < 0:
            fail_row(
                "PD608",
                f"its columns that may not be cut are {-left} tokens too long",
                tokens.first + row,
                help='write "shortenable":true in a tag, or raise max_length',
            )
        cut = [0] * len(program.slots)
        for place, kept in zip(loose, water_fill([len(ids[p]) for p in loose], left), strict=True):
            cut[place] = len(ids[place]) - kept
            if cut[place] and place in field_of:
                fields[field_of[place]] = CUTS[can_cut[place]](ids[place], kept)
        tokens.cut[row] = tuple(cut)
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
    fills = list(layout.fills)
    causal = program.family == "causal"
    for number, slot in enumerate(program.slots):
        if number == program.segment_from:
            second = len(ids)
        vectors: Sequence[int] = ()
        if isinstance(slot, FieldSlot):
            piece = next(fields)
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
    ids_array, slots_array, reads_array, soft_array, types_array = (
        np.array(a, np.int64) for a in (ids, slots + outside, reads, soft + outside, types)
    )
    return Encoding(ids_array, slots_array, reads_array, soft_array, types_array, tokens.cut[row], program)


def encode(program: TokenProgram, rows: object, *, max_length: int | None = None) -> list[Encoding]:
    """Encode rows as the model reads them, with one position at each plain mask.

    Args:
        program: a bound template.
        rows: texts, pairs, mappings, a DataFrame or a Dataset (`as_rows`).
        max_length: the most positions; None keeps everything.
    """
    return lay_out(tokenize(program, as_rows(rows), max_length=max_length), default_layout(program))
