"""KPT's refinements, by hand on small numbers and against the formulas written as loops."""

import math

import numpy as np
import pytest
import torch

from promptdsl import PromptDSLError
from promptdsl.verbalizers.refinement import AGAINST, at_least, duplicates, frequency, relevance


def test_frequency_drops_what_lies_in_the_lower_half() -> None:
    vocabulary = torch.tensor([-9.0, -1.0, -3.0, -5.0, -7.0, -2.0])
    scores, kept = frequency(torch.tensor([-1.0, -7.0, -5.0, -3.0, -3.1]), vocabulary, 0.5)
    assert kept.tolist() == [True, False, False, True, False]
    assert scores.tolist() == pytest.approx([-1.0, -7.0, -5.0, -3.0, -3.1])


def test_the_share_of_a_vocabulary_that_frequency_drops() -> None:
    prior = torch.randperm(1000, generator=torch.Generator().manual_seed(0)).float()
    for fraction in (0.0, 0.2, 0.5, 0.999):
        _, kept = frequency(prior, prior, fraction)
        assert int(kept.sum()) == round(1000 * (1 - fraction))
        assert float(prior[kept].min()) == 1000 * fraction


def test_frequency_zero_keeps_even_what_is_rarer_than_every_token() -> None:
    _, kept = frequency(torch.tensor([-50.0]), torch.tensor([-1.0, -2.0]), 0.0)
    assert kept.tolist() == [True]


def in_loops(scores: np.ndarray, owner: list[int], anchors: list[int]) -> list[float]:
    """Relevance as METHODS has it, word by word."""
    vectors = (scores - scores.mean(0)).T
    classes = len(anchors)
    p = 10 / (classes - 2 + 0.01) + 1
    found = []
    for vector, own in zip(vectors, owner, strict=True):
        s = [float(vector @ vectors[a] / np.linalg.norm(vector) / np.linalg.norm(vectors[a])) for a in anchors]
        others = np.array([abs(x) for c, x in enumerate(s) if c != own])
        high = others.max()
        norm = high * float(((others / high) ** p).sum() / (classes - 1)) ** (1 / p)
        found.append(min(s[own] / norm, 100.0) if s[own] > 0 else AGAINST)
    return found


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_relevance_against_a_loop(classes: int) -> None:
    random = np.random.default_rng(classes)
    owner = random.permutation(np.repeat(np.arange(classes), 7))
    anchors = [int(np.flatnonzero(owner == c)[0]) for c in range(classes)]
    topics = random.normal(size=(30, classes))
    scores = topics[:, owner] + random.normal(size=(30, 7 * classes)) - 5
    found, _ = relevance(torch.tensor(scores), torch.tensor(owner), torch.tensor(anchors))
    assert found.tolist() == pytest.approx(in_loops(scores, owner.tolist(), anchors), rel=1e-6)


def test_relevance_by_hand_with_two_classes() -> None:
    """Anchors along x and y. (3, 4) of class x: 0.6 / 0.8; (4, 3): 0.8 / 0.6; (−1, 1): against; the anchors: ∞, cut."""
    x, y = torch.tensor([1.0, -1.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 1.0, -1.0])
    words = torch.stack([x, 3 * x + 4 * y, 4 * x + 3 * y, y - x, y, 2 * y], dim=1) - 7
    found, _ = relevance(words, torch.tensor([0, 0, 0, 0, 1, 1]), torch.tensor([0, 4]))
    assert found.tolist() == pytest.approx([100, 0.75, 4 / 3, AGAINST, 100, 100], rel=1e-3)


def directions(cosines: list[float]) -> torch.Tensor:
    """(4, words): for each t a word with cosine t to anchor x and √(1 − t²) to anchor y."""
    x, y = torch.tensor([1.0, -1.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 1.0, -1.0])
    return torch.stack([t * x + math.sqrt(1 - t * t) * y for t in cosines], dim=1).double()


def of_relevance(*values: float) -> list[float]:
    """Cosines with x that give the relevances t / √(1 − t²)."""
    return [v / math.sqrt(1 + v * v) for v in values]


def test_the_cut_is_one_rate_for_all_classes() -> None:
    """Class x: anchor, 5, 1.1, 0.6, 0.5; class y: anchor, 2, 0.9, 0.4. Of share k/5, k of x and ⌊4k/5⌋ of y stay.

    The first to go, in x and y: k=5 0.5 and 0.4 (the last) · k=4 0.5 and 0.4 · k=3 0.6 and 0.9 · k=2 1.1 and 2 · …
    Losses: 0.61 · 0.61 · 0.17 · 1.01 · more. So three of five and two of four stay.
    """
    scores = torch.cat([directions([1.0, *of_relevance(5, 1.1, 0.6, 0.5)]), directions([0.0])], dim=1)
    for_y = directions(of_relevance(1 / 2, 1 / 0.9, 1 / 0.4))  # seen from y: 2, 0.9, 0.4
    found, kept = relevance(torch.cat([scores, for_y], dim=1), torch.tensor([0] * 5 + [1] * 4), torch.tensor([0, 5]))
    expected = [100, 5, 1.1, 0.6, 0.5, 100, 2, 0.9, 0.4]
    assert found.tolist() == pytest.approx(expected, rel=5e-3)
    assert kept.tolist() == [True, True, True, False, False, True, True, False, False]


def test_all_may_stay_and_words_against_their_class_go_alone() -> None:
    """Class x has two words of relevance 1.0…; class y besides its anchor only words that go against it."""
    scores = torch.cat([directions([1.0, *of_relevance(1.2, 1.01)]), directions([0.0, 1.0]), -directions([0.5])], dim=1)
    found, kept = relevance(scores, torch.tensor([0, 0, 0, 1, 1, 1]), torch.tensor([0, 3]))
    assert found[4:].tolist() == [AGAINST, AGAINST]
    assert kept.tolist() == [True, True, True, True, False, False]


def test_keep_holds_the_best_even_against_the_cut() -> None:
    scores = torch.cat([directions([1.0, *of_relevance(0.2, 0.4, 0.3)]), directions([0.0])], dim=1)
    owner, anchors = torch.tensor([0, 0, 0, 0, 1]), torch.tensor([0, 4])
    assert relevance(scores, owner, anchors, 1)[1].tolist() == [True, False, False, False, True]
    assert relevance(scores, owner, anchors, 3)[1].tolist() == [True, False, True, True, True]
    assert relevance(scores, owner, anchors, 99)[1].tolist() == [True] * 5


def test_the_anchor_stays_where_it_is_the_worst() -> None:
    """The anchors nearly agree; the other word of class 0 leans further away from class 1 than its anchor."""
    scores = directions([0.9, 1.0, 0.85])
    found, kept = relevance(scores, torch.tensor([0, 0, 1]), torch.tensor([0, 2]))
    assert float(found[1]) > float(found[0])
    assert bool(kept[0]) and bool(kept[2])


def test_words_that_never_change_are_against_and_hurt_nobody() -> None:
    scores = torch.cat([directions([1.0, 0.9, 0.0]), torch.full((4, 1), -3.3).double()], dim=1)
    found, kept = relevance(scores, torch.tensor([0, 0, 1, 0]), torch.tensor([0, 2]))
    assert float(found[3]) == AGAINST and not bool(kept[3])
    assert bool(found.isfinite().all())


def test_one_support_row_tells_nothing() -> None:
    found, kept = relevance(torch.tensor([[-1.0, -2.0, -3.0]]), torch.tensor([0, 0, 1]), torch.tensor([0, 2]))
    assert found.tolist() == [AGAINST] * 3
    assert kept.tolist() == [True, False, True]


def test_one_class_has_no_others() -> None:
    found, kept = relevance(directions([1.0, 0.5]), torch.tensor([0, 0]), torch.tensor([0]))
    assert found.tolist() == [100, 100] and kept.tolist() == [True, True]


def test_at_least_fills_up_with_the_best() -> None:
    kept = torch.tensor([False, False, False, True, False, False])
    scores = torch.tensor([1.0, 3.0, 2.0, -9.0, 5.0, 5.0])
    owner = torch.tensor([0, 0, 0, 1, 1, 1])
    assert at_least(kept, scores, owner, 2).tolist() == [False, True, True, True, True, False]
    assert at_least(kept, scores, owner, 1).tolist() == [False, True, False, True, False, False]
    assert at_least(kept, scores, owner, 0).tolist() == kept.tolist()


def test_duplicates() -> None:
    words = [
        ("a", "good", True),
        ("a", "Shared", False),
        ("a", "mine", True),
        ("a", "both", True),
        ("a", "own", False),
        ("a", "Own", True),
        ("b", "shared", False),
        ("b", "MINE", False),
        ("b", "both", True),
        ("c", "mine", False),
    ]
    assert [w for w, kept in zip(words, duplicates(words), strict=True) if kept] == [
        ("a", "good", True),
        ("a", "mine", True),
        ("a", "Own", True),
    ]


def test_scores_that_are_no_numbers_are_errors() -> None:
    bad = torch.tensor([[0.0, math.nan]])
    with pytest.raises(PromptDSLError, match="PD460"):
        relevance(bad, torch.tensor([0, 1]), torch.tensor([0, 1]))
    with pytest.raises(PromptDSLError, match="PD460"):
        frequency(bad[0], torch.zeros(3), 0.5)
