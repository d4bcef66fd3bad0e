"""Small data and a call of compare() that takes a moment."""

from __future__ import annotations

import random
from typing import Any

from families import tiny

from promptdsl.comparison import Study, compare

HARD = '<"placeholder":"text_a"> It was <"mask">.'
PLAIN = '<"placeholder":"text_a"> <"mask">'
WORDS = "bad: not, never; good: good, great"
GOOD, BAD = ["good", "great", "loved", "fine", "lovely", "music"], ["bad", "boring", "awful", "not", "poor", "never"]


def reviews(count: int, seed: int) -> list[dict[str, str]]:
    """Rows of two classes that a few words tell apart, one after the other."""
    draw = random.Random(seed)
    kinds = [("good", GOOD), ("bad", BAD)] * (count // 2)
    filler = ["the", "film", "a", "plot", "it", "was", "this"]
    return [
        {"text_a": " ".join(draw.choices(words, k=3) + draw.choices(filler, k=draw.randint(1, 6))), "label": label}
        for label, words in kinds
    ]


TRAIN, TEST = reviews(24, 1), reviews(20, 2)


def study(**more: Any) -> Study:
    """A study of one template and two baselines on a tiny model; `more` overrides and adds arguments."""
    given: dict[str, Any] = {
        "templates": {"hard": HARD},
        "verbalizers": {"manual": WORDS},
        "data": (TRAIN, TEST),
        "model": tiny("bert"),
        "shots": (0, 2, 4),
        "seeds": (1, 2),
    }
    given |= more
    return compare(given.pop("templates"), given.pop("verbalizers"), given.pop("data"), given.pop("model"), **given)
