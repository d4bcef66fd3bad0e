"""What abstract label words stand for, in the language model's own words."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from promptdsl.encoding.compiler import TokenProgram
from promptdsl.errors import fail
from promptdsl.models.backbone import Backbone
from promptdsl.models.vocabulary import label_word_tokens
from promptdsl.verbalizers.abstract import AbstractSource
from promptdsl.verbalizers.verbalizer import BoundVerbalizer

__all__ = ["Prototype", "name_prototypes"]


@dataclass(frozen=True, slots=True)
class Prototype:
    """One prototype of a class.

    Attributes:
        label: the class.
        kind: "cluster" or "prototype".
        words: words and what each adds to the divergence, in nats, the most telling first.
    """

    label: str
    kind: str
    words: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        return f"{self.label} ({self.kind}): {', '.join(word for word, _ in self.words)}"


def name_prototypes(
    backbone: Backbone, program: TokenProgram, bound: BoundVerbalizer, sources: list[AbstractSource], k: int
) -> list[Prototype]:
    """The words with which the mean state of a prototype's rows differs most from the mean of all fitted rows.

    A word's part in the Kullback-Leibler divergence of the two distributions at the (first) mask, p log (p / q): what
    is likely there, and likelier than elsewhere.

    Args:
        backbone: the language model.
        program, bound: the bound template and verbalizer.
        sources: fitted sources of scores.
        k: words of each prototype, ≥ 1.
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        fail("PD505", f"k must be a whole number ≥ 1, not {k!r}", origin="k")
    usable = torch.from_numpy(label_word_tokens(program)).to(backbone.device)
    width, found = backbone.lm.config.hidden_size, []
    for abstract, source in zip(bound.abstract, sources, strict=True):
        middles, owners = source.get_buffer("middles"), source.get_buffer("middle_owner").tolist()
        states = torch.cat([middles, source.get_buffer("middle")[None]])[:, :width]
        with torch.no_grad():
            log_p = backbone.logits(states.to(backbone.output_weight.dtype)).float().log_softmax(-1)[:, : len(usable)]
        parts = log_p[:-1].exp() * (log_p[:-1] - log_p[-1])
        best = parts.masked_fill(~usable[: parts.shape[1]], float("-inf")).topk(min(k, int(usable.sum())))
        for owner, values, tokens in zip(owners, best.values.tolist(), best.indices.tolist(), strict=True):
            words = tuple((program.text.word(t), v) for t, v in zip(tokens, values, strict=True))
            found.append(Prototype(bound.labels[owner], abstract.kind, words))
    return found
