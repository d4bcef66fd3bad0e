"""What a verbalizer learns from labelled rows: a frozen model's observations are enough, so it takes seconds."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from promptdsl.errors import fail
from promptdsl.verbalizers.head import Observations, VerbalizerHead
from promptdsl.verbalizers.losses import class_loss

__all__ = ["learn"]

# Precisions of the Gaussian priors around where each parameter starts, against the summed loss of the rows.
PRECISIONS = {"soft_rows": 1.0, "soft_bias": 0.01, "weights": 0.1}
STEPS = 200


def learn(head: VerbalizerHead, seen: Observations, labels: Tensor, *, multi_label: bool = False) -> None:
    """Fit soft label words and word weights, in place, by L-BFGS on all rows at once.

    Minimises Σ loss + Σ precision/2 · ‖parameter − start‖². The starts are the words' own rows of the LM head (WARP:
    Hambardzumyan, Khachatrian & May 2021, section 3) and equal weights (KPT: Hu et al. 2022, section 3.3), so that
    few rows move them little.

    Args:
        head: what is fitted; nothing happens if it has no parameters.
        seen: what was observed on the rows.
        labels: (rows,) class numbers; (rows, classes) of 0 and 1 for `multi_label`.

    Raises:
        TrainingError: PD703 if the loss is not a number.
    """
    parameters = dict(head.named_parameters(recurse=False))
    if not parameters:
        return
    starts = {name: p.detach().clone() for name, p in parameters.items()}
    optimiser = torch.optim.LBFGS(
        parameters.values(), max_iter=STEPS, history_size=20, tolerance_grad=1e-6, line_search_fn="strong_wolfe"
    )

    def objective() -> Tensor:
        optimiser.zero_grad()
        loss = class_loss(head(seen), labels, multi_label) * len(seen)
        for name, parameter in parameters.items():
            loss = loss + PRECISIONS[name] / 2 * ((parameter - starts[name]) ** 2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    loss = optimiser.step(objective)
    if not torch.isfinite(loss):
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(starts[name])
        fail("PD703", "the loss is not a number", help="look for rows whose states are not numbers", origin="training")
