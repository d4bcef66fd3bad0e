"""ProtoVerb's losses against loops, what is learnt on planted classes, and the trap of z-scores over two classes."""

import math

import pytest
import torch

from promptdsl import PromptDSLError
from promptdsl.verbalizers.prototypes import (
    combine,
    fitted_spread,
    instance_loss,
    prototype_loss,
    similarity,
    train_prototypes,
    zscore,
)

ROWS = torch.tensor([[1.0, 2.0], [-1.0, 0.5], [3.0, -1.0], [0.2, 0.1], [-2.0, -2.0], [1.0, 0.0]])
LABELS = torch.tensor([0, 0, 1, 1, 1, 2])


def similar(a: torch.Tensor, b: torch.Tensor) -> float:
    return math.exp(float(a @ b) / float(a.norm() * b.norm()))


def planted(shots: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of the given number a class, around class means as far apart as the rows of a class are wide."""
    labels = torch.arange(len(shots)).repeat_interleave(torch.tensor(shots))
    generator = torch.Generator().manual_seed(sum(shots))
    means = torch.randn(len(shots), 40, generator=torch.Generator().manual_seed(0))
    return means[labels] + torch.randn(len(labels), 40, generator=generator), labels


def test_prototype_loss_against_a_loop() -> None:
    protos = torch.tensor([[1.0, 1.0], [0.0, -1.0], [2.0, -1.0]])
    terms = []
    for row, label in zip(ROWS, LABELS, strict=True):
        weights = [similar(row, p) for p in protos]
        terms.append(-math.log(weights[label] / sum(weights)))
    assert float(prototype_loss(ROWS, protos, LABELS)) == pytest.approx(sum(terms) / 6, rel=1e-5)


def test_instance_loss_against_a_loop() -> None:
    """The row of class 2 has no partner and no term of its own; it stands in the others' denominators."""
    terms = []
    for i in range(5):
        others = sum(similar(ROWS[i], ROWS[j]) for j in range(6) if j != i)
        partners = [j for j in range(6) if j != i and LABELS[j] == LABELS[i]]
        terms.append(sum(-math.log(similar(ROWS[i], ROWS[j]) / others) for j in partners) / len(partners))
    assert float(instance_loss(ROWS, LABELS)) == pytest.approx(sum(terms) / 5, rel=1e-5)


def test_without_pairs_there_is_no_instance_loss() -> None:
    rows = ROWS[:3].clone().requires_grad_()
    assert float(instance_loss(rows, torch.tensor([2, 0, 1]))) == 0.0


@pytest.mark.parametrize("shots", [[1, 1, 1], [5, 5, 5], [1, 9, 3]])
def test_planted_classes_are_learnt_whatever_the_shots(shots: list[int]) -> None:
    states, labels = planted(shots)
    learnt = train_prototypes(states, labels, 3, dim=8, seed=3)
    new, truth = planted([40, 40, 40])
    accuracy = (similarity(new, learnt).argmax(1) == truth).float().mean()
    assert float(accuracy) > 0.85
    assert str(learnt) == "3 prototypes in 8 dimensions, learnt from states of 40"


def test_the_start_is_xaviers_and_training_leaves_it() -> None:
    states, labels = planted([4, 4, 4])
    still = train_prototypes(states, labels, 3, dim=60, epochs=1, learning_rate=0.0)
    bound = math.sqrt(6 / 100)
    assert float(still.projection.abs().max()) == pytest.approx(bound, rel=0.01)
    assert float(still.projection.std()) == pytest.approx(bound / math.sqrt(3), rel=0.05)
    moved = train_prototypes(states, labels, 3, dim=60, epochs=1, learning_rate=0.01)
    # Adam's first step is the learning rate, in the direction of the gradient's sign.
    torch.testing.assert_close(
        (moved.prototypes - still.prototypes).abs(), torch.full((3, 60), 0.01), rtol=0.01, atol=0
    )


def test_training_goes_to_the_least_that_both_losses_can_be() -> None:
    """Three classes at 120°, the rows of each on its prototype: log(e + 2/√e) − 1 and log(5e + 12/√e) − 1."""
    states, labels = planted([6, 6, 6])
    learnt = train_prototypes(states, labels, 3, epochs=200)
    rows = learnt.space(states) @ learnt.projection.T
    least = [math.log(own * math.e + other * math.exp(-0.5)) - 1 for own, other in ((1, 2), (5, 12))]
    assert float(prototype_loss(rows, learnt.prototypes, labels)) == pytest.approx(least[0], rel=0.02)
    assert float(instance_loss(rows, labels)) == pytest.approx(least[1], rel=0.02)


def test_the_seed_decides_and_the_global_state_is_left_alone() -> None:
    states, labels = planted([2, 3, 4])
    state = torch.get_rng_state()
    one, same, other = (train_prototypes(states, labels, 3, epochs=3, seed=s) for s in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one.projection, same.projection) and torch.equal(one.prototypes, same.prototypes)
    assert not torch.equal(one.prototypes, other.prototypes)


def test_it_trains_where_gradients_are_off() -> None:
    states, labels = planted([3, 3])
    wanted = train_prototypes(states, labels, 2, epochs=2)
    with torch.inference_mode():
        found = train_prototypes(states.clone(), labels.clone(), 2, epochs=2)
    assert torch.equal(found.prototypes, wanted.prototypes)
    assert not found.prototypes.requires_grad


def test_a_class_without_rows_is_named() -> None:
    with pytest.raises(PromptDSLError) as caught:
        train_prototypes(torch.randn(2, 3), torch.tensor([0, 2]), 3, names=["x", "y", "z"])
    assert (caught.value.code, caught.value.diagnostics[0].message) == ("PD707", "no labelled row for y")


def test_states_that_are_no_numbers_are_an_error() -> None:
    with pytest.raises(PromptDSLError) as caught:
        train_prototypes(torch.tensor([[0.0], [math.nan]]), torch.tensor([0, 1]), 2)
    assert caught.value.code == "PD460"


def test_zscore_by_hand() -> None:
    """(1, 2, 6): mean 3, variance (4 + 1 + 9)/3."""
    found = zscore(torch.tensor([[1.0, 2.0, 6.0]]))
    torch.testing.assert_close(found, torch.tensor([[-2.0, -1.0, 3.0]]) / math.sqrt(14 / 3))
    torch.testing.assert_close(zscore(torch.tensor([[1.0, 2.0, 6.0]]), 2.0), torch.tensor([[-1.0, -0.5, 1.5]]))


def test_zscore_without_spread_is_zero() -> None:
    flat = torch.full((1, 3), 0.1)  # whose mean is not 0.1 to the last digit
    assert zscore(flat).tolist() == [[0.0] * 3]
    assert zscore(flat, fitted_spread(flat)).tolist() == [[0.0] * 3]


def test_fitted_spread_by_hand() -> None:
    """Deviations ±1 and ±2 from the rows' means."""
    assert fitted_spread(torch.tensor([[5.0, 7.0], [-3.0, 1.0]])) == pytest.approx(math.sqrt(2.5))


def test_two_classes_do_not_tie_when_the_sources_disagree() -> None:
    """One source is sure of class 1, the other hardly for class 0: z-scores of the rows forget that."""
    sure, hardly = torch.tensor([[-5.0, 5.0]]), torch.tensor([[0.51, 0.49]])
    forgetful = (zscore(sure) + zscore(hardly)) / 2
    torch.testing.assert_close(forgetful, torch.zeros(1, 2), atol=1e-4, rtol=0)  # the trap
    found = combine([sure, hardly], [2.0, 0.1])
    torch.testing.assert_close(found, torch.tensor([[-2.5 + 0.1, 2.5 - 0.1]]) / 2)


def test_a_source_without_spread_has_no_say() -> None:
    found = combine([torch.tensor([[1.0, 3.0, 5.0]]), torch.full((1, 3), 7.0)], [1.0, 0.0])
    assert found.tolist() == [[-1.0, 0.0, 1.0]]
