"""What a verbalizer takes from rows, on a frozen language model: words, priors, prototypes, soft rows, biases."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any

import numpy as np
import torch
from torch import Tensor

from promptdsl.encoding.demos import demonstrations, fair_share
from promptdsl.encoding.rows import Rows, as_rows
from promptdsl.errors import fail
from promptdsl.knowledge.related import Related
from promptdsl.language.expansion import replace_items
from promptdsl.language.nodes import LabelledWords, Tag
from promptdsl.models.demonstrations import DemoStore
from promptdsl.models.prompt_model import PromptModel
from promptdsl.models.unfitted import NEEDS_LABELS
from promptdsl.models.vocabulary import label_word_tokens
from promptdsl.training.choices import require_choices, solutions
from promptdsl.training.refining import refined, weigh
from promptdsl.verbalizers.calibration import fit_class_bias, fit_scale_and_bias
from promptdsl.verbalizers.head import Observations
from promptdsl.verbalizers.learning import learn
from promptdsl.verbalizers.numbers import check_numbers
from promptdsl.verbalizers.prototypes import fitted_spread
from promptdsl.verbalizers.search import search_words

__all__ = ["fit_verbalizer", "refit", "take_over"]


def fit_verbalizer(
    model: PromptModel,
    rows: Any,
    labels: Tensor | None,
    *,
    support: Any = None,
    seed: int = 0,
    batch_size: int = 64,
) -> PromptModel:
    """Fit all that a verbalizer takes from rows; the language model stays frozen, and what it says is observed once.

    Searching and refining words look at the rows before, for then other words are scored.

    In this order: words are found (`auto`), refined (`refine`), calibrated (`calibrate`); then, from labels,
    prototypes, soft rows and word weights are learnt, and a bias for each class where nothing else was.

    Args:
        model: a PromptModel with a frozen language model; it is left as it is.
        rows: the rows to learn from.
        labels: (rows,) class numbers, (rows, classes) of 0 and 1 for multi-label models, or None.
        support: unlabelled rows for refinement and calibration; by default `rows`.
        seed: of k-means and of contrastive training.
        batch_size: rows of a forward pass, at most.

    Returns:
        A new PromptModel that can predict.

    Raises:
        TrainingError: PD714 where labels are needed and not given, PD707 for a class without rows.
        RowError: PD611 for a row that lacks the choice that it is labelled with.
    """
    data = as_rows(rows)
    given = None if support is None else as_rows(support)
    _require(model, data, labels)
    require_choices(model, data, labels)
    found = _found(model.rebound(model.verbalizer.verbalizer), data, labels, batch_size)
    if labels is not None:
        found.demos = _demonstrations(found, data, labels, seed, batch_size)
    own = range(len(data)) if found.demos is not None else None
    fitted = refined(found, *((data, batch_size, own) if given is None else (given, batch_size)))
    seen = fitted.observe(data, batch_size=batch_size, own=own)
    _check_numbers(seen)
    looks = given is not None and fitted.unfitted & {"pool", "calibrate"}
    beside = fitted.observe(given, batch_size=batch_size) if looks else seen
    weigh(fitted, beside)
    fitted.calibrate(beside)
    if labels is not None:
        _learn(fitted, seen, labels.to(seen.words.device), seed)
    fitted.unfitted = frozenset()
    return fitted


def _check_numbers(seen: Observations) -> None:
    """Raise VerbalizerError PD460 where the language model gave no number; a word that a row has not is −inf."""
    check_numbers(seen.words.cpu().numpy(), "scores of label words")
    check_numbers(seen.states.cpu().numpy(), "mask states")


def take_over(model: PromptModel, found: PromptModel, *, biases: bool = False) -> PromptModel:
    """Give `model` what was fitted of the verbalizer on another model of the same words, with its `biases` or not."""
    model.head = copy.deepcopy(found.head).to(model.backbone.device, model.backbone.precision)
    if not biases:
        model.head.bias.zero_()
        model.head.log_scale.zero_()
    model.demos, model.unfitted = found.demos, frozenset()
    return model


def refit(model: PromptModel, rows: Any, labels: Tensor, *, seed: int = 0, batch_size: int = 64) -> PromptModel:
    """Fit prototypes again, in place, and the states of solved examples, for mask states that training has moved."""
    if model.demos is not None and model.demos.needs_states:
        model.demos = dataclasses.replace(model.demos, states=model.mask_states(rows, batch_size=batch_size))
    if model.head.abstract:
        own = None if model.demos is None else range(len(labels))
        seen = model.observe(rows, batch_size=batch_size, own=own)
        _fit_abstract(model, seen, labels.to(seen.states.device), seed)
    return model


def _fit_abstract(model: PromptModel, seen: Observations, labels: Tensor, seed: int) -> None:
    """Prototypes, and the scale on which their scores are averaged with those of the words."""
    head = model.head
    if not head.abstract:
        return
    rows, numbers = _of_each_label(labels)
    for source in head.abstract:
        source.fit(seen.states[rows], numbers, seed)
    _balance_words(model, seen, labels)
    with torch.no_grad():
        head.spreads.copy_(torch.tensor([fitted_spread(s) for s in head.source_scores(seen)]))


def _balance_words(model: PromptModel, seen: Observations, labels: Tensor) -> None:
    """A class bias for the words beside abstract label words, as words alone get one; of several labels none."""
    head = model.head
    if not len(head.owner) or labels.ndim > 1 or model.demos is not None:
        return
    with torch.no_grad():
        scores = head.word_log_proba(head.word_scores(seen)).cpu().numpy()
        bias = fit_class_bias(scores, labels.cpu().numpy())
        head.class_prior.sub_(torch.from_numpy(bias).to(head.class_prior))


def _of_each_label(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Row and class number of each label: a row with several labels is a row of each of its classes.

    Args:
        labels: (rows,) class numbers, or (rows, classes) of 0 and 1.
    """
    if labels.ndim == 1:
        return torch.arange(len(labels), device=labels.device), labels
    rows, numbers = labels.nonzero(as_tuple=True)
    if not len(rows):
        fail("PD707", "no row has a label", help="give at least one row of each class", origin="labels")
    return rows, numbers


def _require(model: PromptModel, rows: Rows, labels: Tensor | None) -> None:
    if not len(rows):
        fail("PD701", "no rows to learn from", help="predict without fit for zero-shot", origin="y")
    if model.multi_label and model.program.demos is not None:
        message = "a solved example shows one label, and here a row may have several"
        fail("PD715", message, help="leave out the demos tag, or multi_label", origin="template")
    asked = sorted(model.unfitted & NEEDS_LABELS) if labels is None else []
    if asked:
        message = f"{', '.join(map(json.dumps, asked))} cannot be learnt without labels"
        fail("PD714", message, help="give one label for each row: fit(rows, labels)", origin="y")
    if labels is None and not model.unfitted:
        message = "nothing of this template and verbalizer learns from rows without labels"
        fail("PD714", message, help="give labels too, or predict without fit", origin="y")


def _demonstrations(model: PromptModel, rows: Rows, labels: Tensor, seed: int, batch_size: int) -> DemoStore | None:
    """The rows as solved examples, where the template has a demos tag."""
    program = model.program
    if program.demos is None:
        return None
    numbers = labels.tolist()
    share = fair_share(program, model.max_length)
    words = solutions(model, rows, numbers)
    made = demonstrations(program, rows, [model.labels[n] for n in numbers], words, share=share)
    states = model.mask_states(rows, batch_size=batch_size) if program.demos.piece["select"] == "nearest" else None
    return DemoStore.of(program, made, seed=seed, states=states)


def _learn(model: PromptModel, seen: Observations, labels: Tensor, seed: int) -> None:
    """Prototypes, then soft rows and word weights, or class biases; beside solved examples prototypes alone."""
    head = model.head
    _fit_abstract(model, seen, labels, seed)
    if model.demos is not None:
        return
    if head.learns:
        # A soft row has a bias of its own; only the sigmoids of several labels need a scale and an offset beside it.
        learn(head, seen, labels, with_bias=(head.soft_rows is None or model.multi_label) and not head.abstract)
    elif not head.abstract:
        with torch.no_grad():
            scores, wanted = head(seen).cpu().numpy(), labels.cpu().numpy()
            log_scale, bias = (
                fit_scale_and_bias(scores, wanted) if model.multi_label else (0, fit_class_bias(scores, wanted))
            )
            head.log_scale.fill_(log_scale)
            head.bias.copy_(torch.from_numpy(bias))


def _found(model: PromptModel, rows: Rows, labels: Tensor | None, batch_size: int) -> PromptModel:
    """The model with the words that its `auto` items find in labelled rows."""
    if "auto" not in model.unfitted or labels is None:
        return model
    program = model.program
    tokens = np.flatnonzero(label_word_tokens(program))
    log_proba = model.vocabulary_log_proba(rows, torch.from_numpy(tokens), batch_size=batch_size, alone=True)
    given, numbers = _of_each_label(labels.cpu())
    log_proba = log_proba[given]
    found: dict[Tag, list[list[tuple[int, float]]]] = {}

    def maker(labelled: LabelledWords, tag: Tag) -> list[Related]:
        if tag not in found:
            found[tag] = search_words(
                log_proba,
                numbers,
                n=int(str(tag.value)),
                method=str(tag["method"]),
                candidates=int(str(tag["candidates"])),
                classes=model.labels,
            )
        words = found[tag][model.labels.index(labelled.label)]
        return [Related(program.text.word(int(tokens[token])), str(tag["method"]), score) for token, score in words]

    return model.rebound(replace_items(model.verbalizer.verbalizer, {"auto": maker}))
