"""Findings: what a template or a verbalizer may say although it is probably not meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from promptdsl.errors import Diagnostic
from promptdsl.language import lint_template as on_template
from promptdsl.language import lint_verbalizer as on_verbalizer
from promptdsl.language.lint_subject import Finding, Subject
from promptdsl.language.template import Template
from promptdsl.language.verbalizer import Verbalizer

__all__ = ["FAMILIES", "RULES", "lint"]

FAMILIES = ("masked", "causal", "seq2seq")

# Code → rule. A new finding is one entry here, one function, and its row in promptdsl/codes.py.
RULES: dict[str, Callable[[Subject], Iterator[Finding]]] = {
    "PW101": on_template.no_mask,
    "PW102": on_template.blank_missing,
    "PW103": on_template.blank_doubled,
    "PW104": on_template.lookalike,
    "PW105": on_template.text_after_mask,
    "PW106": on_template.field_after_mask,
    "PW107": on_template.field_twice,
    "PW108": on_verbalizer.invisible,
    "PW201": on_verbalizer.several_tokens,
    "PW202": on_verbalizer.word_in_two_classes,
    "PW203": on_verbalizer.word_twice,
    "PW204": on_verbalizer.labels_alike,
    "PW205": on_verbalizer.quoted_word,
    "PW206": on_verbalizer.expansion_in_two_classes,
    "PW207": on_verbalizer.nothing_to_refine,
    "PW208": on_verbalizer.same_item,
}


def lint(
    template: Template | None,
    verbalizer: Verbalizer | None = None,
    *,
    family: str | None = None,
    count_tokens: Callable[[str], int] | None = None,
) -> tuple[Diagnostic, ...]:
    """The findings on a template, a verbalizer, or both, as diagnostics of severity "warning".

    `family` ("masked", "causal", "seq2seq") adds what is only a finding on such a model; `count_tokens` (a text → the
    number of its tokens) adds what depends on the tokenizer. Findings on the template come first, each in the order of
    its place.
    """
    if family is not None and family not in FAMILIES:
        raise ValueError(f"family is one of {', '.join(FAMILIES)} or None, not {family!r}")
    subject = Subject(template, verbalizer, family, count_tokens)
    sources = {
        "template": None if template is None else template.source,
        "verbalizer": None if verbalizer is None else verbalizer.source,
    }
    found = [_diagnostic(code, f, sources[f.origin]) for code, rule in RULES.items() for f in rule(subject)]
    return tuple(sorted(found, key=lambda d: (d.origin != "template", d.span.start if d.span else 0)))


def _diagnostic(code: str, finding: Finding, source: str | None) -> Diagnostic:
    span = None if source is None else finding.span
    return Diagnostic(
        code,
        finding.message,
        severity="warning",
        span=span,
        label=finding.label,
        help=finding.help,
        source=None if span is None else source,
        origin=finding.origin,
    )
