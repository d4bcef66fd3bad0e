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

from promptdsl.encoding.compiler import TokenProgram, bind
from promptdsl.encoding.encoder import Encoding, Layout
from promptdsl.encoding.rows import Rows, as_rows
from promptdsl.errors import fail
from promptdsl.language.template import Template
from promptdsl.language.verbalizer import Verbalizer
from promptdsl.models.ablation import Ablation, ablate
from promptdsl.models.backbone import Backbone
from promptdsl.models.batching import PromptBatch
from promptdsl.models.content_free import INPUTS
from promptdsl.models.demonstrations import DemoStore
from promptdsl.models.frozen_view import SharedBackbone
from promptdsl.models.inputs import TOKEN_BUDGET, PromptInputs, length_limit
from promptdsl.models.loading import as_language_model, torch_dtype
from promptdsl.models.observing import first_states, observed, vocabulary_log_proba, vocabulary_prior
from promptdsl.models.prompt import Prompt
from promptdsl.models.prototype_words import Prototype, name_prototypes
from promptdsl.models.reading import MaskReader
from promptdsl.models.resolving import resolve
from promptdsl.models.row_words import against_domain
from promptdsl.models.top_words import top_words
from promptdsl.models.tuning import check_tune
from promptdsl.models.unfitted import refuse_unfitted, unfitted
from promptdsl.verbalizers.head import Observations, VerbalizerHead
from promptdsl.verbalizers.losses import class_loss
from promptdsl.verbalizers.numbers import check_numbers
from promptdsl.verbalizers.priors import calibration_of, fit_priors
from promptdsl.verbalizers.verbalizer import BoundWord

__all__ = ["PromptModel", "PromptOutput"]


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


class PromptModel(SharedBackbone):
    """A language model read through a template and a verbalizer.

    Args:
        lm: a LanguageModel, a name or folder for `load`, or a pair (model, tokenizer). It is never changed.
        template: a Template or its text, with at least one mask.
        verbalizer: a Verbalizer, its text, or a mapping label → words.
        tune: what of the LM can be trained: "prompt" (nothing), "full" (all of a copy), "bitfit" (copies of its biases)
            or a PEFT configuration such as LoraConfig. What the template and the verbalizer bring can be in any case.
        max_length: the most positions of an input; by default what the LM takes.
        dtype, device: as for `load`; for a model that is there already "auto" keeps its own.
        multi_label: a row may have any number of labels; a class is then judged by itself (a sigmoid a class).
        seed: of what starts at random: sampled vectors, the networks they go through, adapters.
        backbone: one that was built for this language model already.
        prompt: one that was built for this template and backbone already; it becomes this model's own.

    Attributes:
        label_words: the verbalizer as it was written.
        verbalizer: what it was bound to; `verbalizer.verbalizer` has expanded label words in place of their tags.
        prompt: what can be trained of a template: soft tokens and prefix.
        head: what can be fitted of a verbalizer: priors, weights, soft rows, prototypes, biases.
        inputs: rows → encodings and batches.
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
        tune: Any = "prompt",
        max_length: int | None = None,
        dtype: str = "auto",
        device: str | None = None,
        multi_label: bool = False,
        seed: int = 0,
        backbone: Backbone | None = None,
        prompt: Prompt | None = None,
    ) -> None:
        super().__init__()
        check_tune(tune)
        self.template, self.label_words = Template(template), Verbalizer(verbalizer)
        self.lm = as_language_model(lm, dtype=dtype, device=device)
        self.program = bind(self.template, self.lm.text, family=self.lm.family)
        _check_masks(self.program)
        self.max_length = length_limit(max_length, self.lm.max_positions)
        self.multi_label = multi_label
        self.backbone = backbone or Backbone(self.lm, tune=tune, device=device, dtype=torch_dtype(dtype), seed=seed)
        self.verbalizer = resolve(self.label_words, self.program, self.backbone)
        words = [_starts(w) for w in self.verbalizer.words]
        self.prompt = prompt or Prompt(self.program, self.backbone, words, seed=seed)
        self.prompt.to(self.backbone.precision).look_at(self.backbone)
        self.reader = MaskReader(self.prompt, self.verbalizer, self.program)
        reader, limit = self.reader, self.max_length
        self.inputs = PromptInputs(self.program, self.verbalizer, reader.layouts, reader.room, limit, self.mask_states)
        rows, bias = self.backbone.output_rows([_starts(w) for w in self.verbalizer.soft])
        cap = self.backbone.cap
        head = VerbalizerHead(self.verbalizer, rows, bias, multi_label=multi_label, cap=cap)
        self.head = head.to(self.backbone.device, self.backbone.precision)
        self.unfitted = unfitted(self.verbalizer, self.program)
        if not self.unfitted:
            self.calibrate()

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """What stands at the masks in each forward pass of a row."""
        return self.reader.layouts

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
        soft: Tensor | None = None,
        labels: Tensor | None = None,
        word_tokens: Tensor | None = None,
        word_weights: Tensor | None = None,
        word_groups: Tensor | None = None,
        target: Tensor | None = None,
        target_of: Tensor | None = None,
    ) -> PromptOutput:
        """Class log-probabilities of a batch.

        Args:
            input_ids, attention_mask, token_type_ids: (batch · layouts, length), a row's layouts side by side.
            reads: (batch · layouts, reads) positions to read, as `PromptBatch` has them.
            soft: (batch · layouts, length) numbers of soft vectors, -1 elsewhere, as `PromptBatch` has them.
            labels: (batch,) class numbers, or (batch, classes) of 0 and 1 for `multi_label`; with them the output has
                a loss.
            word_tokens, word_weights, word_groups: where rows have label words of their own, what `Terms` has.
            target, target_of: what an encoder-decoder's decoder has, as `PromptBatch` has it.
        """
        own = word_tokens, word_weights, word_groups, target, target_of
        seen: Observations = self.reader(input_ids, attention_mask, reads, token_type_ids, soft, *own)
        logits = self.head(seen)
        loss = None if labels is None else class_loss(logits, labels, self.multi_label)
        return PromptOutput(loss=loss, logits=logits, word_scores=self.head.word_scores(seen))

    def observe(
        self, rows: Any, *, batch_size: int = 64, normalised: bool = False, own: Sequence[int | None] | None = None
    ) -> Observations:
        """What the frozen language model says at the masks of rows, in their order: fit on this, not on the model.

        `normalised` asks for log-probabilities also where logits would do; `own` is as in `encode`.
        """
        return self.observe_batches(self.batches(rows, batch_size=batch_size, own=own), normalised=normalised)

    def observe_batches(self, given: Iterable[PromptBatch], *, normalised: bool = False) -> Observations:
        """As `observe`, for batches."""
        return observed(self.reader, given, normalised=normalised)

    def vocabulary_log_proba(
        self, rows: Any, tokens: Tensor | None = None, *, batch_size: int = 64, alone: bool = False
    ) -> Tensor:
        """Log-probabilities at the first mask: (rows, vocabulary), or (rows, tokens) of some tokens.

        With `alone` they are those of rows without solved examples.
        """
        given = self.batches(rows, batch_size=batch_size, alone=alone, at_rest=True)
        return vocabulary_log_proba(self.prompt, given, tokens)

    def vocabulary_prior(self, rows: Any, *, batch_size: int = 64, own: Sequence[int | None] | None = None) -> Tensor:
        """(vocabulary,) mean log-probability of each token at the first mask, in memory that rows do not add to."""
        given = self.batches(rows, batch_size=batch_size, own=own, at_rest=True)
        return vocabulary_prior(self.prompt, given)

    @property
    def demos(self) -> DemoStore | None:
        """The solved examples of a template with a demos tag, once rows were fitted."""
        return self.inputs.demos

    @demos.setter
    def demos(self, store: DemoStore | None) -> None:
        self.inputs.demos = store

    def encode(self, rows: Any, **options: Any) -> Sequence[Sequence[Encoding]]:
        """For each row its encodings, one for each forward pass; see `PromptInputs.encode`."""
        return self.inputs.encode(rows, **options)

    def batches(self, rows: Any, *, batch_size: int = 64, **options: Any) -> Iterator[PromptBatch]:
        """Padded batches of all rows; see `PromptInputs.batches`."""
        return self.inputs.batches(rows, batch_size=batch_size, **options)

    def mask_states(self, rows: Any, *, batch_size: int = 64) -> NDArray[np.float32]:
        """(rows, hidden): the state at the first mask of rows by themselves, without solved examples."""
        data = as_rows(rows)
        given = self.batches(data, batch_size=batch_size, alone=True, at_rest=True)
        return first_states(self.prompt, given, len(data))

    def predict_log_proba(self, rows: Any, *, batch_size: int = 64) -> NDArray[np.float32]:
        """Class log-probabilities of rows, in their order: (rows, classes), float32.

        With `multi_label` they are log-odds of each class by itself.

        Raises:
            TrainingError: PD713 if the verbalizer needs rows that it has not seen.
        """
        self.require_fitted()
        data = as_rows(rows)
        if self.demos is None or self.demos.draws == 1:
            return self._scores(data, batch_size)
        states = self.mask_states(data, batch_size=batch_size) if self.demos.needs_states else None
        draws = [self._scores(data, batch_size, draw=draw, states=states) for draw in range(self.demos.draws)]
        mean: NDArray[np.float32] = np.logaddexp.reduce(draws) - np.float32(np.log(len(draws)))
        return mean

    def _scores(self, rows: Rows, batch_size: int, **options: Any) -> NDArray[np.float32]:
        scores = np.zeros((len(rows), len(self.labels)), np.float32)
        with torch.inference_mode():
            for batch in self.batches(rows, batch_size=batch_size, **options):
                logits = self(**batch.tensors(self.backbone.device)).logits
                scores[list(batch.rows)] = logits.float().cpu().numpy()
        check_numbers(scores, "class scores")
        return scores

    def calibrate(self, support: Observations | None = None) -> None:
        """Fit the priors of the head as the `calibrate` step says; nothing happens without one.

        Args:
            support: what was observed on given rows; content-free inputs are observed here where they are asked for.
        """
        asked = calibration_of(self.verbalizer.verbalizer)
        if asked is None or against_domain(self.verbalizer):
            return
        seen = support if asked.inputs == "support" else self._content_free(INPUTS[asked.inputs])
        assert seen is not None
        fit_priors(self.head, asked, seen)

    def _content_free(self, fills: Sequence[str | None]) -> Observations:
        """What the model says without content, below each draw of solved examples."""
        encoded = self.inputs.content_free(fills)
        return Observations.joined([self.observe_batches(self.inputs.batched(e, len(e))) for e in encoded])

    def require_fitted(self) -> None:
        """Raise TrainingError PD713 if something of the two strings needs rows that it has not seen."""
        asked = self.unfitted | self.prompt.unfitted
        if asked:
            refuse_unfitted(self.verbalizer.verbalizer, asked)

    def rebound(self, verbalizer: Verbalizer) -> PromptModel:
        """The same template and language model with another verbalizer; nothing that was fitted comes along."""
        made = PromptModel(
            self.lm,
            self.template,
            verbalizer,
            max_length=self.max_length,
            multi_label=self.multi_label,
            backbone=self.backbone,
            prompt=self.prompt.copy(),
        )
        made.label_words, made.demos = self.label_words, self.demos
        return made

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """What training changes, by what it belongs to.

        "prompt" are the template's vectors, keys and values, "network" what they go through; "verbalizer"; "lm".
        """
        network = [p for module in self.prompt.networks for p in module.parameters()]
        inside = set(map(id, network))
        return {
            "prompt": [p for p in self.prompt.parameters() if id(p) not in inside],
            "network": network,
            "verbalizer": list(self.head.parameters()),
            "lm": [p for p in self.backbone.parameters() if p.requires_grad],
        }

    def top_words(self, rows: Any, k: int = 10, *, batch_size: int = 64) -> list[list[list[tuple[str, float]]]]:
        """What the language model itself would put at each mask, whatever the verbalizer says.

        On a causal LM and in a decoder this is the word at the first mask, for the later ones depend on it.

        Returns:
            For each row and each mask position the k likeliest tokens with their probabilities, best first.
        """
        data = as_rows(rows)
        return top_words(
            self.prompt,
            self.program,
            data,
            k,
            max_length=self.max_length,
            batch_size=batch_size,
            budget=TOKEN_BUDGET,
            demos=self.inputs.examples(data),
        )

    def prototype_words(self, k: int = 5) -> list[Prototype]:
        """What each prototype of `cluster` and `prototype` items stands for, in words of the vocabulary.

        Raises:
            TrainingError: PD713 before fit.
        """
        self.require_fitted()
        return name_prototypes(self.backbone, self.program, self.verbalizer, self.head.abstract, k)

    def ablation(self, rows: Any, labels: Tensor, *, batch_size: int = 64) -> Ablation:
        """How well labelled rows are predicted without each soft token and prefix position; see `ablate`."""
        return ablate(self, rows, labels, batch_size=batch_size)

    def __str__(self) -> str:
        return f"PromptModel of {self.lm}\n  template    {self.template}\n  verbalizer  " + "\n              ".join(
            str(self.label_words).splitlines()
        )


def _starts(word: BoundWord) -> tuple[int, ...]:
    return tuple(token for part in word.parts for token in part)


def _check_masks(program: TokenProgram) -> None:
    if not program.masks:
        fail("PD355", "a classifier reads label words at a mask, and this template has none",
             source=program.template.source, help='add <"mask"> where the answer stands')  # fmt: skip
