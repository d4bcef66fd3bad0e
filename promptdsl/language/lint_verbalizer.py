"""The linter's rules for verbalizers, and for characters that nobody sees in either string."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from promptdsl.errors import PromptDSLError, Span, printable
from promptdsl.language.findings import listed, quoted
from promptdsl.language.lint_subject import Finding, Subject
from promptdsl.language.nodes import NOWHERE, Item, Tag, Word, gives

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


def expansion_in_two_classes(subject: Subject) -> Iterator[Finding]:
    """Knowledge gives some words to several classes. Where there is no knowledge, there is no finding."""
    if subject.verbalizer is None or _refined(subject, "duplicates") or next(same_item(subject), None):
        return
    try:
        expanded = subject.verbalizer.expanded()
    except PromptDSLError:
        return
    made = {(trace.label, trace.word) for trace in expanded.traces}
    first: dict[str, str] = {}
    for words in expanded.classes:
        shared: list[Word] = []
        for word in (item for item in words.items if isinstance(item, Word)):
            other = first.setdefault(word.text, words.label)
            if other != words.label and {(other, word.text), (words.label, word.text)} & made:
                shared.append(word)
        if shared:
            shown = listed(printable(word.text, 20) for word in shared[:3]) + (", …" if len(shared) > 3 else "")
            count = f"{len(shared):,} word{'s' if len(shared) > 1 else ''}"
            message = f"the class {quoted(words.label)} shares {count} with other classes: {shown}"
            remedy = '<"refine":["duplicates"]> removes them'
            place = next((w.span for w in shared if (words.label, w.text) in made), shared[0].span)
            yield Finding(message, _seen(place), remedy, "verbalizer")


def _refined(subject: Subject, *by: str) -> bool:
    """Whether there is a step `refine` that holds one of these; any if none is named."""
    steps = () if subject.verbalizer is None else subject.verbalizer.steps
    lists = [step.value for step in steps if step.kind == "refine" and isinstance(step.value, tuple)]
    return any(not by or set(by) & set(values) for values in lists)


def nothing_to_refine(subject: Subject) -> Iterator[Finding]:
    """Refinement is for words that nobody has looked at."""
    if subject.verbalizer is None or not _refined(subject):
        return
    if not any(gives(item) == "words" for words in subject.classes for item in words.items):
        step = next(step for step in subject.verbalizer.steps if step.kind == "refine")
        message = "every word was written by hand, and a refinement may remove it"
        yield Finding(message, _seen(step.span), "leave the step out, or expand the words", "verbalizer")


def same_item(subject: Subject) -> Iterator[Finding]:
    """An item that gives every class the same words tells no class from another."""
    first: dict[Tag, str] = {}
    told: set[Tag] = set()
    for words in subject.classes:
        for item in words.items:
            if not (isinstance(item, Tag) and _says_the_same_everywhere(item)):
                continue
            label = first.setdefault(item, words.label)
            if label != words.label and item not in told:
                told.add(item)
                message = f'{item} gives the classes "{label}" and "{words.label}" the same'
                yield Finding(message, _seen(item.span), "give each class its own", "verbalizer")


def _says_the_same_everywhere(item: Item) -> bool:
    """`auto` and abstract label words are found from a class's rows, and `words` may look for its label."""
    if not isinstance(item, Tag) or gives(item) == "vectors":
        return False
    return item.kind != "auto" and not (item.kind == "words" and item["of"] is None)


def _seen(span: Span) -> Span | None:
    """The span, or None for nodes that were never text."""
    return None if span == NOWHERE else span
