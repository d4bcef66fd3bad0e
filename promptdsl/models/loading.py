"""Names → language models and tokenizers: embedded ones, folders, hub names. Safetensors only, no code from outside."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from promptdsl.encoding.tokenizer import TextTokenizer, text_tokenizer
from promptdsl.errors import PromptDSLError, fail, printable
from promptdsl.models.hub import hub_is_reachable

__all__ = ["POCKET", "LanguageModel", "as_language_model", "load"]

# The embedded models: public name → folder inside the package.
POCKET = {"pocket-mlm": "mlm", "pocket-clm": "clm"}


@dataclass(frozen=True, slots=True, eq=False)
class LanguageModel:
    """A language model with its tokenizer. Copies share it: it is never changed, and loading it twice is waste.

    Attributes:
        model: a transformers model with a language-modelling head.
        tokenizer: its fast tokenizer.
        family: "masked", "causal" or "seq2seq" (an encoder-decoder of T5's shape).
        name: the name that it was loaded by, or its class.
        text: the private view of the tokenizer.
        built: what was built on it and may be used again; it lives as long as the model does.
    """

    model: Any = field(repr=False)
    tokenizer: Any = field(repr=False)
    family: str
    name: str
    text: TextTokenizer = field(repr=False)
    built: dict[Any, Any] = field(default_factory=dict, repr=False)

    def __deepcopy__(self, memo: object) -> LanguageModel:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return LanguageModel, (self.model, self.tokenizer, self.family, self.name, self.text)

    @property
    def first_position(self) -> int:
        """The number of the first position: 0, but padding_idx + 1 for RoBERTa and its kin, which lose those before."""
        offset = getattr(getattr(self.model.base_model, "embeddings", None), "padding_idx", None)
        return offset + 1 if offset is not None and self.model.config.model_type in _OFFSET_POSITIONS else 0

    @property
    def max_positions(self) -> int | None:
        """The longest input that the model takes, in positions; None where the model sets no limit."""
        config = self.model.config
        positions = getattr(config, "max_position_embeddings", None)
        if positions:
            positions -= self.first_position
        known = [n for n in (positions, self.text.length_limit) if n]
        return min(known) if known else None

    def __str__(self) -> str:
        count = sum(p.numel() for p in self.model.parameters())
        return f"{self.name}: {self.family} {type(self.model).__name__}, {count / 1e6:.1f} M parameters"


_OFFSET_POSITIONS = {
    "roberta",
    "xlm-roberta",
    "xlm-roberta-xl",
    "camembert",
    "roberta-prelayernorm",
    "data2vec-text",
    "mpnet",
    "longformer",
}
_LOADERS = {"masked": "AutoModelForMaskedLM", "causal": "AutoModelForCausalLM", "seq2seq": "AutoModelForSeq2SeqLM"}
_lock = threading.Lock()


def as_language_model(model: Any, *, dtype: str = "auto", device: str | None = None) -> LanguageModel:
    """A LanguageModel from a name, a folder, a `(model, tokenizer)` pair, or itself."""
    if isinstance(model, LanguageModel):
        return model
    if isinstance(model, (str, Path)):
        return load(model, dtype=dtype, device=device)
    if isinstance(model, (tuple, list)) and len(model) == 2 and hasattr(model[0], "get_output_embeddings"):
        lm, tokenizer = model
        check_device(device)
        return LanguageModel(lm, tokenizer, _family(lm, tokenizer), type(lm).__name__, text_tokenizer(tokenizer))
    fail(
        "PD511",
        f"{type(model).__name__} is not a language model",
        help='give a name ("pocket-mlm"), a folder, or a pair (model, tokenizer)',
        origin="model",
    )


def load(
    name: str | Path, *, dtype: str = "auto", device: str | None = None, revision: str | None = None
) -> LanguageModel:
    """Load a language model once; the same call gives the same object.

    Args:
        name: "pocket-mlm" or "pocket-clm" (embedded), a folder, or a Hugging Face hub name.
        dtype: "auto" (float32), "float32", "bfloat16" or "float16".
        device: a torch device; CPU by default.
        revision: a hub revision.

    Raises:
        ModelError: PD512 for an unknown name or a folder without a model, PD513 for a model of no known family, PD514
            for an unknown dtype, PD518 for files that lack weights, PD543 for an encoder-decoder without sentinels.
    """
    with _lock:
        return _load(str(name), dtype, device or "cpu", revision)


@lru_cache(maxsize=4)
def _load(name: str, dtype: str, device: str, revision: str | None) -> LanguageModel:
    import transformers
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoTokenizer

    check_device(device)
    wanted = torch_dtype(dtype) or torch_dtype("float32")
    path = str(resources.files("promptdsl") / "pocket" / POCKET[name]) if name in POCKET else name
    local = name in POCKET or Path(path).is_dir()
    # From the cache alone where there is no network: a client would retry for half a minute before it says so.
    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": not local and not hub_is_reachable()}
    options |= {} if revision is None else {"revision": revision}
    try:
        config = AutoConfig.from_pretrained(path, **options)
        tokenizer = AutoTokenizer.from_pretrained(path, **options)
        family = _family_of(config, tokenizer)
        loader: Any = getattr(transformers, _LOADERS[family])
        with _silent(local):
            model, report = loader.from_pretrained(
                path, config=config, dtype=wanted, use_safetensors=True, output_loading_info=True, **options
            )
        model = model.to(device).eval()
    except PromptDSLError:
        raise
    except (
        OSError,
        ValueError,
        RuntimeError,
        LookupError,
        TypeError,
        AttributeError,
        ImportError,
        SafetensorError,
    ) as e:
        _cannot_load(name, e)
    _check_complete(name, report)
    return LanguageModel(model, tokenizer, family, name, text_tokenizer(tokenizer))


def torch_dtype(name: str) -> Any:
    """The torch type of a name; None for "auto". Raises ModelError PD514 for any other."""
    import torch

    known = {"auto": None, "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if name not in known:
        fail(
            "PD514",
            f'unknown dtype "{printable(str(name), 40)}"',
            help=f"use one of {', '.join(known)}",
            origin="dtype",
        )
    return known[name]


def check_device(device: str | None) -> None:
    """Raise ModelError PD514 if torch knows no such device, or there is none here."""
    import torch

    try:
        torch.empty(1, device=device).item()  # a device without memory of its own, such as "meta", cannot do this
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).split("\n")[0]
        remedy = 'use "cpu", or a device that is there'
        fail(
            "PD514",
            f'device "{printable(str(device), 40)}" cannot be used',
            help=remedy,
            note=printable(reason, 200),
            origin="device",
        )


@contextmanager
def _silent(local: bool) -> Iterator[None]:
    """No progress bar while `local` weights are read: it takes a second. A download keeps its own."""
    from transformers import utils

    logging: Any = utils.logging  # its functions carry no types

    shown = logging.is_progress_bar_enabled()
    if local and shown:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        if local and shown:
            logging.enable_progress_bar()


def _check_complete(name: str, report: dict[str, Any]) -> None:
    """Weights that the files lack would be random numbers, and so would the answers."""
    missing = sorted(map(str, report.get("missing_keys") or ()))
    if missing:
        fail(
            "PD518",
            f'"{printable(name, 80)}" lacks {len(missing)} of its tensors, such as {printable(missing[0], 80)}',
            help="use a model that was saved with its language-modelling head",
            origin="model",
        )


def _cannot_load(name: str, error: Exception) -> None:
    first = str(error).strip().split("\n")[0]
    folder = Path(name)
    if folder.is_dir():
        remedy = "the folder needs config.json, model.safetensors and tokenizer.json"
    elif name.count("/") > 1 or name.startswith((".", "/", "~")):
        remedy = "there is no such folder"
    else:
        remedy = (
            f"embedded models are {', '.join(POCKET)}; a folder is given by its path; "
            "a hub name needs a network (or the model in the local cache)"
        )
    fail(
        "PD512",
        f'cannot load the language model "{printable(name, 80)}"',
        help=remedy,
        note=printable(first, 200),
        origin="model",
    )


def _family(model: Any, tokenizer: Any) -> str:
    return _family_of(model.config, tokenizer, type(model).__name__)


def _family_of(config: Any, tokenizer: Any, class_name: str = "") -> str:
    """The family, by the model's class, else by what transformers can make of its configuration."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
        MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    )

    decoding = MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES
    if config.is_encoder_decoder and (class_name or decoding.get(config.model_type)) in decoding.values():
        _check_sentinels(tokenizer, class_name or config.model_type)
        return "seq2seq"
    causal, masked = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_FOR_MASKED_LM_MAPPING_NAMES
    shown = class_name or config.model_type
    written = [] if config.is_encoder_decoder else [class_name] if class_name else list(config.architectures or [])
    for name in written:
        if "CausalLM" in name or name in causal.values():
            return "causal"
        if "MaskedLM" in name or name in masked.values():
            return "masked"
    if not class_name and not config.is_encoder_decoder:
        if tokenizer.mask_token_id is not None and config.model_type in masked:
            return "masked"
        if config.model_type in causal:
            return "causal"
    fail(
        "PD513",
        f'"{shown}" is neither a masked nor a causal language model, nor one of T5\'s shape',
        help="load it with AutoModelForMaskedLM, AutoModelForCausalLM or AutoModelForSeq2SeqLM",
        origin="model",
    )


def _check_sentinels(tokenizer: Any, shown: str) -> None:
    """Raise ModelError PD543 for an encoder-decoder whose pre-training knows no sentinels, such as BART."""
    if not text_tokenizer(tokenizer).sentinels:
        fail(
            "PD543",
            f'"{shown}" is an encoder-decoder whose tokenizer has no sentinels such as <extra_id_0>',
            help="use a model of T5's shape (T5, mT5, UMT5, LongT5), a masked or a causal language model",
            note="a mask is read in the decoder behind its sentinel, as in T5's span corruption",
            origin="model",
        )
