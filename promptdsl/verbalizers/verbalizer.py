"""Label words → the tokens that are read at the masks, and the scores of those tokens → class scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from promptdsl.errors import Diagnostic, Span, raise_all
from promptdsl.language.nodes import Tag, Word
from promptdsl.language.verbalizer import Verbalizer
from promptdsl.verbalizers.multi_token import Fill, Reading, plan_causal, plan_masked

__all__ = ["BoundVerbalizer", "BoundWord", "bind_words"]


@dataclass(frozen=True, slots=True)
class BoundWord:
    """A label word as tokens: `parts[j]` are its ids at the j-th mask tag; `label` numbers its class."""

    text: str
    label: int
    parts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class BoundVerbalizer:
    """A verbalizer bound to a tokenizer and a template's masks.

    Attributes:
        verbalizer: the value that it was bound from.
        labels: the classes, in the verbalizer's order.
        words: every label word with its class and tokens.
        fills: one entry for each forward pass: the ids that stand at the masks in it.
        readings: for each term of each word: the pass, the read in it, the token and the weight.
        normalised: whether full log-probabilities are needed. They are not where every word is read in one pass at
            the same places: then the vocabulary's normaliser is the same for all and cancels between the classes.
    """

    verbalizer: Verbalizer
    labels: tuple[str, ...]
    words: tuple[BoundWord, ...]
    fills: tuple[Fill, ...]
    readings: tuple[Reading, ...] = field(repr=False)
    normalised: bool

    @property
    def token_ids(self) -> tuple[int, ...]:
        """The rows of the LM head that the label words need, sorted."""
        return tuple(sorted({r.token for r in self.readings}))

    def word_scores(self, read: Tensor) -> Tensor:
        """Scores of the words from the scores of their tokens.

        Args:
            read: (batch, readings) logits or log-probabilities, in the order of `readings`.

        Returns:
            (batch, words): Σ weight · score over a word's tokens.
        """
        weights = torch.tensor([r.weight for r in self.readings], dtype=read.dtype, device=read.device)
        index = torch.tensor([r.word for r in self.readings], device=read.device)
        scores = torch.zeros(read.shape[0], len(self.words), dtype=read.dtype, device=read.device)
        return scores.index_add(1, index, read * weights)

    def class_logits(self, word_scores: Tensor) -> Tensor:
        """(batch, words) → (batch, classes): mean over the class (PET: Schick & Schütze 2021, section 3.1)."""
        index = torch.tensor([w.label for w in self.words], device=word_scores.device)
        shape = (word_scores.shape[0], len(self.labels))
        sums = torch.zeros(shape, dtype=word_scores.dtype, device=word_scores.device).index_add(1, index, word_scores)
        return sums / torch.bincount(index, minlength=len(self.labels)).to(word_scores.dtype)

    def __str__(self) -> str:
        lines = [f"{len(self.words)} label words, {len(self.fills)} forward pass{'es' if len(self.fills) > 1 else ''}"]
        for number, label in enumerate(self.labels):
            shown = ", ".join(f"{w.text} {list(w.parts)}" for w in self.words if w.label == number)
            lines.append(f"  {label}: {shown}")
        return "\n".join(lines)


def bind_words(
    verbalizer: Verbalizer,
    counts: Sequence[int | None],
    word_ids: Callable[[str, int], list[int]],
    *,
    mask_id: int | None,
    unk_id: int | None,
) -> BoundVerbalizer:
    """Tokenise the label words and plan the forward passes that score them.

    Args:
        verbalizer: labels and words.
        counts: for each mask tag of the template, its number of positions, or None for a plain mask.
        word_ids: ids of a word's text at the j-th mask.
        mask_id: the mask token of a masked LM; None for a causal LM.
        unk_id: the id that stands for what the tokenizer cannot write.

    Raises:
        VerbalizerError: PD45x, one diagnostic for each word that cannot be scored.
    """
    found: list[Diagnostic] = []
    words: list[BoundWord] = []
    for number, labelled in enumerate(verbalizer.classes):
        for item in labelled.items:
            assert isinstance(item, Word), "tags in verbalizers are bound by their own entries"
            problem = _parts(item, counts, word_ids, unk_id)
            if isinstance(problem, Diagnostic):
                found.append(_placed(problem, item, verbalizer))
            else:
                words.append(BoundWord(item.text, number, problem))
    raise_all(found)
    plan = plan_causal if mask_id is None else plan_masked
    fills, readings = plan([w.parts for w in words], counts, mask_id)
    where: list[list[tuple[int, int, float]]] = [[] for _ in words]  # in the order of reading, the same for all
    for r in readings:
        where[r.word].append((r.fill, r.read, r.weight))
    normalised = len(fills) > 1 or any(w != where[0] for w in where)
    return BoundVerbalizer(verbalizer, verbalizer.labels, tuple(words), fills, readings, normalised)


def _parts(
    word: Word, counts: Sequence[int | None], word_ids: Callable[[str, int], list[int]], unk_id: int | None
) -> tuple[tuple[int, ...], ...] | Diagnostic:
    texts = [word.text] if len(counts) == 1 else word.text.split(" + ")
    if len(texts) != len(counts):
        return Diagnostic(
            "PD451",
            f'"{word.text}" has {len(texts)} part{"s" if len(texts) > 1 else ""} and the template {len(counts)} masks',
            help="give one part for each mask, joined by ` + `: " + " + ".join(["word"] * min(len(counts), 5)),
        )
    parts: list[tuple[int, ...]] = []
    for number, (text, count) in enumerate(zip(texts, counts, strict=True)):
        ids = tuple(word_ids(text.strip() if len(counts) > 1 else text, number))
        if not ids or (unk_id is not None and unk_id in ids):
            return Diagnostic("PD452", f'the tokenizer cannot write "{text}"', help="choose another label word")
        if count is not None and len(ids) != count:
            return Diagnostic(
                "PD453",
                f'"{text}" has {len(ids)} token{"s" if len(ids) > 1 else ""} and its mask has {count}',
                help=f'write <"mask":{len(ids)}>, or a plain <"mask">, which takes words of any length',
            )
        parts.append(ids)
    return tuple(parts)


def _placed(problem: Diagnostic, item: Word | Tag, verbalizer: Verbalizer) -> Diagnostic:
    span = item.span if item.span != Span(0, 0) and verbalizer.source is not None else None
    return Diagnostic(
        problem.code, problem.message, span=span, source=verbalizer.source, origin="verbalizer", help=problem.help
    )
