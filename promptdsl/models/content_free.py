"""Rows without content: what a language model says at the mask when a template's fields say nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptdsl.encoding.compiler import TokenProgram
from promptdsl.encoding.demos import Demonstration
from promptdsl.encoding.encoder import RowTokens, default_layout, lay_out
from promptdsl.encoding.slots import FieldSlot
from promptdsl.errors import RowError, fail

__all__ = ["INPUTS", "content_free", "readable"]

# What stands in the fields; None is the mask token (Zhao et al. 2021, section 5; Holtzman et al. 2021, section 3).
INPUTS: Mapping[str, tuple[str | None, ...]] = {"content-free": ("N/A", "", None), "domain": ("",)}


def content_free(
    program: TokenProgram,
    fills: Sequence[str | None],
    demos: Sequence[Demonstration] = (),
    *,
    most: int | None = None,
) -> RowTokens:
    """For each of `fills` a row whose fields all hold that text, below the same solved examples.

    Where there is no mask token, as on a causal LM or an encoder-decoder, None is the text "[MASK]". `most` cuts each
    field to so many tokens.
    """
    fields = [slot for slot in program.standing(bool(demos)) if isinstance(slot, FieldSlot)]
    rows: list[list[Sequence[int]]] = [[_field(program, slot, fill)[:most] for slot in fields] for fill in fills]
    return RowTokens(program, rows, [demos] * len(rows), [(0,) * len(program.slots)] * len(rows))


def readable(program: TokenProgram, fills: Sequence[str | None]) -> tuple[str | None, ...]:
    """Those of `fills` with which the template says anything to read a mask behind.

    A causal LM reads at the position before the mask, and there is none where fields are empty, nothing else stands
    before it, and the tokenizer begins texts with no special token.

    Raises:
        VerbalizerError: PD465 where none is left.
    """
    found: list[str | None] = []
    for fill in fills:
        try:
            lay_out(content_free(program, [fill]), default_layout(program))
        except RowError:
            continue
        found.append(fill)
    if not found:
        fail(
            "PD465",
            "an input without content has nothing before the mask, where a causal LM reads it",
            source=program.template.source,
            help='begin the template with fixed text, or calibrate with "contextual" or "support"',
            origin="template",
        )
    return tuple(found)


def _field(program: TokenProgram, slot: FieldSlot, fill: str | None) -> list[int]:
    if fill is None and program.family == "masked" and program.text.mask_id is not None:
        return [program.text.mask_id]
    text = "[MASK]" if fill is None else fill
    return program.text.encode([f" {text}" if slot.leading_space and text else text], at_start=slot.at_start)[0]
