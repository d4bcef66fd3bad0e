"""Pooling against loops over the classes, with unequal numbers of words in any order."""

import math

import pytest
import torch

from promptdsl.verbalizers.pooling import POOLS, pool

OWNER = torch.tensor([2, 0, 2, 1, 2, 0])
SCORES = torch.tensor([[1.0, 2.0, 5.0, -3.0, 0.0, 4.0], [0.5, -1.0, 0.25, 7.0, -8.0, 2.0]])


def test_mean_by_hand() -> None:
    found = pool("mean", SCORES, OWNER, 3)
    torch.testing.assert_close(found, torch.tensor([[3.0, -3.0, 2.0], [0.5, 7.0, -7.25 / 3]]))


def test_max_by_hand() -> None:
    assert pool("max", SCORES, OWNER, 3).tolist() == [[4.0, -3.0, 5.0], [2.0, 7.0, 0.5]]


def test_sum_adds_probabilities() -> None:
    """log(0.1 + 0.2) and log 0.7, for the probabilities themselves."""
    scores = torch.log(torch.tensor([[0.1, 0.7, 0.2]]))
    torch.testing.assert_close(pool("sum", scores, torch.tensor([0, 1, 0]), 2).exp(), torch.tensor([[0.3, 0.7]]))


def test_sum_neither_overflows_nor_turns_impossible_words_into_nan() -> None:
    low = -math.inf
    scores = torch.tensor([[1e4, 1e4, low, low], [-1e4, low, -2.0, low]])
    found = pool("sum", scores, torch.tensor([0, 0, 1, 1]), 2)
    torch.testing.assert_close(found, torch.tensor([[1e4 + math.log(2), low], [-1e4, -2.0]]))


def test_learned_by_hand() -> None:
    """Weights log 3 and 0 are shares of 3/4 and 1/4."""
    scores = torch.tensor([[4.0, 8.0, 1.0]])
    weights = torch.tensor([math.log(3), 0.0, 9.0])
    found = pool("learned", scores, torch.tensor([0, 0, 1]), 2, weights)
    torch.testing.assert_close(found, torch.tensor([[5.0, 1.0]]))


def test_learned_starts_as_the_mean() -> None:
    at_start = pool("learned", SCORES, OWNER, 3, torch.zeros(6))
    torch.testing.assert_close(at_start, pool("mean", SCORES, OWNER, 3))
    torch.testing.assert_close(pool("learned", SCORES, OWNER, 3), at_start)


@pytest.mark.parametrize("name", POOLS)
def test_every_pool_against_a_loop(name: str) -> None:
    """1,000 classes of 1 to 19 words; torch's own reductions, class by class."""
    generator = torch.Generator().manual_seed(0)
    owner = torch.cat([torch.arange(1000), torch.randint(1000, (9000,), generator=generator)])
    owner = owner[torch.randperm(10_000, generator=generator)]
    scores, weights = torch.randn(3, 10_000, generator=generator), torch.randn(10_000, generator=generator)
    found = pool(name, scores, owner, 1000, weights)
    for c in range(0, 1000, 37):
        own, w = scores[:, owner == c], weights[owner == c].softmax(0)
        wanted = {
            "mean": own.mean(1),
            "max": own.max(1).values,
            "sum": own.logsumexp(1),
            "learned": (own * w).sum(1),
            "weighted": (own * weights[owner == c]).sum(1),
        }[name]
        torch.testing.assert_close(found[:, c], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", POOLS)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    weights = torch.tensor([0.1, 2, -1, 0, 0.3, 0.2], dtype=torch.float64, requires_grad=True)
    scores = SCORES.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda s, w: pool(name, s, OWNER, 3, w), (scores, weights))


@pytest.mark.parametrize("name", POOLS)
def test_a_class_without_words_is_impossible_and_hurts_no_gradient(name: str) -> None:
    scores = SCORES.clone().requires_grad_()
    found = pool(name, scores, OWNER, 5, torch.zeros(6))
    assert found[:, 3:].tolist() == [[-math.inf] * 2] * 2
    torch.testing.assert_close(found[:, :3], pool(name, SCORES, OWNER, 3, torch.zeros(6)))
    found.softmax(-1)[:, 0].sum().backward()
    assert scores.grad is not None and bool(scores.grad.isfinite().all())
