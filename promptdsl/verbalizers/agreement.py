"""Which label words agree with what their class's other words say, and how much each of them should count."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from promptdsl.verbalizers.numbers import check_finite
from promptdsl.verbalizers.whitening import unit

__all__ = ["Agreement", "agreement"]

ROUNDS = 2  # with more, the classes drift away from their names
SHARPNESS = 3.0  # of the classes' posterior, in standard deviations of their scores
ANCHORED = 0.2  # the part of a class's score that its first word has, however many others there are
LEAST = 1e-3  # the margin of a first word that does not follow its own class


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """How label words go together on support rows.

    Attributes:
        margins: (words,) correlation with the own class less the best of the others, or less 0.
        weights: (words,) shares in the class's score; 0 for words without a margin, 1 in sum for each class.
        scales: (classes,) what makes the spread of all classes' scores alike; 1 in geometric mean.
    """

    margins: Tensor
    weights: Tensor
    scales: Tensor

    def __str__(self) -> str:
        return f"{int((self.weights > 0).sum())} of {len(self.weights)} words agree with their class"


def agreement(scores: Tensor, owner: Tensor, anchors: Tensor) -> Agreement:
    """Words that rise and fall with the probability of their own class, and of no other, over support rows.

    A class's score begins as that of its first word. In each of two rounds the scores of all classes, in standard
    deviations, give a posterior over the classes; a word's margin is its correlation with its own class's posterior
    less the largest with another's; and the class's score becomes the mean of its words weighted by their margins, a
    fifth of it the first word's. A word that stands in several classes keeps a margin in one of them at most.

    It does the work of KPT's relevance (Hu et al. 2022, section 3.3) with the classes' posterior, which every word
    that was kept so far has a part in, where that takes the one word that names the class.

    Args:
        scores: (support, words) log-probabilities on the support rows.
        owner: (words,) the class of each word.
        anchors: (classes,) the index of each class's first word, which always has a share.

    Raises:
        VerbalizerError: PD460 for scores that are no numbers.
    """
    check_finite(scores, "scores on the support rows")
    moves = scores.double() - scores.double().mean(0)
    words = torch.arange(len(owner), device=scores.device)
    start = torch.zeros(len(owner), len(anchors), dtype=torch.double, device=scores.device)
    start[anchors, torch.arange(len(anchors), device=scores.device)] = 1
    share, margins = start, torch.zeros(len(owner), dtype=torch.double, device=scores.device)
    for _ in range(ROUNDS):
        similar = unit(moves.T) @ unit(_posterior(moves @ share).T).T  # (words, classes) correlations
        own = similar[words, owner]
        others = similar.scatter(1, owner[:, None], float("-inf")).amax(1)
        margins = own - others.clamp(min=0)
        margins[anchors] = margins[anchors].clamp(min=LEAST)
        share = torch.zeros_like(start)
        share[words, owner] = margins.clamp(min=0)
        share = (1 - ANCHORED) * share / share.sum(0) + ANCHORED * start
    spread = _spread(moves @ share)
    scales = spread.log().mean().exp() / spread
    return Agreement(*(t.to(scores.dtype) for t in (margins, share[words, owner], scales)))


def _posterior(scores: Tensor) -> Tensor:
    """(support, classes) centred class scores → centred probabilities of the classes."""
    probabilities = (SHARPNESS * scores / _spread(scores)).softmax(1)
    return probabilities - probabilities.mean(0)


def _spread(scores: Tensor) -> Tensor:
    """(classes,) standard deviations over the rows; 1 where nothing changes."""
    spread = scores.std(0, correction=0)
    return torch.where(spread > 1e-6, spread, torch.ones_like(spread))
