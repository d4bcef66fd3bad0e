"""Looking inside a trained prompt: the words nearest to its vectors, and how alike they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from promptdsl.encoding.compiler import TokenProgram
from promptdsl.encoding.slots import SoftSlot
from promptdsl.errors import fail
from promptdsl.models.soft_tokens import entering

if TYPE_CHECKING:
    from promptdsl.models.prefix_ways import Pairs
    from promptdsl.models.prompt import Prompt

__all__ = ["NearestWords", "Similarity", "nearest_words", "similarity"]


@dataclass(frozen=True, slots=True)
class NearestWords:
    """What lies around one soft token.

    Attributes:
        number: which vector of the template, from 0.
        tags: the tags that it stands in, as they are written; several where it is shared.
        words: tokens of the vocabulary and their cosines, the nearest first.
    """

    number: int
    tags: tuple[str, ...]
    words: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        near = ", ".join(f"{word} {cosine:.2f}" for word, cosine in self.words)
        return f"soft {self.number} in {' and '.join(self.tags)}: {near}"


@dataclass(frozen=True, slots=True, eq=False)
class Similarity:
    """How alike vectors of a prompt are.

    Attributes:
        title: whose: "soft tokens", or "prefix, layer 0".
        labels: (n,) names of the vectors.
        cosines: (n, n) from -1 to 1.
    """

    title: str
    labels: tuple[str, ...]
    cosines: NDArray[np.float64]

    def __str__(self) -> str:
        wide = max(5, *map(len, self.labels))
        lines = [" ".join([" " * wide, *(label.rjust(wide) for label in self.labels)])]
        for label, row in zip(self.labels, self.cosines, strict=True):
            lines.append(" ".join([label.ljust(wide), *(f"{cosine:.2f}".rjust(wide) for cosine in row)]))
        return "\n".join([self.title, *(line.rstrip() for line in lines)])


@torch.no_grad()
def nearest_words(prompt: Prompt, k: int = 5) -> list[NearestWords]:
    """The k tokens of the vocabulary that lie nearest to each soft token, by the cosine of centred vectors.

    The mean of the embeddings is taken off all vectors, for they share a large common vector (Mu & Viswanath
    2018, section 2), beside which all words look alike. Nearness is not meaning: prompts that
    solve a task can be found beside any words (Khashabi et al. 2022, "Prompt Waywardness"). What a vector does shows
    when it is taken away (`ablate`).

    Args:
        prompt: with soft tokens; without any, the list is empty.
        k: tokens of each, ≥ 1; special tokens are left out.

    Raises:
        ModelError: PD505 for a k that is none.
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        fail("PD505", f"k must be a whole number ≥ 1, not {k!r}", origin="k")
    if prompt.soft is None:
        return []
    text, vectors = prompt.program.text, entering(prompt.backbone)
    middle = vectors.mean(0)
    usable = [n for n in range(min(len(vectors), text.vocab_size)) if n not in text.special_ids]
    ids = torch.tensor(usable, device=vectors.device)
    cosines = _cosines(prompt.soft().float() - middle, vectors[ids] - middle)
    best = cosines.topk(min(k, len(usable)))
    tags = _places(prompt.program)
    found = []
    for number, (values, places) in enumerate(zip(best.values.tolist(), ids[best.indices].tolist(), strict=True)):
        words = tuple((text.word(token), value) for token, value in zip(places, values, strict=True))
        found.append(NearestWords(number, tags[number], words))
    return found


@torch.no_grad()
def similarity(prompt: Prompt) -> list[Similarity]:
    """Cosines between the soft tokens, centred as in `nearest_words`, and in each layer between the prefix's keys.

    Keys of all heads are taken together; a key is not centred, for what it is compared with are queries.
    """
    found = []
    if prompt.soft is not None:
        table = prompt.soft().float() - entering(prompt.backbone).mean(0)
        found.append(_similarity("soft tokens", "soft", table))
    if prompt.prefix is not None:
        for layer, (keys, _) in enumerate(_pairs(prompt)):
            table = keys.transpose(0, 1).flatten(1).float()
            found.append(_similarity(f"prefix, layer {layer}", "prefix", table))
    return found


def _pairs(prompt: Prompt) -> Pairs:
    """The prefix's keys and values without dropout, and its mode as it was."""
    assert prompt.prefix is not None
    mode = prompt.prefix.training
    try:
        pairs: Pairs = prompt.prefix.eval()()
        return pairs
    finally:
        prompt.prefix.train(mode)


def _similarity(title: str, name: str, table: Tensor) -> Similarity:
    cosines = _cosines(table.double(), table.double()).cpu().numpy()
    return Similarity(title, tuple(f"{name} {n}" for n in range(len(table))), cosines)


def _cosines(some: Tensor, others: Tensor) -> Tensor:
    """(n, width), (m, width) → (n, m); 0 for a vector without length."""
    return torch.nn.functional.normalize(some, dim=1) @ torch.nn.functional.normalize(others, dim=1).T


def _places(program: TokenProgram) -> list[tuple[str, ...]]:
    """For each soft vector the tags that it stands in."""
    found: list[dict[str, None]] = [{} for _ in range(program.soft)]
    for slot in program.slots:
        if isinstance(slot, SoftSlot):
            for number in slot.vectors:
                found[number][str(slot.piece)] = None
    return [tuple(tags) for tags in found]
