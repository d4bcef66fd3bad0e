"""Template text → pieces."""

from __future__ import annotations

from collections.abc import Mapping

from lark import Token

from promptdsl.errors import Span
from promptdsl.language.checks import check_tag
from promptdsl.language.findings import MOST_ERRORS, Findings
from promptdsl.language.grammar import load_grammar
from promptdsl.language.meaning import check_template
from promptdsl.language.mistakes import report, tag_closed
from promptdsl.language.nodes import Piece, Tag, Text, joined
from promptdsl.language.recovery import Branch, Problem, read
from promptdsl.language.schema import TEMPLATE_KINDS, KindSpec
from promptdsl.language.tag_mistakes import TAG_MISTAKES
from promptdsl.language.value_checks import Pair
from promptdsl.language.values import read_string, read_value, refuse_surrogates, span_of, unescape_text

__all__ = ["LONGEST_TEMPLATE", "MOST_TAGS", "parse_template", "read_pairs", "read_tag"]

LONGEST_TEMPLATE = 64 * 1024  # bytes of UTF-8
MOST_TAGS = 1024


def parse_template(text: str, origin: str = "template", limit: int | None = LONGEST_TEMPLATE) -> tuple[Piece, ...]:
    """The pieces of a template. `limit` bounds its size in bytes (None: no bound).

    Raises `TemplateSyntaxError`, `TemplateNameError` or `TemplateError` with all that was found.
    """
    findings = Findings(text, origin)
    findings.refuse_larger(limit, "template")
    refuse_surrogates(text, findings)
    tags = 0

    def count(token: Token) -> bool:
        nonlocal tags
        tags += token.type in ("OPEN_ANGLE", "OPEN_BRACE")
        return tags <= MOST_TAGS

    tree, stopped = read(load_grammar("template"), "template", text, lambda p: _recover(p, findings), count)
    if stopped is not None and not findings.full:
        _too_many(stopped, tags, findings)
    pieces = () if tree is None else _pieces(tree, findings)
    if tree is not None and not findings.full:
        check_template(pieces, findings)
    findings.raise_found("template")
    return pieces


def read_tag(node: Branch, kinds: Mapping[str, KindSpec], findings: Findings) -> Tag | None:
    """A tag's tree, checked against `kinds`; None if something is wrong with it."""
    opener, *_, closer = node.children
    assert isinstance(opener, Token) and isinstance(closer, Token)
    span = Span(opener.start_pos or 0, closer.end_pos or 0)
    return check_tag(read_pairs(node, findings), span, kinds, findings, brace=opener.startswith("{"))


def read_pairs(node: Branch, findings: Findings) -> list[Pair]:
    """The pairs in the tree of a tag or of a JSON text."""
    pairs = []
    for child in node.children:
        if isinstance(child, Token):
            continue
        key, *rest = child.children
        assert isinstance(key, Token)
        before = len(findings.found)
        name, place = read_string(key, findings), span_of(key)
        value, value_place, item_places = read_value(rest[0], findings) if rest else (None, place, ())
        broken = len(findings.found) > before
        pairs.append(Pair(name, value, place, value_place, item_places, bare=not rest, broken=broken))
    return pairs


def _recover(problem: Problem, findings: Findings) -> int | None:
    """Report a broken tag, and say where the text goes on behind it."""
    row = report(problem, TAG_MISTAKES, findings)
    if len(findings.found) >= MOST_ERRORS:
        return None
    if row.goes_on == "last" and problem.last is not None:
        return (problem.last.start_pos or 0) + max(problem.last.rfind("<"), problem.last.rfind("{"))
    if row.goes_on == "next":
        return problem.at + 1
    return tag_closed(problem)[1]


def _too_many(place: int, tags: int, findings: Findings) -> None:
    if tags > MOST_TAGS:
        message, label = f"more than {MOST_TAGS:,} tags", "the limit is passed here"
    else:
        message, label = "a tag with far too many values", "reading stops here"
    findings.add("PD122", message, Span(place, place + 1), label, "split the template, or let the rows carry the data")


def _pieces(tree: Branch, findings: Findings) -> tuple[Piece, ...]:
    """Text and checked tags in their order; texts that a broken tag parted are joined."""
    pieces: list[Piece] = []
    for child in tree.children:
        if isinstance(child, Token):
            start = child.start_pos or 0
            pieces.append(Text(unescape_text(str(child)), Span(start, start + len(child))))
        elif not findings.full:
            tag = read_tag(child, TEMPLATE_KINDS, findings)
            if tag is not None:
                pieces.append(tag)
    return joined(pieces)
