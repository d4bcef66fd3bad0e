"""What a template of well-formed tags may not say, as far as no tokenizer is needed to know it."""

from __future__ import annotations

from collections.abc import Iterable

from promptdsl.errors import Span
from promptdsl.language.findings import Findings, quoted
from promptdsl.language.nodes import Piece, Tag, Text
from promptdsl.language.schema import LONGEST

__all__ = ["check_template", "soft_length"]


def check_template(pieces: Iterable[Piece], findings: Findings) -> None:
    """Report tags that contradict themselves or each other."""
    waiting = list(pieces)
    tags = [piece for piece in waiting if isinstance(piece, Tag)]
    if not waiting and not findings.found:
        findings.add("PD301", "an empty template", Span(0, 0), "nothing here", 'write text and tags: It was <"mask">.')
    for tag in tags:
        if tag.kind == "soft":
            _check_soft(tag, findings)
        elif tag.kind == "special":
            _check_special(tag, findings)
    _check_prefix(waiting, findings)
    _check_demos(tags, findings)
    _check_soft_ids(tags, findings)
    _check_names(tags, findings)
    _check_total(tags, findings)


def soft_length(tag: Tag) -> int | None:
    """How many vectors a `soft` tag has; None if its words decide, which takes a tokenizer to count."""
    for written in (tag["length"], tag["duplicate"], tag.value):
        if isinstance(written, int) and not isinstance(written, bool):
            return written
    return 1 if tag.value is None else None


def _check_soft(tag: Tag, findings: Findings) -> None:
    words, count = isinstance(tag.value, str), isinstance(tag.value, int)
    init, length, duplicate, same = (tag.attribute(key) for key in ("init", "length", "duplicate", "same"))
    if words and init:
        advice = 'remove one of the two: the words, or "init"'
        findings.add("PD305", '"init" beside words', init.key_span, "the words already say how it starts", advice)
    if duplicate and tag.value is not None:
        advice = 'write "length" instead' if words else 'remove "duplicate"'
        label = "only for a tag without a value"
        findings.add("PD306", '"duplicate" beside a value', duplicate.key_span, label, advice)
    elif duplicate and length:
        label = "the same as length"
        findings.add("PD306", '"duplicate" beside "length"', duplicate.key_span, label, 'keep "length"')
    if count and length and length.value != tag.value:
        label = f"the tag says {tag.value} already"
        advice = f'write <"soft":{length.value}>, or remove "length"'
        findings.add("PD307", f"{tag.value} soft tokens of length {length.value}", length.value_span, label, advice)
    if same and same.value and soft_length(tag) in (1, None):
        words_help = 'words start from different vectors; remove "same"'
        advice = words_help if words else 'say how many: <"soft":5,"same":true>'
        label = "nothing to be the same as" if not words else "beside words"
        findings.add("PD308", '"same" needs several soft tokens', same.key_span, label, advice)


def _check_special(tag: Tag, findings: Findings) -> None:
    if str(tag.value).strip("<>[]").casefold() == "mask":
        advice = 'write <"mask">'
        findings.add("PD309", "the mask is not a special token", tag.value_span, "has a tag of its own", advice)


def _check_prefix(pieces: list[Piece], findings: Findings) -> None:
    prefixes = [(index, p) for index, p in enumerate(pieces) if isinstance(p, Tag) and p.kind == "prefix"]
    for number, (index, tag) in enumerate(prefixes):
        if number:
            advice = "write one prefix with the sum of both lengths"
            findings.add("PD303", "a second prefix", tag.span, "a template has one prefix", advice)
        elif index:
            blank = all(isinstance(p, Text) and not p.text.strip() for p in pieces[:index])
            advice = "remove the blanks before it" if blank else "move it to the beginning of the template"
            findings.add("PD302", "a prefix that is not first", tag.span, "something stands before it", advice)


def _check_demos(tags: list[Tag], findings: Findings) -> None:
    """Solved examples stand in one place; without a mask there is nothing that they could show."""
    demos = [tag for tag in tags if tag.kind == "demos"]
    for tag in demos[1:]:
        advice = "write one with the sum of both numbers"
        findings.add("PD312", "a second place for solved examples", tag.span, "a template has one", advice)
    if demos and not findings.found and not any(tag.kind == "mask" for tag in tags):
        advice = 'add <"mask"> where the answer stands'
        findings.add("PD311", "solved examples without a mask", demos[0].span, "what would they show?", advice)


def _check_soft_ids(tags: list[Tag], findings: Findings) -> None:
    """The first place with a soft_id defines its vectors; later places only name it."""
    defined: dict[int, Tag] = {}
    for tag in tags:
        shared = tag["soft_id"] if tag.kind == "soft" else None
        if not isinstance(shared, int):
            continue
        extra = next((a for a in tag.attributes if a.key != "soft_id"), None)
        if shared not in defined:
            defined[shared] = tag
        elif tag.value is not None or extra is not None:
            place = tag.value_span if tag.value is not None or extra is None else extra.key_span
            advice = f'a later place only names it: <"soft","soft_id":{shared}>; or use another soft_id'
            findings.add("PD304", f"soft_id {shared} is defined twice", place, "defined before", advice)


def _check_names(tags: list[Tag], findings: Findings) -> None:
    seen: set[str] = set()
    for tag in tags:
        name = tag.attribute("name") if tag.kind == "mask" else None
        if name is None:
            continue
        if str(name.value) in seen:
            message = f"two masks are named {quoted(str(name.value))}"
            findings.add("PD310", message, name.value_span, "the second", "give each mask its own name")
        seen.add(str(name.value))


def _check_total(tags: list[Tag], findings: Findings) -> None:
    """At most 1,024 soft tokens in all places together, prefix included, and as many masks.

    Words count as one soft token until a tokenizer counts them.
    """
    totals = {"soft tokens": 0, "masks": 0}
    lengths: dict[int, int] = {}
    for tag in tags:
        if tag.kind in ("prefix", "mask"):
            totals["masks" if tag.kind == "mask" else "soft tokens"] += tag.value if isinstance(tag.value, int) else 1
        elif tag.kind == "soft":
            shared, own = tag["soft_id"], soft_length(tag) or 1
            totals["soft tokens"] += lengths.setdefault(shared, own) if isinstance(shared, int) else own
        for what, total in totals.items():
            if total > LONGEST:
                message = f"more than {LONGEST:,} {what} in one template"
                findings.add("PD123", message, tag.span, "the limit is passed here", "make the tags shorter")
                return
