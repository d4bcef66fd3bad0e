"""Abstract label words: prototypes of each class, clustered from the mask states of labelled rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from torch import Tensor

from promptdsl.verbalizers.numbers import check_classes, check_finite
from promptdsl.verbalizers.pooling import pool
from promptdsl.verbalizers.whitening import Whitening, cosine, fit_whitening, unit

__all__ = ["TEMPERATURE", "Clusters", "cluster_prototypes", "similarity"]

TEMPERATURE = 0.15  # similarity / this are class logits: about the likeliest on development sets with 4 to 16 shots
STARTS = 10  # of k-means, the best of which is taken


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Prototypes in the whitened space of the labelled mask states.

    Attributes:
        space: the map of states into that space.
        prototypes: (prototypes, hidden) means of unit vectors.
        owner: (prototypes,) the class of each, ascending.
        classes: number of classes.
    """

    space: Whitening
    prototypes: Tensor
    owner: Tensor
    classes: int

    def __str__(self) -> str:
        counts = torch.bincount(self.owner, minlength=self.classes).tolist()
        return f"{len(self.owner)} prototypes of {self.classes} classes ({', '.join(map(str, counts))})"


def cluster_prototypes(
    states: Tensor, labels: Tensor, counts: Sequence[int], seed: int = 0, names: Sequence[str] = ()
) -> Clusters:
    """Spherical k-means within each class, in the whitened space.

    Args:
        states: (rows, hidden) mask states of labelled rows.
        labels: (rows,) class numbers, 0 … len(counts) − 1.
        counts: prototypes of each class, ≥ 0; where it is more than a class has distinct rows, each row is one.
        seed: of k-means' starting points.
        names: of the classes, for messages.

    Raises:
        VerbalizerError: PD460 for states that are no numbers.
        TrainingError: PD707 naming the classes that ask for prototypes and have no row.
    """
    check_finite(states, "mask states")
    wanted = torch.tensor(counts) > 0
    own = labels.cpu()
    # A class that asks for no prototype needs no row.
    check_classes(torch.cat([own, (~wanted).nonzero()[:, 0]]), len(counts), names)
    space = fit_whitening(states, labels)
    points = unit(space(states.detach())).cpu().double().numpy()
    found = [_centres(points[(own == c).numpy()], k, seed) if k else points[:0] for c, k in enumerate(counts)]
    owner = torch.arange(len(counts)).repeat_interleave(torch.tensor([len(centres) for centres in found]))
    prototypes = torch.from_numpy(np.concatenate(found)).float()
    return Clusters(space, prototypes.to(states.device), owner.to(states.device), len(counts))


def _centres(points: NDArray[np.float64], k: int, seed: int) -> NDArray[np.float64]:
    """(rows, dim) unit vectors → (at most k, dim) means of the clusters."""
    # Equal rows may differ in the last digits, by their places in a padded batch; k-means must not part them.
    distinct, weights = np.unique(points.round(5), axis=0, return_counts=True)
    if k >= len(distinct):
        return np.asarray(distinct)
    found = KMeans(k, n_init=STARTS, random_state=seed).fit(distinct, sample_weight=weights)
    return np.asarray(found.cluster_centers_)


def similarity(states: Tensor, clusters: Clusters, score: str = "nearest") -> Tensor:
    """Cosines between mask states and the prototypes of each class, in the whitened space; logits over TEMPERATURE.

    Args:
        states: (batch, hidden) mask states.
        clusters: what `cluster_prototypes` returned.
        score: "nearest" takes a class's most similar prototype, "mean" the mean over its prototypes.

    Returns:
        (batch, classes) from −1 to 1; 0 for a state or prototype of zero length, −inf for a class without prototypes.
    """
    cosines = cosine(clusters.space(states), clusters.prototypes)
    return pool("max" if score == "nearest" else "mean", cosines, clusters.owner, clusters.classes)
