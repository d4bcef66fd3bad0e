"""Abstract label words as torch modules: what `cluster` and `prototype` tags become once rows were seen."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from promptdsl.language.nodes import Tag

__all__ = ["ABSTRACT", "AbstractSource", "ClusterSource", "PrototypeSource"]


class AbstractSource(nn.Module):
    """Class scores from mask states.

    Args:
        tags: for each class the tag that describes it.
    """

    def __init__(self, tags: Sequence[Tag]) -> None:
        super().__init__()
        self.tags = tuple(tags)

    def fit(self, states: Tensor, labels: Tensor, seed: int) -> None:
        """Learn from mask states (rows, dim) and class numbers (rows,). Raises TrainingError PD707."""
        raise NotImplementedError

    def centres(self) -> list[tuple[int, Tensor]]:
        """Class number and mask state, (dim,), of each prototype that is a point among the states; else none."""
        return []
