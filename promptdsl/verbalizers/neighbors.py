"""Label words from the language model's own embeddings: the groups of tokens around seed words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from torch import Tensor

from promptdsl.errors import fail
from promptdsl.verbalizers.numbers import check_finite
from promptdsl.verbalizers.whitening import unit

__all__ = ["vocabulary_groups"]

AROUND = 100  # tokens that are clustered, at least
CLUSTERS = 10  # that they fall into, at least


def vocabulary_groups(
    embeddings: Tensor,
    seeds: Sequence[int],
    usable: Tensor | NDArray[np.bool_],
    groups: int,
    limit: int,
    seed: int = 0,
) -> list[tuple[int, float, int]]:
    """The groups of tokens that lie tightest around seed words, by cosine once the mean embedding is taken away.

    The usable tokens nearest to any seed, 100 or five times the limit, are clustered (k-means), and the clusters whose
    tokens are nearest to the seeds on average are taken. (How tight a cluster is around its own centre says less: the
    tightest ones are a word in its forms, or function words.) A cluster of one token comes last.

    Args:
        embeddings: (vocabulary, hidden) rows of the LM's head or input embeddings.
        seeds: tokens, at least one.
        usable: (vocabulary,) bool, the tokens that may become label words.
        groups: the most groups that are taken.
        limit: the most tokens that are returned.
        seed: of k-means' starting points.

    Returns:
        (token, cosine with the nearest seed, group) best first; groups are numbered from 0, the nearest.

    Raises:
        VerbalizerError: PD460 for embeddings that are no numbers, PD462 without a seed.
    """
    if not seeds:
        fail("PD462", "no seed word is a token of the language model", help="give a commoner word", origin="neighbors")
    check_finite(embeddings, "embeddings")
    tokens = torch.as_tensor(usable).nonzero()[:, 0].cpu()
    exact = embeddings.detach().cpu().float()
    mean = exact[tokens].mean(0)
    points = unit(exact[tokens] - mean)
    cosines = (points @ unit(exact[list(seeds)] - mean).T).max(1).values
    order = cosines.argsort(descending=True, stable=True)[: max(AROUND, 5 * limit)]
    scores = cosines[order].tolist()
    chosen = _nearest(points[order].double().numpy(), scores, groups, seed)
    found = [(int(tokens[i]), score, group) for i, score, group in zip(order, scores, chosen, strict=True)]
    return [entry for entry in found if entry[2] >= 0][:limit]


def _nearest(points: NDArray[np.float64], scores: Sequence[float], groups: int, seed: int) -> list[int]:
    """For each point the group that it is in, from 0, or −1 where its group is not taken."""
    k = min(max(CLUSTERS, 3 * groups), len(np.unique(points, axis=0)))
    if not k:
        return []
    member = KMeans(k, n_init=10, random_state=seed).fit(points).labels_
    sizes = np.bincount(member, minlength=k)
    near = np.bincount(member, weights=scores, minlength=k) / np.maximum(sizes, 1)
    taken = sorted(range(k), key=lambda c: (sizes[c] < 2, -near[c]))[:groups]
    return [taken.index(c) if c in taken else -1 for c in member.tolist()]
