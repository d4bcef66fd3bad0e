"""k-shot splits: a few labelled rows of each class, drawn with a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from promptdsl.errors import fail

__all__ = ["few_shot_indices"]


def few_shot_indices(labels: Sequence[object], shots: int, *, seed: int = 0) -> list[int]:
    """Indices of `shots` rows of each class, drawn without replacement; fewer where a class has fewer.

    Args:
        labels: one label a row.
        shots: rows of each class, ≥ 1.
        seed: the same seed draws the same rows.

    Returns:
        Sorted indices.
    """
    if shots < 1:
        fail("PD702", f"shots must be ≥ 1, not {shots}", origin="shots")
    random = np.random.default_rng(seed)
    texts = [str(label) for label in labels]
    chosen: list[int] = []
    for label in sorted(set(texts)):
        rows = [i for i, t in enumerate(texts) if t == label]
        chosen += random.permutation(rows)[:shots].tolist()
    return sorted(chosen)
