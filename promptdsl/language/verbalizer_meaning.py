"""What a verbalizer of well-formed lines and tags may not say, as far as no model is needed to know it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from promptdsl.errors import Span
from promptdsl.language.findings import Findings, quoted
from promptdsl.language.nodes import NOWHERE, LabelledWords, Tag, gives, scalar

__all__ = ["check_verbalizer"]

# What all classes must say alike ("" is the tag's value): their numbers would not compare otherwise.
_ALIKE = {"cluster": ("score",), "prototype": ("", "epochs", "learning_rate")}
_MEANINGLESS_BESIDE_META = ("auto", "refine", "soft", "cluster", "prototype")
# What gives a word one number, whatever the row → what to use where every row has other words.
_OF_FIXED_WORDS = {
    ("calibrate", "contextual"): 'use "pmi", which each row gives itself, or "batch", which is of the classes',
    ("calibrate", "support"): 'use "pmi", which each row gives itself, or "batch", which is of the classes',
    ("pool", "weighted"): 'use "mean", or "learned" for weights of the columns',
}


def check_verbalizer(classes: Sequence[LabelledWords], steps: Sequence[Tag], findings: Findings) -> None:
    """Report steps and items that contradict themselves or each other."""
    _check_steps_once(steps, findings)
    _check_lists(classes, steps, findings)
    _check_vectors(classes, findings)
    _check_words(classes, steps, findings)
    _check_meta(classes, steps, findings)


def _tags(words: LabelledWords) -> Iterator[Tag]:
    return (item for item in words.items if isinstance(item, Tag))


def _place(span: Span) -> Span | None:
    """The span, or None for nodes that were never text."""
    return None if span == NOWHERE else span


def _check_steps_once(steps: Sequence[Tag], findings: Findings) -> None:
    seen: set[str] = set()
    for step in steps:
        if step.kind in seen:
            message = f"the step {quoted(step.kind)} stands twice"
            findings.add("PD415", message, _place(step.span), "again", "keep one of the two lines")
        seen.add(step.kind)


def _check_lists(classes: Sequence[LabelledWords], steps: Sequence[Tag], findings: Findings) -> None:
    """A refinement or a relation counts once, wherever it stands in its list; filters may be applied again."""
    shared: dict[int, Tag] = {id(tag): tag for words in classes for tag in _tags(words)}
    for tag in (*shared.values(), *steps):
        lists = [(tag.kind, tag.value, tag.value_span), *((a.key, a.value, a.value_span) for a in tag.attributes)]
        lists = [entry for entry in lists if entry[0] != "filters"]
        for owner, value, span in lists:
            twice = next((v for i, v in enumerate(value) if v in value[:i]), None) if isinstance(value, tuple) else None
            if twice is not None:
                message = f"{quoted(owner)} lists {quoted(str(twice))} twice"
                findings.add("PD416", message, _place(span), "one of them does nothing", "write it once")


def _check_vectors(classes: Sequence[LabelledWords], findings: Findings) -> None:
    """Abstract label words: of each kind one in every class, or none in any."""
    kinds = dict.fromkeys(tag.kind for words in classes for tag in _tags(words) if gives(tag) == "vectors")
    for kind in kinds:
        found = [[tag for tag in _tags(words) if tag.kind == kind] for words in classes]
        without = next((w for w, tags in zip(classes, found, strict=True) if not tags), None)
        second = next(((w, tags[1]) for w, tags in zip(classes, found, strict=True) if len(tags) > 1), None)
        if without is not None:
            example = next(str(tags[0]) for tags in found if tags)
            message = f"the class {quoted(without.label)} has no {quoted(kind)}, another class has one"
            advice = f"write {example} on a line of its own: it then stands in every class"
            findings.add("PD417", message, _place(without.label_span), "abstract label words are missing", advice)
        if second is not None:
            message = f"a second {quoted(kind)} in the class {quoted(second[0].label)}"
            advice = "keep one; a tag on a line of its own stands in every class"
            findings.add("PD418", message, _place(second[1].span), "a class has one", advice)
        elif without is None:
            _check_alike([tags[0] for tags in found], findings)


def _check_alike(tags: Sequence[Tag], findings: Findings) -> None:
    first = tags[0]
    for key in _ALIKE.get(first.kind, ()):
        wanted = first[key] if key else first.value
        odd = next((tag for tag in tags if (tag[key] if key else tag.value) != wanted), None)
        if odd is None:
            continue
        attribute = odd.attribute(key)
        span = odd.value_span if not key else odd.span if attribute is None else attribute.value_span
        name = quoted(key or first.kind)
        message = f"{name} is {scalar(odd[key] if key else odd.value)} here and {scalar(wanted)} in another class"
        advice = f"write the same in every class, or once for all: {first} on a line of its own"
        findings.add("PD419", message, _place(span), "all classes share one space", advice)


def _check_words(classes: Sequence[LabelledWords], steps: Sequence[Tag], findings: Findings) -> None:
    """Words of the vocabulary: in every class, or in none; without them no step has anything to work on."""
    with_words = [any(gives(item) != "vectors" for item in words.items) for words in classes]
    if any(with_words):
        for words, has in zip(classes, with_words, strict=True):
            if not has:
                message = f"the class {quoted(words.label)} has only abstract label words, another class has words"
                advice = "give every class a word, or leave the words of all classes out"
                findings.add("PD417", message, _place(words.label_span), "no word here", advice)
                return
        return
    for step in steps:
        message = f"{quoted(step.kind)} speaks of label words, and no class has any"
        advice = "remove it: abstract label words come from the rows, not from the vocabulary"
        findings.add("PD420", message, _place(step.span), "nothing to work on", advice)


def _check_meta(classes: Sequence[LabelledWords], steps: Sequence[Tag], findings: Findings) -> None:
    """A word that comes from the row is another one in every row: nothing can be learnt or searched for the class."""
    tags = [tag for words in classes for tag in _tags(words)]
    meta = next((tag for tag in tags if tag.kind == "meta"), None)
    if meta is None:
        return
    odd = next((tag for tag in (*tags, *steps) if tag.kind in _MEANINGLESS_BESIDE_META), None)
    if odd is not None:
        message = f"{quoted(odd.kind)} in a verbalizer whose words come from the row"
        advice = f"remove it, or remove {meta}"
        findings.add("PD421", message, _place(odd.span), "the words are others in every row", advice)
    for step in steps:
        advice = _OF_FIXED_WORDS.get((step.kind, str(step.value)), "")
        if advice:
            message = f"{step.kind} {quoted(str(step.value))} in a verbalizer whose words come from the row"
            findings.add("PD421", message, _place(step.value_span), "the words are others in every row", advice)
