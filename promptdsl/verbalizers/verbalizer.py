"""Label words → the tokens that are read at the masks, and what those tokens say → scores of the words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from promptdsl.errors import Diagnostic, Span, printable, raise_all
from promptdsl.language.nodes import Tag, Word
from promptdsl.language.verbalizer import Verbalizer
from promptdsl.verbalizers.multi_token import Fill, Parts, Plan, Reading, plan, word_scores

__all__ = ["Abstract", "BoundVerbalizer", "BoundWord", "WordIds", "bind_words", "tokens_mode", "word_parts"]

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
        plan: how the words of the vocabulary are scored.
        fills: one entry for each forward pass: the ids that stand at the masks in it.
        state_fill: the pass whose reads are the mask states that `soft` and `abstract` look at; None without those.
        normalised: whether full log-probabilities are needed. They are not where every word is read in one pass at
            the same places: then the vocabulary's normaliser is the same for all and cancels between the classes.
        unwritable: words of an expansion that the tokenizer cannot write, as (label, word); they are left out.
        unresolved: kinds of items that become words only with labelled rows ("auto").
        from_rows: label words that a column of the row gives, as (class number, tag). Then the words of each row, the
            written ones among them, have a plan of their own, and `plan` and `fills` are empty.
    """

    verbalizer: Verbalizer
    labels: tuple[str, ...]
    words: tuple[BoundWord, ...]
    soft: tuple[BoundWord, ...]
    abstract: tuple[Abstract, ...]
    plan: Plan = field(repr=False)
    fills: tuple[Fill, ...]
    state_fill: int | None
    normalised: bool
    unwritable: tuple[tuple[str, str], ...] = ()
    unresolved: tuple[str, ...] = ()
    from_rows: tuple[tuple[int, Tag], ...] = ()

    @property
    def token_ids(self) -> tuple[int, ...]:
        """The rows of the LM head that the label words need, sorted."""
        return tuple(sorted({r.token for r in self.plan.readings}))

    @property
    def readings(self) -> tuple[Reading, ...]:
        """For each term of each word: the pass, the read in it, the token and the weight."""
        return self.plan.readings

    @property
    def owners(self) -> tuple[int, ...]:
        """The class of each scored word: those of the vocabulary, then the row's own, then the soft ones."""
        written, soft = (tuple(w.label for w in words) for words in (self.words, self.soft))
        return (*written, *(number for number, _ in self.from_rows), *soft)

    def word_scores(self, read: Tensor) -> Tensor:
        """(batch, readings) logits or log-probabilities, in the order of `readings` → (batch, words)."""
        return word_scores(self.plan, len(self.words), read)

    def __str__(self) -> str:
        passes = f"{len(self.fills)} forward pass{'es' if len(self.fills) > 1 else ''}"
        if self.from_rows:
            passes = f"{len(self.from_rows)} more from each row, forward passes by their tokens"
        lines = [f"{len(self.words)} label words, {passes}"]
        for number, label in enumerate(self.labels):
            shown = [f"{w.text} {list(w.parts)}" for w in self.words if w.label == number]
            shown += [str(tag) for label, tag in self.from_rows if label == number]
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
    lenient: bool = False,
) -> BoundVerbalizer:
    """Tokenise the label words and plan the forward passes that score them.

    Args:
        verbalizer: labels and words; what knowledge expands is expanded already.
        counts: for each mask tag of the template, its number of positions, or None for a plain mask.
        word_ids: ids of a word's text at the j-th mask.
        mask_id: the mask token of a masked LM; None for a causal LM.
        unk_id: the id that stands for what the tokenizer cannot write.
        lenient: leave out also written words that it cannot write, and say so in `unwritable`.

    Raises:
        VerbalizerError: PD45x, one diagnostic for each word that cannot be scored.
    """
    binder = _Binder(verbalizer, counts, word_ids, unk_id, lenient)
    for number, labelled in enumerate(verbalizer.classes):
        for item in labelled.items:
            if isinstance(item, Word):
                binder.word(item, number)
            else:
                _BINDERS[item.kind](binder, item, number)
    raise_all(binder.found)
    own = bool(binder.from_rows)
    planned = plan([] if own else [w.parts for w in binder.words], counts, mask_id, tokens_mode(verbalizer))
    planned = replace(planned, fills=()) if own else planned
    fills, state_fill = planned.fills, None
    looks = any(step.kind == "refine" for step in verbalizer.steps)  # at the whole vocabulary, at one mask
    if binder.soft or binder.abstract or binder.unresolved or looks or not (fills or own):
        at_rest: Fill = ((),) if mask_id is None else tuple((mask_id,) * (n or 1) for n in counts)
        fills = fills if at_rest in fills else (*fills, at_rest)
        state_fill = fills.index(at_rest)
    return BoundVerbalizer(
        verbalizer=verbalizer,
        labels=verbalizer.labels,
        words=tuple(binder.words),
        soft=tuple(binder.soft),
        abstract=tuple(Abstract(kind, tuple(tags)) for kind, tags in binder.abstract.items()),
        plan=planned,
        fills=fills,
        state_fill=state_fill,
        normalised=planned.normalised
        or own
        or (bool(binder.soft) and _elsewhere(planned, state_fill))
        or any(step.value == "weighted" for step in verbalizer.steps),  # unequal sums of weights: nothing cancels
        unwritable=tuple(binder.unwritable),
        unresolved=tuple(dict.fromkeys(binder.unresolved)),
        from_rows=tuple(binder.from_rows),
    )


def tokens_mode(verbalizer: Verbalizer) -> str:
    """What its `tokens` step says."""
    return str(next((s.value for s in verbalizer.steps if s.kind == "tokens"), "joint"))


def word_parts(text: str, counts: Sequence[int | None], word_ids: WordIds, unk_id: int | None) -> Parts | Diagnostic:
    """The ids of a word at each mask tag, or why it has none: PD451, PD452 or PD453."""
    texts = [text] if len(counts) == 1 else text.split(" + ")
    if len(texts) != len(counts):
        have = f'"{printable(text)}" has {len(texts)} part{"s" if len(texts) > 1 else ""}'
        return Diagnostic(
            "PD451",
            f"{have} and the template {len(counts)} masks",
            help="give one part for each mask, joined by ` + `: " + " + ".join(["word"] * min(len(counts), 5)),
        )
    parts: list[tuple[int, ...]] = []
    for number, (part, count) in enumerate(zip(texts, counts, strict=True)):
        ids = tuple(word_ids(part.strip() if len(counts) > 1 else part, number))
        if not ids or (unk_id is not None and unk_id in ids):
            return Diagnostic(
                "PD452", f'the tokenizer cannot write "{printable(part)}"', help="choose another label word"
            )
        if count is not None and len(ids) != count:
            return Diagnostic(
                "PD453",
                f'"{printable(part)}" has {len(ids)} token{"s" if len(ids) > 1 else ""} and its mask has {count}',
                help=f'write <"mask":{len(ids)}>, or a plain <"mask">, which takes words of any length',
            )
        parts.append(ids)
    return tuple(parts)


def _elsewhere(planned: Plan, state_fill: int | None) -> bool:
    """Whether words are read elsewhere than the soft ones, or with another weight."""
    return any((r.fill, r.read, r.weight) != (state_fill, 0, 1.0) for r in planned.readings)


class _Binder:
    """Collects what the items of a verbalizer become, one method for each kind of item."""

    def __init__(
        self,
        verbalizer: Verbalizer,
        counts: Sequence[int | None],
        word_ids: WordIds,
        unk_id: int | None,
        lenient: bool,
    ) -> None:
        self.verbalizer, self.counts, self.word_ids = verbalizer, counts, word_ids
        self.unk_id, self.lenient = unk_id, lenient
        self.made = {(t.label, t.word) for t in verbalizer.traces if t.origin != "written"}
        self.found: list[Diagnostic] = []
        self.words: list[BoundWord] = []
        self.soft: list[BoundWord] = []
        self.abstract: dict[str, list[Tag]] = {}
        self.unwritable: list[tuple[str, str]] = []
        self.unresolved: list[str] = []
        self.from_rows: list[tuple[int, Tag]] = []

    def word(self, item: Word, number: int) -> None:
        parts = self.parts(item.text)
        label = self.verbalizer.classes[number].label
        if not isinstance(parts, Diagnostic):
            self.words.append(BoundWord(item.text, number, parts))
        elif self.lenient or (label, item.text) in self.made:
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

    def from_row(self, tag: Tag, number: int) -> None:
        self.from_rows.append((number, tag))

    def parts(self, text: str) -> Parts | Diagnostic:
        return word_parts(text, self.counts, self.word_ids, self.unk_id)

    def refuse(self, problem: Diagnostic, place: Span) -> None:
        source = self.verbalizer.source
        span = place if place != Span(0, 0) and place.end <= len(source) else None
        self.found.append(
            Diagnostic(problem.code, problem.message, span=span, source=source, origin="verbalizer", help=problem.help)
        )


# Kind of item → the method that binds it: a new kind is one entry and one method.
_BINDERS: dict[str, Callable[[_Binder, Tag, int], None]] = {
    "soft": _Binder.soft_word,
    "cluster": _Binder.abstraction,
    "prototype": _Binder.abstraction,
    "auto": _Binder.later,
    "meta": _Binder.from_row,
}
