"""Abstract label words as torch modules: what `cluster` and `prototype` tags become once rows were seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from promptdsl.language.nodes import Tag
from promptdsl.verbalizers import cluster, prototypes
from promptdsl.verbalizers.cluster import Clusters, cluster_prototypes
from promptdsl.verbalizers.prototypes import ProtoSpace, train_prototypes
from promptdsl.verbalizers.whitening import Whitening, cosine

__all__ = ["ABSTRACT", "AbstractSource", "ClusterSource", "PrototypeSource"]


class AbstractSource(nn.Module):
    """Class log-scores from mask states. What it learnt are buffers; there are none before `fit`.

    Args:
        tags: for each class the tag that describes it.
        names: the classes, for messages.
    """

    # What is learnt → the letters of its sizes: h hidden, c classes, others as many as there are. Numbers of classes
    # are whole ones.
    LEARNT: ClassVar[Mapping[str, str]] = {}

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

    def restore(self, learnt: Mapping[str, Tensor], hidden: int) -> bool:
        """Make the tensors that another source of these tags learnt this one's; False, and nothing, if they are none.

        Args:
            learnt: name → tensor, as `state_dict` has them.
            hidden: the width of the mask states.
        """
        sizes = {"h": hidden, "c": len(self.tags)}
        for name, letters in self.LEARNT.items():
            tensor, whole = learnt.get(name), name.endswith("owner")
            if tensor is None or tensor.ndim != len(letters) or tensor.is_floating_point() == whole:
                return False
            if any(sizes.setdefault(letter, n) != n for letter, n in zip(letters, tensor.shape, strict=True)):
                return False
            if whole and not bool(((tensor >= 0) & (tensor < len(self.tags))).all()):
                return False
        if learnt.keys() != self.LEARNT.keys():
            return False
        self.keep(**learnt)
        return True

    def keep_middles(self, states: Tensor, number: Tensor, owner: Tensor) -> None:
        """Keep what the prototypes stand for: the mean state of the rows that are nearest to each, and of all rows.

        Args:
            states: (rows, dim) mask states.
            number: (rows,) the prototype of each row.
            owner: (prototypes,) the class of each.
        """
        counts = torch.bincount(number, minlength=len(owner)).clamp(min=1)[:, None]
        middles = states.new_zeros(len(owner), states.shape[1]).index_add(0, number, states) / counts
        self.keep(middles=middles, middle=states.mean(0), middle_owner=owner)

    def keep_space(self, space: Whitening) -> None:
        """Make the map into the whitened space buffers."""
        self.keep(centre=space.centre, scale=space.scale, directions=space.directions, gains=space.gains)

    @property
    def space(self) -> Whitening:
        """The map into the whitened space."""
        return Whitening(*(self.get_buffer(name) for name in ("centre", "scale", "directions", "gains")))


_SPACE = {"centre": "h", "scale": "h", "directions": "rh", "gains": "r", "middle": "h"}


class ClusterSource(AbstractSource):
    """Prototypes clustered in the whitened space of the mask states."""

    LEARNT = _SPACE | {"prototypes": "ph", "owner": "p", "middles": "ph", "middle_owner": "p"}

    def fit(self, states: Tensor, labels: Tensor, seed: int) -> None:
        counts = [int(str(tag.value)) for tag in self.tags]
        found = cluster_prototypes(states, labels, counts, seed, self.names)
        self.keep_space(found.space)
        self.keep(prototypes=found.prototypes, owner=found.owner)
        near = cosine(found.space(states), found.prototypes)
        own = near.masked_fill(found.owner != labels[:, None], float("-inf"))  # of the row's class alone
        self.keep_middles(states, own.argmax(1), found.owner)

    def forward(self, states: Tensor) -> Tensor:
        found = Clusters(self.space, self.get_buffer("prototypes"), self.get_buffer("owner"), len(self.tags))
        return cluster.similarity(states, found, str(self.tags[0]["score"])) / cluster.TEMPERATURE


class PrototypeSource(AbstractSource):
    """One prototype for each class in a space learnt by contrast (ProtoVerb: Cui et al. 2022)."""

    LEARNT = _SPACE | {"projection": "dh", "prototypes": "cd", "middles": "ch", "middle_owner": "c"}

    def fit(self, states: Tensor, labels: Tensor, seed: int) -> None:
        tag = self.tags[0]
        found = train_prototypes(
            states,
            labels,
            len(self.tags),
            dim=int(str(tag.value)),
            epochs=int(str(tag["epochs"])),
            learning_rate=float(str(tag["learning_rate"])),
            seed=seed,
            names=self.names,
        )
        self.keep_space(found.space)
        self.keep(projection=found.projection, prototypes=found.prototypes)
        self.keep_middles(states, labels, torch.arange(len(self.tags), device=labels.device))

    def forward(self, states: Tensor) -> Tensor:
        found = ProtoSpace(self.space, self.get_buffer("projection"), self.get_buffer("prototypes"))
        return prototypes.similarity(states, found) / prototypes.TEMPERATURE


# Kind of tag → what scores it: a new kind is one entry and one class.
ABSTRACT: dict[str, type[AbstractSource]] = {"cluster": ClusterSource, "prototype": PrototypeSource}
