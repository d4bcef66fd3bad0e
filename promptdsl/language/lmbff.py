"""LM-BFF's template strings → ours: `*cls**sent_0*_It_was*mask*.*sep+*` (Gao et al., 2021).

Parts stand between asterisks and `_` is a blank. `sent_i` is the i-th text, `sent-_i` without its last character,
`sentl_i` / `sentu_i` with its first character in lower / upper case, and a `+` before any of them is a blank.
"""

from __future__ import annotations

import re

from promptdsl.errors import Span, fail
from promptdsl.language.schema import Value
from promptdsl.language.template import Template
from promptdsl.language.translation import Translation

__all__ = ["from_lmbff"]

_FIELD = re.compile(r"(\+?)sent(-|l|u|)_(\d)")
_FILTERS = {"-": "drop_last", "l": "uncapitalize", "u": "capitalize"}
_COLUMNS = ("text_a", "text_b")
_UNSUPPORTED = re.compile(r"labelx?_\d+|\+?sent\w{0,20}_\w{0,20}|options|option_\d+")


def from_lmbff(text: str) -> Template:
    """The template that LM-BFF reads in `text`.

    The `cls` that begins it and the `sep` that ends it are left out: encoding adds a model's own. LM-BFF's label words
    begin with a blank, so the mask gets one. `sent_0` is the column text_a, `sent_1` text_b, `sent_2` sent_2, ….
    Raises PD155 for a part that has no counterpart.
    """
    out = Translation(text)
    parts = _parts(text)
    while parts and parts[0][0] == "cls":
        parts.pop(0)
    while parts and parts[-1][0] in ("sep", "sep+"):
        parts.pop()
    blank = True  # whether a blank, or nothing at all, stands before the next part
    for part, span in parts:
        field = _FIELD.fullmatch(part)
        if field:
            column = _COLUMNS[int(field[3])] if int(field[3]) < len(_COLUMNS) else f"sent_{field[3]}"
            pairs: list[tuple[str, Value, Span, Span]] = [("placeholder", column, span, span)]
            if field[2]:
                pairs.append(("filters", (_FILTERS[field[2]],), span, span))
            if field[1]:
                out.text(" ", span)
            out.tag(pairs, span)
        elif part == "mask":
            if not blank:
                out.text(" ", span)
            out.tag([("mask", None, span, span)], span)
        elif part in ("cls", "sep", "sep+"):
            out.tag([("special", part.rstrip("+"), span, span)], span)
        elif _UNSUPPORTED.fullmatch(part):
            fail(
                "PD155",
                f"the part {part} has no counterpart in a template",
                span=span,
                source=text,
                help="demonstrations and options are data: make them columns of the rows",
            )
        else:
            out.text(part.replace("_", " "), span)
        blank = part.endswith("_") or part in ("cls", "sep", "sep+")
    return out.template()


def _parts(text: str) -> list[tuple[str, Span]]:
    """The non-empty parts between the asterisks, with their places."""
    return [(m.group(), Span(*m.span())) for m in re.finditer(r"[^*]+", text)]
