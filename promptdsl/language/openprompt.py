"""OpenPrompt's template strings → ours.

OpenPrompt turns every `{…}` into `eval("{…}")`; here it is read by `openprompt_reader.py`, and lambdas become filters
by the closed list of `lambdas.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from promptdsl.errors import Diagnostic, Span, raise_all
from promptdsl.language.filters import FILTERS
from promptdsl.language.lambdas import filters_of
from promptdsl.language.openprompt_reader import LITERAL_BRACE, Code, Pair, read
from promptdsl.language.schema import Scalar, Value
from promptdsl.language.template import Template
from promptdsl.language.translation import Translation

__all__ = ["from_openprompt"]

FIELDS = ("placeholder", "meta")
FLAGS = ("shortenable", "same")  # whatever Python takes for true or false
CUT = (*FIELDS, "text")  # the kinds on which `shortenable` means something
NO_CODE = "filters are " + ", ".join(FILTERS)


def from_openprompt(text: str) -> Template:
    """The template that OpenPrompt reads in `text`.

    Runs of blanks before a piece become one, blanks at the end go, as OpenPrompt has it; `post_processing` becomes
    `filters`. Raises a PromptDSLError with the caret in `text`: PD15x for what is no OpenPrompt string, else what our
    own parser says.
    """
    out = Translation(text, LITERAL_BRACE)
    parts = read(text)
    if text and not parts:
        return Template(" ")  # blanks alone: a template of nothing, which our language spells as one blank
    problems: list[Diagnostic] = []
    defined: set[int] = set()
    for part in parts:
        if part.space:
            out.text(" ", part.span)
        if isinstance(part.content, str):
            out.text(part.content, part.span)
        else:
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
    found: list[tuple[str, Value, Span, Span]] = []
    for pair in pairs:
        if pair.key == "post_processing":
            filters = _filters(pair, source, problems) if any(k in keys for k in FIELDS) else ()
            if filters:
                found.append(("filters", filters, pair.key_span, pair.value_span))
        elif isinstance(pair.value, Code):
            problems.append(_refused(pair, source, f'code is read only after "post_processing", not "{pair.key}"'))
        elif not _ignored(pair.key, pair.value, keys):
            flag = pair.key in FLAGS and not pair.bare and (pair.value is None or type(pair.value) is int)
            found.append((pair.key, bool(pair.value) if flag else pair.value, pair.key_span, pair.value_span))
    return found


def _ignored(key: str, value: Scalar, keys: Mapping[str, Scalar | Code]) -> bool:
    """Whether OpenPrompt reads the key and does nothing with it."""
    if key == "shortenable":
        return not value and not any(k in keys for k in CUT)
    if key in ("duplicate", "same") and isinstance(keys.get("soft"), str):
        return True
    return key == "same" and keys.get("duplicate") in (None, 1)


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
