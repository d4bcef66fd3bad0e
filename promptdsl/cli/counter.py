"""A model's family and how it splits words: what the linter wants to know about a model."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["load_counter"]


def load_counter(name: str) -> tuple[str, Callable[[str], int]]:
    """The family of the model `name` and a function text → number of tokens. Raises ModelError."""
    from promptdsl.models.loading import load

    lm = load(name)
    return lm.family, lambda text: len(lm.text.encode([text])[0])
