"""Solved examples (in-context learning): fitted rows as the template writes them, a label word at the mask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from promptdsl.encoding.compiler import TokenProgram
from promptdsl.encoding.fields import field_ids
from promptdsl.encoding.rows import Rows
from promptdsl.encoding.slots import DemosSlot, FieldSlot, FixedSlot, MaskSlot, PlainSlot, SoftSlot
from promptdsl.encoding.truncation import shorten
from promptdsl.errors import fail, printable

__all__ = ["Demonstration", "Parts", "demonstrations", "fair_share", "first_words", "joined", "require_demos"]

Parts = tuple[tuple[int, ...], ...]  # the ids of one label word at each mask tag
PLAIN = -1  # the number of the soft vector at a place that has none


@dataclass(frozen=True, slots=True)
class Demonstration:
    """One solved example as token ids, with the separator after it.

    Attributes:
        row: the number of the fitted row.
        label: its label.
        ids: (length,) as it stands after another example.
        first: (length,) as it stands where it is the first: at the start of an input, or after a blank.
        soft: (length of `ids`,) number of the soft vector at each place; -1 elsewhere.
        soft_first: the same for `first`.
        cut: tokens of its row that its share had no room for.
    """

    row: int
    label: str
    ids: tuple[int, ...] = field(repr=False)
    first: tuple[int, ...] = field(repr=False)
    soft: tuple[int, ...] = field(repr=False)
    soft_first: tuple[int, ...] = field(repr=False)
    cut: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    def __str__(self) -> str:
        cut = f", {self.cut} cut" if self.cut else ""
        return f"row {self.row} ({printable(self.label, 40)}), {len(self)} tokens{cut}"


def demonstrations(
    program: TokenProgram, rows: Rows, labels: Sequence[str], word_ids: Sequence[Parts], *, share: int | None = None
) -> list[Demonstration]:
    """Solved examples of rows, all rows in one batch through the tokenizer.

    Args:
        program: a bound template with a demos tag.
        rows: the fitted rows; their values follow the same rules as everywhere.
        labels: one label a row.
        word_ids: for each row the ids that stand at each mask tag: a label word of its class (`first_words`).
        share: the most positions of an example (`fair_share`): its shortenable fields are cut to fit, as a row's are.
            What may not be cut stays, even where it alone takes more.

    Returns:
        One demonstration a row.
    """
    demos = program.demos
    assert demos is not None, "the template has no demos tag"
    shapes = [demos.example]
    if demos.opening is not None and demos.opening != demos.example[0]:
        shapes.append((demos.opening, *demos.example[1:]))
    solved = [_solved(program, demos, shape, rows, word_ids, share) for shape in shapes]
    found = []
    for row, (label, later, first) in enumerate(zip(labels, solved[0], solved[-1], strict=True), rows.first):
        found.append(Demonstration(row, label, later[0], first[0], later[1], first[1], later[2]))
    return found


def _solved(
    program: TokenProgram,
    demos: DemosSlot,
    shape: Sequence[PlainSlot],
    rows: Rows,
    word_ids: Sequence[Parts],
    share: int | None,
) -> list[tuple[tuple[int, ...], tuple[int, ...], int]]:
    """For each row (ids, soft numbers, tokens cut) of an example with these slots."""
    columns = iter(field_ids(program.text, [s for s in shape if isinstance(s, FieldSlot)], rows))
    words = iter(range(len(program.masks)))
    by_slot: list[Sequence[Sequence[int]]] = []  # for each slot, each row's ids
    for slot in shape:
        if isinstance(slot, FieldSlot):
            by_slot.append(next(columns))
        elif isinstance(slot, MaskSlot):
            number = next(words)
            by_slot.append([parts[number] for parts in word_ids])
        else:
            fixed = slot.ids if isinstance(slot, FixedSlot) else (program.text.pad_id,) * len(slot.vectors)
            by_slot.append([fixed] * len(rows))
    cuts = [s.truncate if isinstance(s, (FieldSlot, FixedSlot)) else "" for s in shape]
    found = []
    for pieces in zip(*by_slot, strict=True):
        kept = pieces if share is None else _within(pieces, cuts, share - len(demos.separator))
        soft = [s.vectors if isinstance(s, SoftSlot) else (PLAIN,) * len(p) for s, p in zip(shape, kept, strict=True)]
        ids = tuple(i for piece in (*kept, demos.separator) for i in piece)
        numbers = tuple(v for piece in (*soft, (PLAIN,) * len(demos.separator)) for v in piece)
        found.append((ids, numbers, sum(map(len, pieces)) - sum(map(len, kept))))
    return found


def _within(pieces: Sequence[Sequence[int]], cuts: Sequence[str], share: int) -> Sequence[Sequence[int]]:
    """Pieces cut to a share; what may be cut goes altogether where the rest alone takes more."""
    return shorten(pieces, cuts, share) or [() if cut else p for p, cut in zip(pieces, cuts, strict=True)]


def joined(chosen: Sequence[Demonstration]) -> tuple[list[int], list[int]]:
    """(ids, soft numbers) of examples one after the other."""
    ids: list[int] = []
    soft: list[int] = []
    for number, demo in enumerate(chosen):
        ids += demo.ids if number else demo.first
        soft += demo.soft if number else demo.soft_first
    return ids, soft


def fair_share(program: TokenProgram, max_length: int | None) -> int | None:
    """Positions of each example where all of them and the row get the same; None where nothing limits the input."""
    if max_length is None or program.demos is None:
        return None
    outside = len(program.before) + len(program.after) + program.prefix
    return max(1, (max_length - outside) // (program.demos.count + 1))


def first_words(labels: Sequence[str], words: Iterable[tuple[int, Parts]]) -> list[Parts]:
    """The ids that solve an example of each class: those of its first label word.

    Args:
        labels: the classes.
        words: (class number, ids at each mask) of each label word that is written in tokens, in order.

    Raises:
        VerbalizerError: PD520 for a class without such a word.
    """
    found: dict[int, Parts] = {}
    for place, parts in words:
        found.setdefault(place, parts)
    for number, label in enumerate(labels):
        if number not in found:
            fail(
                "PD520",
                f'class "{printable(label, 40)}" has no label word that a solved example could show at its mask',
                help="give it a word in the verbalizer, or leave the demos tag out",
                origin="verbalizer",
            )
    return [found[number] for number in range(len(labels))]


def require_demos(program: TokenProgram, given: object | None) -> None:
    """Raise PD710 where the template asks for solved examples and there is nothing to take them from."""
    if program.demos is not None and given is None:
        span = program.demos.piece.span
        fail(
            "PD710",
            f"the template asks for {program.demos.count} solved examples, which come from fitted rows",
            span=span if span.end else None,
            source=program.template.source,
            help="call fit with labelled rows first, or leave the demos tag out",
        )
