"""How keys and values get in front of every self-attention of a body: two ways.

The first way is the cache of generation (`past_key_values`), which decoders and BERT's next of kin take. Other
encoders drop it without a word; what of them asks transformers' `AttentionInterface` for its attention gets one that
puts the prefix in front. Whatever belongs to one forward pass travels in its arguments, so that threads can share a
model.
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

from promptdsl.models.backbone import Backbone

__all__ = ["WAYS", "Pairs", "Way", "accepted", "made_by", "positions_from", "room", "states_along"]

# For each layer its keys, (kv heads, n, key width), and values, (kv heads, n, value width).
Pairs = Sequence[tuple[Tensor, Tensor]]

KEYWORD = "promptdsl_prefix"
NAME = "promptdsl_prefix_"  # before the name of the attention that it stands in for
STOOD_IN_FOR = ("sdpa", "eager")


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
        return "past_key_values" in accepted(backbone)

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


def states_along(
    backbone: Backbone, way: Way, attention_mask: Tensor, start: int, given: Mapping[str, Tensor]
) -> Tensor:
    """States of tokens whose first stands at position `start`."""
    extra: dict[str, Any] = positions_from(backbone, attention_mask, start)
    if "use_cache" in accepted(backbone):
        extra["use_cache"] = False
    out = backbone.lm.base_model(**given, **way.arguments(attention_mask), return_dict=True, **extra)
    states: Tensor = out.last_hidden_state
    return states


def made_by(backbone: Backbone, way: type[Way], tokens: Tensor, start: int = 0) -> list[tuple[Tensor, Tensor]]:
    """Each layer's keys and values of tokens, (1, length), whose first stands at position `start`."""
    with torch.no_grad():
        empty = way((), 1)
        states_along(backbone, empty, torch.ones_like(tokens), start, {"input_ids": tokens})
        return [(keys[0], values[0]) for keys, values in empty.seen()]


def positions_from(backbone: Backbone, attention_mask: Tensor, start: int) -> dict[str, Tensor]:
    """The argument that numbers the tokens from `start` on, whatever is padding; nothing where a model takes none."""
    numbered = backbone.positions(nn.functional.pad(attention_mask, (1, 0)))  # a line that is padded on the left
    return {name: numbers[:, 1:] + start for name, numbers in numbered.items()}


def accepted(backbone: Backbone) -> set[str]:
    """The names of the arguments that the body takes."""
    return set(inspect.signature(backbone.lm.base_model.forward).parameters)


def _configs(backbone: Backbone) -> list[Any]:
    """The configurations that the modules of the body look at, each once; they are the view's own."""
    found = {id(m.config): m.config for m in backbone.lm.modules() if hasattr(m, "config")}
    return [config for config in found.values() if hasattr(config, "_attn_implementation")]
