"""Checks one tag's kind and attributes against the schema's tables."""

from __future__ import annotations

from collections.abc import Mapping

from promptdsl.errors import Span
from promptdsl.language import schema
from promptdsl.language.findings import Findings, listed, quoted, suggest
from promptdsl.language.nodes import Attribute, Tag, scalar
from promptdsl.language.schema import KindSpec
from promptdsl.language.value_checks import Pair, check_value

__all__ = ["check_tag"]

# What people write for a kind, from other libraries or from guessing.
_OTHER_NAMES = {
    "input": "placeholder",
    "text_a": "placeholder",
    "text_b": "placeholder",
    "sentence": "placeholder",
    "column": "placeholder",
    "field": "placeholder",
    "var": "placeholder",
    "variable": "placeholder",
    "hole": "mask",
    "label": "mask",
    "answer": "mask",
    "[mask]": "mask",
    "<mask>": "mask",
    "soft_token": "soft",
    "pseudo": "soft",
    "prompt": "soft",
    "trainable": "soft",
    "prefix_tuning": "prefix",
    "token": "special",
    "cls": "special",
    "sep": "special",
    "eos": "special",
    "bos": "special",
    "string": "text",
    "literal": "text",
    "examples": "demos",
    "demonstrations": "demos",
    "shots": "demos",
    "few_shot": "demos",
    "synonym": "wordnet",
    "synonyms": "wordnet",
    "knowledge": "wordnet",
    "file": "words",
    "wordlist": "words",
    "word_list": "words",
    "search": "auto",
    "automatic": "auto",
    "trainable_word": "soft",
    "proto": "prototype",
    "protoverb": "prototype",
    "kmeans": "cluster",
    "filter": "refine",
    "aggregate": "pool",
    "multi_token": "tokens",
}
_FROM_OPENPROMPT = ("post_processing", "add_prefix_space")


def check_tag(
    pairs: list[Pair], span: Span, kinds: Mapping[str, KindSpec], findings: Findings, brace: bool = False
) -> Tag | None:
    """The tag that `pairs` say, or None with the reasons in `findings`. `brace` tells that it was written as `{…}`."""
    before = len(findings.found)
    pairs = _without_repeats(pairs, findings)
    head = _find_kind(pairs, span, kinds, findings, brace)
    if head is None:
        return None
    spec = kinds[head.key]
    check_value(head, spec.name, spec.value, findings, spec.example)
    written: dict[str, Attribute] = {}
    for pair in pairs:
        if pair is head:
            continue
        attribute = _check_attribute(pair, spec, kinds, findings)
        if attribute is not None:
            written[pair.key] = attribute
    if len(findings.found) > before:
        return None
    ordered = tuple(written[key] for key in spec.attributes if key in written)
    return Tag(spec.name, head.value, ordered, spec, span, head.key_span, head.value_span)


def _without_repeats(pairs: list[Pair], findings: Findings) -> list[Pair]:
    seen: dict[str, Pair] = {}
    for pair in pairs:
        if pair.key in seen:
            findings.add(
                "PD206", f"the key {quoted(pair.key)} stands twice", pair.key_span, "again", "keep one of them"
            )
        else:
            seen[pair.key] = pair
    return list(seen.values())


def _find_kind(
    pairs: list[Pair], span: Span, kinds: Mapping[str, KindSpec], findings: Findings, brace: bool
) -> Pair | None:
    """The pair that names the kind; `soft_id` alone stands for a `soft` without value."""
    heads = [pair for pair in pairs if pair.key in kinds]
    if len(heads) > 1:
        _two_kinds(heads, kinds, findings)
        return None
    if heads:
        return heads[0]
    if "soft" in kinds and "soft_id" in kinds["soft"].attributes and any(pair.key == "soft_id" for pair in pairs):
        return Pair("soft", None, Span(span.start, span.start), Span(span.start, span.start), bare=True)
    _no_kind(pairs, kinds, findings, brace)
    return None


def _two_kinds(heads: list[Pair], kinds: Mapping[str, KindSpec], findings: Findings) -> None:
    first, second = heads[0].key, heads[1].key
    if heads[0].bare and heads[1].bare is False:
        advice = f"write two tags, or keep only <{scalar(second)}:…>"
    else:
        advice = f"write two tags, one for {quoted(first)} and one for {quoted(second)}"
    findings.add(
        "PD207", f"{quoted(first)} and {quoted(second)} in one tag", heads[1].key_span, "a second kind", advice
    )


def _no_kind(pairs: list[Pair], kinds: Mapping[str, KindSpec], findings: Findings, brace: bool) -> None:
    """Nothing in the tag names a kind: is it misspelt, or left out?"""
    note = f"kinds are {listed(sorted(kinds))}"
    elsewhere = next((pair for pair in pairs if pair.key in _kinds_elsewhere(kinds)), None)
    if elsewhere is not None:
        _kind_elsewhere(elsewhere, kinds, findings, brace, note)
        return
    owners: dict[str, str] = {}
    for spec in kinds.values():
        for key in spec.attributes:
            owners.setdefault(key, spec.name)
    for pair in pairs:
        close = suggest(pair.key, kinds)
        if pair.key not in owners and (close or _OTHER_NAMES.get(pair.key.casefold()) in kinds):
            _unknown_kind(pair, close, kinds, findings, brace, note)
            return
    first = pairs[0]
    if all(pair.key in owners for pair in pairs):
        example = kinds[owners[first.key]].example[:-1]
        findings.add(
            "PD208",
            "a tag without a kind",
            first.key_span,
            f"an attribute of {quoted(owners[first.key])}",
            f"write the kind too: {example},{scalar(first.key)}:…>",
            note,
        )
        return
    unknown = next(pair for pair in pairs if pair.key not in owners)
    _unknown_kind(unknown, None, kinds, findings, brace, note)


def _of_templates(kinds: Mapping[str, KindSpec]) -> bool:
    return "mask" in kinds


def _kinds_elsewhere(kinds: Mapping[str, KindSpec]) -> set[str]:
    """The kinds of the other language that are none of this one."""
    others = [schema.ITEM_KINDS, schema.STEP_KINDS] if _of_templates(kinds) else [schema.TEMPLATE_KINDS]
    return {name for table in others for name in table} - set(kinds)


def _kind_elsewhere(pair: Pair, kinds: Mapping[str, KindSpec], findings: Findings, brace: bool, note: str) -> None:
    """A tag of the other language."""
    if not _of_templates(kinds):
        advice = "write it in the template; in a verbalizer stand label words, and tags that make or weigh them"
        findings.add(
            "PD201", f"{quoted(pair.key)} is a tag of templates", pair.key_span, "not one of verbalizers", advice, note
        )
        return
    item = schema.ITEM_KINDS.get(pair.key)
    place = "on a line of its own" if item is None else f"in the line of its class: label: {item.example}"
    advice = f"write it in the verbalizer, {place}; to mean the text itself, write \\{'{' if brace else '<'}"
    findings.add(
        "PD201", f"{quoted(pair.key)} is a tag of verbalizers", pair.key_span, "not one of templates", advice, note
    )


def _unknown_kind(
    pair: Pair, close: str | None, kinds: Mapping[str, KindSpec], findings: Findings, brace: bool, note: str
) -> None:
    other = _OTHER_NAMES.get(pair.key.casefold(), "")
    opening = "{" if brace else "<"
    if other in kinds and pair.bare and other in ("placeholder", "special"):
        advice = f"did you mean <{scalar(other)}:{scalar(pair.key.lower())}>?"
    elif close or other in kinds:
        advice = f"did you mean {quoted(close or other)}?"
    elif _of_templates(kinds):
        advice = f"to mean the text itself, write \\{opening} for the {'brace' if brace else 'bracket'}"
    else:
        advice = "to mean a label word that begins like a tag, put double quotes around it"
    findings.add("PD201", f"unknown tag {quoted(pair.key)}", pair.key_span, "not a kind of tag", advice, note)


def _check_attribute(pair: Pair, spec: KindSpec, kinds: Mapping[str, KindSpec], findings: Findings) -> Attribute | None:
    known = spec.attributes.get(pair.key)
    if known is None:
        _unknown_attribute(pair, spec, kinds, findings)
        return None
    if pair.bare and known.type.names == ("boolean",):
        return Attribute(pair.key, True, pair.key_span, pair.key_span)
    check_value(pair, pair.key, known.type, findings)
    return Attribute(pair.key, pair.value, pair.key_span, pair.value_span)


def _unknown_attribute(pair: Pair, spec: KindSpec, kinds: Mapping[str, KindSpec], findings: Findings) -> None:
    close = suggest(pair.key, spec.attributes)
    owners = [other.name for other in kinds.values() if pair.key in other.attributes]
    if pair.key in _FROM_OPENPROMPT:
        advice = "promptdsl migrate FILE rewrites OpenPrompt's attributes; by hand, use filters and ordinary blanks"
    elif close:
        advice = f"did you mean {quoted(close)}?"
    elif owners:
        advice = f"remove it; {quoted(pair.key)} belongs to {listed(map(quoted, owners))}"
    else:
        advice = "remove it"
    note = f"attributes of {quoted(spec.name)} are {listed(spec.attributes)}" if spec.attributes else ""
    label = f"not an attribute of {quoted(spec.name)}"
    findings.add("PD202", f"unknown attribute {quoted(pair.key)}", pair.key_span, label, advice, note)
