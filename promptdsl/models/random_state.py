"""Randomness with a seed of its own: the caller's generators go on afterwards as if nothing had happened."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

__all__ = ["random_state_kept", "seeded"]


@contextmanager
def random_state_kept() -> Iterator[None]:
    """For code that seeds the global generators, as transformers.Trainer does: Python's, numpy's and torch's."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """For modules that draw their first weights from torch's generator; they are made on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
