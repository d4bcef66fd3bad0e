"""What of the language model itself learns: nothing, everything, its biases, or what a PEFT configuration adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from promptdsl.errors import fail, printable
from promptdsl.models.random_state import seeded

__all__ = ["TUNES", "add_adapters", "check_tune", "is_peft"]

# Name → whether a parameter of this name learns. BitFit trains biases and nothing else (Ben Zaken et al. 2022).
TUNES: Mapping[str, Callable[[str], bool]] = {
    "prompt": lambda _: False,
    "full": lambda _: True,
    "bitfit": lambda name: name.rpartition(".")[2] == "bias",
}


def check_tune(tune: Any) -> None:
    """Raise ModelError PD516 for what is no way to tune, PD540 for a PEFT configuration of a prompt."""
    if is_peft(tune):
        if tune.is_prompt_learning:
            fail(
                "PD540",
                f"{type(tune).__name__} is a prompt of PEFT's, which it can only put before everything else",
                help='write the prompt in the template: <"soft":20> for soft tokens, <"prefix":20> for a prefix',
                origin="tune",
            )
    elif not isinstance(tune, str) or tune not in TUNES:
        known = ", ".join(f'"{name}"' for name in TUNES)
        fail("PD516", f"tune is {known} or a PEFT configuration, not {printable(repr(tune), 80)}", origin="tune")


def is_peft(tune: Any) -> bool:
    """Whether this is a configuration of PEFT's; PEFT itself is not imported to find out."""
    return hasattr(tune, "peft_type") and hasattr(tune, "is_prompt_learning")


def add_adapters(model: nn.Module, config: Any, seed: int) -> None:
    """Put PEFT's adapters into a private view of a model; of what it shares with the caller nothing is changed.

    Args:
        model: a view whose parameters are frozen and shared.
        config: a PEFT configuration, such as LoraConfig.
        seed: of the adapters' first weights.

    Raises:
        ModelError: PD541 if PEFT refuses the configuration for this model.
    """
    import copy

    from peft import inject_adapter_in_model

    theirs = {id(p): p.data for p in model.parameters()}
    for parameter in model.parameters():  # some ways to start adapters (PiSSA, OLoRA) write to the weights
        parameter.data = parameter.data.clone()
    try:
        with seeded(seed):
            inject_adapter_in_model(copy.deepcopy(config), model)
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError, ImportError) as error:
        note = printable(str(error).split("\n")[0], 300)
        fail(
            "PD541",
            f"PEFT cannot put {type(config).__name__} into {type(model).__name__}",
            help="name target_modules that this model has",
            note=note,
            origin="tune",
        )
    for parameter in model.parameters():
        before = theirs.get(id(parameter))
        if before is not None and not parameter.requires_grad and torch.equal(before, parameter.data):
            parameter.data = before  # shared again, for nothing changes it
