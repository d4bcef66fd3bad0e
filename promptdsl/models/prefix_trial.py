"""A trial that says whether a model takes a prefix: a few tokens of its vocabulary, and what must come of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from promptdsl.models.backbone import Backbone
from promptdsl.models.prefix_ways import Pairs, Way, made_by, room, states_along

__all__ = ["takes"]

TRIED = 4  # tokens of each half of a trial; no model has a window as narrow
FAILURES = (RuntimeError, ValueError, TypeError, AttributeError, LookupError, AssertionError)


def takes(backbone: Backbone, way: type[Way]) -> bool:
    """Whether a way is exact on this model, tried with a few tokens of its vocabulary."""
    if backbone.lm.config.is_encoder_decoder:  # three attentions, and none says which the prefix is for
        return False
    was = backbone.training
    backbone.train(False)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            served = way.ready(backbone) and _exact(backbone, way) and _reaches_all(backbone, way)
    except FAILURES:
        served = False
    finally:
        backbone.train(was)
    if not served:
        way.undo(backbone)
    return served


@torch.no_grad()
def _exact(backbone: Backbone, way: type[Way]) -> bool:
    """Whether keys and values that the model itself made are taken for the tokens that made them.

    A decoder must go on from them as if it had read the tokens. In an encoder each token attends to the whole input;
    with the input's own keys and values there a second time, every weight is halved and every sum the same.
    """
    first, second = _trial_tokens(backbone)
    whole = _plain(backbone, way, torch.cat([first, second], 1), 0)[:, TRIED:]
    alone = _plain(backbone, way, second, TRIED)
    read, own = made_by(backbone, way, first), made_by(backbone, way, second, TRIED)
    return any(
        all(_close(_behind(backbone, way, pairs, second, padding), expected) for padding in (0, 1))
        for pairs, expected in ((read, whole), (own, alone))
    )


def _reaches_all(backbone: Backbone, way: type[Way]) -> bool:
    """Whether every layer's keys and every layer's values move the states, by their gradients."""
    first, second = _trial_tokens(backbone)
    pairs = [(k.clone().requires_grad_(), v.clone().requires_grad_()) for k, v in made_by(backbone, way, first)]
    states = _behind(backbone, way, pairs, second)
    weights = torch.randn(states.shape, generator=torch.Generator().manual_seed(0)).to(states)
    tensors = [tensor for pair in pairs for tensor in pair]
    found = torch.autograd.grad((states * weights).sum(), tensors, allow_unused=True)
    return bool(pairs) and all(g is not None and bool(g.isfinite().all()) and bool(g.any()) for g in found)


def _trial_tokens(backbone: Backbone) -> tuple[Tensor, Tensor]:
    count = backbone.lm.get_input_embeddings().weight.shape[0]
    spread = torch.linspace(count // 4, count - 1, 2 * TRIED, device=backbone.device).long()[None]
    return spread[:, :TRIED], spread[:, TRIED:]


def _close(found: Tensor, expected: Tensor) -> bool:
    allowed = max(1e-3, 16 * torch.finfo(expected.dtype).eps)
    return bool((found - expected).abs().max() <= allowed * expected.abs().max())


def _plain(backbone: Backbone, way: type[Way], tokens: Tensor, start: int) -> Tensor:
    return states_along(backbone, way((), 1), torch.ones_like(tokens), start, {"input_ids": tokens})


def _behind(backbone: Backbone, way: type[Way], pairs: Pairs, tokens: Tensor, padding: int = 0) -> Tensor:
    padded = nn.functional.pad(tokens, (0, padding))
    mask = nn.functional.pad(torch.ones_like(tokens), (0, padding))
    return states_along(backbone, way(pairs, 1), mask, room(pairs), {"input_ids": padded})[:, : tokens.shape[1]]
