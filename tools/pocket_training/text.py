"""The text that the pocket models learn from: sources and shares, token streams on disk, windows drawn from them."""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.uint16]

HELD_OUT_EVERY = 100
HELD_OUT_AT = 7


@dataclass(frozen=True, slots=True)
class Source:
    """One body of text: `kind` is `corpus` (an xz file, a document a line) or `set` (train.jsonl of a labelled set).

    `share` is its part of the training tokens. Labels are never read. `lowered` is the part of the documents of which
    the causal model sees a lower-cased copy with spaced punctuation, the way SST-2 is distributed.
    """

    name: str
    kind: str
    share: float
    lowered: float = 0.0


SOURCES = (
    Source("imdb_unsup", "corpus", 0.27, lowered=0.3),
    Source("imdb_train_text", "corpus", 0.13, lowered=0.3),
    Source("wiki_en", "corpus", 0.22, lowered=0.05),
    Source("reuters_train", "corpus", 0.09, lowered=0.05),
    Source("nltk_misc", "corpus", 0.06, lowered=0.05),
    Source("sst2", "set", 0.04),
    Source("ag_news", "set", 0.08),
    Source("dbpedia14", "set", 0.05),
    Source("trec", "set", 0.012),
    Source("semeval2010_task8", "set", 0.012),
    Source("tweeteval_emotion", "set", 0.012),
    Source("sms_spam", "set", 0.006),
    Source("snli_small", "set", 0.006),
)


def is_held_out(index: int) -> bool:
    """Whether the document with this index in its source is never trained on."""
    return index % HELD_OUT_EVERY == HELD_OUT_AT


def documents(source: Source, corpora: Path, data: Path) -> Iterator[str]:
    """Every document of a source, in file order, streamed; of a labelled set only the texts of its train split."""
    if source.kind == "corpus":
        with lzma.open(corpora / f"{source.name}.txt.xz", "rt", encoding="utf-8") as lines:
            for line in lines:
                yield line.strip()
        return
    with (data / source.name / "train.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield " ".join(row[column] for column in ("text_a", "text_b") if row.get(column)).strip()


def as_distributed_sst2(text: str) -> str:
    """Lower-cases a text and sets its punctuation apart, hyphens as blanks: `It's well-made.` → `it 's well made .`"""
    text = text.lower().replace("-", " ")
    text = re.sub(r"(n't|'(?:s|re|ve|ll|m|d))\b", r" \1", text)
    text = re.sub(r"([.,!?;:()\"])", r" \1 ", text)
    return " ".join(text.split())


def write_stream(
    folder: Path, name: str, texts: Iterator[str], encode: Callable[[list[str]], list[list[int]]], chunk: int = 512
) -> tuple[int, int]:
    """Encodes texts to `<name>.{train,heldout}.npy` (ids, end to end) and `.offsets.npy`; returns the token counts."""
    parts: dict[str, list[Tokens]] = {"train": [], "heldout": []}
    batch: list[str] = []
    index = 0

    def flush() -> None:
        nonlocal index
        for ids in encode(batch):
            if ids:
                parts["heldout" if is_held_out(index) else "train"].append(np.asarray(ids, dtype=np.uint16))
            index += 1
        batch.clear()

    for text in texts:
        batch.append(text)
        if len(batch) == chunk:
            flush()
    flush()
    for split, arrays in parts.items():
        offsets = np.cumsum([0, *(len(array) for array in arrays)], dtype=np.int64)
        np.save(folder / f"{name}.{split}.offsets.npy", offsets)
        np.save(folder / f"{name}.{split}.npy", np.concatenate(arrays) if arrays else np.zeros(0, dtype=np.uint16))
    return sum(map(len, parts["train"])), sum(map(len, parts["heldout"]))


class Stream:
    """The tokens of one source, memory-mapped, and pieces drawn from it."""

    def __init__(self, folder: Path, source: Source, split: str) -> None:
        self.share = source.share
        self.tokens: Tokens = np.load(folder / f"{source.name}.{split}.npy", mmap_mode="r", allow_pickle=False)
        self.offsets = np.load(folder / f"{source.name}.{split}.offsets.npy", allow_pickle=False)

    def mean_piece(self, length: int) -> float:
        """The expected length of a piece of at most `length` tokens, documents drawn by their length."""
        sizes = np.diff(self.offsets).astype(np.float64)
        return float((sizes * np.minimum(sizes, length)).sum() / max(sizes.sum(), 1.0))

    def piece(
        self, rng: np.random.Generator, length: int, may_begin: npt.NDArray[np.bool_], at_start: float
    ) -> tuple[Tokens, bool]:
        """At most `length` tokens of one document, and whether the document ends with them.

        A longer document begins at its first token with probability `at_start`, else at a random place: after the
        next token whose entry of `may_begin` (vocabulary,) says that a piece may start after it (a sentence end).
        """
        position = int(rng.integers(len(self.tokens)))
        document = int(np.searchsorted(self.offsets, position, side="right")) - 1
        begin, end = int(self.offsets[document]), int(self.offsets[document + 1])
        if end - begin > length and rng.random() >= at_start:
            start = int(rng.integers(begin, end - length // 2))
            ends = np.flatnonzero(may_begin[self.tokens[start : start + 80]])
            begin = start + int(ends[0]) + 1 if len(ends) and start + int(ends[0]) + 9 < end else begin
        stop = min(begin + length, end)
        return np.asarray(self.tokens[begin:stop]), stop == end


class Mixture:
    """All sources of one split, drawn from by their share of the tokens."""

    def __init__(self, folder: Path, split: str, length: int) -> None:
        streams = [Stream(folder, source, split) for source in SOURCES]
        self.streams = [stream for stream in streams if len(stream.tokens)]
        weights = np.array([stream.share / stream.mean_piece(length) for stream in self.streams])
        self.chances = weights / weights.sum()

    def draw(self, rng: np.random.Generator) -> Stream:
        """One source; short-text sources come up more often, so that shares hold in tokens."""
        return self.streams[int(rng.choice(len(self.streams), p=self.chances))]
