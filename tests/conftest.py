"""What all tests share: where the optional data outside the project lies, and offline mode."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """The models of the tests are tiny: more threads than one only wait for each other."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of data and models that only the developers have; tests that need it skip elsewhere."""
    if not SHARED.is_dir():
        pytest.skip("needs the shared data and models beside the checkout, which a user's machine does not have")
    return SHARED
