"""The language model behind one small protocol: states at the places that are read, and only the head rows needed."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

from promptdsl.errors import fail
from promptdsl.models.encoder_decoder import decoded, entering, start_token
from promptdsl.models.loading import LanguageModel
from promptdsl.models.tuning import TUNES, add_adapters, check_tune, is_peft

__all__ = ["Backbone"]

CAP = "final_logit_softcapping"  # what configurations call the bound of the logits


class Backbone(nn.Module):
    """A private view of a language model, split into body and head.

    The view has modules of its own, so that nothing that happens here shows on the caller's model. What is frozen are
    the caller's tensors (no copy, no gradient, dropout off where all are); what learns are copies.

    The head is the model itself with its body replaced by the states that are handed in, so that whatever a family
    does between states and logits is done, at the masks only. Where the last step is a plain linear map, which is
    tried out once, single rows of it can be asked for; else all rows are computed and some kept.
    """

    def __init__(
        self,
        lm: LanguageModel,
        *,
        tune: Any = "prompt",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        model = lm.model
        self._start = start_token(model) if lm.family == "seq2seq" else None
        if model.get_output_embeddings() is None or (model.base_model is model and self._start is None):
            fail("PD515", f"{type(model).__name__} has no language-modelling head", help="load it with its LM head")
        check_tune(tune)
        self.tune = tune
        self.lm = _view(model, TUNES["prompt"] if is_peft(tune) else TUNES[tune], device, dtype)
        if is_peft(tune):
            add_adapters(self.lm, tune, seed)
        self.trainable = any(p.requires_grad for p in self.lm.parameters())
        if tune != "prompt" and not self.trainable:
            message = f"nothing of {type(model).__name__} is left to train this way"
            fail("PD542", message, help='use tune="full" or a PEFT configuration', origin="tune")
        self._pieces: dict[str, nn.Module] = {}  # not registered: they share the parameters of `lm`
        self._enter = _entering if self._start is None else entering
        self._pieces["features"], self._pieces["logits"] = _heads(self.lm, self._start is not None)
        self._trials: dict[str, bool] = {}
        self._accepted = set(inspect.signature(self.lm.base_model.forward).parameters)
        self._first_position = lm.first_position
        self.has_token_types = "token_type_ids" in self._accepted and getattr(model.config, "type_vocab_size", 0) > 1
        self.restrictable = self._tried_out()
        self.train(False)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        device: torch.device = next(self.lm.parameters()).device
        return device

    @property
    def precision(self) -> torch.dtype:
        """The type of everything beside the language model: float64 for a model of float64, else float32."""
        return torch.promote_types(self.output_weight.dtype, torch.float32)

    @property
    def vocab_size(self) -> int:
        """Rows of the LM head."""
        return int(self.output_weight.shape[0])

    @property
    def output_weight(self) -> Tensor:
        """The output matrix, (vocabulary, width)."""
        weight: Tensor = self.lm.get_output_embeddings().weight
        return weight

    @property
    def cap(self) -> float | None:
        """What the model squashes its logits with, cap · tanh(logit / cap), as Gemma 2 does; None for most."""
        found = getattr(self.lm.config.get_text_config(), CAP, None)
        return None if found is None else float(found)

    def once(self, name: str, trial: Callable[[Backbone], bool]) -> bool:
        """What a trial of this model says; it is made once."""
        if name not in self._trials:
            self._trials[name] = trial(self)
        return self._trials[name]

    def train(self, mode: bool = True) -> Backbone:
        """A frozen model stays in evaluation mode: its dropout is off whatever is trained around it."""
        active = mode and self.trainable
        super().train(active)
        for piece in self._pieces.values():
            piece.train(active)
        return self

    def states(
        self,
        input_ids: Tensor | None,
        attention_mask: Tensor,
        token_type_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        target: Tensor | None = None,
        target_of: Tensor | None = None,
    ) -> Tensor:
        """Last hidden states of the body: (batch, length) ids, or their vectors, → (batch, length, hidden).

        With `target` and `target_of`, as `PromptBatch` has them, those of the decoder: (lines, 1 + length, hidden).
        """
        given = {"input_ids": input_ids} if inputs_embeds is None else {"inputs_embeds": inputs_embeds}
        if target is not None and target_of is not None and self._start is not None:
            return decoded(self.lm, given, attention_mask, target, target_of, self._start)
        extra: dict[str, Any] = self.positions(attention_mask)
        if self.has_token_types and token_type_ids is not None:
            extra["token_type_ids"] = token_type_ids
        if "use_cache" in self._accepted:
            extra["use_cache"] = False
        out = self.lm.base_model(**given, attention_mask=attention_mask, return_dict=True, **extra)
        states: Tensor = out.last_hidden_state
        return states

    def positions(self, attention_mask: Tensor) -> dict[str, Tensor]:
        """The argument that numbers the tokens of lines that are padded on the left; nothing for other lines.

        Args:
            attention_mask: (batch, length) 1 for tokens, 0 for padding.
        """
        if "position_ids" not in self._accepted or bool(attention_mask[:, 0].all()):
            return {}
        return {"position_ids": (attention_mask.cumsum(1) - 1).clamp(min=0) + self._first_position}

    def embed(self, ids: Tensor) -> Tensor:
        """What the model makes of token ids before anything else, (…) → (…, width), in its own type."""
        vectors: Tensor = self.lm.get_input_embeddings()(ids)
        return vectors

    def logits(self, states: Tensor) -> Tensor:
        """Vocabulary logits of some states: (n, hidden) → (n, vocabulary)."""
        return self._through("logits", states)

    def rows(self, states: Tensor, token_ids: Tensor) -> Tensor:
        """Logits of some tokens only: (n, hidden), (tokens,) → (n, tokens)."""
        if not self.restrictable:
            return self.logits(states)[:, token_ids]
        head = self.lm.get_output_embeddings()
        features = self.features(states)
        bias = None if head.bias is None else head.bias[token_ids]
        return nn.functional.linear(features, head.weight[token_ids], bias)

    def features(self, states: Tensor) -> Tensor:
        """What enters the output matrix: (n, hidden) → (n, width of the output matrix)."""
        return self._through("features", states)

    def _through(self, piece: str, states: Tensor) -> Tensor:
        out: Tensor = self._pieces[piece](**self._enter(states[None]), return_dict=True).logits
        return out[0]

    @torch.no_grad()
    def output_rows(self, words: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Rows of the output matrix, (words, width), and biases, (words,), as float32; a word's tokens are averaged."""
        head = self.lm.get_output_embeddings()
        weight, bias = head.weight, getattr(head, "bias", None)
        rows = [weight[list(ids)].float().mean(0) for ids in words]
        offsets = [
            weight.new_zeros((), dtype=torch.float32) if bias is None else bias[list(w)].float().mean() for w in words
        ]
        none = weight.new_zeros(0, weight.shape[1], dtype=torch.float32)
        return (torch.stack(rows), torch.stack(offsets)) if words else (none, none.sum(1))

    def input_embeddings(self) -> Tensor:
        """The embedding matrix of the vocabulary, (vocabulary, width), as float32."""
        weight: Tensor = self.lm.get_input_embeddings().weight
        return weight.detach().float()

    @torch.no_grad()
    def _tried_out(self) -> bool:
        """Whether rows of the output matrix alone give the logits that the whole head gives.

        Tried on small and on huge states: what squashes large logits (Gemma 2) leaves small ones nearly alone.
        """
        head = self.lm.get_output_embeddings()
        if type(head) is not nn.Linear:
            return False
        weight = head.weight
        generator = torch.Generator().manual_seed(0)
        states = torch.randn(2, self.lm.config.hidden_size, generator=generator).to(weight.device, weight.dtype)
        tokens = torch.arange(weight.shape[0], device=weight.device)
        allowed = max(1e-3, 4 * torch.finfo(weight.dtype).eps)
        self.restrictable = True
        try:
            for scale in (1, 30, 1000):
                found, whole = self.rows(states * scale, tokens), self.logits(states * scale)
                if not (found - whole).abs().max() <= allowed * whole.abs().max():
                    return False
        except (RuntimeError, ValueError, TypeError, AttributeError):
            return False
        return True


class _Given(nn.Module):
    """Stands in for a body: its last hidden state is what it is given as `inputs_embeds`."""

    @property
    def decoder(self) -> _Given:
        """Some heads reach for the body's decoder."""
        return self

    def forward(self, *_: Any, inputs_embeds: Tensor, **__: Any) -> BaseModelOutputWithPastAndCrossAttentions:
        return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=inputs_embeds)


def _entering(states: Tensor) -> dict[str, Any]:
    return {"inputs_embeds": states}


def _view(
    model: nn.Module,
    learns: Callable[[str], bool],
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> Any:
    """New modules around the same tensors where they are frozen, around copies of them where they learn."""
    memo: dict[int, Any] = {}
    for name, parameter in model.named_parameters():
        tensor = parameter.detach().to(device=device, dtype=dtype if parameter.is_floating_point() else None)
        trained = tensor.is_floating_point() and learns(name)
        memo[id(parameter)] = nn.Parameter(tensor.clone() if trained else tensor, requires_grad=trained)
    for buffer in model.buffers():
        memo[id(buffer)] = buffer.to(device) if device is not None else buffer
    return copy.deepcopy(model, memo)


def _heads(model: Any, decodes: bool) -> tuple[nn.Module, nn.Module]:
    """The model without its body, up to the features before the output matrix, and up to the logits.

    Of an encoder-decoder the decoder is replaced, and the encoder, which is not asked, left out.
    """
    body, output = model.get_decoder() if decodes else model.base_model, model.get_output_embeddings()
    shared: dict[int, Any] = {id(p): p for p in (*model.parameters(), *model.buffers())}
    if decodes:
        shared[id(model.get_encoder())] = nn.Identity()
    features = copy.deepcopy(model, {**shared, id(body): _Given(), id(output): nn.Identity()})
    config = features.config.get_text_config()
    if getattr(config, CAP, None) is not None:  # features are not squashed; their copy has a configuration of its own
        setattr(config, CAP, None)
    logits = copy.deepcopy(model, {**shared, id(body): _Given()})
    return features, logits
