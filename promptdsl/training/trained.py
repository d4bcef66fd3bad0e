"""What training changes of a model, and a copy of it that can be put back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

__all__ = ["GoodState", "trained_parameters"]


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that training changes, by name; one that several names share is there once."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


class GoodState:
    """A copy of parameters as they were when all was well.

    Args:
        parameters: what is copied; nothing is, before `keep`.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        self.parameters = parameters
        self.step: int | None = None
        self._copies: list[Tensor] = []

    @torch.no_grad()
    def keep(self, step: int) -> None:
        """Copy the parameters as they are, before the update of this step."""
        if not self._copies:
            self._copies = [parameter.detach().clone() for parameter in self.parameters.values()]
        else:
            for copy, parameter in zip(self._copies, self.parameters.values(), strict=True):
                copy.copy_(parameter)
        self.step = step

    @torch.no_grad()
    def put_back(self) -> None:
        """Give the parameters what was copied last; without a copy they stay."""
        for parameter, copy in zip(self.parameters.values(), self._copies, strict=False):
            parameter.copy_(copy)
