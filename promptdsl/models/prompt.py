"""What a template trains, around the language model that reads it: soft tokens at their places, a prefix in front."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from promptdsl.encoding.compiler import TokenProgram
from promptdsl.encoding.slots import SoftSlot
from promptdsl.models.backbone import Backbone
from promptdsl.models.inspection import NearestWords, Similarity, nearest_words, similarity
from promptdsl.models.prefix import Prefix
from promptdsl.models.soft_tokens import SoftTokens

__all__ = ["Prompt"]


class Prompt(nn.Module):
    """The trainable part of a template. A template without soft tokens and prefix has none, and everything still works.

    Args:
        program: the bound template.
        backbone: the language model; it stays the caller's.
        label_words: for each label word its token ids, for vectors that start from them.
        seed: of whatever is sampled.

    Attributes:
        soft, prefix: the soft tokens and the prefix, or None.
        unfitted: kinds of tags that say nothing before they were trained: not soft tokens that start as words.
    """

    def __init__(
        self, program: TokenProgram, backbone: Backbone, label_words: Sequence[Sequence[int]] = (), *, seed: int = 0
    ) -> None:
        super().__init__()
        self._shared = (backbone,)  # not registered: its parameters are the PromptModel's
        self.program = program
        self.soft = SoftTokens(program, backbone, label_words, seed=seed) if program.soft else None
        self.prefix = Prefix(program, backbone, label_words, seed=seed) if program.prefix else None
        kinds = {"soft": self.soft is not None and not _from_words(program), "prefix": self.prefix is not None}
        self.unfitted = frozenset(kind for kind, asks in kinds.items() if asks)

    @property
    def backbone(self) -> Backbone:
        """The language model."""
        return self._shared[0]

    def look_at(self, backbone: Backbone) -> None:
        """Use another view of the same language model."""
        self._shared = (backbone,)

    def copy(self) -> Prompt:
        """One with tensors of its own, around the same language model."""
        made = copy.deepcopy(self)
        made.look_at(self.backbone)
        return made

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_shared"}  # the PromptModel's

    @property
    def parts(self) -> list[SoftTokens | Prefix]:
        """The soft tokens and the prefix, as far as there are any."""
        return [part for part in (self.soft, self.prefix) if part is not None]

    @property
    def networks(self) -> list[nn.Module]:
        """What vectors, keys and values go through in training."""
        return [network for part in self.parts for network in part.networks]

    @property
    def learns(self) -> bool:
        """Whether the template has anything to train."""
        return any(True for _ in self.parameters())

    def states(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor | None = None,
        soft: Tensor | None = None,
        target: Tensor | None = None,
        target_of: Tensor | None = None,
    ) -> Tensor:
        """Last hidden states, (lines, length, hidden), of lines as `PromptBatch` has them; of the decoder's if any."""
        vectors = None if self.soft is None or soft is None else self.placed(self.backbone.embed(input_ids), soft)
        given = None if vectors is not None else input_ids, attention_mask, token_type_ids, vectors
        if self.prefix is not None:
            return self.prefix.states(self.backbone, *given)
        return self.backbone.states(*given, target, target_of)

    def placed(self, embeddings: Tensor, soft: Tensor) -> Tensor:
        """Embeddings with the soft tokens at their places: (lines, length, width), (lines, length) → the same shape."""
        assert self.soft is not None
        table = self.soft().to(embeddings.dtype)
        return torch.where((soft >= 0)[..., None], table[soft.clamp(min=0)], embeddings)

    def nearest_words(self, k: int = 5) -> list[NearestWords]:
        """The vocabulary's k tokens nearest to each soft token; see `inspection.nearest_words`."""
        return nearest_words(self, k)

    def similarity(self) -> list[Similarity]:
        """How alike the soft tokens are, and the prefix's keys layer by layer; see `inspection.similarity`."""
        return similarity(self)

    def trained(self) -> None:
        """Note that training is over."""
        self.unfitted = frozenset()

    def bake(self) -> None:
        """Drop the networks that vectors, keys and values went through in training, and keep what they give."""
        for part in self.parts:
            part.bake()

    def __str__(self) -> str:
        return "; ".join(map(str, self.parts)) or "nothing to train"


def _from_words(program: TokenProgram) -> bool:
    """Whether the untrained soft tokens are words, every one, so that the template reads like a hard one."""
    tags = [s.piece for s in program.slots if isinstance(s, SoftSlot)]
    defined = [t for t in tags if t["soft_id"] is None or t.value is not None]
    return all(isinstance(t.value, str) and t["length"] is None for t in defined)
