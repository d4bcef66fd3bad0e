"""What was trained as an adapter of PEFT's, for those who serve with PEFT; only as far as PEFT gives the same logits.

A verbalizer has no place in it: whoever loads the adapter gets the language model's own logits. `promptdsl_peft.json`
beside it says how inputs are made.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from promptdsl.encoding.encoder import Encoding
from promptdsl.encoding.slots import SoftSlot
from promptdsl.errors import fail, printable
from promptdsl.models.prompt_model import PromptModel
from promptdsl.models.tuning import is_peft

__all__ = ["INPUTS", "export_peft", "peft_input_ids"]

INPUTS = "promptdsl_peft.json"
ADAPTER = "adapter_model.safetensors"
# PEFT has no task of masked LMs. A null task would load, and the prompt would be ignored.
TASKS: Mapping[str, str] = {"masked": "FEATURE_EXTRACTION", "causal": "CAUSAL_LM"}

# Model types of which PEFT's prefix was found to give the same logits; a test holds each against PEFT.
DECODERS = ("gpt2", "llama", "qwen2", "opt", "gemma2")


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """An adapter of PEFT's.

    Attributes:
        config: its configuration.
        tensors: by the names that PEFT gives them in files.
        inputs: how inputs are made, for `promptdsl_peft.json`.
    """

    config: Any
    tensors: Mapping[str, Tensor]
    inputs: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.config.peft_type.value}: {sum(t.numel() for t in self.tensors.values()):,} numbers"


def export_peft(model: PromptModel, folder: str | Path) -> str:
    """Write what was trained as an adapter that `PeftModel.from_pretrained(language_model, folder)` loads.

    Soft tokens with nothing at all before them, not even a [CLS] or BOS, become PROMPT_TUNING: the input is the rest.
    Soft tokens anywhere else become TRAINABLE_TOKENS: each vector has a token id, and `peft_input_ids` puts the ids at
    the places. They are rows of the vocabulary that the tokenizer does not use, or new ones: where
    `promptdsl_peft.json` has another `vocabulary` than the model, call
    `language_model.resize_token_embeddings(vocabulary, mean_resizing=False)` before PEFT loads the adapter; where it
    says `untie`, set `language_model.config.tie_word_embeddings = False` after that, since PEFT would forget the bias
    of the output matrix. A decoder's prefix becomes PREFIX_TUNING. What PEFT itself put into the language model is that
    adapter.

    Pad on the right: PEFT puts prompts before the padding.

    Args:
        model: what was trained.
        folder: it is made if it is not there.

    Returns:
        The kind of adapter.

    Raises:
        FileError: PD840 for what PEFT cannot hold, PD841 where it is not installed, PD804 if the system refuses.
    """
    from safetensors.torch import save_file

    asked = [name for name, there in _PARTS.items() if there(model)]
    if model.backbone.tune in ("full", "bitfit"):
        _cannot(f'weights that were tuned ("{model.backbone.tune}")')
    if len(asked) != 1:
        _cannot(
            f"{' and '.join(asked)} at once" if asked else "a model of which nothing was trained but the verbalizer"
        )
    if model.lm.family not in TASKS:
        _cannot(f"a prompt of the family {model.lm.family}")
    try:
        import peft  # noqa: F401
    except ImportError:
        fail("PD841", "adapters are made with PEFT", help='pip install "promptdsl[peft]"', origin="export")
    adapter = _EXPORTS[asked[0]](model)
    place = Path(folder).expanduser()
    try:
        place.mkdir(parents=True, exist_ok=True)
        adapter.config.save_pretrained(str(place))
        save_file({n: t.detach().cpu().contiguous().clone() for n, t in adapter.tensors.items()}, place / ADAPTER)
        inputs = {"kind": adapter.config.peft_type.value, "template": model.template.source, **adapter.inputs}
        (place / INPUTS).write_text(json.dumps(inputs, indent=1) + "\n", "utf-8")
    except OSError as error:
        message = f'"{printable(str(folder), 100)}" cannot be written: {error.strerror or error}'
        fail("PD804", message, help="give a folder that can be written to", origin="export")
    return str(adapter.config.peft_type.value)


def peft_input_ids(encoding: Encoding, token_ids: Sequence[int]) -> list[int]:
    """The ids of an input for TRAINABLE_TOKENS: soft places have the ids of their vectors.

    Args:
        encoding: of a row, as `promptdsl.encode` gives it.
        token_ids: those of `promptdsl_peft.json`.
    """
    places = zip(encoding.input_ids.tolist(), encoding.soft.tolist(), strict=True)
    return [token_ids[vector] if vector >= 0 else token for token, vector in places]


# What can be exported → whether a model has it.
_PARTS: Mapping[str, Callable[[PromptModel], bool]] = {
    "soft tokens": lambda model: model.prompt.soft is not None,
    "a prefix": lambda model: model.prompt.prefix is not None,
    "adapters": lambda model: is_peft(model.backbone.tune),
}


@torch.no_grad()
def _soft_tokens(model: PromptModel) -> Adapter:
    assert model.prompt.soft is not None
    slots = model.program.slots
    places = [v for slot in slots if isinstance(slot, SoftSlot) for v in slot.vectors]
    first = [isinstance(slot, SoftSlot) for slot in slots]
    ahead = first == sorted(first, reverse=True) and not model.program.before and model.program.demos is None
    table = model.prompt.soft()
    return _prompt_tuning(model, table[places]) if ahead else _trainable_tokens(model, table)


def _prompt_tuning(model: PromptModel, vectors: Tensor) -> Adapter:
    from peft import PromptTuningConfig

    count, width = vectors.shape
    made = PromptTuningConfig(num_virtual_tokens=count, token_dim=width, num_transformer_submodules=1, **_common(model))
    return Adapter(made, {"prompt_embeddings": vectors}, {"soft_tokens": count})


def _trainable_tokens(model: PromptModel, table: Tensor) -> Adapter:
    from peft import TrainableTokensConfig

    lm, text = model.backbone.lm, model.program.text
    embedding = lm.get_input_embeddings()
    rows, used = len(embedding.weight), max(text.vocab_size, *(i + 1 for i in text.special_ids))
    start = used if used + len(table) <= rows else rows
    ids = list(range(start, start + len(table)))
    own = next(name for name, module in lm.named_modules() if module is embedding)
    tied = [n for n, module in lm.named_modules() if n != own and getattr(module, "weight", None) is embedding.weight]
    # PEFT gives a tied output matrix the vectors too, and then forgets its bias: such a one is not to look tied.
    biased = any(getattr(lm.get_submodule(name), "bias", None) is not None for name in tied)
    made = TrainableTokensConfig(token_indices=ids, target_modules=[own], **_common(model))
    vectors = (table / _scale(embedding)).to(embedding.weight.dtype)
    tensors = {f"base_model.model.{n}.trainable_tokens_delta": vectors for n in [own, *([] if biased else tied)]}
    inputs = {"token_ids": ids, "vocabulary": max(rows, start + len(table)), "untie": biased}
    return Adapter(made, tensors, inputs)


def _scale(embedding: Any) -> float:
    """What an embedding multiplies its rows with, as Gemma's does; PD840 for one that does more."""
    scale = float(getattr(embedding, "embed_scale", 1.0))
    some = torch.arange(min(8, len(embedding.weight)), device=embedding.weight.device)
    if not torch.allclose(embedding(some), embedding.weight[some] * scale):
        _cannot(f"soft tokens of {type(embedding).__name__}, which does more than to look up rows")
    return scale


@torch.no_grad()
def _prefix(model: PromptModel) -> Adapter:
    from peft import PrefixTuningConfig

    prefix = model.prompt.prefix
    assert prefix is not None
    heads, keys, values = prefix.shapes[0]
    kind = model.backbone.lm.config.model_type
    if kind not in DECODERS:
        _cannot(f'a prefix of the model type "{kind}", so far as is known: it can of {", ".join(DECODERS)}')
    if set(prefix.shapes) != {(heads, keys, values)} or keys != values:
        _cannot("a prefix whose layers differ in width")
    table = prefix.table()
    made = PrefixTuningConfig(
        num_virtual_tokens=len(table),
        num_layers=len(prefix.shapes),
        num_attention_heads=heads,
        token_dim=heads * keys,
        num_transformer_submodules=1,
        **_common(model),
    )
    return Adapter(made, {"prompt_embeddings": table}, {"prefix": len(table)})


def _adapters(model: PromptModel) -> Adapter:
    from peft import get_peft_model_state_dict

    view: Any = model.backbone.lm
    made = copy.deepcopy(view.peft_config["default"])
    for name, value in _common(model).items():
        setattr(made, name, value)
    state = get_peft_model_state_dict(view, adapter_name="default")
    return Adapter(made, {f"base_model.model.{name}": tensor for name, tensor in state.items()}, {})


_EXPORTS: Mapping[str, Callable[[PromptModel], Adapter]] = {
    "soft tokens": _soft_tokens,
    "a prefix": _prefix,
    "adapters": _adapters,
}


def _common(model: PromptModel) -> dict[str, Any]:
    from peft import TaskType

    return {
        "task_type": TaskType(TASKS[model.lm.family]),
        "base_model_name_or_path": model.lm.name,
        "inference_mode": True,
    }


def _cannot(what: str) -> NoReturn:
    remedy = "save an artefact, or export soft tokens, a decoder's prefix, or PEFT's own adapters by themselves"
    fail("PD840", f"PEFT cannot hold {what}", help=remedy, origin="export")
