"""The columns that a template names → token ids, all rows and all fields in one call of the tokenizer."""

from __future__ import annotations

from collections.abc import Sequence

from promptdsl.encoding.rows import Rows, column_texts
from promptdsl.encoding.slots import FieldSlot
from promptdsl.encoding.tokenizer import TextTokenizer

__all__ = ["field_ids"]


def field_ids(text: TextTokenizer, slots: Sequence[FieldSlot], rows: Rows) -> list[list[list[int]]]:
    """Ids of each slot for every row: result[slot][row]. The start of an input takes a call of its own.

    Raises:
        RowError: PD6 for a value that cannot be read.
    """
    texts: list[list[str]] = []
    for slot in slots:
        found = column_texts(rows, slot.piece)
        texts.append([f" {t}" if t else "" for t in found] if slot.leading_space else found)
    columns: list[list[list[int]]] = [[] for _ in slots]
    for at_start in (True, False):
        chosen = [i for i, s in enumerate(slots) if s.at_start is at_start]
        ids = text.encode([t for i in chosen for t in texts[i]], at_start=at_start) if chosen else []
        for number, index in enumerate(chosen):
            columns[index] = ids[number * len(rows) : (number + 1) * len(rows)]
    return columns
