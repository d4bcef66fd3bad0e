"""What was observed at the masks → class scores: the part of a verbalizer that can be fitted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from promptdsl.verbalizers.abstract import ABSTRACT, AbstractSource
from promptdsl.verbalizers.pooling import pool
from promptdsl.verbalizers.prototypes import combine
from promptdsl.verbalizers.verbalizer import BoundVerbalizer

__all__ = ["Observations", "VerbalizerHead"]

LEARNT = ("prototypes", "projection")  # buffers of abstract label words that labels gave


@dataclass(frozen=True, slots=True)
class Observations:
    """What a frozen language model says at the masks of some rows: all that a verbalizer ever looks at.

    Attributes:
        words: (rows, words) scores of the vocabulary's label words.
        states: (rows, reads · hidden) mask states; (rows, 0) where nothing looks at them.
        features: (rows, hidden) what enters the output matrix of the LM head; (rows, 0) without soft label words.
        normaliser: (rows,) what is subtracted from a logit to make it a log-probability; 0 where it cancels.
    """

    words: Tensor
    states: Tensor
    features: Tensor
    normaliser: Tensor

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, rows: Tensor | slice | Sequence[int]) -> Observations:
        return Observations(*(getattr(self, f.name)[rows] for f in fields(self)))

    @staticmethod
    def joined(parts: Sequence[Observations]) -> Observations:
        """Several batches one below the other."""
        return Observations(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Observations)))

    def __str__(self) -> str:
        return f"observations of {len(self)} rows: {self.words.shape[1]} words, states of {self.states.shape[1]}"


class VerbalizerHead(nn.Module):
    """Scores of label words, and mask states, made into class log-probabilities.

    Word scores are calibrated (a prior is subtracted), pooled for each class and normalised over the classes. Scores
    of abstract label words are standardised with them and averaged (ProtoVerb: Cui et al. 2022, section 3.4).

    Args:
        bound: the verbalizer.
        rows, bias: for each soft label word the row and the bias of the LM head that it starts from, (soft, hidden)
            and (soft,).
        multi_label: whether each class is judged by itself.
        cap: what the language model squashes its logits with, cap · tanh(logit / cap); None for most.
    """

    prior: Tensor
    class_prior: Tensor
    bias: Tensor
    log_scale: Tensor
    mass: Tensor
    spreads: Tensor
    shares: Tensor
    owner: Tensor

    def __init__(
        self,
        bound: BoundVerbalizer,
        rows: Tensor,
        bias: Tensor,
        *,
        multi_label: bool = False,
        cap: float | None = None,
    ) -> None:
        super().__init__()
        self.multi_label, self.cap = multi_label, cap
        classes, columns = len(bound.labels), len(bound.owners)
        self.classes = classes
        self.pooling = str(next((s.value for s in bound.verbalizer.steps if s.kind == "pool"), "mean"))
        self.register_buffer("owner", torch.tensor(bound.owners, dtype=torch.long), persistent=False)
        self.register_buffer("prior", torch.zeros(columns))
        self.register_buffer("class_prior", torch.zeros(classes))
        self.register_buffer("bias", torch.zeros(classes))
        self.register_buffer("log_scale", torch.zeros(()))
        self.register_buffer("mass", torch.zeros(2))  # what `word_mass` is multiplied with, and its mean; `free_rows`
        self.soft_rows = nn.Parameter(rows.detach().clone().float()) if len(rows) else None
        self.soft_bias = nn.Parameter(bias.detach().clone().float()) if len(rows) else None
        self.register_buffer("shares", 1.0 / torch.bincount(self.owner)[self.owner])
        self.weights = nn.Parameter(torch.zeros(columns)) if self.pooling == "learned" and columns else None
        self.sources = nn.ModuleList(ABSTRACT[a.kind](a.tags, bound.labels) for a in bound.abstract)
        self.register_buffer("spreads", torch.ones(len(bound.abstract) + bool(columns)))

    @property
    def learns(self) -> bool:
        """Whether there is anything that training changes."""
        return any(True for _ in self.parameters(recurse=False))

    @property
    def learnt(self) -> int:
        """How many numbers labelled rows gave: soft rows, word weights, biases and scale, prototypes."""
        fitted = [*self.parameters(), *(b for b in (self.bias, self.log_scale) if b.any())]
        fitted += [b for name, b in self.sources.named_buffers() if name.rpartition(".")[2] in LEARNT]
        return sum(tensor.numel() for tensor in fitted)

    @property
    def abstract(self) -> list[AbstractSource]:
        """The sources of scores that look at mask states."""
        return [s for s in self.sources if isinstance(s, AbstractSource)]

    def word_scores(self, seen: Observations) -> Tensor:
        """(rows, words + soft words): scores before calibration."""
        if self.soft_rows is None or self.soft_bias is None:
            return seen.words
        logits = seen.features @ self.soft_rows.T + self.soft_bias
        if self.cap is not None:
            logits = self.cap * torch.tanh(logits / self.cap)
        return torch.cat([seen.words, logits - seen.normaliser[:, None]], 1)

    def word_log_proba(self, scores: Tensor) -> Tensor:
        """(rows, words) → (rows, classes): what the words alone say of the classes."""
        return (self._pooled(scores).log_softmax(-1) - self.class_prior).log_softmax(-1)

    def word_mass(self, seen: Observations) -> Tensor:
        """(rows, 1): what the words of all classes get together, a logarithm up to a constant."""
        return self._pooled(self.word_scores(seen)).logsumexp(-1, keepdim=True)

    def free_rows(self, seen: Observations) -> None:
        """Let rows of a multi-label head have no label, or every label, when the language model is to be trained.

        Probabilities that sum to 1 are not all below chance, nor all above it. So the word mass of a row, less its mean
        over the rows given here, is added to the log-odds of every class, for training to raise or lower.
        """
        if self.multi_label and len(self.owner):
            with torch.no_grad():
                self.mass.copy_(torch.stack([self.mass.new_ones(()), self.word_mass(seen).mean()]))

    def _pooled(self, scores: Tensor) -> Tensor:
        return pool(self.pooling, scores - self.prior, self.owner, self.classes, self._shares())

    def _shares(self) -> Tensor | None:
        """What the words of a class are weighed with: what was learnt, or what their agreement says."""
        return self.weights if self.pooling == "learned" else self.shares

    def source_scores(self, seen: Observations) -> list[Tensor]:
        """(rows, classes) of each source: the words first, if there are any, then the abstract label words."""
        words = [self.word_log_proba(self.word_scores(seen))] if len(self.owner) else []
        return [*words, *(source(seen.states) for source in self.abstract)]

    def forward(self, seen: Observations) -> Tensor:
        """Class log-probabilities, (rows, classes).

        For multi-label rows the log-odds of each class by itself: scale · (log p + log C) + bias, which before fitting
        (scale 1, bias 0) is 0 for a class that is as likely as chance has it. Scale and bias are Platt's (1999, section
        2); all classes share the scale, and rows that are labelled fit both.
        """
        scores = self.source_scores(seen)
        together = scores[0] if len(scores) == 1 else combine(scores, self.spreads.tolist())
        if self.multi_label:
            odds = self.log_scale.exp() * (together.log_softmax(-1) + math.log(self.classes)) + self.bias
            return odds + self.mass[0] * (self.word_mass(seen) - self.mass[1]) if len(self.owner) else odds
        return (together + self.bias).log_softmax(-1)
