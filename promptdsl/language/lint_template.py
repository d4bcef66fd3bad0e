"""The linter's rules for templates: each takes a Subject and yields Findings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from promptdsl.errors import Span
from promptdsl.language.lint_subject import FIELDS, Finding, Subject
from promptdsl.language.nodes import Piece, Tag, Text

FIELD = "\0field"  # stands for a row's text beside a mask

# What people write for a tag in other tools; the group says what it stands for. All of it is text here.
_LOOKALIKE = re.compile(
    r"[<{]\s{0,8}/?(?P<kind>mask|soft|prefix|placeholder|meta|special|text)\b\s{0,8}(?::[^<>{}\n]{0,60})?[>}]"
    r"|[<{\[]{1,2}\s{0,8}(?P<field>text_[ab]|sentence|sent_?[0-9]?)\s{0,8}[>}\]]{1,2}"
    r"|\[(?P<mask>MASK|mask)\]"
    r"|\[(?P<bracket>CLS|SEP|PAD|UNK|BOS|EOS)\]"
    r"|</?(?P<angle>s|pad|unk|cls|sep|bos|eos)>|<\|(?P<bar>[a-z_]{2,20})\|>"
)
_SPECIALS = {"s": "bos", "/s": "eos", "CLS": "cls", "SEP": "sep", "BOS": "bos", "EOS": "eos"}


def no_mask(subject: Subject) -> Iterator[Finding]:
    """A classifier reads the label words at a mask."""
    if subject.template is not None and not subject.masks:
        end = len(subject.template.source)
        yield Finding("this template has no mask", Span(end, end), 'write <"mask"> where the label words shall stand')


def blank_missing(subject: Subject) -> Iterator[Finding]:
    """`was<"mask">` and `<"mask">word`: the word at the mask would be glued to its neighbour."""
    for before, mask, after in _around_masks(subject):
        glued = before and (before == FIELD or before[-1] in ",.;:!?" or _spaced_script(before[-1]))
        if glued:
            at = Span(mask.span.start, mask.span.start + 1)
            yield Finding("a blank is missing before the mask", at, 'write a blank: was <"mask">')
        if after and (after == FIELD or _spaced_script(after[0])):
            at = Span(mask.span.end - 1, mask.span.end)
            yield Finding("a blank is missing after the mask", at, 'write a blank: <"mask"> news')


def blank_doubled(subject: Subject) -> Iterator[Finding]:
    """Two blanks beside the mask: one becomes the word's own, the other stays a token of its own."""
    for before, mask, after in _around_masks(subject):
        extra = len(before) - len(before.rstrip(" "))
        if extra > 1:
            at = Span(mask.span.start - extra, mask.span.start)
            yield Finding("several blanks stand before the mask", at, "leave one")
        extra = len(after) - len(after.lstrip(" "))
        if extra > 1:
            at = Span(mask.span.end, mask.span.end + extra)
            yield Finding("several blanks stand after the mask", at, "leave one")


def _around_masks(subject: Subject) -> Iterator[tuple[str, Tag, str]]:
    """Each mask with the text before and after it; FIELD where a row's text stands, "" where neither does."""
    pieces = subject.pieces
    for index, piece in enumerate(pieces):
        if isinstance(piece, Tag) and piece.kind == "mask":
            before = _neighbour(pieces[index - 1]) if index else ""
            after = _neighbour(pieces[index + 1]) if index + 1 < len(pieces) else ""
            yield before, piece, after


def _neighbour(piece: Piece) -> str:
    if isinstance(piece, Text):
        return piece.text
    return FIELD if piece.kind in FIELDS else str(piece.value) if piece.kind == "text" else ""


def _spaced_script(character: str) -> bool:
    """Whether it is a letter or digit of a script that writes blanks between words."""
    unspaced = unicodedata.east_asian_width(character) in "WF" or any(
        first <= character <= last for first, last in (("\u0e00", "\u0eff"), ("\u1000", "\u109f"), ("\u1780", "\u17ff"))
    )
    return character.isalnum() and not unspaced


def lookalike(subject: Subject) -> Iterator[Finding]:
    """`<mask>`, `[MASK]`, `{text_a}`, `</s>`: text, and the model reads it letter by letter."""
    for piece in subject.pieces:
        if isinstance(piece, Text) and subject.template is not None:
            places: list[int] = []
            for match in _LOOKALIKE.finditer(piece.text):
                places = places or _places(piece, subject.template.source)
                span = Span(places[match.start()], places[match.end()])
                message = f"{match.group()} looks like a tag and is only text"
                yield Finding(message, span, f"write {_meant(match)}", label="only text")


def _meant(match: re.Match[str]) -> str:
    kind = match["kind"] or ("mask" if match["mask"] else "")
    if kind == "mask":
        return '<"mask">'
    if kind in ("soft", "prefix"):
        return f'<"{kind}":20>'
    if match["field"]:
        return f'<"placeholder":"{match["field"]}">'
    if kind == "text":
        return '<"placeholder":"text"> for a column, <"text":"…"> for fixed text'
    if kind == "special":
        return '<"special":"sep">'
    if kind:
        return f'<"{kind}":"text_a">'
    own = match.group().strip("<>[]")
    return f'<"special":"{_SPECIALS.get(own, match.group())}">'


def _places(piece: Text, source: str) -> list[int]:
    """Where each character of a text, and its end, stands in the source: an escape takes two characters there."""
    places = [piece.span.start]
    while len(places) <= len(piece.text):
        at = places[-1]
        escaped = source[at : at + 1] == "\\" and source[at + 1 : at + 2] in ("<", "{", "\\")
        places.append(min(at + (2 if escaped else 1), piece.span.end))
    return places


def text_after_mask(subject: Subject) -> Iterator[Finding]:
    """A causal model reads the mask from what stands before it."""
    for piece in _after_last_mask(subject):
        shown = piece.text if isinstance(piece, Text) else str(piece.value)
        if (isinstance(piece, Text) or piece.kind in ("text", "special")) and shown.strip():
            yield Finding(
                "a causal model never sees what follows the last mask: this is dropped",
                piece.span,
                "write it before the mask, or leave it out",
                label="dropped",
            )


def field_after_mask(subject: Subject) -> Iterator[Finding]:
    """A field, demos or a soft token behind the last mask cannot work on a causal model; binding refuses it."""
    for piece in _after_last_mask(subject):
        if isinstance(piece, Tag) and piece.kind in (*FIELDS, "soft", "demos"):
            yield Finding(
                f"a causal model cannot read this {piece.kind}: it follows the last mask",
                piece.span,
                "write it before the mask",
                label="never seen",
            )


def _after_last_mask(subject: Subject) -> tuple[Piece, ...]:
    if subject.family != "causal" or not subject.masks:
        return ()
    last = max(i for i, p in enumerate(subject.pieces) if isinstance(p, Tag) and p.kind == "mask")
    return subject.pieces[last + 1 :]


def field_twice(subject: Subject) -> Iterator[Finding]:
    """The same column in two places costs its length twice; often the second was meant to be another."""
    seen: set[str] = set()
    for piece in subject.pieces:
        if isinstance(piece, Tag) and piece.kind in FIELDS:
            if str(piece.value) in seen:
                message = f'the column "{piece.value}" is used twice'
                yield Finding(message, piece.span, "if that is not meant, name the other column")
            seen.add(str(piece.value))
