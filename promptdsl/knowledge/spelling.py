"""The spellings under which one word may stand in WordNet."""

from __future__ import annotations

import re

from promptdsl.errors import printable

__all__ = ["LONGEST", "quoted", "spelled", "spellings"]

LONGEST = 200  # characters; WordNet's longest lemma has 71, and what is longer is no word that could be looked up

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def quoted(text: str, limit: int = 40) -> str:
    """What the user wrote, in double quotes, printable and short."""
    return f'"{printable(text, limit)}"'


def spelled(name: str) -> str:
    """A name as words with blanks: "OfficeHolder" and "office_holder" → "office holder", "NBATeam" → "NBA team"."""
    words = _CAMEL.sub(" ", name).replace("_", " ").split()
    if len(words) < 2:
        return " ".join(words)
    return " ".join(w if w.isupper() and len(w) > 1 else w.lower() for w in words)


def spellings(word: str) -> tuple[str, ...]:
    """The lemmas to look a word up under, likeliest first: as it stands, in parts, hyphenated, in one word."""
    if len(word) > LONGEST:
        return ()
    written = "_".join(word.split())
    parts = spelled(word.replace("-", " ")).split()
    found = (written, "_".join(parts), "-".join(parts), "".join(parts))
    return tuple(dict.fromkeys(lemma for lemma in found if lemma))
