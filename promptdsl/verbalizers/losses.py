"""What is minimised when something learns from labelled rows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["class_loss"]


def class_loss(logits: Tensor, labels: Tensor, multi_label: bool) -> Tensor:
    """Mean cross-entropy of class log-probabilities, or of a sigmoid for each class.

    Args:
        logits: (rows, classes) log-probabilities; log-odds for `multi_label`.
        labels: (rows,) class numbers; (rows, classes) of 0 and 1 for `multi_label`.
    """
    if multi_label:
        logits = logits.clamp(min=torch.finfo(logits.dtype).min)  # of a class that a row has not
        return nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
    return nn.functional.nll_loss(logits, labels)
