"""Everything between a template string and what the language model reads, stage by stage, for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptdsl.encoding.compiler import TokenProgram, bind
from promptdsl.encoding.encoder import Encoding, default_layout, lay_out, tokenize
from promptdsl.encoding.rows import Rows, as_rows
from promptdsl.errors import fail
from promptdsl.language.template import Template
from promptdsl.language.verbalizer import Verbalizer
from promptdsl.models.inputs import length_limit
from promptdsl.models.loading import LanguageModel, as_language_model
from promptdsl.models.resolving import bind_verbalizer
from promptdsl.models.row_words import row_words
from promptdsl.models.show_text import encoding_text, piece_names, program_text, unread, words_text
from promptdsl.models.top_words import top_words
from promptdsl.verbalizers.verbalizer import BoundVerbalizer

__all__ = ["Shown", "show"]

TOP = 5  # words that are shown at each mask


@dataclass(frozen=True, slots=True)
class Shown:
    """The stages of a template: `str()` prints them, the fields hold them.

    Attributes:
        template: the parsed template.
        model: what the model or tokenizer is called; "" where none was given.
        program: the template bound to the tokenizer; None where none was given.
        encodings: one for each row.
        max_length: the most positions of an input; None where nothing limits it.
        verbalizer: the label words as tokens; None without verbalizer or tokenizer.
        top_words: for each row and mask position the likeliest (token, probability) pairs; empty where no weights
            were given, or where the template has soft tokens, which nothing has trained.
    """

    template: Template
    model: str = ""
    program: TokenProgram | None = field(default=None, repr=False)
    encodings: tuple[Encoding, ...] = ()
    max_length: int | None = None
    verbalizer: BoundVerbalizer | None = None
    top_words: tuple[tuple[tuple[tuple[str, float], ...], ...], ...] = ()

    def __str__(self) -> str:
        parts = [self.template.tree()]
        if self.program is not None:
            parts.append(program_text(self.program, self.model))
        if self.program is not None and self.verbalizer is not None:
            parts.append(words_text(self.verbalizer, self.program))
        for row, encoding in enumerate(self.encodings):
            best = self.top_words[row] if self.top_words else ()
            parts.append(encoding_text(encoding, row, self.max_length, best))
        return "\n\n".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain lists and mappings, ready for JSON."""
        data: dict[str, Any] = {"template": str(self.template), "tree": self.template.tree()}
        program = self.program
        if program is None:
            return data
        names = piece_names(program)
        data |= {"model": self.model, "family": program.family, "pieces": names, "max_length": self.max_length}
        data |= {"prefix": program.prefix, "soft": program.soft, "unread": unread(program)}
        if self.verbalizer is not None:
            words: list[dict[str, Any]] = [
                {"text": w.text, "label": self.verbalizer.labels[w.label], "ids": w.parts}
                for w in self.verbalizer.words
            ]
            words += [
                {"text": str(tag), "label": self.verbalizer.labels[n], "column": tag.value}
                for n, tag in self.verbalizer.from_rows
            ]
            data["label_words"] = words
        data["rows"] = [_row_data(e) for e in self.encodings]
        for row, best in zip(data["rows"], self.top_words, strict=False):
            row["top_words"] = best
        return data


def _row_data(encoding: Encoding) -> dict[str, Any]:
    return {
        "ids": encoding.input_ids.tolist(),
        "tokens": encoding.tokens(),
        "pieces": [None if n < 0 else n for n in encoding.slots.tolist()],
        "token_type_ids": encoding.token_type_ids.tolist(),
        "reads": encoding.reads.tolist(),
        "cut": encoding.cut,
        "demos": [{"row": d.row, "label": d.label} for d in encoding.demos],
    } | ({"decoder": encoding.target_tokens()} if encoding.target_tokens() else {})


def show(
    template: Template | str,
    rows: Any = None,
    model: Any = None,
    *,
    verbalizer: Verbalizer | str | Mapping[str, Any] | None = None,
    max_length: int | None = None,
    family: str | None = None,
) -> Shown:
    """Every stage of a template: tree, program, and for each row its tokens, what was cut and what is read.

    Soft tokens and prefixes are shown as the places that they take; nothing has to be trained.

    Args:
        template: a Template or its text.
        rows: texts, pairs, mappings, a DataFrame or a Dataset; none by default.
        model: a name, a folder, a LanguageModel, a pair (model, tokenizer), or a tokenizer alone. Without it only
            the tree is shown.
        verbalizer: label words, to see their tokens.
        max_length: the most positions of an input; by default what the model takes.
        family: "masked", "causal" or "seq2seq", for a tokenizer alone; by default as `bind` has it.

    Raises:
        PromptDSLError: PD1–PD4 for the strings, PD5 for what does not go with the model, PD6 for the rows; PD519
            where rows or a verbalizer are given and no model.
    """
    parsed = Template(template)
    words = None if verbalizer is None else Verbalizer(verbalizer)
    if model is None:
        if rows is not None or words is not None:
            fail("PD519", "rows and label words become tokens only with a model", origin="model",
                 help='give one: model="pocket-mlm"')  # fmt: skip
        return Shown(parsed)
    lm = None if _is_tokenizer(model) else as_language_model(model)
    program = bind(parsed, model, family=family) if lm is None else bind(parsed, lm.text, family=lm.family)
    limit = length_limit(max_length, program.text.length_limit if lm is None else lm.max_positions)
    bound = None if words is None else _bound(words, program)
    data = as_rows([] if rows is None else rows)
    free = None if bound is None else _room(bound, program, data)
    tokens = tokenize(program, data, max_length=limit, at_masks=free)
    encodings = tuple(lay_out(tokens, default_layout(program)))
    best = () if lm is None or not encodings else _top(lm, program, data, limit)
    name = type(model).__name__ if lm is None else lm.name
    return Shown(parsed, name, program, encodings, limit, bound, best)


def _room(bound: BoundVerbalizer, program: TokenProgram, rows: Rows) -> int | list[int]:
    """Tokens at the masks, of all rows or, where they have label words of their own, of each."""
    if bound.from_rows:
        return [words.room for words in row_words(bound, program, rows)]
    return max(sum(map(len, fill)) for fill in bound.fills)


def _is_tokenizer(model: Any) -> bool:
    return not isinstance(model, (str, Path, LanguageModel, tuple, list)) and hasattr(model, "backend_tokenizer")


def _bound(words: Verbalizer, program: TokenProgram) -> BoundVerbalizer:
    if not program.masks:
        fail("PD355", "label words stand at a mask, and this template has none", source=program.template.source,
             help='add <"mask"> where the answer stands')  # fmt: skip
    return bind_verbalizer(words, program)


def _top(
    lm: LanguageModel, program: TokenProgram, rows: Any, limit: int | None
) -> tuple[tuple[tuple[tuple[str, float], ...], ...], ...]:
    """The likeliest words, where the model can read the template as it is."""
    if program.prefix or program.soft or not program.masks:
        return ()
    from promptdsl.models.backbone import Backbone
    from promptdsl.models.prompt import Prompt

    found = top_words(Prompt(program, Backbone(lm)), program, rows, TOP, max_length=limit)
    return tuple(tuple(map(tuple, row)) for row in found)
