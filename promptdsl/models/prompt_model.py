"""PromptModel: a language model, a template and a verbalizer as one torch module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers.utils.generic import ModelOutput

from promptdsl.encoding.compiler import SoftSlot, TokenProgram, bind
from promptdsl.encoding.encoder import Encoding, Layout, RowTokens, lay_out, tokenize
from promptdsl.encoding.rows import Rows, as_rows
from promptdsl.errors import fail
from promptdsl.language.template import Template
from promptdsl.language.verbalizer import Verbalizer
from promptdsl.models.backbone import Backbone
from promptdsl.models.batching import PromptBatch, batches
from promptdsl.models.calibrating import calibrate
from promptdsl.models.loading import as_language_model, torch_dtype
from promptdsl.models.resolving import bind_verbalizer, resolve
from promptdsl.models.top_words import top_words
from promptdsl.models.unfitted import refuse_unfitted, unfitted
from promptdsl.verbalizers.head import Observations, VerbalizerHead
from promptdsl.verbalizers.losses import class_loss
from promptdsl.verbalizers.verbalizer import BoundWord

__all__ = ["PromptModel", "PromptOutput", "bind_verbalizer", "length_limit"]

WINDOW = 4096  # rows that are tokenised and sorted by length together
TOKEN_BUDGET = 8192  # tokens of one batch, padding included


@dataclass
class PromptOutput(ModelOutput):
    """What `PromptModel` returns.

    Attributes:
        loss: mean cross-entropy over the rows, where labels were given.
        logits: (batch, classes) class log-probabilities.
        word_scores: (batch, words) scores of the label words, before pooling.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    word_scores: Tensor | None = None


class PromptModel(nn.Module):
    """A frozen language model read through a template and a verbalizer.

    Args:
        lm: a LanguageModel, a name or folder for `load`, or a pair (model, tokenizer). It is never changed.
        template: a Template or its text, with at least one mask.
        verbalizer: a Verbalizer, its text, or a mapping label → words.
        tune: "prompt" (the LM is frozen) or "full" (a copy of it can be trained).
        max_length: the most positions of an input; by default what the LM takes.
        dtype, device: as for `load`; for a model that is there already "auto" keeps its own.
        multi_label: a row may have any number of labels; a class is then judged by itself (a sigmoid a class).
        backbone: one that was built for this language model already.

    Attributes:
        label_words: the verbalizer as it was written.
        verbalizer: what it was bound to; `verbalizer.verbalizer` has expanded label words in place of their tags.
        head: what can be fitted of a verbalizer: priors, weights, soft rows, prototypes, biases.
        unfitted: what of the two strings needs rows that it has not seen yet.

    Raises:
        PromptDSLError: PD1–PD5 for whatever is wrong with the two strings or does not go with the LM.
    """

    def __init__(
        self,
        lm: Any,
        template: Template | str,
        verbalizer: Verbalizer | str | dict[str, Any],
        *,
        tune: str = "prompt",
        max_length: int | None = None,
        dtype: str = "auto",
        device: str | None = None,
        multi_label: bool = False,
        backbone: Backbone | None = None,
    ) -> None:
        super().__init__()
        if tune not in ("prompt", "full"):
            fail("PD516", f'tune is "prompt" or "full", not {tune!r}', origin="tune")
        self.template, self.label_words = Template(template), Verbalizer(verbalizer)
        self.lm = as_language_model(lm, dtype=dtype, device=device)
        self.program = bind(self.template, self.lm.text, family=self.lm.family)
        _check_slots(self.program)
        self.max_length = length_limit(max_length, self.lm.max_positions)
        self.multi_label = multi_label
        trainable = tune == "full"
        self.backbone = backbone or Backbone(self.lm, trainable=trainable, device=device, dtype=torch_dtype(dtype))
        self.verbalizer = resolve(self.label_words, self.program, self.backbone)
        self.layouts = tuple(Layout(fill) for fill in self.verbalizer.fills)
        rows, bias = self.backbone.output_rows([_starts(w) for w in self.verbalizer.soft])
        self.head = VerbalizerHead(self.verbalizer, rows, bias, multi_label=multi_label).to(self.backbone.device)
        self._tables()
        self.unfitted = unfitted(self.verbalizer, self.program)
        if not self.unfitted:
            calibrate(self)

    _place_fill: Tensor
    _place_read: Tensor
    _term_place: Tensor
    _term_token: Tensor
    _token_ids: Tensor

    def _tables(self) -> None:
        """Where each token of each label word is read, as index tensors."""
        readings, fills = self.verbalizer.readings, len(self.layouts)
        places = sorted({(r.fill, r.read) for r in readings})
        tokens = self.verbalizer.token_ids
        place_of = {place: i for i, place in enumerate(places)}
        column_of = {token: token if self.verbalizer.normalised else i for i, token in enumerate(tokens)}
        for name, values in {
            "_place_fill": [f for f, _ in places],
            "_place_read": [r for _, r in places],
            "_term_place": [place_of[r.fill, r.read] for r in readings],
            "_term_token": [column_of[r.token] for r in readings],
            "_token_ids": list(tokens),
        }.items():
            table = torch.tensor(values, dtype=torch.long, device=self.backbone.device)
            self.register_buffer(name, table, persistent=False)
        self._fills = fills

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the verbalizer's order."""
        return self.verbalizer.labels

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        reads: Tensor,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> PromptOutput:
        """Class log-probabilities of a batch.

        Args:
            input_ids, attention_mask, token_type_ids: (batch · layouts, length), a row's layouts side by side.
            reads: (batch · layouts, reads) positions to read, as `PromptBatch` has them.
            labels: (batch,) class numbers, or (batch, classes) of 0 and 1 for `multi_label`; with them the output has
                a loss.
        """
        seen = self.observe_batch(input_ids, attention_mask, reads, token_type_ids)
        logits = self.head(seen)
        loss = None if labels is None else class_loss(logits, labels, self.multi_label)
        return PromptOutput(loss=loss, logits=logits, word_scores=self.head.word_scores(seen))

    def observe_batch(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        reads: Tensor,
        token_type_ids: Tensor | None = None,
        *,
        normalised: bool = False,
    ) -> Observations:
        """What the language model says at the masks of a batch; the tensors are those of `forward`.

        `normalised` asks for log-probabilities also where logits would do.
        """
        picked = self._picked(input_ids, attention_mask, reads, token_type_ids)
        places = picked[:, self._place_fill, self._place_read]  # (batch, places, hidden)
        words = self.verbalizer.word_scores(self._token_scores(places, normalised))
        return Observations(words, *self._at_rest(picked))

    def _picked(
        self, input_ids: Tensor, attention_mask: Tensor, reads: Tensor, token_type_ids: Tensor | None
    ) -> Tensor:
        """States at what is read: (batch, layouts, reads, hidden)."""
        states = self.backbone.states(input_ids, attention_mask, token_type_ids)
        lines = torch.arange(len(reads), device=reads.device)[:, None]
        picked = states[lines, reads]
        return picked.reshape(-1, self._fills, *picked.shape[1:])

    def _token_scores(self, places: Tensor, normalised: bool) -> Tensor:
        """(batch, places, hidden) → (batch, terms): what the verbalizer reads, with no more of the head than needed."""
        if not len(self._token_ids):
            return places.new_zeros(len(places), 0, dtype=torch.float32)
        flat = places.flatten(0, 1)
        if self.verbalizer.normalised or normalised:
            scores = self.backbone.logits(flat).float().log_softmax(-1)
            scores = scores if self.verbalizer.normalised else scores[:, self._token_ids]
        else:
            scores = self.backbone.rows(flat, self._token_ids).float()
        scores = scores.reshape(*places.shape[:2], -1)
        return scores[:, self._term_place, self._term_token]

    def _at_rest(self, picked: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mask states, features and normaliser, as `Observations` has them: (batch, layouts, reads, hidden) →."""
        batch, fill = len(picked), self.verbalizer.state_fill
        none = picked.new_zeros(batch, 0, dtype=torch.float32)
        if fill is None:
            return none, none, none.new_zeros(batch)
        states = picked[:, fill, : self._rest_reads]
        features, normaliser = none, none.new_zeros(batch)
        if self.verbalizer.soft:
            features = self.backbone.features(states[:, 0]).float()
            if self.verbalizer.normalised:
                normaliser = self.backbone.logits(states[:, 0]).float().logsumexp(-1)
        return states.flatten(1).float(), features, normaliser

    @property
    def _rest_reads(self) -> int:
        """Mask states of one row: one for each mask position, on a causal LM the one before the first mask."""
        fill = self.verbalizer.state_fill
        return 1 if fill is None or self.program.family == "causal" else self.layouts[fill].length

    def observe(self, rows: Any, *, batch_size: int = 64, normalised: bool = False) -> Observations:
        """What the frozen language model says at the masks of rows, in their order: fit on this, not on the model."""
        return self.observe_batches(self.batches(rows, batch_size=batch_size), normalised=normalised)

    def observe_batches(self, given: Iterable[PromptBatch], *, normalised: bool = False) -> Observations:
        """As `observe`, for batches."""
        parts, order = [], []
        with torch.no_grad():
            for batch in given:
                parts.append(self.observe_batch(**batch.tensors(self.backbone.device), normalised=normalised))
                order += batch.rows
        seen = Observations.joined(parts) if parts else self._nothing()
        return seen[torch.tensor(np.argsort(order), dtype=torch.long, device=seen.words.device)]

    def vocabulary_log_proba(self, rows: Any, tokens: Tensor | None = None, *, batch_size: int = 64) -> Tensor:
        """Log-probabilities at the first mask state: (rows, vocabulary), or (rows, tokens) of some tokens."""
        parts, order = [], []
        with torch.no_grad():
            for batch in self.batches(rows, batch_size=batch_size):
                picked = self._picked(**batch.tensors(self.backbone.device))
                found = self.backbone.logits(picked[:, self.verbalizer.state_fill or 0, 0]).float().log_softmax(-1)
                parts.append((found if tokens is None else found[:, tokens.to(found.device)]).cpu())
                order += batch.rows
        return torch.cat(parts)[torch.tensor(np.argsort(order), dtype=torch.long)]

    def _nothing(self) -> Observations:
        empty = torch.zeros(0, len(self.verbalizer.words), device=self.backbone.device)
        return Observations(empty, empty[:, :0], empty[:, :0], empty[:, :0].sum(1))

    def encode(self, rows: Any) -> list[list[Encoding]]:
        """For each row, its encodings, one for each forward pass that the label words need."""
        longest = max(layout.length for layout in self.layouts)
        tokens = tokenize(self.program, as_rows(rows), max_length=self.max_length, at_masks=longest)
        return self.lay_out(tokens)

    def lay_out(self, tokens: RowTokens) -> list[list[Encoding]]:
        """For each row of tokens, its encodings, one for each forward pass."""
        return [list(row) for row in zip(*(lay_out(tokens, layout) for layout in self.layouts), strict=True)]

    def batches(self, rows: Any, *, batch_size: int = 64) -> Iterator[PromptBatch]:
        """Padded batches of all rows, window by window, so that memory does not grow with the data."""
        data = as_rows(rows)
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            fail("PD505", f"batch_size must be a whole number ≥ 1, not {batch_size!r}", origin="batch_size")
        for start in range(0, len(data), WINDOW):
            yield from self.batched(self.encode(_window(data, start)), batch_size, start)

    def batched(self, encoded: Sequence[Sequence[Encoding]], batch_size: int, offset: int = 0) -> Iterator[PromptBatch]:
        """Padded batches of encodings."""
        pad_id = self.program.text.pad_id
        return batches(encoded, pad_id, batch_size=batch_size, token_budget=TOKEN_BUDGET, offset=offset)

    def predict_log_proba(self, rows: Any, *, batch_size: int = 64) -> NDArray[np.float32]:
        """Class log-probabilities of rows, in their order: (rows, classes), float32.

        With `multi_label` they are log-odds of each class by itself.

        Raises:
            TrainingError: PD713 if the verbalizer needs rows that it has not seen.
        """
        self.require_fitted()
        data = as_rows(rows)
        scores = np.zeros((len(data), len(self.labels)), np.float32)
        with torch.inference_mode():
            for batch in self.batches(data, batch_size=batch_size):
                logits = self(**batch.tensors(self.backbone.device)).logits
                scores[list(batch.rows)] = logits.float().cpu().numpy()
        return scores

    def require_fitted(self) -> None:
        """Raise TrainingError PD713 if something of the two strings needs rows that it has not seen."""
        if self.unfitted:
            refuse_unfitted(self.verbalizer.verbalizer, self.unfitted)

    def rebound(self, verbalizer: Verbalizer) -> PromptModel:
        """The same template and language model with another verbalizer; nothing that was fitted comes along."""
        made = PromptModel(
            self.lm,
            self.template,
            verbalizer,
            max_length=self.max_length,
            multi_label=self.multi_label,
            backbone=self.backbone,
        )
        made.label_words = self.label_words
        return made

    def top_words(self, rows: Any, k: int = 10, *, batch_size: int = 64) -> list[list[list[tuple[str, float]]]]:
        """What the language model itself would put at each mask, whatever the verbalizer says.

        On a causal LM this is the word at the first mask, for the later ones depend on it.

        Returns:
            For each row and each mask position the k likeliest tokens with their probabilities, best first.
        """
        return top_words(
            self.backbone, self.program, rows, k, max_length=self.max_length, batch_size=batch_size, budget=TOKEN_BUDGET
        )

    def __str__(self) -> str:
        return f"PromptModel of {self.lm}\n  template    {self.template}\n  verbalizer  " + "\n              ".join(
            str(self.label_words).splitlines()
        )


def _starts(word: BoundWord) -> tuple[int, ...]:
    return tuple(token for part in word.parts for token in part)


def _window(data: Rows, start: int) -> Rows:
    return data[start : start + WINDOW]


def _check_slots(program: TokenProgram) -> None:
    if not program.masks:
        fail("PD355", "a classifier reads label words at a mask, and this template has none",
             source=program.template.source, help='add <"mask"> where the answer stands')  # fmt: skip
    if program.prefix or any(isinstance(s, SoftSlot) for s in program.slots):
        fail("PD517", "soft tokens and prefixes can be encoded and shown; training them is not part of this version",
             source=program.template.source, help="use fixed text in their place")  # fmt: skip


def length_limit(wanted: int | None, model: int | None) -> int | None:
    """The most positions of an input: what is wanted, else what the LM takes. Raises PD506 if it takes fewer."""
    if wanted is not None and model is not None and isinstance(wanted, int) and wanted > model:
        fail("PD506", f"max_length is {wanted} and the language model takes {model} positions",
             help=f"use max_length={model} or less", origin="max_length")  # fmt: skip
    return model if wanted is None else wanted
