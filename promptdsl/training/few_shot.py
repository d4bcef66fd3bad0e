"""k-shot splits: a few labelled rows of each class, drawn with a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promptdsl.errors import fail

__all__ = ["FewShotSplit", "few_shot_indices", "few_shot_split"]


@dataclass(frozen=True, slots=True)
class FewShotSplit:
    """Row numbers of a true few-shot split (Perez et al. 2021), each sorted and without a row in common.

    Attributes:
        train: at most k rows of each class.
        dev: of each class at most as many as `train` has, and what remains where a class is short.
    """

    train: tuple[int, ...]
    dev: tuple[int, ...]

    def __str__(self) -> str:
        return f"{len(self.train)} rows to train, {len(self.dev)} to choose on"


def few_shot_indices(labels: Sequence[object], shots: int, *, seed: int = 0) -> list[int]:
    """Indices of `shots` rows of each class, drawn without replacement; fewer where a class has fewer.

    Args:
        labels: one label a row.
        shots: rows of each class, ≥ 1.
        seed: the same seed draws the same rows.

    Returns:
        Sorted indices.
    """
    return list(few_shot_split(labels, shots, seed=seed).train)


def few_shot_split(labels: Sequence[object], shots: int, *, seed: int = 0) -> FewShotSplit:
    """Rows to train on and as many others to choose on, of each class; the split of fewer shots is a part of it.

    Args:
        labels: one label a row.
        shots: rows of each class to train on, ≥ 1.
        seed: the same seed draws the same rows.

    Raises:
        TrainingError: PD702 for fewer than one shot.
    """
    if shots < 1:
        fail("PD702", f"shots must be ≥ 1, not {shots}", origin="shots")
    random = np.random.default_rng(seed)
    texts = [str(label) for label in labels]
    train: list[int] = []
    dev: list[int] = []
    for label in sorted(set(texts)):
        drawn = random.permutation([i for i, t in enumerate(texts) if t == label]).tolist()
        train += drawn[:shots]
        dev += drawn[shots : 2 * shots]
    return FewShotSplit(tuple(sorted(train)), tuple(sorted(dev)))
