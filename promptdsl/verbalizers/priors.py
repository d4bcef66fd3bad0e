"""What calibration subtracts: how likely words or classes are anyway, read off inputs that are not to be predicted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from promptdsl.language.verbalizer import Verbalizer
from promptdsl.verbalizers.head import Observations, VerbalizerHead
from promptdsl.verbalizers.numbers import check_finite

__all__ = ["CALIBRATIONS", "Calibration", "calibration_of", "fit_priors"]


@dataclass(frozen=True, slots=True)
class Calibration:
    """One way to calibrate: `scores − prior(scores of the given inputs)`.

    Attributes:
        level: "words" (subtracted before pooling) or "classes" (after).
        inputs: what it is computed on: "content-free" inputs, the one "domain" input, or "support" rows.
        prior: (inputs, words or classes) scores → (words or classes,), to be subtracted. Raises VerbalizerError PD460
            where a score is no finite number.
        doc: a line for the documentation.
    """

    level: str
    inputs: str
    prior: Callable[[Tensor], Tensor]
    doc: str

    def __str__(self) -> str:
        return f"{self.doc} ({self.level}, from {self.inputs} inputs)"


def _average(word_scores: Tensor) -> Tensor:
    """log of the mean over the inputs of the softmax over the label words: (inputs, words) → (words,)."""
    check_finite(word_scores, "scores to calibrate with")
    return word_scores.log_softmax(-1).logsumexp(0) - math.log(len(word_scores))


def _domain(word_scores: Tensor) -> Tensor:
    """The word scores of the domain input as they are (of several, their mean): (inputs, words) → (words,)."""
    check_finite(word_scores, "scores to calibrate with")
    return word_scores.mean(0)


def _mean_log(class_log_probs: Tensor) -> Tensor:
    """Mean over the rows of the class log-probabilities: (rows, classes) → (classes,)."""
    check_finite(class_log_probs, "scores to calibrate with")
    return class_log_probs.log_softmax(-1).mean(0)


CALIBRATIONS: Mapping[str, Calibration] = MappingProxyType(
    {
        "contextual": Calibration(
            "words", "content-free", _average, "contextual calibration (Zhao et al. 2021, section 5)"
        ),
        "support": Calibration(
            "words", "support", _average, "each word's share over a support set (KPT: Hu et al. 2022, section 3.2)"
        ),
        "pmi": Calibration("words", "domain", _domain, "domain-conditional PMI (Holtzman et al. 2021, section 3)"),
        "batch": Calibration("classes", "support", _mean_log, "batch calibration (Zhou et al. 2023, section 3)"),
    }
)


def calibration_of(verbalizer: Verbalizer) -> Calibration | None:
    """What the `calibrate` step of a verbalizer asks for; None without one."""
    step = next((s for s in verbalizer.steps if s.kind == "calibrate"), None)
    return None if step is None else CALIBRATIONS[str(step.value)]


@torch.no_grad()
def fit_priors(head: VerbalizerHead, calibration: Calibration, seen: Observations) -> None:
    """Set what a head subtracts, from what was observed on the inputs that the calibration is computed on."""
    scores = head.word_scores(_with_all_words(seen))
    if calibration.level == "words":
        head.prior.copy_(calibration.prior(scores))
    else:
        head.class_prior.zero_()
        head.class_prior.copy_(calibration.prior(head.word_log_proba(scores)))


def _with_all_words(seen: Observations) -> Observations:
    """Without the rows that lack a choice: they do not say how likely the classes are beside each other."""
    return seen[(~seen.words.isneginf().any(1)).nonzero()[:, 0]]
