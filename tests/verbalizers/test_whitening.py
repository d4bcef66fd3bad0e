"""The whitened space against the dense formula, and where the formula has nothing to hold on to."""

import math

import numpy as np
import torch
from sklearn.covariance import ledoit_wolf

from promptdsl.verbalizers.whitening import cosine, fit_whitening, unit


def test_against_the_dense_formula() -> None:
    """√(pull · m) · C^(−½) (h − mean)/std, C = (1 − pull) · within + pull · m · 1, m the mean eigenvalue."""
    random = np.random.default_rng(0)
    labels = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2])
    states = random.normal(size=(9, 12)) * random.uniform(0.1, 30, size=12) + random.normal(size=(3, 12))[labels]
    scaled = (states - states.mean(0)) / states.std(0)
    within = scaled - np.stack([scaled[labels == c].mean(0) for c in range(3)])[labels]
    pull = ledoit_wolf(within, assume_centered=True)[1] ** (1 / 3)
    covariance = within.T @ within / 9
    level = pull * np.trace(covariance) / 12
    values, vectors = np.linalg.eigh((1 - pull) * covariance + level * np.eye(12))
    new = random.normal(size=(5, 12))
    wanted = ((new - states.mean(0)) / states.std(0)) @ (vectors / np.sqrt(values)) @ vectors.T * math.sqrt(level)
    found = fit_whitening(torch.from_numpy(states), torch.from_numpy(labels))(torch.from_numpy(new))
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-4)


def test_one_row_a_class_is_centred_and_scaled_by_one_number() -> None:
    """Mean (1, 1); the squared distances 1, 1, 1, 9 average to 3."""
    space = fit_whitening(torch.tensor([[0.0, -2.0], [2.0, 4.0]]), torch.tensor([1, 0]))
    found = space(torch.tensor([[2.0, 4.0]]))
    torch.testing.assert_close(found, torch.tensor([[1.0, 3.0]]) / math.sqrt(5))
    assert len(space.gains) == 0


def test_a_direction_that_varies_inside_the_classes_counts_less() -> None:
    """Columns 0 and 1 part the classes alike, but column 1 also differs inside them."""
    states = torch.tensor([[1.0, 3.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -3.0]]).repeat(5, 1)
    states = states + torch.tensor([0.01, -0.01]).repeat(10)[:, None] * torch.tensor([[1.0, 0.0]])
    space = fit_whitening(states, torch.tensor([0, 0, 1, 1]).repeat(5))
    step = space(torch.tensor([[1.0, 1.0]])) - space(torch.tensor([[0.0, 0.0]]))
    assert float(step[0, 0]) > 3 * float(step[0, 1])


def test_states_that_never_differ_are_harmless() -> None:
    space = fit_whitening(torch.ones(4, 3), torch.tensor([0, 0, 1, 1]))
    assert space(torch.ones(1, 3)).tolist() == [[0.0, 0.0, 0.0]]
    assert bool(space(torch.randn(2, 3)).isfinite().all())


def test_a_dimension_that_never_differs_does_not_blow_up() -> None:
    states = torch.tensor([[1.0, 7.0], [2.0, 7.0], [4.0, 7.0], [6.0, 7.0]])
    found = fit_whitening(states, torch.tensor([0, 0, 1, 1]))(torch.tensor([[3.0, 8.0]]))
    assert float(found[0, 1]) < 1.0  # a step of 1, in units of the other dimension's spread of 1.9


def test_cosine_by_hand_and_of_nothing() -> None:
    found = cosine(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, -1.0], [0.0, 0.0]]))
    torch.testing.assert_close(found, torch.tensor([[0.6, -0.8, 0.0], [0.0, 0.0, 0.0]]))
    assert unit(torch.zeros(2)).tolist() == [0.0, 0.0]


def test_it_prints_its_sizes() -> None:
    states = torch.tensor([[1.0, 0.0, 2.0], [2.0, 1.0, 0.0], [4.0, 2.0, 5.0], [6.0, 0.0, 1.0]])
    space = fit_whitening(states, torch.tensor([0, 0, 1, 1]))
    assert str(space) == "whitening of 3 dimensions, 2 of them shrunk or stretched"


def test_not_rounded_it_is_standardised() -> None:
    states = torch.tensor([[1.0, 0.0], [2.0, 4.0], [3.0, 8.0], [6.0, 8.0]])
    found = fit_whitening(states, torch.tensor([0, 0, 1, 1]), rounded=False)(states)
    torch.testing.assert_close(found.mean(0), torch.zeros(2))
    torch.testing.assert_close(found.std(0, correction=0), torch.ones(2))
    torch.testing.assert_close(found[:, 0], torch.tensor([-2.0, -1.0, 0.0, 3.0]) / math.sqrt(3.5))
