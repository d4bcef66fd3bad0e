"""Checks of the tensors that the verbalizers' functions are given: numbers that are finite, classes that have rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from promptdsl.errors import fail

__all__ = ["check_classes", "check_finite", "check_numbers"]


def check_finite(values: Tensor, name: str) -> None:
    """Raise VerbalizerError PD460 if there is no value, or one that is NaN or infinite.

    Args:
        values: (rows, …) numbers; `name` says what they are, for the message.
    """
    if values.numel() == 0:
        fail("PD460", f"there are no {name}", help="give at least one row", origin=name)
    wrong = (~torch.isfinite(values)).reshape(len(values), -1).any(1).nonzero()[:, 0].tolist()
    _refuse(wrong, len(values), name, "NaN or infinity")


def check_numbers(values: NDArray[np.floating], name: str) -> None:
    """Raise VerbalizerError PD460 if a value is NaN; (rows, …), of which there may be none."""
    wrong = np.isnan(values).reshape(len(values), -1).any(1).nonzero()[0].tolist() if values.size else []
    _refuse(wrong, len(values), name, "NaN")


def _refuse(wrong: Sequence[int], rows: int, name: str, what: str) -> None:
    if wrong:
        fail(
            "PD460",
            f"{len(wrong)} of {rows} rows of {name} hold {what}, the first is row {wrong[0]}",
            help="load the language model in float32; half precision overflows on some models",
            origin=name,
        )


def check_classes(labels: Tensor, classes: int, names: Sequence[str] = ()) -> None:
    """Raise TrainingError PD707 if a class has no labelled row.

    Args:
        labels: (rows,) class numbers below `classes`.
        classes: how many classes there are; `names` are theirs, for the message.
    """
    counts = torch.bincount(labels, minlength=classes).tolist()
    empty = [names[c] if names else f"class {c}" for c, count in enumerate(counts) if not count]
    if empty:
        shown = ", ".join(empty[:10]) + (f" and {len(empty) - 10} more" if len(empty) > 10 else "")
        fail(
            "PD707",
            f"no labelled row for {shown}",
            help="give at least one row of each class",
            origin="labels",
        )
