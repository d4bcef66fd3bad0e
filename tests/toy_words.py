"""A vocabulary that can be read: each word of a list is the token of its place, and phrases are their words."""

from __future__ import annotations

from typing import Any

from promptdsl.language.verbalizer import Verbalizer
from promptdsl.verbalizers.verbalizer import BoundVerbalizer, bind_words

VOCABULARY = ["<mask>", "<unk>", "bad", "dull", "good", "great", "fine", "so"]
MASK, UNKNOWN = 0, 1


def ids(text: str, number: int = 0) -> list[int]:
    """The tokens of a text, the same at every mask."""
    return [VOCABULARY.index(w) if w in VOCABULARY else UNKNOWN for w in text.split()]


def bound(text: str, counts: Any = (None,), *, mask_id: int | None = MASK, lenient: bool = False) -> BoundVerbalizer:
    """A verbalizer bound to that vocabulary."""
    return bind_words(Verbalizer(text), counts, ids, mask_id=mask_id, unk_id=UNKNOWN, lenient=lenient)
