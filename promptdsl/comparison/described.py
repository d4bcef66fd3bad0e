"""Settings as JSON and back: what a study writes down about how its arms were trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from promptdsl.errors import fail, printable
from promptdsl.training.trainer import TrainingSettings

__all__ = ["described", "revived"]

KIND = "$kind"  # the key under which an object's kind stands


def described(value: Any) -> Any:
    """A setting as JSON.

    Raises:
        TrainingError: PD740 for a value that cannot be written down.
    """
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(k): described(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [described(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted(described(v) for v in value)
    if isinstance(value, TrainingSettings):
        return {KIND: "TrainingSettings"} | {f.name: described(getattr(value, f.name)) for f in fields(value)}
    if is_dataclass(value) and hasattr(value, "peft_type"):
        return {KIND: "peft"} | described({f.name: getattr(value, f.name) for f in fields(value)})
    if hasattr(value, "value") and isinstance(value.value, str):  # an enumeration's member, as PEFT's kinds
        return value.value
    fail("PD740", f"the setting {printable(repr(value), 80)} cannot be written down",
         help="give texts, numbers, lists, TrainingSettings or a PEFT config", origin="settings")  # fmt: skip


def revived(content: Any) -> Any:
    """Back from `described`."""
    if isinstance(content, list):
        return [revived(v) for v in content]
    if not isinstance(content, Mapping):
        return content
    plain = {k: revived(v) for k, v in content.items() if k != KIND}
    if KIND not in content:
        return plain
    return _KINDS[content[KIND]](plain)


def _training(content: dict[str, Any]) -> TrainingSettings:
    """Lists become tuples again, as settings have them."""
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
    return TrainingSettings(**given)


def _peft(content: dict[str, Any]) -> Any:
    try:
        from peft import get_peft_config
    except ImportError:
        fail(
            "PD740", "the study's settings have a PEFT config", help='pip install "promptdsl[peft]"', origin="settings"
        )
    return get_peft_config(content)


_KINDS = {"TrainingSettings": _training, "peft": _peft}
