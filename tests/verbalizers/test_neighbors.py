"""Groups of tokens around seeds, in a vocabulary that was made so that the answer is known."""

import math

import pytest
import torch

from promptdsl import PromptDSLError
from promptdsl.verbalizers.neighbors import vocabulary_groups

BUNCHES = torch.arange(40).repeat(25)  # token t is in bunch t % 40


def vocabulary() -> torch.Tensor:
    """1,000 tokens in 40 bunches of 25, all moved by one large vector as embeddings are."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(40, 48, generator=generator)
    return centres[BUNCHES] + 0.3 * torch.randn(1000, 48, generator=generator) + 20


def test_the_seeds_bunch_comes_first_and_the_score_is_the_cosine() -> None:
    embeddings = vocabulary()
    found = vocabulary_groups(embeddings, [3], torch.ones(1000, dtype=torch.bool), groups=1, limit=25)
    assert {int(BUNCHES[token]) for token, _, _ in found} == {3}
    assert found[0][0] == 3 and found[0][1] == pytest.approx(1, abs=1e-5)
    scores = [score for _, score, _ in found]
    assert scores == sorted(scores, reverse=True)
    centred = embeddings.double() - embeddings.double().mean(0)
    for token, score, group in found:
        assert score == pytest.approx(float(torch.cosine_similarity(centred[3], centred[token], dim=0)), abs=1e-4)
        assert group == 0


def test_two_seeds_bring_their_two_bunches() -> None:
    found = vocabulary_groups(vocabulary(), [7, 52], torch.ones(1000, dtype=torch.bool), groups=2, limit=20)
    by_group = {g: {int(BUNCHES[t]) for t, _, group in found if group == g} for g in (0, 1)}
    assert sorted(map(sorted, by_group.values())) == [[7], [12]]
    assert len(found) == 20 and {g for _, _, g in found} == {0, 1}


def test_limit_and_usable() -> None:
    usable = torch.arange(1000) % 80 != 3  # the seed itself and every second of its bunch may not
    found = vocabulary_groups(vocabulary(), [3], usable, groups=1, limit=5)
    assert len(found) == 5
    assert {t % 80 for t, _, _ in found} == {43}
    everything = vocabulary_groups(vocabulary(), [3], usable, groups=1, limit=20)
    assert [t for t, _, _ in everything[:5]] == [t for t, _, _ in found]
    assert len(everything) == 12


def test_a_lone_token_is_no_group_while_there_are_others() -> None:
    """The seed lies far from all; its own cluster is itself."""
    embeddings = torch.cat([vocabulary(), 20 + 9 * torch.eye(1, 48)])
    usable = torch.ones(1001, dtype=torch.bool)
    found = vocabulary_groups(embeddings, [1000], usable, groups=1, limit=10)
    assert 1000 not in [t for t, _, _ in found] and len(found) > 1


def test_fewer_tokens_than_clusters() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [5.0, 5.0]])
    found = vocabulary_groups(embeddings, [0], torch.tensor([True, True, True, False]), groups=1, limit=9)
    assert [(t, g) for t, _, g in found] == [(0, 0), (1, 0)]
    assert vocabulary_groups(embeddings, [0], torch.zeros(4, dtype=torch.bool), groups=1, limit=9) == []


def test_it_is_the_same_every_time() -> None:
    usable = torch.ones(1000, dtype=torch.bool)
    one, two = (vocabulary_groups(vocabulary(), [3, 4], mask, 3, 40, seed=5) for mask in (usable, usable.numpy()))
    assert one == two


def test_errors() -> None:
    usable = torch.ones(2, dtype=torch.bool)
    with pytest.raises(PromptDSLError, match="PD462"):
        vocabulary_groups(torch.randn(2, 3), [], usable, 1, 1)
    with pytest.raises(PromptDSLError, match="PD460"):
        vocabulary_groups(torch.full((2, 3), math.nan), [0], usable, 1, 1)
