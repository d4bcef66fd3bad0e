"""The real WordNet, read here by hand: what the tests compare with must not come through NLTK."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from promptdsl.knowledge.reader import find_wordnet


@dataclass(frozen=True)
class Line:
    """One line of a data file, as wndb(5WN) says: words, and pointers (symbol, target, source word, target word)."""

    file: str
    lexfile: str
    kind: str
    words: tuple[str, ...]
    ids: tuple[str, ...]
    pointers: tuple[tuple[str, int, str, int, int], ...]

    def key(self, word: int) -> str:
        """The sense key of one of the words (senseidx(5WN)); not for satellites, whose key names their head."""
        number = {"n": 1, "v": 2, "a": 3, "r": 4}[self.kind]
        return f"{self.words[word].lower()}%{number}:{self.lexfile}:{self.ids[word]}::"


class Database:
    """The files of WordNet's database, without NLTK."""

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self.read = cache(read)

    def senses(self, lemma: str, kind: str) -> list[int]:
        """The offsets of a lemma's synsets, from the index file of "noun", "verb", "adj" or "adv"."""
        rows = self.read(f"index.{kind}").decode().split("\n")
        row = next(row.split() for row in rows if row.startswith(f"{lemma} "))
        return [int(offset) for offset in row[-int(row[2]) :]]

    def line(self, kind: str, offset: int) -> Line:
        """The synset at an offset of a data file."""
        data = self.read(f"data.{kind}")
        fields = data[offset : data.index(b"\n", offset)].decode().partition(" | ")[0].split()
        count = int(fields[3], 16)
        words = fields[4 : 4 + 2 * count]
        rest = fields[5 + 2 * count :]
        pointers = [rest[at : at + 4] for at in range(0, 4 * int(fields[4 + 2 * count]), 4)]
        files = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
        return Line(
            kind,
            fields[1],
            fields[2],
            tuple(word.partition("(")[0] for word in words[::2]),
            tuple(f"{int(number, 16):02d}" for number in words[1::2]),
            tuple((s, int(o), files[p], int(ends[:2], 16), int(ends[2:], 16)) for s, o, p, ends in pointers),
        )

    def counts(self) -> dict[str, int]:
        """Sense key → how often the sense was counted, from cntlist.rev."""
        rows = (row.split() for row in self.read("cntlist.rev").decode().splitlines())
        return {key: int(count) for key, _, count in rows}


@pytest.fixture(scope="session")
def wordnet() -> Path:
    """Where WordNet is, a folder or an archive."""
    found = find_wordnet()
    if found is None:
        pytest.skip("there is no WordNet on this machine; `promptdsl wordnet` gets it")
    return Path(found)


@pytest.fixture(scope="session")
def database(wordnet: Path) -> Database:
    if wordnet.is_dir():
        return Database(lambda name: (wordnet / name).read_bytes())
    return Database(lambda name: zipfile.ZipFile(wordnet).read(f"wordnet/{name}"))
