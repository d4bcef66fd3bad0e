"""Which language model an artefact belongs to: name, revision, and digests of its weights and its tokenizer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from promptdsl.errors import PromptDSLError, fail, printable
from promptdsl.models.loading import POCKET, LanguageModel, as_language_model, load
from promptdsl.training.artefact_record import entry

__all__ = ["BaseModel", "base_model"]


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A language model, as far as what was trained on it depends on it.

    Attributes:
        name: what it is loaded by; None for a model that was given.
        revision: the hub's commit; None elsewhere.
        kind: its class.
        dtype: of its weights; a model in another number format is another one.
        weights: SHA-256 over its parameters and the buffers that are saved, in the order of their names: name, type,
            shape and bytes of each. The device does not count.
        tokenizer: SHA-256 over its tokenizer.json, without truncation and padding, and its special tokens.
    """

    name: str | None
    revision: str | None
    kind: str
    dtype: str
    weights: str
    tokenizer: str

    @classmethod
    def of(cls, lm: LanguageModel) -> BaseModel:
        """What there is to say of a language model; digests are made once for each state of its weights."""
        model = lm.model
        named = lm.name != type(model).__name__  # a pair bears the name of its class
        revision = getattr(model.config, "_commit_hash", None) if named else None
        dtype = next((str(p.dtype).removeprefix("torch.") for p in model.parameters() if p.is_floating_point()), "none")
        return cls(lm.name if named else None, revision, type(model).__name__, dtype, _weights(lm), _tokenizer(lm))

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> BaseModel:
        """That of an artefact's record. Raises FileError PD835."""
        types: dict[str, Any] = {f.name: str | None if f.name in ("name", "revision") else str for f in fields(cls)}
        return cls(**{name: entry(record, f"language_model.{name}", kind) for name, kind in types.items()})

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    def require(self, given: LanguageModel) -> None:
        """Raise FileError PD833 if a language model has other weights than this one, PD834 for another tokenizer."""
        found = BaseModel.of(given)
        if found.weights != self.weights:
            shown = f"{found}; weights {found.weights[:12]}… are not {self.weights[:12]}…"
            remedy = f"give the model in {self.dtype}" if found.dtype != self.dtype else "give that model"
            fail("PD833", f"the artefact belongs to {self}, and the model is {shown}", help=remedy, origin="model")
        if found.tokenizer != self.tokenizer:
            message = f"the tokenizer of {found} is not the one that the artefact was trained with"
            note = f"SHA-256 {found.tokenizer[:12]}… is not {self.tokenizer[:12]}…"
            fail("PD834", message, help="give the model with that tokenizer", note=note, origin="model")

    def __str__(self) -> str:
        named = "" if self.name is None else f' "{printable(self.name, 80)}"'
        return f"{printable(self.kind, 60)}{named} in {printable(self.dtype, 20)}"


def base_model(base: BaseModel, given: Any, *, device: str | None, from_hub: bool) -> LanguageModel:
    """The language model of an artefact: the given one, or the one that the artefact names; its digests are checked.

    Raises:
        FileError: PD833, PD834 for another one, PD842 where it must be given.
        ModelError: PD512 for a name that leads to none.
    """
    if given is None:
        lm = _named(base, device, from_hub)
    elif isinstance(given, str | Path) and base.dtype in ("bfloat16", "float16"):
        lm = load(given, dtype=base.dtype, device=device)
    else:
        lm = as_language_model(given, device=device)
    base.require(lm)
    return lm


def _named(base: BaseModel, device: str | None, from_hub: bool) -> LanguageModel:
    remedy = "give the language model: model=(model, tokenizer), or its name or folder"
    if base.name is None:
        fail("PD842", f"the artefact was trained on {base}, which has no name", help=remedy, origin="model")
    local = base.name not in POCKET and _is_path(base.name)
    if local and from_hub:  # what strangers name is not looked for on this machine
        message = f"the artefact comes from the hub and names the folder of its language model: {base}"
        fail("PD842", message, help=remedy, origin="model")
    dtype = base.dtype if base.dtype in ("bfloat16", "float16") else "float32"
    try:
        return load(base.name, dtype=dtype, device=device, revision=base.revision)
    except PromptDSLError as error:
        if error.code == "PD512" and local:
            fail("PD842", f"the artefact belongs to {base}, which is not here", help=remedy, origin="model")
        raise


def _is_path(name: str) -> bool:
    """Whether a name is that of a folder, not one of a hub."""
    try:
        return name[:1] in ("", ".", "/", "~", "\\") or name.count("/") > 1 or Path(name).exists()
    except (OSError, ValueError):
        return True


def _weights(lm: LanguageModel) -> str:
    tensors = _canonical(lm.model)
    state = tuple((t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors.values())
    known = lm.built.get("weights")
    if known is None or known[0] != state:  # another state of the weights has another digest
        known = lm.built["weights"] = (state, _digest(tensors))
    return str(known[1])


def _canonical(model: torch.nn.Module) -> dict[str, Tensor]:
    """Parameters, each once, and the buffers that are saved; others are computed from the configuration."""
    tied = dict(model.named_parameters(remove_duplicate=False))
    buffers = {name: tensor for name, tensor in model.state_dict().items() if name not in tied}
    kept = dict(model.named_buffers(remove_duplicate=False))
    return {**dict(model.named_parameters()), **{name: kept.get(name, buffers[name]) for name in buffers}}


def _digest(tensors: Mapping[str, Tensor]) -> str:
    found = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach()
        shape = ",".join(map(str, tensor.shape))
        found.update(f"{name}\0{str(tensor.dtype).removeprefix('torch.')}\0{shape}\0".encode())
        flat: Any = tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        found.update(flat)
    return found.hexdigest()


def _tokenizer(lm: LanguageModel) -> str:
    written = json.loads(lm.tokenizer.backend_tokenizer.to_str())
    written |= {"truncation": None, "padding": None}  # what a call leaves behind
    special = {name: str(token) for name, token in lm.tokenizer.special_tokens_map.items() if isinstance(token, str)}
    return hashlib.sha256(json.dumps([written, special], sort_keys=True).encode()).hexdigest()
