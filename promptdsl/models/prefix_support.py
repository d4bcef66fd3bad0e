"""Keys and values in front of every self-attention of a body: two ways, and a trial that says which one serves a model.

The first way is the cache of generation (`past_key_values`), which decoders and BERT's next of kin take. Other
encoders drop it without a word; what of them asks transformers' `AttentionInterface` for its attention gets one that
puts the prefix in front. Whatever belongs to one forward pass travels in its arguments, so that threads can share a
model. A model that neither way serves, such as DeBERTa, whose attention is its own, is refused.

A prefix takes the first positions: tokens are numbered on from its length.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from promptdsl.errors import fail
from promptdsl.models.backbone import Backbone

__all__ = ["Pairs", "positions_from", "recorded", "refuse_unsupported", "room", "states_behind"]

# For each layer its keys, (kv heads, n, key width), and values, (kv heads, n, value width).
Pairs = Sequence[tuple[Tensor, Tensor]]

TRIED = 4  # tokens of each half of a trial; no model has a window as narrow
KEYWORD = "promptdsl_prefix"
NAME = "promptdsl_prefix_"  # before the name of the attention that it stands in for
STOOD_IN_FOR = ("sdpa", "eager")
FAILURES = (RuntimeError, ValueError, TypeError, AttributeError, LookupError, AssertionError)


class Way(Protocol):
    """How keys and values travel with one forward pass."""

    def __init__(self, pairs: Pairs, lines: int) -> None: ...

    def arguments(self, attention_mask: Tensor) -> dict[str, Any]:
        """What the body is handed, beside its tokens."""

    def seen(self) -> list[tuple[Tensor, Tensor]]:
        """Each layer's keys and values after the pass, those of the prefix first, (lines, kv heads, length, width)."""

    @classmethod
    def ready(cls, backbone: Backbone) -> bool:
        """Whether the model's body takes the arguments; may prepare the backbone's own view of the model."""

    @classmethod
    def undo(cls, backbone: Backbone) -> None:
        """Take back what `ready` did."""


class CacheWay:
    """As if the model had read the prefix before, and its keys and values were in the cache."""

    def __init__(self, pairs: Pairs, lines: int) -> None:
        self.cache = DynamicCache()
        self.length = room(pairs)
        for layer, (keys, values) in enumerate(pairs):
            self.cache.update(keys.expand(lines, *keys.shape), values.expand(lines, *values.shape), layer)

    def arguments(self, attention_mask: Tensor) -> dict[str, Any]:
        wider = nn.functional.pad(attention_mask, (self.length, 0), value=1)
        return {"past_key_values": self.cache, "attention_mask": wider}

    def seen(self) -> list[tuple[Tensor, Tensor]]:
        return [(layer.keys, layer.values) for layer in self.cache.layers]  # type: ignore[misc, union-attr]

    @classmethod
    def ready(cls, backbone: Backbone) -> bool:
        return "past_key_values" in _accepted(backbone)

    @classmethod
    def undo(cls, backbone: Backbone) -> None:
        """Nothing was done."""


class AttentionWay:
    """Attention that finds the prefix among its arguments and puts it before its own keys and values.

    Every query sees the whole prefix, also where attention has a window. Calls are counted, since layers may be one
    shared module (ALBERT).
    """

    def __init__(self, pairs: Pairs, lines: int) -> None:
        self.pairs = [(k.expand(lines, *k.shape), v.expand(lines, *v.shape)) for k, v in pairs]
        self.calls: list[tuple[Tensor, Tensor]] = []

    def arguments(self, attention_mask: Tensor) -> dict[str, Any]:
        return {KEYWORD: self, "attention_mask": attention_mask}

    def joined(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """The next layer's keys and values behind those of the prefix."""
        if self.pairs:
            before = self.pairs[len(self.calls)]
            keys, values = torch.cat([before[0], keys], 2), torch.cat([before[1], values], 2)
        self.calls.append((keys, values))
        return keys, values

    def seen(self) -> list[tuple[Tensor, Tensor]]:
        return self.calls

    @classmethod
    def ready(cls, backbone: Backbone) -> bool:
        configs = _configs(backbone)
        names = {config._attn_implementation.removeprefix(NAME) for config in configs}
        if not names <= set(STOOD_IN_FOR):
            return False
        for config in configs:
            config._attn_implementation = NAME + config._attn_implementation.removeprefix(NAME)
        return True

    @classmethod
    def undo(cls, backbone: Backbone) -> None:
        for config in _configs(backbone):
            config._attn_implementation = config._attn_implementation.removeprefix(NAME)


WAYS: Mapping[str, type[Way]] = {"prefix in the cache": CacheWay, "prefix in the attention": AttentionWay}


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *given: Any,
    **more: Any,
) -> Any:
    """The attention that the model would have used, with the prefix of this pass, if it has one, in front."""
    way: AttentionWay | None = more.pop(KEYWORD, None)
    before = 0
    if way is not None:
        own = key.shape[2]
        key, value = way.joined(key, value)
        before = key.shape[2] - own
    if before and attention_mask is not None:
        seen = True if attention_mask.dtype == torch.bool else 0.0  # a mask of numbers is added to the scores
        attention_mask = nn.functional.pad(attention_mask, (before, 0), value=seen)
    elif before and getattr(module, "is_causal", False):
        raise NotImplementedError("a causal attention without a mask would hide the prefix")  # never past a trial
    config: Any = module.config
    name = config._attn_implementation.removeprefix(NAME)
    own_eager = getattr(sys.modules[type(module).__module__], "eager_attention_forward", None)
    used = own_eager if name == "eager" else ALL_ATTENTION_FUNCTIONS[name]
    return used(module, query, key, value, attention_mask, *given, **more)  # type: ignore[misc]


# Entered on import, so that a pickled model finds what its configuration names. Without a prefix nothing changes.
for _name in STOOD_IN_FOR:
    AttentionInterface.register(NAME + _name, _attention)
    AttentionMaskInterface.register(NAME + _name, ALL_MASK_ATTENTION_FUNCTIONS[_name])


def room(pairs: Pairs) -> int:
    """How many positions some keys and values take."""
    return pairs[0][0].shape[1] if len(pairs) else 0


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
    return _run(backbone, way, attention_mask, room(pairs), given)


@torch.no_grad()
def recorded(backbone: Backbone, ids: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
    """Each layer's keys and values of some tokens that stand at the very start, as float32."""
    tokens = torch.tensor([list(ids)], device=backbone.device)
    return [(keys.float(), values.float()) for keys, values in _recorded(backbone, _way(backbone), tokens)]


def refuse_unsupported(backbone: Backbone) -> None:
    """Raise ModelError PD530 where neither way puts a prefix before what this model attends to."""
    _way(backbone)


def _way(backbone: Backbone) -> type[Way]:
    for name, way in WAYS.items():
        if _serves(backbone, name):
            return way
    fail(
        "PD530",
        f"{type(backbone.lm).__name__} (model type {backbone.lm.config.model_type}) takes no prefix in its layers",
        help='use soft tokens, such as <"soft":20>, or another language model',
        note="on trial, its attention drops keys and values beside its own, or weighs them otherwise; "
        "encoder-decoders are not tried",
    )


def _serves(backbone: Backbone, name: str) -> bool:
    return backbone.once(name, lambda model: _tried(model, WAYS[name]))


def _tried(backbone: Backbone, way: type[Way]) -> bool:
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
    read, own = _recorded(backbone, way, first), _recorded(backbone, way, second, TRIED)
    return any(
        all(_close(_behind(backbone, way, pairs, second, padding), expected) for padding in (0, 1))
        for pairs, expected in ((read, whole), (own, alone))
    )


def _reaches_all(backbone: Backbone, way: type[Way]) -> bool:
    """Whether every layer's keys and every layer's values move the states, by their gradients."""
    first, second = _trial_tokens(backbone)
    pairs = [(k.clone().requires_grad_(), v.clone().requires_grad_()) for k, v in _recorded(backbone, way, first)]
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
    return _run(backbone, way((), 1), torch.ones_like(tokens), start, {"input_ids": tokens})


def _behind(backbone: Backbone, way: type[Way], pairs: Pairs, tokens: Tensor, padding: int = 0) -> Tensor:
    padded = nn.functional.pad(tokens, (0, padding))
    mask = nn.functional.pad(torch.ones_like(tokens), (0, padding))
    return _run(backbone, way(pairs, 1), mask, room(pairs), {"input_ids": padded})[:, : tokens.shape[1]]


def _recorded(backbone: Backbone, way: type[Way], tokens: Tensor, start: int = 0) -> list[tuple[Tensor, Tensor]]:
    with torch.no_grad():
        empty = way((), 1)
        _run(backbone, empty, torch.ones_like(tokens), start, {"input_ids": tokens})
        return [(keys[0], values[0]) for keys, values in empty.seen()]


def _run(backbone: Backbone, way: Way, attention_mask: Tensor, start: int, given: Mapping[str, Tensor]) -> Tensor:
    """States of tokens whose first stands at position `start`."""
    extra: dict[str, Any] = positions_from(backbone, attention_mask, start)
    if "use_cache" in _accepted(backbone):
        extra["use_cache"] = False
    out = backbone.lm.base_model(**given, **way.arguments(attention_mask), return_dict=True, **extra)
    states: Tensor = out.last_hidden_state
    return states


def positions_from(backbone: Backbone, attention_mask: Tensor, start: int) -> dict[str, Tensor]:
    """The argument that numbers the tokens from `start` on, whatever is padding; nothing where a model takes none."""
    numbered = backbone.positions(nn.functional.pad(attention_mask, (1, 0)))  # a line that is padded on the left
    return {name: numbers[:, 1:] + start for name, numbers in numbered.items()}


def _accepted(backbone: Backbone) -> set[str]:
    return set(inspect.signature(backbone.lm.base_model.forward).parameters)


def _configs(backbone: Backbone) -> list[Any]:
    """The configurations that the modules of the body look at, each once; they are the view's own."""
    found = {id(m.config): m.config for m in backbone.lm.modules() if hasattr(m, "config")}
    return [config for config in found.values() if hasattr(config, "_attn_implementation")]
