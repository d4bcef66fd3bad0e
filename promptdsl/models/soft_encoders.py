"""Networks that soft vectors go through while they are trained: what `encoder` in a template names.

What they give is added to the vectors, and their last layer starts at zero: training begins at the vectors as they were
initialised, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

__all__ = ["ENCODERS"]


class MLPEncoder(nn.Module):
    """Linear-ReLU-Linear at each vector (residual prompt tuning: Razdaibiedina et al. 2023, section 3)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = _feed_forward(width, width)

    def forward(self, vectors: Tensor) -> Tensor:
        """(n, width) vectors → what is added to them."""
        out: Tensor = self.layers(vectors)
        return out


class LSTMEncoder(nn.Module):
    """A bidirectional LSTM of two layers and an MLP over the sequence of vectors (Liu et al. 2021, section 3.2).

    In the paper its output replaces the vectors, which then begin far from all words.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        half = (width + 1) // 2
        self.lstm = nn.LSTM(width, half, num_layers=2, bidirectional=True, batch_first=True)
        self.layers = _feed_forward(2 * half, width)

    def forward(self, vectors: Tensor) -> Tensor:
        """(n, width) vectors → what is added to them."""
        out: Tensor = self.layers(self.lstm(vectors[None])[0][0])
        return out


def _feed_forward(given: int, width: int) -> nn.Sequential:
    last = nn.Linear(width, width)
    with torch.no_grad():
        last.weight.zero_()
        last.bias.zero_()
    return nn.Sequential(nn.Linear(given, width), nn.ReLU(), last)


# Name in the template → (width) → the network: a new encoder is one entry and one class.
ENCODERS: Mapping[str, Callable[[int], nn.Module]] = {"mlp": MLPEncoder, "lstm": LSTMEncoder}
