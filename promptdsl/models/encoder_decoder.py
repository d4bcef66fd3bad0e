"""Encoder-decoders: a row is encoded once, and the decoder reads it behind each of its targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

__all__ = ["decoded", "entering", "start_token"]


def start_token(model: Any) -> int | None:
    """The token that the decoder begins with: what the configuration says, else padding, as in T5."""
    configs = model.config, getattr(model, "generation_config", None)
    named = [getattr(config, name, None) for name in ("decoder_start_token_id", "pad_token_id") for config in configs]
    return next((int(token) for token in named if token is not None), None)


def decoded(
    model: Any,
    given: Mapping[str, Tensor | None],
    attention_mask: Tensor,
    target: Tensor,
    target_of: Tensor,
    start: int,
) -> Tensor:
    """Last hidden states of the decoder: (lines, 1 + length, hidden).

    Args:
        model: an encoder-decoder of transformers.
        given: what the encoder reads: `input_ids`, (rows, length), or `inputs_embeds`, (rows, length, width).
        attention_mask: (rows, length).
        target: (lines, length) what stands in the decoder after its start token, padded on the right: the decoder
            reads from left to right, so that padding changes nothing before it.
        target_of: (lines,) the row that each line belongs to.
        start: the decoder's first token.
    """
    encoded = model.get_encoder()(**given, attention_mask=attention_mask, return_dict=True).last_hidden_state
    out = model.get_decoder()(
        input_ids=torch.cat([target.new_full((len(target), 1), start), target], 1),
        encoder_hidden_states=encoded[target_of],
        encoder_attention_mask=attention_mask[target_of],
        use_cache=False,
        return_dict=True,
    )
    states: Tensor = out.last_hidden_state
    return states


def entering(states: Tensor) -> dict[str, Any]:
    """The arguments with which a model without encoder and decoder makes logits of the decoder's states."""
    return {"encoder_outputs": BaseModelOutput(last_hidden_state=states), "decoder_inputs_embeds": states}
