"""The `calibrate` step: what content-free inputs, or given rows, say anyway is taken out of the scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch

from promptdsl.encoding.compiler import FieldSlot, FixedSlot, TokenProgram
from promptdsl.encoding.encoder import RowTokens
from promptdsl.language.nodes import Tag
from promptdsl.verbalizers.head import Observations
from promptdsl.verbalizers.priors import CALIBRATIONS

if TYPE_CHECKING:
    from promptdsl.models.prompt_model import PromptModel

__all__ = ["calibrate", "content_free"]


def calibrate(model: PromptModel, support: Observations | None = None) -> None:
    """Fit the priors of the model's head, as its `calibrate` step says; nothing without one.

    Args:
        model: a PromptModel; its head is changed.
        support: what was observed on given rows, for the kinds that need them.
    """
    step = next((s for s in model.verbalizer.verbalizer.steps if s.kind == "calibrate"), None)
    if step is None:
        return
    spec = CALIBRATIONS[str(step.value)]
    seen = support if spec.inputs == "support" else observe_content_free(model, _INPUTS[spec.inputs])
    assert seen is not None
    with torch.no_grad():
        scores = model.head.word_scores(seen)
        if spec.level == "words":
            model.head.prior.copy_(spec.prior(scores))
        else:
            model.head.class_prior.zero_()
            model.head.class_prior.copy_(spec.prior(model.head.word_log_proba(scores)))


def observe_content_free(model: PromptModel, fills: tuple[str | None, ...]) -> Observations:
    """What the model says where every field holds one of `fills` instead of a row's text."""
    tokens = content_free(model.program, fills)
    return model.observe_batches(model.batched(model.lay_out(tokens), len(fills)))


def content_free(program: TokenProgram, fills: tuple[str | None, ...]) -> RowTokens:
    """Rows without content: for each of `fills` one whose fields all hold that text; None is the mask token.

    On a causal LM, which has no mask token, None is the text "[MASK]".
    """
    rows = [[_field(program, slot, fill) for slot in program.slots if isinstance(slot, FieldSlot)] for fill in fills]
    fixed = tuple(s.ids if isinstance(s, FixedSlot) else () for s in program.slots)
    return RowTokens(program, rows, fixed, [(0,) * len(program.slots)] * len(rows))


def _field(program: TokenProgram, slot: FieldSlot, fill: str | None) -> list[int]:
    if fill is None and program.family == "masked" and program.text.mask_id is not None:
        return [program.text.mask_id]
    text = "[MASK]" if fill is None else fill
    return program.text.encode([f" {text}" if slot.leading_space and text else text], at_start=slot.at_start)[0]


# What stands in the fields (Zhao et al. 2021, section 5; Holtzman et al. 2021, section 3).
_INPUTS: Mapping[str, tuple[str | None, ...]] = {"content-free": ("N/A", "", None), "domain": ("",)}
