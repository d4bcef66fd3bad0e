"""The trainable input vectors of a template: how they start, what they go through, what is left after training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from promptdsl.encoding.compiler import TokenProgram
from promptdsl.encoding.slots import SoftSlot
from promptdsl.encoding.tokenizer import TextTokenizer
from promptdsl.language.nodes import Tag
from promptdsl.models.artefact_files import stored_table
from promptdsl.models.backbone import Backbone
from promptdsl.models.random_state import seeded
from promptdsl.models.soft_encoders import ENCODERS
from promptdsl.models.vocabulary import whole_words

__all__ = ["INITS", "SoftTokens", "Starts", "entering", "sampled_words"]

COMMONEST = 5000  # rows of the vocabulary that vectors are sampled from (Lester et al. 2021, section 3.2)


class SoftTokens(nn.Module):
    """A table of vectors in the size of the language model's input embeddings, shared by all places that name them.

    A vector is its start plus `scale` times a trained offset. The scale is the standard deviation of the model's own
    embeddings, so that one learning rate suits models whose embeddings differ a hundredfold; weight decay pulls
    vectors back to where they started.

    Args:
        program: a bound template with soft tags.
        backbone: the language model.
        label_words: for each label word its token ids, for `init: "labels"`.
        seed: of what is sampled, and of the encoders' first weights.
    """

    start: Tensor
    scale: Tensor

    def __init__(
        self, program: TokenProgram, backbone: Backbone, label_words: Sequence[Sequence[int]] = (), *, seed: int = 0
    ) -> None:
        super().__init__()
        embeddings = entering(backbone)
        starts = Starts(program.text, backbone.embed, embeddings, label_words, np.random.default_rng(seed))
        table = torch.zeros(program.soft, embeddings.shape[1], device=embeddings.device)
        encoded: dict[int, Any] = {}
        for slot in (s for s in program.slots if isinstance(s, SoftSlot)):
            numbers = sorted(set(slot.vectors) - encoded.keys())  # none where an earlier place defines them
            if numbers:
                table[numbers] = starts.of(slot.piece, len(numbers))
                encoded |= dict.fromkeys(numbers, slot.piece["encoder"])
        self.register_buffer("start", table)
        self.register_buffer("scale", embeddings.std())
        self.offsets = nn.Parameter(torch.zeros_like(table))
        self.members = {name: sorted(n for n, e in encoded.items() if e == name) for name in ENCODERS}
        self.encoders = _seeded_encoders([n for n, rows in self.members.items() if rows], table.shape[1], seed)
        self.encoders.to(embeddings.device)

    def forward(self) -> Tensor:
        """(vectors, width): what stands at the template's soft places."""
        table = self.start + self.scale * self.offsets
        for name, encoder in self.encoders.items():
            rows = self.members[name]
            added = self.scale * encoder(table[rows] / self.scale)
            table = table.index_add(0, torch.tensor(rows, device=table.device), added)
        return table

    @property
    def networks(self) -> list[nn.Module]:
        """The encoders."""
        return list(self.encoders.values())

    @torch.no_grad()
    def bake(self) -> None:
        """Put what the encoders give in the place of the encoders: the same vectors, bit for bit."""
        self.keep(self())

    @torch.no_grad()
    def keep(self, table: Tensor) -> None:
        """Make (vectors, width) the table, without encoders."""
        self.start = table.detach().clone().to(self.start)
        self.offsets.zero_()
        self.encoders = nn.ModuleDict()

    def __str__(self) -> str:
        count, width = self.start.shape
        through = f" through {', '.join(self.encoders)}" if len(self.encoders) else ""
        return f"{count} soft token{'s' if count != 1 else ''} of width {width}{through}"


def _seeded_encoders(names: Sequence[str], width: int, seed: int) -> nn.ModuleDict:
    with seeded(seed):
        return nn.ModuleDict({name: ENCODERS[name](width) for name in names})


@dataclass(frozen=True, eq=False)
class Starts:
    """What vectors can start from.

    Attributes:
        text: the tokenizer.
        embed: token ids → input vectors, (n,) → (n, width).
        embeddings: (vocabulary, width).
        label_words: for each label word its token ids.
        random: where everything that is sampled comes from.
    """

    text: TextTokenizer
    embed: Callable[[Tensor], Tensor]
    embeddings: Tensor
    label_words: Sequence[Sequence[int]]
    random: np.random.Generator

    def of(self, tag: Tag, count: int) -> Tensor:
        """(count, width): the first vectors from what the tag names, the rest from sampled words."""
        how, _, argument = str(tag["init"]).partition(":")
        made = self.words(tag.value) if isinstance(tag.value, str) else INITS[how](self, argument, count)
        made = made[:count]
        return torch.cat([made, self.sampled(count - len(made))])

    def words(self, text: str) -> Tensor:
        """The vectors of a text's tokens."""
        return self.rows(self.text.encode([" " + text])[0])

    @torch.no_grad()
    def rows(self, ids: Sequence[int]) -> Tensor:
        """The vectors of some tokens, (n, width)."""
        return self.embed(torch.tensor(list(ids), dtype=torch.long, device=self.embeddings.device)).float()

    def sampled(self, count: int) -> Tensor:
        """The vectors of common words, without replacement while there are enough."""
        return self.rows(sampled_words(self.text, count, self.random))

    def labels(self) -> Tensor:
        """The mean vector of each label word's tokens."""
        found = [self.rows(word).mean(0) for word in self.label_words if len(word)]
        return torch.stack(found) if found else self.embeddings[:0]

    def stored(self, folder: str) -> Tensor:
        """The soft vectors of another prompt's artefact."""
        return stored_table(folder, "soft", self.embeddings.shape[1]).to(self.embeddings)

    def normal(self, count: int) -> Tensor:
        """Drawn with the mean and the deviation that the embeddings have (WARP: Hambardzumyan et al. 2021)."""
        drawn = self.random.standard_normal((count, self.embeddings.shape[1]))
        noise = torch.from_numpy(drawn).to(self.embeddings)
        return self.embeddings.mean(0) + self.embeddings.std(0) * noise


@torch.no_grad()
def entering(backbone: Backbone) -> Tensor:
    """(vocabulary, width), float32: what enters the model for each token, which Gemma's embeddings are scaled to be."""
    weight = backbone.input_embeddings()
    made = backbone.embed(torch.arange(len(weight), device=weight.device)).float()
    return weight if torch.equal(made, weight) else made  # the same tensor where it can be


def sampled_words(text: TextTokenizer, count: int, random: np.random.Generator) -> list[int]:
    """Ids of whole words, from the commonest of the vocabulary, which tokenizers number first."""
    pool = np.flatnonzero(whole_words(text))[:COMMONEST]
    if not len(pool):  # a vocabulary without words, such as one of bytes
        pool = np.setdiff1d(np.arange(text.vocab_size), list(text.special_ids))[:COMMONEST]
    return [int(n) for n in random.choice(pool, count, replace=count > len(pool))]


# Name in `init` → (starts, what follows its colon, how many) → (at most so many, width): a new one is one entry.
INITS: Mapping[str, Callable[[Starts, str, int], Tensor]] = {
    "vocab": lambda starts, _, count: starts.sampled(count),
    "normal": lambda starts, _, count: starts.normal(count),
    "labels": lambda starts, _, __: starts.labels(),
    "text": lambda starts, text, _: starts.words(text),
    "file": lambda starts, folder, _: starts.stored(folder),
}
