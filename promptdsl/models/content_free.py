"""Rows without content: what a language model says at the mask when a template's fields say nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptdsl.encoding.compiler import TokenProgram
from promptdsl.encoding.demos import Demonstration
from promptdsl.encoding.encoder import RowTokens
from promptdsl.encoding.slots import FieldSlot

__all__ = ["INPUTS", "content_free"]

# What stands in the fields; None is the mask token (Zhao et al. 2021, section 5; Holtzman et al. 2021, section 3).
INPUTS: Mapping[str, tuple[str | None, ...]] = {"content-free": ("N/A", "", None), "domain": ("",)}


def content_free(program: TokenProgram, fills: Sequence[str | None], demos: Sequence[Demonstration] = ()) -> RowTokens:
    """For each of `fills` a row whose fields all hold that text, below the same solved examples.

    On a causal LM, which has no mask token, None is the text "[MASK]".
    """
    fields = [slot for slot in program.standing(bool(demos)) if isinstance(slot, FieldSlot)]
    rows: list[list[Sequence[int]]] = [[_field(program, slot, fill) for slot in fields] for fill in fills]
    return RowTokens(program, rows, [demos] * len(rows), [(0,) * len(program.slots)] * len(rows))


def _field(program: TokenProgram, slot: FieldSlot, fill: str | None) -> list[int]:
    if fill is None and program.family == "masked" and program.text.mask_id is not None:
        return [program.text.mask_id]
    text = "[MASK]" if fill is None else fill
    return program.text.encode([f" {text}" if slot.leading_space and text else text], at_start=slot.at_start)[0]
