"""What a verbalizer learns from labelled rows: a frozen model's observations are enough, so it takes seconds."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from promptdsl.errors import fail
from promptdsl.verbalizers.head import Observations, VerbalizerHead
from promptdsl.verbalizers.losses import class_loss

__all__ = ["learn"]

# Precisions of the Gaussian priors around where each parameter starts, against the summed loss of the rows. That of
# the soft rows is for features of unit variance: it is multiplied with what the features vary by.
PRECISIONS = {"soft_rows": 0.3, "soft_bias": 0.01, "weights": 0.1, "bias": 0.01, "log_scale": 0.1}
STEPS = 200


def learn(head: VerbalizerHead, seen: Observations, labels: Tensor, *, with_bias: bool = False) -> None:
    """Fit soft label words and word weights, in place, by L-BFGS on all rows at once.

    Minimises Σ loss + Σ precision/2 · ‖parameter − start‖². The starts are the words' own rows of the LM head (WARP:
    Hambardzumyan, Khachatrian & May 2021, section 3) and equal weights (KPT: Hu et al. 2022, section 3.3): few rows
    move them little, many rows as far as it takes.

    Args:
        head: what is fitted; nothing happens if it has no parameters.
        seen: what was observed on the rows.
        labels: (rows,) class numbers; (rows, classes) of 0 and 1 for multi-label heads.
        with_bias: learn the head's class biases too, and the scale of a multi-label head.

    Raises:
        TrainingError: PD703 if the loss is not a number.
    """
    parameters: dict[str, Tensor] = dict(head.named_parameters(recurse=False))
    if with_bias:
        parameters["bias"] = head.bias.requires_grad_()
        if head.multi_label:
            parameters["log_scale"] = head.log_scale.requires_grad_()
    if not parameters:
        return
    precisions = PRECISIONS | {"soft_rows": PRECISIONS["soft_rows"] * _variance(seen.features)}
    starts = {name: p.detach().clone() for name, p in parameters.items()}
    optimiser = torch.optim.LBFGS(
        list(parameters.values()), max_iter=STEPS, history_size=20, tolerance_grad=1e-6, line_search_fn="strong_wolfe"
    )

    def objective() -> float:
        optimiser.zero_grad()
        loss = class_loss(head(seen), labels, head.multi_label) * len(seen)
        for name, parameter in parameters.items():
            loss = loss + precisions[name] / 2 * ((parameter - starts[name]) ** 2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        if not math.isfinite(value := loss.item()):
            raise FloatingPointError  # before the line search makes a step of it
        return value

    try:
        optimiser.step(objective)  # type: ignore[no-untyped-call]
        diverged = not all(torch.isfinite(p).all() for p in parameters.values())
    except FloatingPointError:
        diverged = True
    finally:
        head.bias.requires_grad_(False)
        head.log_scale.requires_grad_(False)
        optimiser.zero_grad()
    if diverged:
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(starts[name])
        fail("PD703", "the loss is not a number", help="look for rows whose states are not numbers", origin="training")


def _variance(features: Tensor) -> float:
    """Mean squared distance of the rows from their mean."""
    return float(((features - features.mean(0)) ** 2).sum(1).mean()) if len(features) > 1 else 1.0
