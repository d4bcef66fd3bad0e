"""Verbalizer text → classes and steps: the line form and the JSON form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lark import Token

from promptdsl.errors import Span, printable
from promptdsl.language import schema
from promptdsl.language.findings import MOST_ERRORS, Findings, named, quoted
from promptdsl.language.grammar import load_grammar
from promptdsl.language.line_mistakes import LINE_MISTAKES
from promptdsl.language.mistakes import report
from promptdsl.language.nodes import NOWHERE, Item, LabelledWords, Tag, Word, scalar
from promptdsl.language.parser import MOST_TAGS, read_pairs, read_tag
from promptdsl.language.recovery import Branch, Problem, read
from promptdsl.language.tag_mistakes import JSON_MISTAKES, TAG_MISTAKES
from promptdsl.language.value_checks import Pair
from promptdsl.language.values import SURROGATE, read_string, refuse_surrogates, span_of
from promptdsl.language.verbalizer_meaning import check_verbalizer

__all__ = [
    "LONGEST_VERBALIZER",
    "Classes",
    "ClassesBuilder",
    "is_tag",
    "mapped_items",
    "mapped_line",
    "parse_verbalizer",
]

LONGEST_VERBALIZER = 4 * 1024 * 1024  # bytes of UTF-8
_BARE = re.compile(r"[^,\s](?:[^,]*[^,\s])?")

Classes = tuple[tuple[LabelledWords, ...], tuple[Tag, ...]]


@dataclass(slots=True)
class ClassesBuilder:
    """Collects classes, steps and the items for every class, and checks what no grammar can.

    `decoded` says that labels and words come from elsewhere than the text in `findings`, which is checked as a whole.
    """

    findings: Findings
    decoded: bool = False
    classes: dict[str, LabelledWords] = field(default_factory=dict)
    steps: list[Tag] = field(default_factory=list)
    shared: list[Tag] = field(default_factory=list)

    def add_class(self, label: str, items: list[Item], span: Span | None) -> None:
        """One class; reports an empty or repeated label and an empty word. `span` is None where there is no text."""
        empty = next((item for item in items if isinstance(item, Word) and not item.text), None)
        if not label.strip():
            self.findings.add("PD408", "an empty label", span, "nothing between the quotes", "give the class a name")
        elif label in self.classes:
            first = self.classes[label].label_span
            advice = "put all words of a class on one line" if span else "give each class a label of its own"
            line = (self.findings.source or "").count("\n", 0, first.start) + 1
            note = f"the first is in line {line}" if span else ""
            self.findings.add("PD402", f"the label {quoted(label)} stands twice", span, "again", advice, note)
        elif empty is not None:
            message = f"an empty label word of class {quoted(label)}"
            place = None if span is None else empty.span
            self.findings.add("PD404", message, place, "nothing between the quotes", "write a word, or remove it")
        elif self.decoded and any(map(SURROGATE.search, (label, *(i.text for i in items if isinstance(i, Word))))):
            message = f"half of a character in class {quoted(label)}"
            self.findings.add("PD113", message, span, "a lone surrogate", "the text was decoded wrongly before this")
        else:
            self.classes[label] = LabelledWords(label, tuple(items), span or NOWHERE)

    def add_tag_line(self, tag: Tag) -> None:
        """A tag without a label: a step, or an item for every class."""
        if tag.kind in schema.STEP_KINDS:
            self.steps.append(tag)
        else:
            self.shared.append(tag)

    def finish(self, whole: Span | None) -> Classes:
        """The classes with the items that all of them share; reports classes that stayed empty, and what cannot be."""
        made: list[LabelledWords] = []
        for words in self.classes.values():
            items = (*words.items, *self.shared)
            if not items:
                place = words.label_span if whole is not None else None
                message = f"the class {quoted(words.label)} has no label words"
                self.findings.add("PD403", message, place, "no words", "give it at least one word")
            made.append(LabelledWords(words.label, items, words.label_span))
        if not made and not self.findings.found:
            advice = "write one class per line: label: word, word"
            self.findings.add("PD413", "a verbalizer without classes", whole, "no class here", advice)
        if not self.findings.found:
            check_verbalizer(made, self.steps, self.findings)
        return tuple(made), tuple(self.steps)


def parse_verbalizer(text: str, origin: str = "verbalizer", limit: int | None = LONGEST_VERBALIZER) -> Classes:
    """The classes and steps of a verbalizer text; one that begins with `{` is JSON. Raises `VerbalizerError`.

    `limit` bounds its size in bytes (None: no bound).
    """
    findings = Findings(text, origin)
    findings.refuse_larger(limit, "verbalizer")
    refuse_surrogates(text, findings)
    body = text.rstrip()
    begin = len(body) - len(body.lstrip())
    builder = ClassesBuilder(findings)
    start = "json" if body.startswith("{", begin) else "verbalizer"
    tree = _read(body, start, begin, findings)
    if tree is not None and start == "json":
        _json_classes(tree, builder)
    elif tree is not None:
        _line_classes(tree, builder)
    if tree is None:
        findings.raise_found("verbalizer")
    found = builder.finish(Span(0, 0))
    findings.raise_found("verbalizer")
    return found


def _read(body: str, start: str, begin: int, findings: Findings) -> Branch | None:
    tags = 0

    def count(token: Token) -> bool:
        nonlocal tags
        tags += token.type == "OPEN_ANGLE"
        return tags <= MOST_TAGS

    tree, stopped = read(load_grammar("verbalizer"), start, body, lambda p: _recover(p, start, findings), count, begin)
    if stopped is not None and not findings.found:
        tagged = tags > MOST_TAGS
        message = f"more than {MOST_TAGS:,} tags" if tagged else "a verbalizer with far too many classes or tags"
        findings.add("PD122", message, Span(stopped, stopped + 1), "reading stops here", "use fewer")
    return tree


def _recover(problem: Problem, start: str, findings: Findings) -> int | None:
    """Report a broken line, and say where the next one begins. After a mistake in JSON nothing is certain."""
    as_json = start == "json" and (problem.opener is None or "{" in problem.opener)
    tag_table = JSON_MISTAKES if as_json else TAG_MISTAKES
    report(problem, LINE_MISTAKES if problem.opener is None else tag_table, findings)
    if start != "verbalizer" or len(findings.found) >= MOST_ERRORS:
        return None
    quote = problem.text.startswith('"', problem.at)
    line_end = re.compile(r"[\r\n]" if quote else r"[;\r\n]").search(problem.text, problem.at)
    return line_end.start() if line_end else len(problem.text)


def _line_classes(tree: Branch, builder: ClassesBuilder) -> None:
    for node in tree.children:
        if isinstance(node, Token) or builder.findings.full:
            continue
        if node.data == "tag":
            tag = _tag(node, builder.findings, alone=True)
            if tag is not None:
                builder.add_tag_line(tag)
            continue
        head, *rest = node.children
        assert not isinstance(head, Token)
        label, place = _label(head.children[0], builder.findings)
        before = len(builder.findings.found)
        items = [item for child in rest for item in _items(child, builder.findings)]
        if len(builder.findings.found) == before:
            builder.add_class(label, items, place)


def _label(token: Token | Branch, findings: Findings) -> tuple[str, Span]:
    assert isinstance(token, Token)
    if token.type == "STRING":
        return read_string(token, findings), span_of(token)
    label = token.rstrip()[:-1].rstrip()
    start = token.start_pos or 0
    return label, Span(start, start + len(label))


def _items(node: Token | Branch, findings: Findings) -> list[Item]:
    """A tag, a quoted word, or a run of bare words."""
    if not isinstance(node, Token):
        tag = _tag(node, findings)
        return [] if tag is None else [tag]
    if node.type == "STRING":
        return [Word(read_string(node, findings), span_of(node))]
    start = node.start_pos or 0
    return [Word(m.group(), Span(start + m.start(), start + m.end())) for m in _BARE.finditer(node)]


def _tag(node: Branch, findings: Findings, alone: bool = False) -> Tag | None:
    """A tag of the verbalizer's tables; steps only where the tag stands `alone` on its line."""
    tag = read_tag(node, {**schema.STEP_KINDS, **schema.ITEM_KINDS}, findings)
    if tag is None or alone or tag.kind in schema.ITEM_KINDS:
        return tag
    message = f"{quoted(tag.kind)} is a step, not a label word"
    findings.add("PD409", message, tag.kind_span, "speaks of the whole verbalizer", "put it on a line of its own")
    return None


def _json_classes(tree: Branch, builder: ClassesBuilder) -> None:
    """`{"label": ["word", …], …}`: each text is one item, never split. A key that is a tag is a line without label."""
    for pair in read_pairs(tree, builder.findings):
        if pair.broken or builder.findings.full:
            continue
        if is_tag(pair.key) and not pair.bare:
            mapped_line(pair.key, pair.value in (None, ()), pair.key_span, builder)
        else:
            _json_class(pair, builder)


def _json_class(pair: Pair, builder: ClassesBuilder) -> None:
    findings = builder.findings
    listed = isinstance(pair.value, tuple)
    values = pair.value if isinstance(pair.value, tuple) else (pair.value,)
    places = pair.item_spans if listed else (pair.value_span,)
    advice = f"write {scalar(pair.key[:80])}: " + ("null" if is_tag(pair.key) else '["word", "word"]')
    odd = next((index for index, value in enumerate(values) if not isinstance(value, str)), None)
    if pair.bare:
        findings.add("PD401", "a label without words", pair.key_span, "a colon and a list were expected", advice)
    elif odd is not None:
        message = f"a label word is a text, not {named(values[odd])}"
        findings.add("PD411", message, places[odd], "not a text", advice)
    elif isinstance(pair.value, str) and not is_tag(pair.value) and re.search(r"[,;]", pair.value):
        message = "one text where a list of words belongs"
        findings.add("PD411", message, pair.value_span, "a text is never split at its commas", advice)
    else:
        items = mapped_items([str(value) for value in values], places, findings)
        if items is not None:
            builder.add_class(pair.key, items, pair.key_span)


def is_tag(text: str) -> bool:
    """Whether a key or a text of a mapping begins like a tag, and so is one."""
    return re.match(r'\s*<[ \t]*"', text) is not None


def mapped_line(key: str, empty: bool, place: Span | None, builder: ClassesBuilder) -> None:
    """A mapping's key that is a tag: what a line without a label is in text. Its value is `empty`: null or no words."""
    if not empty:
        message = f"the tag {printable(key, 80)} is a key with words"
        advice = f"write {scalar(key[:80])}: null; among the words of a class it stands in their list"
        builder.findings.add("PD411", message, place, "a tag of its own has no words", advice)
        return
    tag = _tag_in_text(key, builder.findings, place, alone=True)
    if tag is not None:
        builder.add_tag_line(tag)


def mapped_items(texts: Sequence[str], places: Sequence[Span | None], findings: Findings) -> list[Item] | None:
    """Items from the texts of a mapping: a text that begins like a tag is one. None if one of them is broken."""
    items: list[Item] = []
    for text, place in zip(texts, places, strict=True):
        if not is_tag(text):
            items.append(Word(text, place or NOWHERE))
            continue
        tag = _tag_in_text(text, findings, place)
        if tag is None:
            return None
        items.append(tag)
    return items


def _tag_in_text(text: str, findings: Findings, place: Span | None, alone: bool = False) -> Tag | None:
    """The tag that a text of a mapping holds.

    It and its errors point at the whole text, for escapes hide the places in it.
    """
    inner = Findings(text, findings.origin)
    body = text.strip()
    tree = _read(body, "tag", 0, inner)
    tag = None if tree is None else _tag(tree, inner, alone)
    for found in inner.found:
        advice = f"make it a key: {scalar(body[:80])}: null" if found.code == "PD409" else found.help
        findings.add(found.code, found.message, place, found.label, advice, found.note)
    if tag is None:
        return None
    whole = place or NOWHERE
    attributes = tuple(replace(a, key_span=whole, value_span=whole) for a in tag.attributes)
    return replace(tag, attributes=attributes, span=whole, kind_span=whole, value_span=whole)
