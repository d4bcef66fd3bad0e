"""ProtoVerb: one learnt prototype for each class, in a learnt space (Cui et al. 2022, section 3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from promptdsl.verbalizers.numbers import check_classes, check_finite
from promptdsl.verbalizers.whitening import Whitening, cosine, fit_whitening, unit

__all__ = ["TEMPERATURE", "ProtoSpace", "combine", "fitted_spread", "similarity", "train_prototypes", "zscore"]

TEMPERATURE = 0.5  # similarity / this are class logits: about the likeliest on development sets with 4 to 16 shots


@dataclass(frozen=True, slots=True, eq=False)
class ProtoSpace:
    """What ProtoVerb learnt.

    Attributes:
        space: the map of mask states that centres and scales them.
        projection: (dim, hidden) from there into the learnt space.
        prototypes: (classes, dim).
    """

    space: Whitening
    projection: Tensor
    prototypes: Tensor

    def __str__(self) -> str:
        classes, dim = self.prototypes.shape
        return f"{classes} prototypes in {dim} dimensions, learnt from states of {self.projection.shape[1]}"


def train_prototypes(
    states: Tensor,
    labels: Tensor,
    classes: int,
    *,
    dim: int = 64,
    epochs: int = 30,
    learning_rate: float = 0.01,
    seed: int = 0,
    names: Sequence[str] = (),
) -> ProtoSpace:
    """Learn a projection and a prototype of each class with two contrastive losses, over all rows at once.

    Each row is drawn to its class's prototype, away from the others', and to the rows of its class, away from the
    other rows; similarities are cosines. Unlike in the paper, the states are centred and scaled first. (A temperature
    below 1 in the losses, or whitened states, did no better on the development sets of SST-2, AG News and TREC.)

    Args:
        states: (rows, hidden) mask states of labelled rows, any number a class.
        labels: (rows,) class numbers, 0 … classes − 1.
        dim: of the learnt space.
        epochs, learning_rate: of Adam.
        seed: of the first projection and prototypes; the global random state is left alone.
        names: of the classes, for messages.

    Raises:
        VerbalizerError: PD460 for states that are no numbers.
        TrainingError: PD707 naming the classes without rows.
    """
    check_finite(states, "mask states")
    check_classes(labels, classes, names)
    space = fit_whitening(states, labels, rounded=False)
    fixed = unit(space(states.detach())).cpu()
    with torch.inference_mode(False), torch.enable_grad():
        points, wanted = fixed.clone(), labels.cpu().clone()
        projection, prototypes = _start(dim, points.shape[1], classes, seed)
        adam = torch.optim.Adam([projection, prototypes], lr=learning_rate)
        for _ in range(epochs):
            rows = points @ projection.T
            loss = prototype_loss(rows, prototypes, wanted) + instance_loss(rows, wanted)
            projection.grad, prototypes.grad = torch.autograd.grad(loss, [projection, prototypes])
            adam.step()
    device = states.device
    return ProtoSpace(space, projection.detach().to(device), prototypes.detach().to(device))


def _start(dim: int, hidden: int, classes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Projection and prototypes, uniform as Glorot & Bengio (2010) say."""
    generator = torch.Generator().manual_seed(seed)

    def xavier(rows: int, columns: int) -> Tensor:
        bound = math.sqrt(6 / (rows + columns))
        drawn = torch.empty(rows, columns).uniform_(-bound, bound, generator=generator)
        return drawn.requires_grad_()

    return xavier(dim, hidden), xavier(classes, dim)


def prototype_loss(rows: Tensor, prototypes: Tensor, labels: Tensor) -> Tensor:
    """Mean over the rows of −log softmax over the prototypes: (rows, dim), (classes, dim), (rows,) → scalar."""
    return cross_entropy(cosine(rows, prototypes), labels)


def instance_loss(rows: Tensor, labels: Tensor) -> Tensor:
    """Mean over the pairs of one class of −log softmax over all other rows; 0 where no class has two rows.

    Each row counts alike, whatever the size of its class: (rows, dim), (rows,) → scalar.
    """
    itself = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    positive = (labels[:, None] == labels) & ~itself
    paired = positive.any(1)
    if not bool(paired.any()):
        return rows.new_zeros(())
    log_p = cosine(rows, rows).masked_fill(itself, float("-inf")).log_softmax(1)
    own = log_p.masked_fill(~positive, 0).sum(1)[paired] / positive.sum(1)[paired]
    return -own.mean()


def similarity(states: Tensor, learnt: ProtoSpace) -> Tensor:
    """Cosines between mask states and the prototypes in the learnt space: (batch, hidden) → (batch, classes).

    From −1 to 1; logits over TEMPERATURE.
    """
    return cosine(unit(learnt.space(states)) @ learnt.projection.T, learnt.prototypes)


def zscore(scores: Tensor, spread: float | None = None) -> Tensor:
    """Class scores less their mean over the classes, over their standard deviation.

    Args:
        scores: (batch, classes).
        spread: what to divide by. By default each row's own deviation, as in the paper; with two classes that leaves
            ±1 for every row, however sure it was, and a mean of two sources that disagree is a tie: give
            `fitted_spread` of scores of the labelled rows instead.

    Returns:
        (batch, classes); 0 where there is no spread.
    """
    centred = scores - scores.mean(-1, keepdim=True)
    over = centred.square().mean(-1, keepdim=True).sqrt() if spread is None else centred.new_tensor(spread)
    # Equal scores differ in their last digits from their mean; that is no spread.
    some = over > 1e-6 * scores.abs().amax(-1, keepdim=True)
    return torch.where(some, centred / torch.where(some, over, 1), 0)


def fitted_spread(scores: Tensor) -> float:
    """What `zscore` divides by: root of the mean over rows and classes of (score − the row's mean)²."""
    return float((scores - scores.mean(-1, keepdim=True)).square().mean().sqrt())


def combine(sources: Sequence[Tensor], spreads: Sequence[float]) -> Tensor:
    """Mean of several sources' class scores on one scale: each (batch, classes), with its `fitted_spread`."""
    return torch.stack([zscore(s, spread) for s, spread in zip(sources, spreads, strict=True)]).mean(0)
