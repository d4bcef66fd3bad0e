"""A checksum of a language model's weights: cells of another model do not count."""

from __future__ import annotations

import hashlib
from typing import Any

from promptdsl.models.loading import LanguageModel

__all__ = ["fingerprint"]

SAMPLE = 64  # numbers of each tensor


def fingerprint(lm: LanguageModel) -> str:
    """SHA-256 of the names, shapes and a sample of the values of all parameters: enough to tell two models apart."""
    found = hashlib.sha256()
    for name, parameter in sorted(lm.model.named_parameters()):
        found.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}".encode())
        found.update(_sample(parameter).tobytes())
    return found.hexdigest()[:32]


def _sample(parameter: Any) -> Any:
    """Values from all over a tensor, as float32."""
    flat = parameter.detach().reshape(-1)
    return flat[:: max(1, flat.numel() // SAMPLE)].float().cpu().numpy()
