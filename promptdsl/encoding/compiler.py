"""Template × tokenizer → TokenProgram: everything that needs no row is done here, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from promptdsl.encoding.slots import DemosSlot, FieldSlot, FixedSlot, MaskSlot, PlainSlot, Slot, SoftSlot
from promptdsl.encoding.targets import require_sentinels
from promptdsl.encoding.tokenizer import TextTokenizer, text_tokenizer
from promptdsl.errors import Diagnostic, Span, fail, raise_all
from promptdsl.language.meaning import soft_length
from promptdsl.language.nodes import Piece, Segment, Tag, Text
from promptdsl.language.template import Template

__all__ = ["DemosSlot", "FieldSlot", "FixedSlot", "MaskSlot", "PlainSlot", "Slot", "SoftSlot", "TokenProgram", "bind"]


@dataclass(frozen=True, slots=True)
class TokenProgram:
    """A template bound to a tokenizer: what stands in an input, in order, before any row is known.

    `before` and `after` are the ids that the tokenizer itself puts around a text; `segment_from` is the slot that
    opens segment 1 (None: one segment); `prefix` counts the prefix positions of every layer, `soft` the soft vectors.
    """

    template: Template
    family: str
    text: TextTokenizer = field(repr=False, compare=False)
    slots: tuple[Slot, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    prefix: int = 0
    soft: int = 0
    segment_from: int | None = None

    @property
    def masks(self) -> tuple[MaskSlot, ...]:
        """The mask slots, in order."""
        return tuple(s for s in self.slots if isinstance(s, MaskSlot))

    @property
    def demos(self) -> DemosSlot | None:
        """Where solved examples stand; None where the template asks for none."""
        return next((s for s in self.slots if isinstance(s, DemosSlot)), None)

    def standing(self, demos: bool) -> tuple[Slot, ...]:
        """The slots of an input with examples in it, or of one without."""
        made = list(self.slots)
        for place, slot in enumerate(self.slots):
            if isinstance(slot, DemosSlot) and slot.alone is not None and not demos:
                made[place + 1] = slot.alone
        return tuple(made)

    def __str__(self) -> str:
        lines = [f"{self.family} program of {self.template}"]
        for number, slot in enumerate(self.slots):
            shown = " ".join(map(self.text.token, slot.ids)) if isinstance(slot, FixedSlot) else ""
            lines.append(
                f"  {number} {type(slot).__name__.removesuffix('Slot').lower():6} {slot.piece} {shown}".rstrip()
            )
        return "\n".join(lines)


def bind(template: Template | str, tokenizer: Any, *, family: str | None = None) -> TokenProgram:
    """Bind a template to a Hugging Face tokenizer.

    Args:
        template: a Template or its text.
        tokenizer: a fast tokenizer; it is read, never changed.
        family: "masked", "causal" or "seq2seq"; by default masked where the tokenizer has a mask token, else seq2seq
            where it has T5's sentinels.

    Raises:
        PromptDSLError: PD3 where the template cannot work with this family, PD5 where the tokenizer lacks a token.
    """
    text = tokenizer if isinstance(tokenizer, TextTokenizer) else text_tokenizer(tokenizer)
    chosen = family or ("masked" if text.mask_id is not None else "seq2seq" if text.sentinels else "causal")
    return _bind(Template(template), text, chosen)


@lru_cache(maxsize=256)
def _bind(template: Template, text: TextTokenizer, family: str) -> TokenProgram:
    compiler = _Compiler(template, text, family)
    return compiler.program()


class _Compiler:
    """Turns segments into slots, one method a kind; counts soft vectors as it goes."""

    def __init__(self, template: Template, text: TextTokenizer, family: str) -> None:
        self.template, self.text, self.family = template, text, family
        self.found: list[Diagnostic] = []
        self.soft = 0
        self.shared: dict[int, tuple[int, ...]] = {}

    def program(self) -> TokenProgram:
        segments = [s for s in self.template.segments if not (isinstance(s.piece, Tag) and s.piece.kind == "prefix")]
        prefix = sum(int(str(p.value)) for p in self.template.pieces if isinstance(p, Tag) and p.kind == "prefix")
        readable = self.readable(segments)
        slots = self.with_examples([self.slot(s, index == 0) for index, s in enumerate(readable)], segments)
        raise_all(self.found)
        before, after = self.text.specials.before, self.text.specials.after
        causal_end = self.family == "causal" and bool(slots) and isinstance(slots[-1], MaskSlot)
        if isinstance(slots[0], MaskSlot) and causal_end and not (before or prefix):
            self.refuse(
                "PD352",
                slots[0].piece,
                "a causal LM reads a mask at the position before it; there is none",
                "write something before the mask",
            )
            raise_all(self.found)
        separator = self.text.special("sep")
        opens = [i for i, s in enumerate(slots) if isinstance(s, FixedSlot) and separator and s.ids == separator[:1]]
        return TokenProgram(
            self.template,
            self.family,
            self.text,
            tuple(slots),
            before,
            () if causal_end else after,
            prefix,
            self.soft,
            opens[0] + 1 if opens and self.text.has_token_types else None,
        )

    def readable(self, segments: list[Segment]) -> list[Segment]:
        """What the family reads: a causal LM nothing after the last mask, where only fixed text may stand.

        An encoder sees all of a text, whether a decoder follows or not.
        """
        masks = [i for i, s in enumerate(segments) if isinstance(s.piece, Tag) and s.piece.kind == "mask"]
        if not masks:
            return segments
        if self.family == "masked" and self.text.mask_id is None:
            fail("PD502", "the tokenizer has no mask token", help="use a masked language model, or bind as causal")
        if self.family == "seq2seq":
            require_sentinels(self.text, len(masks))
        if self.family != "causal":
            return segments
        for segment in segments[masks[-1] + 1 :]:
            piece = segment.piece
            if isinstance(piece, Tag) and piece.kind == "demos":
                self.refuse(
                    "PD356",
                    piece,
                    "a causal LM reads from left to right and never sees examples that stand after the last mask",
                    "move the demos before the mask, or use a masked LM",
                )
            elif isinstance(piece, Tag) and piece.kind in ("placeholder", "meta", "soft"):
                self.refuse(
                    "PD351",
                    piece,
                    "a causal LM reads from left to right and never sees what stands after the last mask",
                    f"move the {piece.kind} before the mask, or use a masked LM",
                )
        return segments[: masks[-1] + 1]

    def slot(self, segment: Segment, at_start: bool) -> Slot:
        piece = segment.piece
        if isinstance(piece, Text) or piece.kind == "text":
            written = (" " if segment.leading_space else "") + segment.text
            ids = tuple(self.text.encode([written], at_start=at_start)[0]) if written else ()
            cut = "tail" if isinstance(piece, Tag) and piece["shortenable"] else ""
            return FixedSlot(piece, ids, cut)
        return _SLOTS[piece.kind](self, segment, piece, at_start)

    def field(self, segment: Segment, tag: Tag, at_start: bool) -> Slot:
        cut = str(tag["truncate"]) if tag["shortenable"] else ""
        return FieldSlot(tag, segment.leading_space, at_start, cut)

    def mask(self, segment: Segment, tag: Tag, at_start: bool) -> Slot:
        return MaskSlot(tag, None if tag.value is None else int(str(tag.value)), segment.leading_space, at_start)

    def demos(self, segment: Segment, tag: Tag, at_start: bool) -> Slot:
        return DemosSlot(tag, int(str(tag.value)), segment.leading_space, at_start)

    def special(self, _: Segment, tag: Tag, __: bool) -> Slot:
        name = str(tag.value)
        known = self.text.special(name)
        masks = self.text.sentinels if self.family == "seq2seq" else (self.text.mask_id,)
        if name.strip("<>").lower() == "mask" or (known and known[0] in masks):
            self.refuse("PD353", tag, "a special tag cannot be the mask", 'write <"mask">')
        elif known is None:
            self.refuse("PD503", tag, f'the tokenizer has no special token "{name}"',
                        'use one of "cls", "sep", "eos", "bos" that it has, or leave the tag out')  # fmt: skip
        return FixedSlot(tag, (known[0],) if known else ())

    def soft_tag(self, _: Segment, tag: Tag, __: bool) -> Slot:
        shared = tag["soft_id"]
        if isinstance(shared, int) and tag.value is None and shared in self.shared:
            return SoftSlot(tag, self.shared[shared])
        count = self.soft_length(tag)
        vectors = (self.soft,) * count if tag["same"] else tuple(range(self.soft, self.soft + count))
        self.soft = vectors[-1] + 1
        if isinstance(shared, int):
            self.shared[shared] = vectors
        return SoftSlot(tag, vectors)

    def soft_length(self, tag: Tag) -> int:
        written = soft_length(tag)
        if not isinstance(tag.value, str):
            return written or 1
        words = len(self.text.encode([" " + tag.value])[0])
        if written is not None and written < words:
            remedy = f'write "length":{words} or more'
            self.refuse("PD354", tag, f"{words} tokens do not fit a length of {written}", remedy)
        return max(words, written or 1)

    def with_examples(self, slots: list[Slot], segments: list[Segment]) -> list[Slot]:
        """The demos tag's slot with what an example consists of, and the slot after it as examples leave it.

        `segments` are those of the whole template: an example is not read at its masks, so that on a causal LM it
        keeps the fixed text after the last of them.
        """
        place = next((i for i, s in enumerate(slots) if isinstance(s, DemosSlot)), None)
        if place is None:
            return slots
        demos, made = slots[place], list(slots)
        assert isinstance(demos, DemosSlot)
        separator, blank = self.separator(str(demos.piece["separator"]))
        made += [self.slot(s, False) for s in segments[len(slots) :]]

        def placed(index: int, leading: bool, at_start: bool) -> PlainSlot:
            return self.placed(made[index], segments[index], leading, at_start)

        alone = None
        chosen = _repeated(segments, place)
        example = [placed(i, blank and not n, False) for n, i in enumerate(chosen)]
        opening = placed(chosen[0], demos.leading_space, demos.at_start) if chosen else None
        if place + 1 < len(slots):
            alone = placed(place + 1, demos.leading_space, demos.at_start)
            slots[place + 1] = placed(place + 1, blank, False)
        slots[place] = replace(demos, separator=separator, example=tuple(example), opening=opening, alone=alone)
        return slots

    def placed(self, slot: Slot, segment: Segment, leading: bool, at_start: bool) -> PlainSlot:
        """A slot in another place, with a leading space if it has one or `leading`; never at the start of an input.

        Soft tags keep their vectors, and special tokens are the same everywhere.
        """
        if isinstance(segment.piece, Text) or segment.piece.kind not in ("soft", "special"):
            slot = self.slot(
                replace(segment, leading_space=(segment.leading_space or leading) and not at_start), at_start
            )
        assert not isinstance(slot, DemosSlot)
        return slot

    def separator(self, written: str) -> tuple[tuple[int, ...], bool]:
        """Ids of the text after an example, and whether what follows gets a leading space from it.

        The ids are those before a word, for many tokenizers write a line break differently at the end of a text; some
        turn it into the word's leading space.
        """
        whole, plain, spaced = self.text.encode([f"{written}a", "a", " a"])
        if spaced != plain and whole[-len(spaced) :] == spaced:
            return tuple(whole[: -len(spaced)]), True
        if whole[-len(plain) :] == plain:
            return tuple(whole[: -len(plain)]), False
        blank = written.endswith(" ")
        return tuple(self.text.encode([written.removesuffix(" ")])[0]), blank

    def refuse(self, code: str, piece: Piece, message: str, remedy: str) -> None:
        span = piece.span if piece.span != Span(0, 0) else None
        self.found.append(Diagnostic(code, message, span=span, source=self.template.source, help=remedy))


def _repeated(segments: list[Segment], place: int) -> list[int]:
    """Which segments an example repeats: the demos tag's side that has all fields and masks, else both sides.

    So an instruction before the tag is said once, and examples may also follow the query (LM-BFF: Gao et al. 2021).
    """
    sides = list(range(place)), list(range(place + 1, len(segments)))
    varying = [any(_varies(segments[i].piece) for i in side) for side in sides]
    return sides[0] + sides[1] if all(varying) else sides[0] if varying[0] else sides[1]


def _varies(piece: Piece) -> bool:
    return isinstance(piece, Tag) and piece.kind in ("placeholder", "meta", "mask")


# Kind → the method that makes its slot: a new kind is one entry and one method.
_SLOTS: dict[str, Callable[[_Compiler, Segment, Tag, bool], Slot]] = {
    "placeholder": _Compiler.field,
    "meta": _Compiler.field,
    "mask": _Compiler.mask,
    "special": _Compiler.special,
    "soft": _Compiler.soft_tag,
    "demos": _Compiler.demos,
}
