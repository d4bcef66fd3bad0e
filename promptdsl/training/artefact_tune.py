"""How a language model was tuned, as an artefact's JSON has it: a name, or a PEFT configuration that says all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from promptdsl.errors import fail, printable
from promptdsl.models.tuning import TUNES, is_peft
from promptdsl.training.artefact_record import refuse

__all__ = ["tune_from_json", "tune_to_json"]

# Adapters that their configuration and their tensors describe. Others read files or change the frozen weights.
ADAPTERS = ("LORA", "ADALORA", "LOHA", "LOKR", "IA3", "VERA", "OFT", "BOFT", "HRA", "LN_TUNING")
# What starts adapters from data, from files, or from frozen weights that it then changes. "default" says what is meant.
_STARTS = {"init_lora_weights": (True, False, "gaussian", "orthogonal")}
_BESIDE = ("auto_mapping", "base_model_name_or_path", "revision", "runtime_config", "megatron_core", "peft_version")


def tune_to_json(tune: Any) -> Any:
    """The name, or {"peft": …}. Raises FileError PD839 for a configuration that does not say all."""
    if not is_peft(tune):
        return tune
    try:
        written = json.loads(json.dumps(tune.to_dict(), default=_plain))
    except (TypeError, ValueError) as error:
        _cannot(tune, printable(str(error), 200))
    kept = {name: value for name, value in written.items() if name not in _BESIDE}
    problem = _problem(kept)
    if problem:
        _cannot(tune, problem)
    return {"peft": kept}


def tune_from_json(written: Any) -> Any:
    """What `tune_to_json` was given.

    Raises:
        FileError: PD835 for anything else, PD841 for adapters where PEFT is not installed.
    """
    if isinstance(written, str) and written in TUNES:
        return written
    if not isinstance(written, Mapping) or set(written) != {"peft"} or not isinstance(written["peft"], dict):
        refuse(f"{printable(repr(written), 60)} is no way to tune")
    given = {name: value for name, value in written["peft"].items() if name not in _BESIDE}
    problem = _problem(given)
    if problem:
        refuse(problem)
    try:
        from peft import PeftConfig
    except ImportError:
        fail("PD841", "the artefact has adapters of PEFT", help='pip install "promptdsl[peft]"', origin="tune")
    try:
        made: Any = PeftConfig
        return made.from_peft_type(**given)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        refuse(f"PEFT does not take the configuration: {printable(str(error), 200)}")


def _plain(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is nothing that JSON knows")


def _problem(given: Mapping[str, Any]) -> str:
    """Why a configuration does not say all about its adapters; "" if it does."""
    if given.get("peft_type") not in ADAPTERS:
        return f"{printable(repr(given.get('peft_type')), 40)} is none of {', '.join(ADAPTERS)}"
    for name, value in given.items():
        allowed = _STARTS.get(name)
        if (allowed is not None and value not in allowed) or (name.endswith("_config") and value):
            return f"{name} starts adapters from what is not saved"
    return ""


def _cannot(tune: Any, why: str) -> NoReturn:
    message = f"{type(tune).__name__} cannot be saved: {why}"
    fail("PD839", message, help="save the language model with PEFT itself", origin="tune")
