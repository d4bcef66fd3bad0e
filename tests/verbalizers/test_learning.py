"""What is learnt is the minimum of the objective that is written down, found a second time by scipy in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from toy_words import bound

from promptdsl.errors import TrainingError
from promptdsl.verbalizers.head import Observations, VerbalizerHead
from promptdsl.verbalizers.learning import PRECISIONS, learn

ROWS, HIDDEN = 24, 3


def toy(rows: int = ROWS, words: int = 0, seed: int = 0) -> tuple[Observations, torch.Tensor]:
    """Features, some words' scores and classes that depend on both, with noise."""
    random = torch.Generator().manual_seed(seed)
    features = torch.randn(rows, HIDDEN, generator=random) * 2 + 1
    labels = (features[:, 0] + torch.randn(rows, generator=random) > 1).long() + (features[:, 1] > 2).long()
    scores = torch.randn(rows, words, generator=random)
    return Observations(scores, features[:, :0], features, torch.zeros(rows)), labels


STARTS = torch.tensor([[0.5, 0.0, -0.5], [0.0, 1.0, 0.0], [-0.2, 0.1, 0.3]])
OFFSETS = torch.tensor([0.1, -0.3, 0.0])
SOFT = 'no: <"soft":"bad">; yes: <"soft":"good">; so: <"soft":"so">'


def nll(log_p: Any, labels: Any) -> float:
    return -float(log_p[np.arange(len(labels)), labels].sum())


def test_soft_rows_are_a_penalised_multinomial_regression_around_the_words() -> None:
    seen, labels = toy()
    head = VerbalizerHead(bound(SOFT), STARTS, OFFSETS)
    learn(head, seen, labels)
    x, y = seen.features.double().numpy(), labels.numpy()
    start = np.concatenate([STARTS.numpy().ravel(), OFFSETS.numpy()]).astype(float)
    spread = ((x - x.mean(0)) ** 2).sum(1).mean()
    precision = np.array([0.3 * spread] * 9 + [0.01] * 3)
    assert PRECISIONS["soft_rows"] == 0.3 and PRECISIONS["soft_bias"] == 0.01

    def loss(p: Any) -> float:
        logits = x @ p[:9].reshape(3, 3).T + p[9:]
        return nll(log_softmax(logits, axis=1), y) + float((precision / 2 * (p - start) ** 2).sum())

    best = minimize(loss, start, method="BFGS", options={"gtol": 1e-7}).x
    assert loss(best) < loss(start) - 1  # there is something to learn
    assert head.soft_rows is not None and head.soft_bias is not None
    np.testing.assert_allclose(head.soft_rows.detach(), best[:9].reshape(3, 3), atol=2e-3)
    np.testing.assert_allclose(head.soft_bias.detach(), best[9:], atol=2e-3)


def test_word_weights_and_biases_are_learnt_together() -> None:
    seen, labels = toy(words=4)
    labels = labels.clamp(max=1)
    head = VerbalizerHead(bound('no: bad, dull; yes: good, fine\n<"pool":"learned">'), STARTS[:0], OFFSETS[:0])
    learn(head, seen, labels, with_bias=True)
    scores, y = seen.words.double().numpy(), labels.numpy()

    def loss(p: Any) -> float:
        no = scores[:, :2] @ softmax(p[:2]) + p[4]
        yes = scores[:, 2:] @ softmax(p[2:4]) + p[5]
        penalty = 0.1 / 2 * (p[:4] ** 2).sum() + 0.01 / 2 * (p[4:] ** 2).sum()
        return nll(log_softmax(np.stack([no, yes], 1), axis=1), y) + float(penalty)

    best = minimize(loss, np.zeros(6), method="BFGS", options={"gtol": 1e-8}).x
    assert head.weights is not None and np.abs(best[:4]).max() > 0.3
    np.testing.assert_allclose(head.weights.detach(), best[:4], atol=2e-3)
    np.testing.assert_allclose(head.bias, best[4:], atol=2e-3)
    assert not head.bias.requires_grad


@pytest.mark.parametrize("rows", [1, 2])
def test_few_rows_move_the_words_towards_them_and_no_further(rows: int) -> None:
    seen, labels = toy(rows, seed=4)
    heads = [VerbalizerHead(bound(SOFT), STARTS, OFFSETS) for _ in range(2)]
    before = heads[0](seen).detach()
    for head in heads:
        learn(head, seen, labels)
    after = heads[0](seen).detach()
    own = torch.arange(rows), labels
    assert (after[own] > before[own]).all()
    assert torch.equal(heads[0].soft_rows, heads[1].soft_rows)  # nothing random


def test_rows_of_one_class_only_raise_that_class() -> None:
    seen, _ = toy()
    head = VerbalizerHead(bound(SOFT), STARTS, OFFSETS)
    learn(head, seen, torch.full((ROWS,), 2))
    assert head(seen).argmax(1).tolist() == [2] * ROWS
    assert torch.isfinite(head.soft_rows).all()


def test_nothing_happens_to_a_head_that_learns_nothing() -> None:
    head = VerbalizerHead(bound("no: bad; yes: good"), STARTS[:0], OFFSETS[:0])
    learn(head, *toy(words=2))
    assert head.bias.tolist() == [0, 0] and not head.learns


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("text", [SOFT, 'no: bad, dull; yes: good; so: fine\n<"pool":"learned">'])
def test_a_loss_that_is_no_number_leaves_everything_as_it_was(text: str, value: float) -> None:
    soft = text == SOFT
    seen, labels = toy(words=0 if soft else 4)
    (seen.features if soft else seen.words)[3, 1] = value
    head = VerbalizerHead(bound(text), STARTS[: 3 * soft], OFFSETS[: 3 * soft])
    before = {name: tensor.clone() for name, tensor in head.state_dict().items()}
    with pytest.raises(TrainingError) as caught:
        learn(head, seen, labels, with_bias=not soft)
    assert str(caught.value) == ("PD703 the loss is not a number\n  = help: look for rows whose states are not numbers")
    for name, tensor in head.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert not head.bias.requires_grad and all(p.grad is None for p in head.parameters())
