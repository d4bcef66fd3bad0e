"""Label words that rows bring along: each row's own tokens, forward passes and places to read (multiple choice)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from promptdsl.encoding.compiler import TokenProgram
from promptdsl.encoding.encoder import Layout, RowTokens, lay_out
from promptdsl.encoding.rows import Rows, column_texts
from promptdsl.encoding.slots import FieldSlot
from promptdsl.errors import Diagnostic, fail_row
from promptdsl.language.nodes import Tag
from promptdsl.models.batching import Passes, Terms
from promptdsl.models.vocabulary import word_ids
from promptdsl.verbalizers.multi_token import Parts, Plan, plan
from promptdsl.verbalizers.priors import calibration_of
from promptdsl.verbalizers.verbalizer import BoundVerbalizer, tokens_mode, word_parts

__all__ = ["RowWords", "against_domain", "possible", "row_passes", "row_words"]


@dataclass(frozen=True, slots=True)
class RowWords:
    """The label words of one row.

    Attributes:
        parts: for each scored column (the written words, then the row's own) its ids at each mask tag; None for a
            word that the row does not have.
        plan: how the words that there are get scored, numbered as in `present`.
    """

    parts: tuple[Parts | None, ...]
    plan: Plan

    @property
    def present(self) -> tuple[int, ...]:
        """The columns that the row has a word for."""
        return tuple(column for column, parts in enumerate(self.parts) if parts is not None)

    @property
    def room(self) -> int:
        """The most tokens that stand at the masks in one forward pass."""
        return max(sum(map(len, fill)) for fill in self.plan.fills)


def row_words(bound: BoundVerbalizer, program: TokenProgram, rows: Rows) -> list[RowWords]:
    """The label words of each row, and the passes that score them.

    Raises:
        RowError: PD60x for a column that cannot be read, PD610 for a word that has no tokens at the masks, PD611 for a
            row that leaves every class without a score.
    """
    written: list[Parts | None] = [w.parts for w in bound.words]
    counts = [m.count for m in program.masks]
    mask_id = program.text.mask_id if program.family == "masked" else None
    mode = tokens_mode(bound.verbalizer)
    found = []
    for number, own in enumerate(_choices(bound, program, rows), rows.first):
        parts = (*written, *own)
        if not any(possible(bound, parts)):
            columns = ", ".join(dict.fromkeys(f'"{tag.value}"' for _, tag in bound.from_rows))
            message = f"no class has all the label words that it needs: {columns} are empty"
            fail_row("PD611", message, number, help="fill one of them in, or leave the row out")
        found.append(RowWords(parts, plan([p for p in parts if p is not None], counts, mask_id, mode)))
    return found


def possible(bound: BoundVerbalizer, parts: Sequence[Parts | None]) -> list[bool]:
    """Which classes have a score in a row with these words: with `max` and `sum` one is enough, else it takes all."""
    pooling = next((step.value for step in bound.verbalizer.steps if step.kind == "pool"), "mean")
    enough = any if pooling in ("max", "sum") else all
    there: list[list[bool]] = [[] for _ in bound.labels]
    for label, part in zip(bound.owners, parts, strict=True):
        there[label].append(part is not None)
    return [enough(words) for words in there]


def _choices(bound: BoundVerbalizer, program: TokenProgram, rows: Rows) -> list[tuple[Parts | None, ...]]:
    """For each row the ids of each word that is its own; None where its column may be empty, and is."""
    known: dict[str, Parts | Diagnostic] = {}
    columns = [_column(program, tag, rows, known) for _, tag in bound.from_rows]
    return list(zip(*columns, strict=True))


def _column(program: TokenProgram, tag: Tag, rows: Rows, known: dict[str, Parts | Diagnostic]) -> list[Parts | None]:
    counts = [m.count for m in program.masks]
    found: list[Parts | None] = []
    for number, text in enumerate(column_texts(rows, tag), rows.first):
        if not text.strip() and tag["missing"] == "empty":
            found.append(None)
            continue
        if text not in known:
            known[text] = word_parts(text, counts, partial(word_ids, program), program.text.unk_id)
        parts = known[text]
        if isinstance(parts, Diagnostic):
            advice = parts.help if text.strip() else 'fill it in, or write "missing":"empty" in the tag'
            fail_row("PD610", parts.message, number, column=str(tag.value), help=advice)
        found.append(parts)
    return found


def against_domain(bound: BoundVerbalizer) -> bool:
    """Whether words of rows are scored against the same row without its text (`"calibrate":"pmi"`)."""
    if not bound.from_rows:
        return False
    calibration = calibration_of(bound.verbalizer)
    return calibration is not None and calibration.inputs == "domain"


def row_passes(bound: BoundVerbalizer, tokens: RowTokens, words: Sequence[RowWords]) -> list[Passes]:
    """The encodings of each row and how its words are read in them.

    With `pmi` the passes come twice, the second time with nothing in the template's placeholders: score(word | row) −
    score(word | domain), the domain being what is left of the row (Holtzman et al. 2021, section 3: domain-conditional
    PMI). A `meta` field stays: it belongs to the question, not to the text.

    Args:
        bound: the verbalizer.
        tokens: the rows, cut so that their words have room.
        words: the label words of each row.
    """
    versions = [(tokens, 1)]
    if against_domain(bound):
        versions.append((_without_text(tokens), -1))
    found = []
    for row, own in enumerate(words):
        layouts = [Layout(fill) for fill in own.plan.fills]
        encodings = [lay_out(version, layout, [row])[0] for version, _ in versions for layout in layouts]
        found.append(Passes(tuple(encodings), _terms(own, len(bound.owners), [sign for _, sign in versions])))
    return found


def _without_text(tokens: RowTokens) -> RowTokens:
    """The same rows with empty placeholders."""
    program = tokens.program
    fields = []
    for row, demos in zip(tokens.fields, tokens.demos, strict=True):
        slots = [s for s in program.standing(bool(demos)) if isinstance(s, FieldSlot)]
        fields.append([() if s.piece.kind == "placeholder" else ids for s, ids in zip(slots, row, strict=True)])
    return RowTokens(program, fields, tokens.demos, tokens.cut, tokens.first)


def _terms(own: RowWords, columns: int, signs: Sequence[int]) -> Terms:
    """How the words of one row are read, once for each sign: its passes stand one after the other."""
    present, passes = own.present, len(own.plan.fills)
    groups: dict[tuple[int, int, int], int] = {}  # (version, column, part) → number
    tokens, weights = [], []
    for version in range(len(signs)):
        for r in own.plan.readings:
            group = groups.setdefault((version, present[r.word], r.part), len(groups))
            tokens.append((version * passes + r.fill, r.read, r.token, group))
            weights.append(r.weight)
    owners = [(column, signs[version]) for version, column, _ in groups]
    return Terms(np.array(tokens, np.int64), np.array(weights, np.float32), np.array(owners, np.int64), columns)
