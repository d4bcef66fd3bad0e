"""Abstract label words as torch modules: what `cluster` and `prototype` tags become once rows were seen."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from promptdsl.language.nodes import Tag
from promptdsl.verbalizers import cluster, prototypes
from promptdsl.verbalizers.cluster import Clusters, cluster_prototypes
from promptdsl.verbalizers.prototypes import ProtoSpace, train_prototypes
from promptdsl.verbalizers.whitening import Whitening

__all__ = ["ABSTRACT", "AbstractSource", "ClusterSource", "PrototypeSource"]


class AbstractSource(nn.Module):
    """Class log-scores from mask states. What it learnt are buffers; there are none before `fit`.

    Args:
        tags: for each class the tag that describes it.
        names: the classes, for messages.
    """

    def __init__(self, tags: Sequence[Tag], names: Sequence[str]) -> None:
        super().__init__()
        self.tags, self.names = tuple(tags), tuple(names)

    def fit(self, states: Tensor, labels: Tensor, seed: int) -> None:
        """Learn from mask states, (rows, dim), and class numbers, (rows,).

        Raises:
            VerbalizerError: PD460 for states that are no numbers.
            TrainingError: PD707 for a class without rows.
        """
        raise NotImplementedError

    def forward(self, states: Tensor) -> Tensor:
        """(batch, dim) → (batch, classes)."""
        raise NotImplementedError

    def keep(self, **learnt: Tensor) -> None:
        """Make tensors buffers."""
        for name, tensor in learnt.items():
            self.register_buffer(name, tensor.detach().clone())


class ClusterSource(AbstractSource):
    """Prototypes clustered in the whitened space of the mask states."""

    centre: Tensor
    scale: Tensor
    directions: Tensor
    gains: Tensor
    prototypes: Tensor
    owner: Tensor

    def fit(self, states: Tensor, labels: Tensor, seed: int) -> None:
        counts = [int(str(tag.value)) for tag in self.tags]
        found = cluster_prototypes(states, labels, counts, seed, self.names)
        space = found.space
        self.keep(centre=space.centre, scale=space.scale, directions=space.directions, gains=space.gains)
        self.keep(prototypes=found.prototypes, owner=found.owner)

    @property
    def clusters(self) -> Clusters:
        """What was found, as one value."""
        space = Whitening(self.centre, self.scale, self.directions, self.gains)
        return Clusters(space, self.prototypes, self.owner, len(self.tags))

    def forward(self, states: Tensor) -> Tensor:
        score = str(self.tags[0]["score"])
        return cluster.similarity(states, self.clusters, score) / cluster.TEMPERATURE


class PrototypeSource(AbstractSource):
    """One prototype for each class in a space learnt by contrast (ProtoVerb: Cui et al. 2022)."""

    projection: Tensor
    prototypes: Tensor

    def fit(self, states: Tensor, labels: Tensor, seed: int) -> None:
        tag = self.tags[0]
        options = {"dim": int(str(tag.value)), "epochs": int(str(tag["epochs"]))}
        found = train_prototypes(states, labels, **options, learning_rate=float(str(tag["learning_rate"])), seed=seed)
        self.keep(projection=found.projection, prototypes=found.prototypes)

    def forward(self, states: Tensor) -> Tensor:
        return prototypes.similarity(states, ProtoSpace(self.projection, self.prototypes)) / prototypes.TEMPERATURE


# Kind of tag → what scores it: a new kind is one entry and one class.
ABSTRACT: dict[str, type[AbstractSource]] = {"cluster": ClusterSource, "prototype": PrototypeSource}
