"""OpenPrompt's template strings → ours.

OpenPrompt turns every `{…}` into `eval("{…}")`; here it is read by `openprompt_reader.py`, and lambdas become filters
by the closed list of `lambdas.py`.
"""

from __future__ import annotations

from promptdsl.errors import Diagnostic, Span, raise_all
from promptdsl.language.filters import FILTERS
from promptdsl.language.findings import Findings
from promptdsl.language.lambdas import filters_of
from promptdsl.language.openprompt_reader import LITERAL_BRACE, Code, Pair, read
from promptdsl.language.parser import LONGEST_TEMPLATE
from promptdsl.language.schema import Value
from promptdsl.language.template import Template
from promptdsl.language.translation import Translation

__all__ = ["from_openprompt"]

FIELDS = ("placeholder", "meta")
CUT = (*FIELDS, "text")  # the kinds on which `shortenable` means something
NO_CODE = "filters are " + ", ".join(FILTERS)


def from_openprompt(text: str) -> Template:
    """The template that OpenPrompt reads in `text`.

    Runs of blanks before a piece become one, blanks at the end go, as OpenPrompt has it; `post_processing` becomes
    `filters`. Raises a PromptDSLError with the caret in `text`: PD15x for what is no OpenPrompt string, else what our
    own parser says.
    """
    Findings(text, "template").refuse_larger(LONGEST_TEMPLATE, "template")
    parts = read(text)
    if text and not parts:
        return Template(" ")  # blanks alone: a template of nothing, which our language spells as one blank
    out = Translation(text, LITERAL_BRACE)
    problems: list[Diagnostic] = []
    defined: set[int] = set()
    for number, part in enumerate(parts):
        following = parts[number + 1] if number + 1 < len(parts) else None
        lead = " " if part.space else ""
        if isinstance(part.content, str):
            trail = " " if following and following.space else ""
            out.text(lead + part.content + trail, part.span, before_tag=following is not None)
            continue
        if lead and (number == 0 or not isinstance(parts[number - 1].content, str)):
            out.text(lead, part.span, before_tag=True)
        out.tag(_meaning(part.content, defined, text, problems), part.span)
    raise_all(problems)
    return out.template()


def _meaning(
    pairs: tuple[Pair, ...], defined: set[int], source: str, problems: list[Diagnostic]
) -> list[tuple[str, Value, Span, Span]]:
    """A tag's pairs as our schema has them; what OpenPrompt ignores is dropped."""
    keys = {p.key: p.value for p in pairs}
    shared = keys.get("soft_id")
    if type(shared) is int and shared in defined:  # OpenPrompt reuses the vectors, whatever else is written
        pairs = tuple(p for p in pairs if p.key == "soft_id")
    elif type(shared) is int:
        defined.add(shared)
    words = isinstance(keys.get("soft"), str)
    found: list[tuple[str, Value, Span, Span]] = []
    for pair in pairs:
        value = pair.value
        if pair.key == "post_processing":
            filters = _filters(pair, source, problems) if any(k in keys for k in FIELDS) else ()
            if filters:
                found.append(("filters", filters, pair.key_span, pair.value_span))
        elif isinstance(value, Code):
            problems.append(_refused(pair, source, f'code is read only after "post_processing", not "{pair.key}"'))
        elif pair.key == "shortenable" and not pair.bare and (value is None or type(value) is int):
            if value or any(k in keys for k in CUT):
                found.append((pair.key, bool(value), pair.key_span, pair.value_span))
        elif pair.key == "shortenable" and value is False and not any(k in keys for k in CUT):
            continue
        elif not (pair.key in ("duplicate", "same") and words):
            found.append((pair.key, value, pair.key_span, pair.value_span))
    return found


def _filters(pair: Pair, source: str, problems: list[Diagnostic]) -> tuple[str, ...]:
    """`post_processing` as filters; OpenPrompt takes a lambda bare or inside a string."""
    if pair.value is None and not pair.bare:
        return ()
    code = pair.value.text if isinstance(pair.value, Code) else pair.value
    found = filters_of(code) if isinstance(code, str) else None
    if found is None:
        problems.append(_refused(pair, source, "this post_processing is no filter that promptdsl knows"))
        return ()
    return tuple(found)


def _refused(pair: Pair, source: str, message: str) -> Diagnostic:
    return Diagnostic(
        "PD154",
        message,
        span=pair.value_span,
        label="never run",
        help='code is never run: compute a column of the rows beforehand, or write "filters":["lower","append:."]',
        note=NO_CODE,
        source=source,
    )
