"""AutoPrompt's template strings → ours: `<s> {sentence} [T] [T] [T] [P] . </s>` (Shin et al., 2020).

`{name}` is a column, a run of `[T]` is a run of trigger tokens (soft ones here), `[P]` is the mask.
"""

from __future__ import annotations

import re

from promptdsl.errors import Span
from promptdsl.language.template import Template
from promptdsl.language.translation import Translation

__all__ = ["from_autoprompt"]

_PART = re.compile(
    r"(?P<column>\{\w+\})|(?P<soft>\[T\](?: {0,8}\[T\])*+)|(?P<mask>\[P\])|(?P<special></?s>|\[CLS\]|\[SEP\])"
)
_SPECIALS = {"<s>": "cls", "[CLS]": "cls", "</s>": "sep", "[SEP]": "sep"}


def from_autoprompt(text: str) -> Template:
    """The template that AutoPrompt reads in `text`.

    The specials that begin and end it are left out: encoding adds a model's own.
    """
    out = Translation(text)
    body = re.compile(r"\s*(?:<s>|\[CLS\])?\s*").match(text)
    start = body.end() if body else 0
    end = len(text.rstrip())
    for closing in ("</s>", "[SEP]"):
        if text.endswith(closing, start, end):
            end = len(text[: end - len(closing)].rstrip())
            break
    at = start
    for match in _PART.finditer(text, start, max(start, end)):
        if match.start() > at:
            out.text(text[at : match.start()], Span(at, match.start()))
        span, at = Span(*match.span()), match.end()
        if match["column"]:
            out.tag([("placeholder", match["column"][1:-1], span, span)], span)
        elif match["soft"]:
            count = match["soft"].count("T")
            out.tag([("soft", count if count > 1 else None, span, span)], span)
        elif match["mask"]:
            out.tag([("mask", None, span, span)], span)
        else:
            out.tag([("special", _SPECIALS[match["special"]], span, span)], span)
    if at < end:
        out.text(text[at:end], Span(at, end))
    return out.template()
