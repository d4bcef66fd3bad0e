"""`promptdsl explain`: what a code, a tag or a filter means."""

from __future__ import annotations

from typing import Annotated

import typer

from promptdsl.cli.terminal import write
from promptdsl.codes import CODES, Code
from promptdsl.errors import printable
from promptdsl.language.explain import explain_kind
from promptdsl.language.filters import FILTERS, FilterSpec
from promptdsl.language.findings import suggest
from promptdsl.language.schema import ITEM_KINDS, STEP_KINDS, TEMPLATE_KINDS

__all__ = ["command"]

KINDS = {**TEMPLATE_KINDS, **ITEM_KINDS, **STEP_KINDS}


def command(
    what: Annotated[
        str | None, typer.Argument(metavar="CODE|TAG|FILTER", help="PD201, soft, append …; nothing: what there is.")
    ] = None,
) -> None:
    """Explain an error code, a lint finding, a tag or a filter.

    \b
    promptdsl explain PD201
    promptdsl explain soft
    """
    if what is None:
        write(_overview())
        return
    found = [_code(CODES[what.upper()])] if what.upper() in CODES else []
    found += [explain_kind(k[what]) for k in (TEMPLATE_KINDS, ITEM_KINDS, STEP_KINDS) if what in k]
    found += [_filter(FILTERS[what])] if what in FILTERS else []
    if not found:
        near = suggest(what.upper(), CODES) or suggest(what, [*KINDS, *FILTERS])
        raise typer.BadParameter(
            f"there is no code, tag or filter {what!r}" + (f"; did you mean {near}?" if near else ""),
            param_hint="CODE",
        )
    write("\n\n".join(found))


def _overview() -> str:
    codes = [f"  {c.code}  {c.title}" for c in CODES.values()]
    return "\n".join(["tags:     " + ", ".join(KINDS), "filters:  " + ", ".join(FILTERS), "codes:", *codes])


def _code(code: Code) -> str:
    lines = [f"{code.code}: {code.title}", "", code.cause, code.remedy]
    for name, example in (("wrong", code.wrong), ("right", code.right)):
        if example:
            lines += ["", f"{name}:  " + "\n        ".join(printable(x) for x in example.split("\n"))]
    return "\n".join(lines)


def _filter(spec: FilterSpec) -> str:
    text = {"none": "", "optional": "[:text]", "required": ":text"}[spec.argument]
    default = f" (default {spec.default!r})" if spec.default else ""
    return f'"filters":["{spec.name}{text}"]\n\n{spec.name}: {spec.doc}{default}'
