"""The stages of a template as text: program, label words, and a row's tokens beside the pieces they came from."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from promptdsl.encoding.compiler import DemosSlot, FieldSlot, FixedSlot, MaskSlot, Slot, SoftSlot, TokenProgram
from promptdsl.encoding.encoder import Encoding
from promptdsl.errors import printable
from promptdsl.language.nodes import Tag, scalar
from promptdsl.verbalizers.verbalizer import BoundVerbalizer

__all__ = ["encoding_text", "piece_names", "positions", "program_text", "unread", "words_text"]

WIDTH = 110  # columns of a line
PIECE = 40  # columns of a piece's name


def piece_names(program: TokenProgram) -> list[str]:
    """Each slot's piece as it was written: tags as tags, fixed text in quotes with the blank that moved into it."""
    segments = [s for s in program.template.segments if not (isinstance(s.piece, Tag) and s.piece.kind == "prefix")]
    shown = []
    for segment in segments[: len(program.slots)]:
        text = scalar((" " if segment.leading_space else "") + segment.text)
        shown.append(str(segment.piece) if isinstance(segment.piece, Tag) else text)
    return [printable(s, PIECE) for s in shown]


def unread(program: TokenProgram) -> str:
    """The text after the last mask, which a causal LM never reads; "" where there is none."""
    segments = [s for s in program.template.segments if not (isinstance(s.piece, Tag) and s.piece.kind == "prefix")]
    return "".join((" " if s.leading_space else "") + s.text for s in segments[len(program.slots) :])


def positions(encoding: Encoding) -> list[list[int]]:
    """The positions that each slot of the program takes in an input."""
    found: list[list[int]] = [[] for _ in encoding.program.slots]
    for place, slot in enumerate(encoding.slots.tolist()):
        if slot >= 0:
            found[slot].append(place)
    return found


def program_text(program: TokenProgram, model: str) -> str:
    """What stands in an input before any row is known, one slot a line."""
    lines = [f"program for {printable(model, 80)} ({program.family})"]
    rows: list[tuple[str, str, str, str]] = []
    if program.prefix:
        rows.append(("", "prefix", "", f"{program.prefix} keys and values in every layer"))
    if program.before:
        rows.append(("", "added", "by the tokenizer", _tokens(program, program.before)))
    for number, (slot, name) in enumerate(zip(program.slots, piece_names(program), strict=True)):
        rows.append((str(number), _kind(slot), name, _contents(program, number)))
    if program.after:
        rows.append(("", "added", "by the tokenizer", _tokens(program, program.after)))
    widths = [max((len(r[i]) for r in rows), default=0) for i in range(3)]
    lines += ["  " + "  ".join([*(c.ljust(w) for c, w in zip(r, widths, strict=False)), r[3]]).rstrip() for r in rows]
    if program.segment_from is not None:
        lines.append(f"  segment 1 begins at slot {program.segment_from}")
    if unread(program):
        kept = "; the solved examples keep it" if program.demos else ""
        lines.append(f"  not read: {scalar(unread(program))} stands after the last mask{kept}")
    return "\n".join(lines)


def _kind(slot: Slot) -> str:
    names = {FieldSlot: "column", FixedSlot: "fixed", MaskSlot: "mask", SoftSlot: "soft", DemosSlot: "demos"}
    return names[type(slot)]


def _tokens(program: TokenProgram, ids: Sequence[int]) -> str:
    return printable(" ".join(f"{program.text.token(i)} ({i})" for i in ids), WIDTH)


def _contents(program: TokenProgram, number: int) -> str:
    slot = program.slots[number]
    if isinstance(slot, FixedSlot):
        return _tokens(program, slot.ids) + (f", cut at the {slot.truncate}" if slot.truncate else "")
    if isinstance(slot, FieldSlot):
        return f"a row's text, {f'cut at the {slot.truncate}' if slot.truncate else 'never cut'}"
    if isinstance(slot, SoftSlot):
        shown = " ".join(f"«{v}»" for v in slot.vectors)
        return printable(f"{len(slot.vectors)} trainable vector{'s' * (len(slot.vectors) > 1)}: {shown}", WIDTH)
    if isinstance(slot, DemosSlot):
        how = "evenly from the classes" if slot.piece["select"] == "class" else "the nearest rows"
        separator = _tokens(program, slot.separator)
        return f"{_examples(slot)} after fit, {how}, after each: {separator or '(nothing)'}"
    unit = "tokens" if program.family == "seq2seq" else "positions"
    count = f"as many {unit} as a label word has" if slot.count is None else f"{slot.count} {unit}"
    if program.family == "seq2seq":
        sentinel = program.text.sentinels[sum(isinstance(s, MaskSlot) for s in program.slots[:number])]
        count = f"{_tokens(program, [sentinel])}, behind which the decoder has {count}"
    return count + (", label words with a leading space" if slot.leading_space else "")


def _examples(slot: DemosSlot) -> str:
    return f"{slot.count} solved example{'s' * (slot.count > 1)}"


def words_text(bound: BoundVerbalizer, program: TokenProgram) -> str:
    """The label words as tokens, class by class, and what stands at the masks in each forward pass."""
    words, passes = len(bound.words), len(bound.fills)
    own = len(bound.from_rows)
    lines = [f"{words} label word{'s' * (words != 1)}, {passes} forward pass{'es' if passes > 1 else ''} a row"]
    if own:
        lines = [f"{f'{words} written, ' if words else ''}{own} label word{'s' * (own > 1)} from each row"]
    for number, label in enumerate(bound.labels):
        lines.append(f"  {printable(label, PIECE)}")
        lines += [f"    the row's {scalar(tag.value)}" for label, tag in bound.from_rows if label == number]
        for word in (w for w in bound.words if w.label == number):
            parts = " + ".join(_tokens(program, part) for part in word.parts)
            lines.append(f"    {printable(word.text, PIECE)}: {parts}")
    for number, fill in enumerate(bound.fills if passes > 1 else ()):
        held = " … ".join(" ".join(program.text.token(i) for i in ids) or "(nothing)" for ids in fill)
        lines.append(f"  pass {number} has at the masks: {printable(held, WIDTH)}")
    return "\n".join(lines)


def encoding_text(
    encoding: Encoding, row: int, max_length: int | None, best: Sequence[Sequence[tuple[str, float]]]
) -> str:
    """A row as the model reads it: positions, pieces, tokens, what was cut, what is read.

    Args:
        encoding: the row.
        row: its number, from 0.
        max_length: the limit that it was cut to.
        best: for each mask position the likeliest tokens, if known.
    """
    program = encoding.program
    length = len(encoding) + program.prefix
    limit = "" if max_length is None else f" of at most {max_length}"
    where = " in the encoder" if encoding.target_tokens() else ""
    lines = [
        f"row {row}: {length} positions{where}{limit}"
        + (f", {program.prefix} of them prefix" if program.prefix else "")
    ]
    before, after = len(program.before), len(encoding) - len(program.after)
    entries = [(list(range(before)), "by the tokenizer", "")] if before else []
    names, places = piece_names(program), positions(encoding)
    entries += [(places[n], names[n], _remark(encoding, n, places[n])) for n in range(len(program.slots))]
    entries += [(list(range(after, len(encoding))), "by the tokenizer", "")] if program.after else []
    tokens = encoding.tokens()
    width = max(len(name) for _, name, _ in entries)
    for held, name, remark in entries:
        where = "" if not held else str(held[0]) if len(held) == 1 else f"{held[0]}–{held[-1]}"
        shown = printable(" ".join(tokens[p] for p in held), 10**6)
        text = "   ".join(part for part in (shown, remark and f"({remark})") if part)
        head = f"  {where:7}  {name:{width}}  "
        indent = " " * len(head)
        wrapped = textwrap.wrap(text, max(WIDTH - len(head), 30), break_long_words=False, break_on_hyphens=False)
        lines.append((head + f"\n{indent}".join(wrapped)).rstrip())
    if encoding.target_tokens():
        lines.append(f"  decoder: {printable(' '.join(encoding.target_tokens()), WIDTH)}   (read at its end)")
    where = "the decoder's position" if encoding.target_tokens() else "position"
    for place, words in zip(encoding.reads.tolist(), best, strict=False):
        ranked = ", ".join(f"{printable(w, 30)} {p:.3f}" for w, p in words)
        lines.append(f"  the model's own words at {where} {place}: {ranked}")
    return "\n".join(lines)


def _remark(encoding: Encoding, number: int, held: list[int]) -> str:
    """What there is to say about a slot in this row: what was cut, where it is read, that it is empty."""
    slot, cut = encoding.program.slots[number], encoding.cut[number]
    if isinstance(slot, DemosSlot):
        named = ", ".join(f"row {d.row} ({printable(d.label, 30)})" for d in encoding.demos)
        left_out = f"{cut} left out for want of room" if cut else ""
        return "; ".join(filter(None, (named, left_out))) or f"{_examples(slot)} after fit"
    if isinstance(slot, MaskSlot) and encoding.program.family == "causal":
        if not any(isinstance(s, MaskSlot) for s in encoding.program.slots[:number]):
            before = encoding.reads[0]
            return f"read at position {before}: what comes next" if before >= 0 else "read after the prefix"
        return "stands after the first mask's word"
    if isinstance(slot, MaskSlot):
        return "read here" if encoding.program.family == "masked" else "read in the decoder"
    if cut:
        assert isinstance(slot, (FieldSlot, FixedSlot))
        return f"{cut} token{'s' if cut > 1 else ''} cut at the {slot.truncate}"
    causal = encoding.program.family == "causal"
    if causal and any(isinstance(s, MaskSlot) for s in encoding.program.slots[:number]):
        return "stands after the first mask's word"
    return "" if held else "empty"
