"""The refinements of a verbalizer that look at support rows: which label words a language model can use (KPT)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from promptdsl.encoding.rows import Rows
from promptdsl.language.expansion import decide
from promptdsl.language.nodes import Tag
from promptdsl.models.prompt_model import PromptModel
from promptdsl.models.resolving import refinements, with_refinements
from promptdsl.verbalizers.refinement import at_least, frequency, relevance

__all__ = ["refined"]


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """What a language model says of label words on support rows.

    Attributes:
        scores: (rows, words) log-probabilities.
        vocabulary: (vocabulary,) mean log-probability of each token.
        owner: (words,) the class of each word.
        anchors: (classes,) the first word of each class, which stands for it and always stays.
    """

    scores: Tensor
    vocabulary: Tensor
    owner: Tensor
    anchors: Tensor

    @classmethod
    def of(cls, scores: Tensor, vocabulary: Tensor, owner: Tensor) -> Statistics:
        """Statistics with each class's first word as its anchor."""
        classes, numbers = int(owner.max()) + 1, torch.arange(len(owner))
        first = torch.full((classes,), len(owner)).scatter_reduce(0, owner, numbers, "amin")
        return cls(scores, vocabulary, owner, first)

    def only(self, kept: Tensor) -> Statistics:
        """The statistics of the words that are kept."""
        return Statistics.of(self.scores[:, kept], self.vocabulary, self.owner[kept])


def refined(model: PromptModel, support: Rows, batch_size: int) -> PromptModel:
    """The model with the words that its `refine` step keeps, by what it says on support rows.

    Raises:
        VerbalizerError: PD460 for scores that are no numbers.
    """
    verbalizer = model.verbalizer.verbalizer
    names = refinements(verbalizer)
    if not names:
        return model
    step = next(s for s in verbalizer.steps if s.kind == "refine")
    seen = model.observe(support, batch_size=batch_size, normalised=True)
    owner = torch.tensor([w.label for w in model.verbalizer.words])
    vocabulary = model.vocabulary_log_proba(support, batch_size=batch_size).mean(0)
    statistics = Statistics.of(seen.words.cpu(), vocabulary, owner)
    words = [(model.labels[w.label], w.text) for w in model.verbalizer.words]
    for name in names:
        scores, kept = _REFINEMENTS[name](statistics, step)
        kept[statistics.anchors] = True
        verdicts = {w: (k, s) for w, k, s in zip(words, kept.tolist(), scores.tolist(), strict=True)}
        verbalizer = decide(verbalizer, name, verdicts)
        words, statistics = [w for w, k in zip(words, kept.tolist(), strict=True) if k], statistics.only(kept)
    return model.rebound(with_refinements(verbalizer, ()))


def _keep(step: Tag) -> int:
    return int(str(step["keep"]))


def _frequency(seen: Statistics, step: Tag) -> tuple[Tensor, Tensor]:
    scores, kept = frequency(seen.scores.mean(0), seen.vocabulary, float(str(step["fraction"])))
    return scores, at_least(kept, scores, seen.owner, _keep(step))


def _relevance(seen: Statistics, step: Tag) -> tuple[Tensor, Tensor]:
    return relevance(seen.scores, seen.owner, seen.anchors, _keep(step))


# Name in the `refine` step → (scores, which words are kept): a new one is one entry and one function.
_REFINEMENTS: Mapping[str, Callable[[Statistics, Tag], tuple[Tensor, Tensor]]] = {
    "frequency": _frequency,
    "relevance": _relevance,
}
