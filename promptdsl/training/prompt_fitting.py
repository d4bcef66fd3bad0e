"""Fitting what is trained: soft tokens, a prefix, a tuned language model, with a verbalizer that is fitted beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from promptdsl.encoding.rows import Rows
from promptdsl.errors import fail
from promptdsl.models.prompt_model import PromptModel
from promptdsl.models.recipe import Recipe
from promptdsl.training.fitting import fit_verbalizer, refit, take_over
from promptdsl.training.settings import TrainingSettings
from promptdsl.training.trainer import TrainingRun, train_run

__all__ = ["Fitted", "fit_prompt"]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What came of fitting.

    Attributes:
        model: what predicts.
        run: the training; None where nothing was trained.
        outside_head: how many numbers were trained of prompt and language model.
    """

    model: PromptModel
    run: TrainingRun | None = None
    outside_head: int = 0

    def __str__(self) -> str:
        return f"{self.outside_head:,} numbers outside the verbalizer" + ("" if self.run is None else f", {self.run}")


def fit_prompt(
    recipe: Recipe,
    model: PromptModel,
    rows: Rows,
    labels: Tensor | None,
    settings: TrainingSettings,
    *,
    tune: Any = "prompt",
    support: Any = None,
    batch_size: int = 64,
    callbacks: Sequence[Any] = (),
) -> Fitted:
    """Train soft tokens, prefix and a copy of the language model on top of what the verbalizer takes from rows.

    The prompt that is trained is the one below which the verbalizer was fitted.

    Args:
        recipe: what models are made of.
        model: the frozen one of this recipe; it is left as it is.
        rows: labelled rows.
        labels: (rows,) class numbers, or (rows, classes) of 0 and 1 for multi-label models.
        settings: how to train; its seed is that of everything that starts at random.
        tune: as for PromptModel.
        support: unlabelled rows for refinement and calibration; by default `rows`.
        batch_size: rows of a forward pass outside training, at most.
        callbacks: further callbacks of transformers.Trainer.

    Raises:
        TrainingError: PD714 without labels; what `fit_verbalizer` and `train_run` raise.
    """
    if labels is None:
        fail("PD714", "nothing can be trained without labels", help="give one for each row", origin="y")
    seed, frozen = settings.seed, tune == "prompt"
    if model.prompt.learns:
        model = recipe.made(verbalizer=model.label_words, seed=seed, backbone=model.backbone)
    found = model
    if frozen or model.unfitted:
        found = fit_verbalizer(model, rows, labels, support=support, seed=seed, batch_size=batch_size)
    shared = {"backbone": model.backbone} if frozen else {}
    words = found.verbalizer.verbalizer if model.unfitted else None
    fresh = recipe.made(tune, verbalizer=words, seed=seed, prompt=found.prompt.copy(), **shared)
    if found is not model:
        take_over(fresh, found, biases=frozen and not recipe.multi_label)
    if recipe.multi_label:
        fresh.head.free_rows(found.observe(rows, batch_size=batch_size))
    groups = fresh.parameter_groups()
    outside = sum(p.numel() for part, own in groups.items() if part != "verbalizer" for p in own)
    run = train_run(fresh, rows, labels, settings, callbacks=callbacks)
    refit(fresh, rows, labels, seed=seed, batch_size=batch_size)
    fresh.prompt.bake()
    return Fitted(run.model, run, outside)
