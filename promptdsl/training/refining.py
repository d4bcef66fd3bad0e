"""The refinements of a verbalizer that look at support rows: which label words a language model can use (KPT)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from promptdsl.encoding.rows import Rows
from promptdsl.language.expansion import decide
from promptdsl.language.nodes import Tag
from promptdsl.models.prompt_model import PromptModel
from promptdsl.models.resolving import bind_verbalizer, refinements, verdicts, with_refinements, without_rows
from promptdsl.verbalizers.agreement import agreement
from promptdsl.verbalizers.head import Observations
from promptdsl.verbalizers.refinement import at_least, frequency, relevance
from promptdsl.verbalizers.verbalizer import BoundWord

__all__ = ["refined", "weigh"]


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """What a language model says of label words on support rows.

    Attributes:
        scores: (rows, words) log-probabilities.
        vocabulary: (vocabulary,) mean log-probability of each token.
        owner: (words,) the class of each word, counting only classes that have words of the vocabulary.
        anchors: (classes,) the first word of each class, which stands for it and always stays.
    """

    scores: Tensor
    vocabulary: Tensor
    owner: Tensor
    anchors: Tensor

    @classmethod
    def of(cls, scores: Tensor, vocabulary: Tensor, owner: Tensor) -> Statistics:
        """Statistics with each class's first word as its anchor."""
        present, number = torch.unique(owner, return_inverse=True)
        first = torch.full((len(present),), len(owner)).scatter_reduce(0, number, torch.arange(len(owner)), "amin")
        return cls(scores, vocabulary, number, first)

    def only(self, kept: Tensor) -> Statistics:
        """The statistics of the words that are kept."""
        return Statistics.of(self.scores[:, kept], self.vocabulary, self.owner[kept])


def refined(model: PromptModel, support: Rows, batch_size: int, own: Sequence[int | None] | None = None) -> PromptModel:
    """The model with the words that its `refine` step keeps, by what it says on support rows.

    `own` are the rows' numbers among the solved examples, where they are these rows.

    Raises:
        VerbalizerError: PD460 for scores that are no numbers.
    """
    bound = model.verbalizer
    names = refinements(bound.verbalizer)
    if not names or not bound.words:  # soft and abstract label words are not refined
        return model.rebound(with_refinements(bound.verbalizer, ())) if names else model
    step = next(s for s in bound.verbalizer.steps if s.kind == "refine")
    seen = model.observe(support, batch_size=batch_size, normalised=True, own=own)
    vocabulary = model.vocabulary_prior(support, batch_size=batch_size, own=own)
    statistics = Statistics.of(seen.words.cpu(), vocabulary, torch.tensor([w.label for w in bound.words]))
    for name in names:
        found = without_rows(name, bound)
        if found is None:
            scores, kept = _REFINEMENTS[name](statistics, step)
            kept[statistics.anchors] = True
            found = verdicts(bound, kept.tolist(), scores.tolist())
        before = bound.words
        bound = bind_verbalizer(decide(bound.verbalizer, name, found), model.program)
        statistics = statistics.only(_standing(before, bound.words))
    return model.rebound(with_refinements(bound.verbalizer, ()))


def weigh(model: PromptModel, seen: Observations) -> None:
    """Weigh the words of the model's head by their agreement, where its `pool` step asks for it.

    Args:
        model: its head is changed.
        seen: what was observed on support rows.
    """
    head = model.head
    if head.pooling != "weighted" or not len(head.owner):
        return
    with torch.no_grad():
        scores, owner = head.word_scores(seen).cpu(), head.owner.cpu()
        found = agreement(scores, owner, Statistics.of(scores, scores.mean(0), owner).anchors)
        head.shares.copy_(found.weights * found.scales[owner])


def _standing(before: Sequence[BoundWord], after: Sequence[BoundWord]) -> Tensor:
    """(words before,) whether each stands after a step; of one that stood twice in its class the first does."""
    left = {(w.label, w.text) for w in after} if len(after) < len(before) else None
    kept = []
    for word in before:
        kept.append(left is None or (word.label, word.text) in left)
        if left is not None:
            left.discard((word.label, word.text))
    return torch.tensor(kept)


def _keep(step: Tag) -> int:
    return int(str(step["keep"]))


def _frequency(seen: Statistics, step: Tag) -> tuple[Tensor, Tensor]:
    scores, kept = frequency(seen.scores.mean(0), seen.vocabulary, float(str(step["fraction"])))
    kept[seen.anchors] = True  # which count among those that a class keeps
    return scores, at_least(kept, scores, seen.owner, _keep(step))


def _relevance(seen: Statistics, step: Tag) -> tuple[Tensor, Tensor]:
    return relevance(seen.scores, seen.owner, seen.anchors, _keep(step))


def _agreement(seen: Statistics, step: Tag) -> tuple[Tensor, Tensor]:
    found = agreement(seen.scores, seen.owner, seen.anchors)
    kept = found.weights > 0
    kept[seen.anchors] = True
    return found.margins, at_least(kept, found.margins, seen.owner, _keep(step))


# Name in the `refine` step → (scores, which words are kept): a new one is one entry and one function.
_REFINEMENTS: Mapping[str, Callable[[Statistics, Tag], tuple[Tensor, Tensor]]] = {
    "frequency": _frequency,
    "relevance": _relevance,
    "agreement": _agreement,
}
