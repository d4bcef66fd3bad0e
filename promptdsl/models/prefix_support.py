"""Keys and values in front of every self-attention of a body, by the first way that a trial finds exact on the model.

A model that no way serves, such as DeBERTa, whose attention is its own, is refused. A prefix takes the first
positions: tokens are numbered on from its length.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from promptdsl.errors import fail
from promptdsl.models.backbone import Backbone
from promptdsl.models.prefix_trial import takes
from promptdsl.models.prefix_ways import WAYS, Pairs, Way, made_by, room, states_along

__all__ = ["recorded", "refuse_unsupported", "states_behind"]


def states_behind(
    backbone: Backbone,
    pairs: Pairs,
    input_ids: Tensor | None,
    attention_mask: Tensor,
    token_type_ids: Tensor | None = None,
    inputs_embeds: Tensor | None = None,
) -> Tensor:
    """Last hidden states of lines that stand behind a prefix, as `Backbone.states` gives them without one.

    Args:
        backbone: a language model that `refuse_unsupported` let pass.
        pairs: for each layer its keys and values, (kv heads, n, width), in any type.
        input_ids: (batch, length), or None where `inputs_embeds`, (batch, length, width), says more.
        attention_mask: (batch, length) of the tokens alone.
        token_type_ids: (batch, length).

    Returns:
        (batch, length, hidden).
    """
    dtype = backbone.output_weight.dtype
    cast = [(keys.to(dtype), values.to(dtype)) for keys, values in pairs]
    way = _way(backbone)(cast, len(attention_mask))
    given: dict[str, Any] = {"input_ids": input_ids} if inputs_embeds is None else {"inputs_embeds": inputs_embeds}
    if backbone.has_token_types and token_type_ids is not None:
        given["token_type_ids"] = token_type_ids
    return states_along(backbone, way, attention_mask, room(pairs), given)


@torch.no_grad()
def recorded(backbone: Backbone, ids: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
    """Each layer's keys and values of some tokens that stand at the very start, as float32."""
    tokens = torch.tensor([list(ids)], device=backbone.device)
    return [(keys.float(), values.float()) for keys, values in made_by(backbone, _way(backbone), tokens)]


def refuse_unsupported(backbone: Backbone) -> None:
    """Raise ModelError PD530 where neither way puts a prefix before what this model attends to."""
    _way(backbone)


def _way(backbone: Backbone) -> type[Way]:
    for name, way in WAYS.items():
        if backbone.once(name, partial(takes, way=way)):
            return way
    fail(
        "PD530",
        f"{type(backbone.lm).__name__} (model type {backbone.lm.config.model_type}) takes no prefix in its layers",
        help='use soft tokens, such as <"soft":20>, or another language model',
        note="on trial, its attention drops keys and values beside its own, or weighs them otherwise; "
        "encoder-decoders are not tried",
    )
