"""Label words → the tokens that are read at the masks, and what those tokens say → scores of the words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from promptdsl.errors import Diagnostic, Span, raise_all
from promptdsl.language.nodes import Tag, Word
from promptdsl.language.verbalizer import Verbalizer
from promptdsl.verbalizers.multi_token import Fill, Parts, Reading, plan

__all__ = ["Abstract", "BoundVerbalizer", "BoundWord", "WordIds", "bind_words"]

WordIds = Callable[[str, int], list[int]]  # the ids of a text at the j-th mask


@dataclass(frozen=True, slots=True)
class BoundWord:
    """A label word as tokens: `parts[j]` are its ids at the j-th mask tag; `label` numbers its class."""

    text: str
    label: int
    parts: Parts


@dataclass(frozen=True, slots=True)
class Abstract:
    """Label words that no vocabulary has: `tags[c]` says how class c is described by mask states."""

    kind: str
    tags: tuple[Tag, ...]


@dataclass(frozen=True, slots=True)
class BoundVerbalizer:
    """A verbalizer bound to a tokenizer and a template's masks.

    Attributes:
        verbalizer: the value that it was bound from.
        labels: the classes, in the verbalizer's order.
        words: every label word of the vocabulary with its class and tokens.
        soft: label words with a trainable row of the LM head; their parts are the tokens that the rows start from.
        abstract: descriptions of classes by mask states.
        fills: one entry for each forward pass: the ids that stand at the masks in it.
        readings: for each term of each word: the pass, the read in it, the token and the weight.
        reduce: "sum" or "max" of a word's terms.
        state_fill: the pass whose reads are the mask states that `soft` and `abstract` look at; None without those.
        normalised: whether full log-probabilities are needed. They are not where every word is read in one pass at
            the same places: then the vocabulary's normaliser is the same for all and cancels between the classes.
        unwritable: words of an expansion that the tokenizer cannot write, as (label, word); they are left out.
        unresolved: kinds of items that become words only with labelled rows ("auto").
    """

    verbalizer: Verbalizer
    labels: tuple[str, ...]
    words: tuple[BoundWord, ...]
    soft: tuple[BoundWord, ...]
    abstract: tuple[Abstract, ...]
    fills: tuple[Fill, ...]
    readings: tuple[Reading, ...] = field(repr=False)
    reduce: str
    state_fill: int | None
    normalised: bool
    unwritable: tuple[tuple[str, str], ...] = ()
    unresolved: tuple[str, ...] = ()

    @property
    def token_ids(self) -> tuple[int, ...]:
        """The rows of the LM head that the label words need, sorted."""
        return tuple(sorted({r.token for r in self.readings}))

    @property
    def owners(self) -> tuple[int, ...]:
        """The class of each scored word: those of the vocabulary, then the soft ones."""
        return tuple(w.label for w in (*self.words, *self.soft))

    def word_scores(self, read: Tensor) -> Tensor:
        """Scores of the words from the scores of their tokens.

        Args:
            read: (batch, readings) logits or log-probabilities, in the order of `readings`.

        Returns:
            (batch, words): Σ weight · score over a word's tokens, or the largest of them.
        """
        weights = torch.tensor([r.weight for r in self.readings], dtype=read.dtype, device=read.device)
        index = torch.tensor([r.word for r in self.readings], dtype=torch.long, device=read.device)
        scores = torch.zeros(read.shape[0], len(self.words), dtype=read.dtype, device=read.device)
        if self.reduce == "sum":
            return scores.index_add(1, index, read * weights)
        return scores.scatter_reduce(1, index.expand_as(read), read * weights, "amax", include_self=False)

    def __str__(self) -> str:
        lines = [f"{len(self.words)} label words, {len(self.fills)} forward pass{'es' if len(self.fills) > 1 else ''}"]
        for number, label in enumerate(self.labels):
            shown = [f"{w.text} {list(w.parts)}" for w in self.words if w.label == number]
            shown += [f"soft {w.text} {list(w.parts)}" for w in self.soft if w.label == number]
            lines.append(f"  {label}: {', '.join([*shown, *(str(a.tags[number]) for a in self.abstract)])}")
        return "\n".join(lines)


def bind_words(
    verbalizer: Verbalizer,
    counts: Sequence[int | None],
    word_ids: WordIds,
    *,
    mask_id: int | None,
    unk_id: int | None,
) -> BoundVerbalizer:
    """Tokenise the label words and plan the forward passes that score them.

    Args:
        verbalizer: labels and words; what knowledge expands is expanded already.
        counts: for each mask tag of the template, its number of positions, or None for a plain mask.
        word_ids: ids of a word's text at the j-th mask.
        mask_id: the mask token of a masked LM; None for a causal LM.
        unk_id: the id that stands for what the tokenizer cannot write.

    Raises:
        VerbalizerError: PD45x, one diagnostic for each word that cannot be scored.
    """
    binder = _Binder(verbalizer, counts, word_ids, unk_id)
    for number, labelled in enumerate(verbalizer.classes):
        for item in labelled.items:
            if isinstance(item, Word):
                binder.word(item, number)
            else:
                _BINDERS[item.kind](binder, item, number)
    raise_all(binder.found)
    mode = str(next((s.value for s in verbalizer.steps if s.kind == "tokens"), "joint"))
    planned = plan([w.parts for w in binder.words], counts, mask_id, mode)
    fills, state_fill = planned.fills, None
    if binder.soft or binder.abstract or binder.unresolved or not fills:
        at_rest: Fill = ((),) if mask_id is None else tuple((mask_id,) * (n or 1) for n in counts)
        fills = fills if at_rest in fills else (*fills, at_rest)
        state_fill = fills.index(at_rest)
    return BoundVerbalizer(
        verbalizer=verbalizer,
        labels=verbalizer.labels,
        words=tuple(binder.words),
        soft=tuple(binder.soft),
        abstract=tuple(Abstract(kind, tuple(tags)) for kind, tags in binder.abstract.items()),
        fills=fills,
        readings=planned.readings,
        reduce=planned.reduce,
        state_fill=state_fill,
        normalised=_normalised(planned.readings, len(binder.words), state_fill if binder.soft else None, planned.reduce),
        unwritable=tuple(binder.unwritable),
        unresolved=tuple(dict.fromkeys(binder.unresolved)),
    )


def _normalised(readings: Sequence[Reading], words: int, soft_fill: int | None, reduce: str) -> bool:
    """Whether some words are read elsewhere, or oftener, than others."""
    where: list[list[tuple[int, int, float]]] = [[] for _ in range(words)]  # in the order of reading
    for r in readings:
        where[r.word].append((r.fill, r.read, r.weight))
    first = [(soft_fill, 0, 1.0)] if soft_fill is not None else where[0] if where else []
    if reduce == "max":  # the largest of several terms at one place shifts with the normaliser as each term does
        return any(place != first[0] for w in where for place in w)
    return any(w != first for w in where)


class _Binder:
    """Collects what the items of a verbalizer become, one method for each kind of item."""

    def __init__(
        self, verbalizer: Verbalizer, counts: Sequence[int | None], word_ids: WordIds, unk_id: int | None
    ) -> None:
        self.verbalizer, self.counts, self.word_ids, self.unk_id = verbalizer, counts, word_ids, unk_id
        self.made = {(t.label, t.word) for t in verbalizer.traces if t.origin != "written"}
        self.found: list[Diagnostic] = []
        self.words: list[BoundWord] = []
        self.soft: list[BoundWord] = []
        self.abstract: dict[str, list[Tag]] = {}
        self.unwritable: list[tuple[str, str]] = []
        self.unresolved: list[str] = []

    def word(self, item: Word, number: int) -> None:
        parts = self.parts(item.text)
        label = self.verbalizer.classes[number].label
        if not isinstance(parts, Diagnostic):
            self.words.append(BoundWord(item.text, number, parts))
        elif (label, item.text) in self.made:
            self.unwritable.append((label, item.text))
        else:
            self.refuse(parts, item.span)

    def soft_word(self, tag: Tag, number: int) -> None:
        text = str(tag.value)
        parts = self.parts(text)
        if list(self.counts) not in ([None], [1]):
            message = "a soft label word is read at one mask, and this template has several positions"
            self.refuse(Diagnostic("PD457", message, help="use words, or a template with one plain mask"), tag.span)
        elif isinstance(parts, Diagnostic):
            self.refuse(parts, tag.span)
        else:
            self.soft.append(BoundWord(text, number, parts))

    def abstraction(self, tag: Tag, _: int) -> None:
        self.abstract.setdefault(tag.kind, []).append(tag)

    def later(self, tag: Tag, _: int) -> None:
        self.unresolved.append(tag.kind)

    def parts(self, text: str) -> Parts | Diagnostic:
        """The ids of a word at each mask, or why it has none."""
        counts = self.counts
        texts = [text] if len(counts) == 1 else text.split(" + ")
        if len(texts) != len(counts):
            return Diagnostic(
                "PD451",
                f'"{text}" has {len(texts)} part{"s" if len(texts) > 1 else ""} and the template {len(counts)} masks',
                help="give one part for each mask, joined by ` + `: " + " + ".join(["word"] * min(len(counts), 5)),
            )
        parts: list[tuple[int, ...]] = []
        for number, (part, count) in enumerate(zip(texts, counts, strict=True)):
            ids = tuple(self.word_ids(part.strip() if len(counts) > 1 else part, number))
            if not ids or (self.unk_id is not None and self.unk_id in ids):
                return Diagnostic("PD452", f'the tokenizer cannot write "{part}"', help="choose another label word")
            if count is not None and len(ids) != count:
                return Diagnostic(
                    "PD453",
                    f'"{part}" has {len(ids)} token{"s" if len(ids) > 1 else ""} and its mask has {count}',
                    help=f'write <"mask":{len(ids)}>, or a plain <"mask">, which takes words of any length',
                )
            parts.append(ids)
        return tuple(parts)

    def refuse(self, problem: Diagnostic, place: Span) -> None:
        source = self.verbalizer.source
        span = place if place != Span(0, 0) and place.end <= len(source) else None
        self.found.append(
            Diagnostic(
                problem.code, problem.message, span=span, source=source, origin="verbalizer", help=problem.help
            )
        )


# Kind of item → the method that binds it: a new kind is one entry and one method.
_BINDERS: dict[str, Callable[[_Binder, Tag, int], None]] = {
    "soft": _Binder.soft_word,
    "cluster": _Binder.abstraction,
    "prototype": _Binder.abstraction,
    "auto": _Binder.later,
}
