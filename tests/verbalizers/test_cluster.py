"""Prototypes on planted clusters, and on classes with hardly any rows."""

import math

import pytest
import torch

from promptdsl import PromptDSLError
from promptdsl.verbalizers.cluster import Clusters, cluster_prototypes, similarity
from promptdsl.verbalizers.whitening import Whitening, cosine


def planted(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """60 rows in 6 far-apart bunches, 2 of each of 3 classes: states, labels and bunch numbers, shuffled."""
    generator = torch.Generator().manual_seed(seed)
    bunch = torch.arange(6).repeat(10)
    states = 5 * torch.eye(6, 16)[bunch] + 0.1 * torch.randn(60, 16, generator=generator)
    order = torch.randperm(60, generator=generator)
    return states[order], bunch[order] // 2, bunch[order]


def plain(prototypes: list[list[float]], owner: list[int], classes: int) -> Clusters:
    """Clusters in the space of the states themselves."""
    dim = len(prototypes[0])
    space = Whitening(torch.zeros(dim), torch.ones(dim), torch.zeros(0, dim), torch.zeros(0))
    return Clusters(space, torch.tensor(prototypes), torch.tensor(owner), classes)


def test_every_planted_bunch_gets_a_prototype_of_its_class() -> None:
    states, labels, bunch = planted()
    clusters = cluster_prototypes(states, labels, [2, 2, 2], seed=1)
    assert clusters.owner.tolist() == [0, 0, 1, 1, 2, 2]
    nearest = cosine(clusters.space(states), clusters.prototypes).argmax(1)
    assert torch.equal(clusters.owner[nearest], labels)
    assert len({(int(b), int(p)) for b, p in zip(bunch, nearest, strict=True)}) == 6  # one to one
    assert similarity(states, clusters).argmax(1).tolist() == labels.tolist()


def test_counts_may_differ_and_be_none() -> None:
    states, labels, _ = planted()
    clusters = cluster_prototypes(states, labels, [1, 0, 2])
    assert clusters.owner.tolist() == [0, 2, 2]
    assert str(clusters) == "3 prototypes of 3 classes (1, 0, 2)"
    assert similarity(states, clusters)[:, 1].tolist() == [-math.inf] * 60


def test_the_same_seed_gives_the_same_prototypes_and_leaves_torch_alone() -> None:
    states, labels, _ = planted()
    state = torch.get_rng_state()
    first, second = (cluster_prototypes(states, labels, [3, 3, 3], seed=7) for _ in range(2))
    assert torch.equal(first.prototypes, second.prototypes)
    assert torch.equal(torch.get_rng_state(), state)


def test_more_prototypes_than_distinct_rows_are_the_rows() -> None:
    """Four rows of class 0, two of them equal to the last digits: three prototypes, in the rows' directions."""
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0 + 1e-7], [-1.0, -3.0], [4.0, 4.0]])
    clusters = cluster_prototypes(rows, torch.tensor([0, 0, 0, 0, 1]), [9, 9])
    assert clusters.owner.tolist() == [0, 0, 0, 1]
    own = similarity(rows, clusters)
    torch.testing.assert_close(own[[0, 1, 2, 3, 4], [0, 0, 0, 0, 1]], torch.ones(5), atol=1e-4, rtol=0)


def test_equal_rows_weigh_what_they_weigh() -> None:
    """Three equal rows and one other: the one prototype stands at three quarters of the way."""
    rows = torch.tensor([[1.0, 0.0]] * 3 + [[0.0, 1.0], [-2.0, -2.0]])
    clusters = cluster_prototypes(rows, torch.tensor([0, 0, 0, 0, 1]), [1, 1])
    a, b = (v / v.norm() for v in clusters.space(rows[[0, 3]]))
    torch.testing.assert_close(clusters.prototypes[0], 0.75 * a + 0.25 * b, atol=1e-4, rtol=0)


def test_one_shot_is_its_own_prototype() -> None:
    states = torch.tensor([[1.0, 2.0, 0.0], [0.0, -1.0, 3.0], [2.0, 2.0, 2.0]])
    clusters = cluster_prototypes(states, torch.tensor([2, 0, 1]), [4, 4, 4])
    assert similarity(states, clusters).argmax(1).tolist() == [2, 0, 1]


def test_nearest_and_mean_by_hand() -> None:
    clusters = plain([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], [0, 0, 1], 2)
    states = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    torch.testing.assert_close(similarity(states, clusters, "nearest"), torch.tensor([[0.8, -0.6], [0.0, 0.0]]))
    torch.testing.assert_close(similarity(states, clusters, "mean"), torch.tensor([[0.7, -0.6], [0.0, 0.0]]))


def test_a_class_without_rows_is_named() -> None:
    states = torch.randn(3, 4)
    with pytest.raises(PromptDSLError) as caught:
        cluster_prototypes(states, torch.tensor([0, 0, 2]), [1, 1, 1, 1, 0], names=["a", "b", "c", "d", "e"])
    assert caught.value.code == "PD707"
    assert caught.value.diagnostics[0].message == "no labelled row for b, d"


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_states_that_are_no_numbers_are_an_error(bad: float) -> None:
    states = torch.zeros(3, 4)
    states[1, 2] = bad
    with pytest.raises(PromptDSLError) as caught:
        cluster_prototypes(states, torch.tensor([0, 1, 1]), [1, 1])
    assert caught.value.code == "PD460"
