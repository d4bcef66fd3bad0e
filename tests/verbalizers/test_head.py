"""The head's arithmetic, with numbers that are worked out on paper or by numpy from the definitions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, logsumexp
from torch import Tensor
from toy_words import bound

from promptdsl.verbalizers import cluster, prototypes
from promptdsl.verbalizers.head import Observations, VerbalizerHead

NONE = torch.zeros(0, 2)


def seen(words: Any, states: Any = None, features: Any = None, normaliser: Any = None) -> Observations:
    scores = torch.tensor(words, dtype=torch.float32)
    empty = scores[:, :0]
    given = [empty if v is None else torch.tensor(v, dtype=torch.float32) for v in (states, features)]
    zeros = scores.new_zeros(len(scores))
    return Observations(scores, *given, zeros if normaliser is None else torch.tensor(normaliser))


def head_of(text: str, rows: Tensor = NONE, bias: Tensor = NONE[:, 0], **options: Any) -> VerbalizerHead:
    return VerbalizerHead(bound(text), rows, bias, **options)


@pytest.mark.parametrize(
    ("pool", "pooled"),
    [
        ("mean", (1.25, 3.0)),  # (1 − 0.5 + 2 − 0) / 2 and 4 − 1
        ("max", (2.0, 3.0)),
        ("sum", (math.log(math.exp(0.5) + math.exp(2)), 3.0)),
        ("learned", (0.8, 3.0)),  # weights 0.8 and 0.2: softmax of log 4 and 0
    ],
)
def test_priors_pooling_class_priors_and_biases(pool: str, pooled: tuple[float, float]) -> None:
    head = head_of(f'no: bad, dull; yes: good\n<"pool":"{pool}">')
    head.prior.copy_(torch.tensor([0.5, 0.0, 1.0]))
    head.class_prior.copy_(torch.tensor([0.2, -0.1]))
    head.bias.copy_(torch.tensor([0.3, 0.0]))
    if head.weights is not None:
        head.weights.data = torch.tensor([math.log(4), 0.0, 7.0])
    found = head(seen([[1.0, 2.0, 4.0]]))
    log_odds = (pooled[0] - 0.2 + 0.3) - (pooled[1] + 0.1)
    torch.testing.assert_close(found[0].exp().sum(), torch.tensor(1.0))
    assert (found[0, 0] - found[0, 1]).item() == pytest.approx(log_odds, abs=1e-6)
    assert [n for n, _ in head.named_parameters()] == (["weights"] if pool == "learned" else [])


def test_several_labels_are_judged_one_by_one() -> None:
    """e^scale · (log p + log C) + bias: log-odds, 0 for a class as likely as chance has it."""
    head = head_of("a: bad; b: good; c: fine", multi_label=True)
    even = head(seen([[2.0, 2.0, 2.0]]))
    torch.testing.assert_close(even, torch.zeros(1, 3), atol=1e-6, rtol=0)
    head.bias.copy_(torch.tensor([0.5, 0.0, -1.0]))
    head.log_scale.fill_(math.log(2))
    found = head(seen([[0.0, 1.0, 3.0]]))[0].tolist()
    p = np.exp([0.0, 1.0, 3.0]) / np.exp([0.0, 1.0, 3.0]).sum()
    np.testing.assert_allclose(found, 2 * (np.log(p) + math.log(3)) + [0.5, 0.0, -1.0], atol=1e-6)


def test_a_soft_word_is_a_row_of_the_output_matrix() -> None:
    rows, bias = torch.tensor([[1.0, -2.0]]), torch.tensor([0.25])
    given = seen([[-3.0]], features=[[0.5, 1.5]], normaliser=[4.0])
    head = head_of('no: bad; yes: <"soft":"good">', rows, bias)
    # 0.5 − 3 + 0.25 − 4 = −6.25 beside −3: the odds are e^3.25 to 1
    np.testing.assert_allclose(head.word_scores(given).detach(), [[-3.0, -6.25]], atol=1e-6)
    np.testing.assert_allclose(head(given).detach(), log_softmax([[-3.0, -6.25]], 1), atol=1e-6)
    squashed = head_of('no: bad; yes: <"soft":"good">', rows, bias, cap=2.0)
    np.testing.assert_allclose(squashed.word_scores(given).detach()[0, 1], 2 * math.tanh(-2.25 / 2) - 4, atol=1e-6)
    rows[0, 0] = 9.0  # what it starts from stays the language model's own
    assert head.soft_rows is not None and head.soft_rows[0, 0].item() == 1.0


def test_words_and_abstract_words_are_averaged_on_one_scale() -> None:
    """Σ (score − row's mean) / spread over the two sources, by numpy from what each source says."""
    head = head_of('no: bad, dull; yes: good; so: so\n<"cluster":1>\n<"prototype":4,"epochs":7,"learning_rate":0.02>')
    states = torch.randn(12, 5, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(12) % 3
    for source in head.abstract:
        source.fit(states, labels, 3)
    head.spreads.copy_(torch.tensor([0.5, 2.0, 0.25]))
    words = torch.randn(12, 4, generator=torch.Generator().manual_seed(2)).tolist()
    found = head(seen(words, states=states.tolist())).numpy()
    w = np.array(words)
    by_words = log_softmax(np.stack([(w[:, 0] + w[:, 1]) / 2, w[:, 2], w[:, 3]], 1), axis=1)
    clusters = cluster.cluster_prototypes(states, labels, [1, 1, 1], 3)
    by_clusters = cluster.similarity(states, clusters).numpy() / cluster.TEMPERATURE
    learnt = prototypes.train_prototypes(states, labels, 3, dim=4, epochs=7, learning_rate=0.02, seed=3)
    by_prototypes = prototypes.similarity(states, learnt).numpy() / prototypes.TEMPERATURE
    scaled = [
        (s - s.mean(1, keepdims=True)) / spread
        for s, spread in zip((by_words, by_clusters, by_prototypes), (0.5, 2.0, 0.25), strict=True)
    ]
    np.testing.assert_allclose(found, log_softmax(np.mean(scaled, axis=0), axis=1), atol=1e-4)


def test_abstract_words_alone_are_logits_over_their_temperature() -> None:
    head = head_of('no: <"cluster":2>; yes: <"cluster":1>')
    states = torch.tensor([[0.0, 0.0], [0.1, 2.0], [3.0, 0.2], [3.0, 0.1]])
    labels = torch.tensor([0, 0, 1, 1])
    head.abstract[0].fit(states, labels, 0)
    given = seen([[], [], [], []], states=states.tolist())
    cosines = cluster.similarity(states, cluster.cluster_prototypes(states, labels, [2, 1])).numpy()
    np.testing.assert_allclose(head(given), log_softmax(cosines / cluster.TEMPERATURE, axis=1), atol=1e-6)
    assert head(given).argmax(1).tolist() == [0, 0, 1, 1]


def test_observations_are_joined_and_chosen_row_by_row() -> None:
    one, two = (
        seen([[1.0, 2.0]], [[5.0]], [[6.0]], [0.5]),
        seen([[3.0, 4.0], [7.0, 8.0]], [[1.0], [2.0]], [[3.0], [4.0]]),
    )
    both = Observations.joined([one, two])
    assert len(both) == 3 and str(both) == "observations of 3 rows: 2 words, states of 1"
    some = both[torch.tensor([2, 0])]
    assert some.words.tolist() == [[7.0, 8.0], [1.0, 2.0]] and some.states.tolist() == [[2.0], [5.0]]
    assert some.features.tolist() == [[4.0], [6.0]] and some.normaliser.tolist() == [0.0, 0.5]


def test_what_is_saved_is_what_was_fitted() -> None:
    """The tensors of a fitted head make the same scores in a fresh one that was fitted on other rows."""
    text = 'no: bad, <"soft":"dull">; yes: good\n<"cluster":1>'
    heads = [head_of(text, torch.tensor([[1.0, 0.5]]), torch.zeros(1)) for _ in range(2)]
    for number, head in enumerate(heads):
        states = torch.randn(6, 3, generator=torch.Generator().manual_seed(number))
        head.abstract[0].fit(states, torch.arange(6) % 2, 0)
    given = seen([[0.1, 0.2]], [[1.0, 2.0, -1.0]], [[0.3, -0.4]])
    assert not torch.equal(heads[0](given), heads[1](given))
    heads[1].load_state_dict(heads[0].state_dict())
    torch.testing.assert_close(heads[0](given), heads[1](given))
    assert logsumexp(heads[1](given).detach().numpy()) == pytest.approx(0, abs=1e-6)
