"""Labelled rows whose label words are their own: the choice that a row is labelled with is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from promptdsl.encoding.demos import first_words
from promptdsl.encoding.rows import as_rows
from promptdsl.errors import fail_row, printable
from promptdsl.models.prompt_model import PromptModel
from promptdsl.models.row_words import possible, row_words
from promptdsl.verbalizers.multi_token import Parts

__all__ = ["require_choices", "solutions"]


def require_choices(model: PromptModel, rows: Any, labels: Tensor | None) -> None:
    """Raise RowError PD611 for a row that lacks the choice it is labelled with: nothing could make that likely.

    Args:
        model: where its label words do not come from rows, there is nothing to check.
        rows: the labelled rows.
        labels: (rows,) class numbers, (rows, classes) of 0 and 1 for multi-label models, or None.
    """
    bound = model.verbalizer
    if not bound.from_rows or labels is None:
        return
    data = as_rows(rows)
    for number, (own, label) in enumerate(zip(row_words(bound, model.program, data), labels, strict=True), data.first):
        there = possible(bound, own.parts)
        wanted = [int(label)] if labels.ndim == 1 else label.nonzero()[:, 0].tolist()
        missing = next((c for c in wanted if not there[c]), None)
        if missing is not None:
            column = next((str(tag.value) for c, tag in bound.from_rows if c == missing), "")
            message = f'the row is labelled "{printable(model.labels[missing], 40)}" and has no such choice'
            fail_row("PD611", message, number, column=column, help="correct the label, or leave the row out")


def solutions(model: PromptModel, rows: Any, numbers: Sequence[int]) -> list[Parts]:
    """For each row the ids of the label word that solves it as an example: its class's first written, else its own.

    Args:
        model: a model whose template has a demos tag.
        rows: the rows.
        numbers: (rows,) their class numbers.

    Raises:
        VerbalizerError: PD520 for a class without a word.
    """
    bound = model.verbalizer
    if not bound.from_rows:
        words = first_words(model.labels, [(w.label, w.parts) for w in bound.words])
        return [words[n] for n in numbers]
    found = []
    for own, number in zip(row_words(bound, model.program, as_rows(rows)), numbers, strict=True):
        there = [(label, p) for label, p in zip(bound.owners, own.parts, strict=True) if p is not None]
        found.append(next(p for label, p in there if label == number))
    return found
