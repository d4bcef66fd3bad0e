"""The linter's rules for verbalizers, and for characters that nobody sees in either string."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from promptdsl.errors import Span
from promptdsl.language.lint_subject import Finding, Subject
from promptdsl.language.nodes import NOWHERE, Tag, Word

_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_JOINERS = "\u200c\u200d"  # Persian, Indic scripts and emoji need them between their own characters
_QUOTES = {"'": "'", "‘": "’", "“": "”", "`": "`", "«": "»", "„": "“"}


def invisible(subject: Subject) -> Iterator[Finding]:
    """Zero-width and direction characters: tokens that nobody sees."""
    for origin, value in (("template", subject.template), ("verbalizer", subject.verbalizer)):
        text = None if value is None else value.source
        if text is None:
            continue
        for match in _INVISIBLE.finditer(text):
            if match.group() not in _JOINERS or not _joins(text, match.start()):
                name = unicodedata.name(match.group(), "a control character").lower()
                message = f"an invisible character stands here: U+{ord(match.group()):04X} {name}"
                yield Finding(message, Span(*match.span()), "delete it", origin)


def _joins(text: str, at: int) -> bool:
    around = text[at - 1 : at] if at else "", text[at + 1 : at + 2]
    return all(c > "\u00ff" for c in around)


def several_tokens(subject: Subject) -> Iterator[Finding]:
    """A word of several tokens is scored at as many masks, which costs time and compares unlike things."""
    if subject.count_tokens is None:
        return
    spaces, sizes = _mask_shapes(subject)
    for _, word in subject.words:
        parts = word.text.split(" + ") if len(sizes) > 1 else [word.text]
        for part, space, size in zip(parts, spaces, sizes, strict=False):
            count = subject.count_tokens(" " * space + part)
            if count > size:
                message = f'"{part}" is {count} tokens' + ("" if size == 1 else f", its mask has {size}")
                remedy = "a word of one token is scored faster and compares better; or keep it, it is scored with all"
                yield Finding(message, _seen(word.span), remedy, "verbalizer")


def _mask_shapes(subject: Subject) -> tuple[list[bool], list[int]]:
    """For each mask tag: whether a blank stands before it, and how many tokens it takes. One plain mask if unknown."""
    if subject.template is None or not subject.masks:
        return [True], [1]
    found = [s for s in subject.template.segments if isinstance(s.piece, Tag) and s.piece.kind == "mask"]
    sizes = [s.piece.value if isinstance(s.piece, Tag) and isinstance(s.piece.value, int) else 1 for s in found]
    return [s.leading_space for s in found], sizes


def word_in_two_classes(subject: Subject) -> Iterator[Finding]:
    """A word that speaks for two classes tells them apart no better than chance."""
    first: dict[str, str] = {}
    for words, word in subject.words:
        label = first.setdefault(word.text, words.label)
        if label != words.label:
            message = f'"{word.text}" stands in two classes, "{label}" and "{words.label}"'
            yield Finding(message, _seen(word.span), "keep it in one", "verbalizer")


def word_twice(subject: Subject) -> Iterator[Finding]:
    """A word twice in a class counts twice."""
    seen: set[tuple[str, str]] = set()
    for words, word in subject.words:
        if (words.label, word.text) in seen:
            message = f'"{word.text}" stands twice in the class "{words.label}"'
            yield Finding(message, _seen(word.span), "delete one", "verbalizer")
        seen.add((words.label, word.text))


def labels_alike(subject: Subject) -> Iterator[Finding]:
    """`Sports` and `sports`: labels are matched by their exact text."""
    first: dict[str, str] = {}
    for words in subject.classes:
        other = first.setdefault(words.label.casefold(), words.label)
        if other != words.label:
            message = f'the labels "{other}" and "{words.label}" differ only in case'
            yield Finding(message, _seen(words.label_span), "if they are one class, write them as one", "verbalizer")


def quoted_word(subject: Subject) -> Iterator[Finding]:
    """`'good'`: only double quotes quote, other ones are part of the word."""
    source = subject.verbalizer.source if subject.verbalizer else None
    for words in subject.classes:
        for text, span in [
            (words.label, words.label_span),
            *((w.text, w.span) for w in words.items if isinstance(w, Word)),
        ]:
            written = source is not None and source[span.start : span.start + 1] == '"'
            if len(text) > 2 and not written and _QUOTES.get(text[0]) == text[-1]:
                remedy = f'write "{text[1:-1]}" or just {text[1:-1]}'
                yield Finding(f"the quotes of {text} are part of the word", _seen(span), remedy, "verbalizer")


def _seen(span: Span) -> Span | None:
    """The span, or None for nodes that were never text."""
    return None if span == NOWHERE else span
