"""The demo's tasks: the two strings, the labelled sample, and a few sentences of its own.

Templates and label words were chosen on the samples' train halves only; the accuracies of the demo are on the test
halves.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MODELS", "SEEDS", "SHOTS", "TASKS", "Task"]

MODELS = ("pocket-mlm", "pocket-clm")
SHOTS = 16  # labelled rows of each class
SEEDS = (13, 21, 42, 87, 100)  # of the draws of those rows


@dataclass(frozen=True, slots=True)
class Task:
    """A task: `sample` names the file of `promptdsl/samples`; the sentences are in no sample."""

    sample: str
    template: str
    verbalizer: str
    sentences: tuple[str, ...]


TASKS = (
    Task(
        "sentiment",
        '<"placeholder":"text_a"> It was <"mask">.',
        "negative: bad, terrible, awful, boring\npositive: good, great, excellent, wonderful",
        (
            "A stirring, funny film with a wonderful cast.",
            "The plot drags and the jokes fall flat.",
            "The soup was cold and the waiter rude.",
            "I could not put this book down.",
        ),
    ),
    Task(
        "topics",
        '<"placeholder":"text_a"> Category: <"mask">.',
        "Business: business\n"
        "Sci/Tech: technology, science, computers\n"
        "Sports: sports, football, baseball\n"
        "World: politics, war, government",
        (
            "The midfielder scored twice as the visitors won the cup.",
            "Shares of the bank fell after it reported a loss.",
            "The new phone has a faster chip and a better camera.",
            "The two presidents met to sign the border treaty.",
        ),
    ),
)
