"""Words that agree with their class: against a loop over the definition, and on cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from promptdsl.errors import VerbalizerError
from promptdsl.verbalizers.agreement import ANCHORED, LEAST, ROUNDS, SHARPNESS, agreement


def by_hand(scores: np.ndarray, owner: list[int], anchors: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(margins, weights, scales), word by word."""
    words, classes = range(scores.shape[1]), range(len(anchors))
    weights = np.array([1.0 if anchors[owner[w]] == w else 0.0 for w in words])
    margins = np.zeros(len(owner))

    def class_scores() -> np.ndarray:
        return np.stack(
            [sum(weights[w] * (scores[:, w] - scores[:, w].mean()) for w in words if owner[w] == c) for c in classes], 1
        )

    for _ in range(ROUNDS):
        sharp = SHARPNESS * class_scores() / class_scores().std(0)
        posterior = np.exp(sharp) / np.exp(sharp).sum(1, keepdims=True)
        for w in words:
            follows = [np.corrcoef(scores[:, w], posterior[:, c])[0, 1] for c in classes]
            own = follows.pop(owner[w])
            margins[w] = own - max(0.0, *follows)
            if anchors[owner[w]] == w:
                margins[w] = max(margins[w], LEAST)
        for c in classes:
            mine = [w for w in words if owner[w] == c]
            total = sum(max(0.0, margins[w]) for w in mine)
            for w in mine:
                share = (1 - ANCHORED) * max(0.0, margins[w]) / total
                weights[w] = share + (ANCHORED if anchors[c] == w else 0.0)
    spread = class_scores().std(0)
    return margins, weights, np.exp(np.log(spread).mean()) / spread


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_it_is_the_loop_over_its_definition(classes: int) -> None:
    random = np.random.default_rng(classes)
    topic = random.normal(size=(60, classes))
    owner = [c for c in range(classes) for _ in range(4)]
    scores = topic[:, owner] * random.uniform(-2, 2, len(owner)) + random.normal(size=(60, len(owner)))
    anchors = [4 * c + 1 for c in range(classes)]
    found = agreement(torch.from_numpy(scores), torch.tensor(owner), torch.tensor(anchors))
    for tensor, expected in zip(
        (found.margins, found.weights, found.scales), by_hand(scores, owner, anchors), strict=True
    ):
        np.testing.assert_allclose(tensor.numpy(), expected, atol=1e-9)
    assert (found.weights == 0).any() and str(found) == (
        f"{int((found.weights > 0).sum())} of {len(owner)} words agree with their class"
    )


def planted() -> tuple[Tensor, Tensor, Tensor]:
    """Two topics and four words a class: its name, a friend of it, noise, and one of the other class."""
    random = torch.Generator().manual_seed(0)
    topic = torch.randn(200, 2, generator=random)
    noise = torch.randn(200, 8, generator=random)
    follows = topic[:, [0, 0, 0, 1, 1, 1, 1, 0]]
    size = torch.tensor([1.0, 1, 0, 1, 1, 1, 0, 1])
    return follows * size + 0.5 * noise, torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]), torch.tensor([0, 4])


def test_friends_stay_and_words_of_the_other_class_go() -> None:
    scores, owner, anchors = planted()
    found = agreement(scores, owner, anchors)
    assert (found.weights[[0, 1, 4, 5]] > 0.2).all()
    assert (found.weights[[3, 7]] == 0).all() and (found.margins[[3, 7]] < -0.3).all()
    assert (found.weights[[2, 6]] < 0.12).all()
    sums = torch.zeros(2).index_add(0, owner, found.weights)
    torch.testing.assert_close(sums, torch.ones(2))


def test_a_word_of_two_classes_has_a_margin_in_one_at_most() -> None:
    scores, owner, anchors = planted()
    both = torch.cat([scores, scores[:, 1:2], scores[:, 5:6]], 1)  # each other's friends
    found = agreement(both, torch.cat([owner, torch.tensor([1, 0])]), anchors)
    assert (found.weights[[1, 5]] > 0).all() and (found.weights[[8, 9]] == 0).all()


def test_what_is_added_to_a_row_s_words_does_not_matter_to_a_word_s_mean() -> None:
    """A constant for each word changes nothing: priors are calibration's business."""
    scores, owner, anchors = planted()
    found = agreement(scores, owner, anchors)
    moved = agreement(scores + torch.arange(8.0), owner, anchors)
    torch.testing.assert_close(moved.weights, found.weights, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("scores", "owner", "anchors"),
    [
        (torch.zeros(5, 4), [0, 0, 1, 1], [0, 2]),  # nothing changes
        (torch.randn(1, 4, generator=torch.Generator().manual_seed(0)), [0, 0, 1, 1], [0, 2]),  # one row
        (torch.randn(9, 2, generator=torch.Generator().manual_seed(0)), [0, 0], [0]),  # one class
    ],
)
def test_where_nothing_can_be_known_the_first_word_speaks_for_its_class(
    scores: Tensor, owner: list[int], anchors: list[int]
) -> None:
    found = agreement(scores, torch.tensor(owner), torch.tensor(anchors))
    expected = [1.0 if i in anchors else 0.0 for i in range(len(owner))]
    torch.testing.assert_close(found.weights, torch.tensor(expected))
    torch.testing.assert_close(found.scales, torch.ones(len(anchors)))


def test_scores_that_are_no_numbers_stop() -> None:
    scores, owner, anchors = planted()
    scores[3, 2] = float("nan")
    with pytest.raises(VerbalizerError, match="PD460"):
        agreement(scores, owner, anchors)
