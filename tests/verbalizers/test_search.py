"""Searches for label words, against the papers' formulas in loops and against all assignments."""

import itertools
import math

import numpy as np
import pytest
import torch

from promptdsl import PromptDSLError
from promptdsl.language.schema import ITEM_KINDS
from promptdsl.verbalizers.search import SEARCHES, search_words


def sample(rows: list[int], vocabulary: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """log-probabilities of rows of the given number a class, in random order, and their labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(len(rows)).repeat_interleave(torch.tensor(rows))
    labels = labels[torch.randperm(len(labels), generator=generator)]
    logits = 1.5 * torch.randn(len(labels), vocabulary, generator=generator)
    return logits.log_softmax(-1), labels


def search(
    log_probs: torch.Tensor, labels: torch.Tensor, n: int, method: str = "llr", candidates: int = 1000
) -> list[list[tuple[int, float]]]:
    names = [f"class {c}" for c in range(int(labels.max()) + 1)]
    return search_words(log_probs, labels, n=n, classes=names, method=method, candidates=candidates)


def in_loops(log_probs: torch.Tensor, labels: torch.Tensor, c: int, token: int, method: str) -> float:
    """PETAL's scores as the paper writes them, row by row."""
    inside = [float(p) for p, y in zip(log_probs[:, token].double().exp(), labels, strict=True) if y == c]
    outside = [float(p) for p, y in zip(log_probs[:, token].double().exp(), labels, strict=True) if y != c]
    s = len(outside) / len(inside)
    if method == "ce":
        return s * sum(math.log(p) for p in inside) + sum(math.log(1 - p) for p in outside)
    positive = sum(math.log(p) for p in inside) - sum(math.log(1 - p) for p in inside)
    return s * positive + sum(math.log(1 - p) for p in outside) - sum(math.log(p) for p in outside)


def test_the_table_has_what_the_language_offers() -> None:
    assert set(SEARCHES) == set(ITEM_KINDS["auto"].attributes["method"].type.choices)


@pytest.mark.parametrize("method", ["llr", "ce"])
def test_petals_scores_against_a_loop(method: str) -> None:
    log_probs, labels = sample([5, 2, 3], 40)
    found = search(log_probs, labels, 4, method)
    for c, words in enumerate(found):
        assert [score for _, score in words] == sorted((score for _, score in words), reverse=True)
        for token, score in words:
            assert score == pytest.approx(in_loops(log_probs, labels, c, token, method), rel=1e-5)


def test_two_balanced_classes_get_both_ends_of_the_likelihood_ratio() -> None:
    log_probs, labels = sample([6, 6], 30)
    found = search(log_probs, labels, 3, "llr")
    ratio = [in_loops(log_probs, labels, 0, t, "llr") for t in range(30)]
    order = np.argsort(ratio).tolist()
    assert [t for t, _ in found[1]] == order[:3]
    assert [t for t, _ in found[0]] == order[::-1][:3]


def test_balance_keeps_a_large_class_from_deciding() -> None:
    """Token 0 is twice as likely in every row of class 0, token 1 in class 1, whatever the classes' sizes."""
    row = [torch.tensor([0.4, 0.2, 0.3, 0.1]).log(), torch.tensor([0.2, 0.4, 0.3, 0.1]).log()]
    labels = torch.tensor([0] * 20 + [1])
    found = search(torch.stack([row[y] for y in labels.tolist()]), labels, 1)
    assert [words[0][0] for words in found] == [0, 1]
    assert found[0][0][1] == pytest.approx(math.log(4 / 6) - math.log(2 / 8), rel=1e-5)  # s = 1/20 over 20 rows, and 1


def test_candidates_are_the_likeliest_of_each_class() -> None:
    """Token 3 tells the classes apart best but is the least likely in both."""
    rows = torch.tensor([[0.5, 0.3, 0.199, 0.001], [0.3, 0.5, 0.19999, 0.00001]]).log()
    labels = torch.tensor([0, 1])
    assert search(rows, labels, 1, "llr", candidates=99)[0][0][0] == 3
    assert search(rows, labels, 1, "llr", candidates=2)[0][0][0] == 0


@pytest.mark.parametrize("method", SEARCHES)
@pytest.mark.parametrize("n", [1, 3])
def test_no_token_twice_and_only_usable_ones(method: str, n: int) -> None:
    log_probs, labels = sample([3, 4, 2], 25, seed=n)
    usable = torch.arange(25) % 2 == 0
    found = search_words(log_probs, labels, usable, n=n, classes="abc", method=method, candidates=5)
    tokens = [t for words in found for t, _ in words]
    assert [len(words) for words in found] == [n] * 3
    assert len(set(tokens)) == 3 * n and all(t % 2 == 0 for t in tokens)
    assert found == search_words(log_probs, labels, usable, n=n, classes="abc", method=method, candidates=5)


@pytest.mark.parametrize("method", SEARCHES)
def test_every_usable_token_may_be_needed(method: str) -> None:
    log_probs, labels = sample([3, 4, 2], 12)
    found = search(log_probs, labels, 4, method, candidates=1)
    assert sorted(t for words in found for t, _ in words) == list(range(12))


def value(log_probs: torch.Tensor, labels: torch.Tensor, tokens: tuple[int, ...]) -> tuple[float, float]:
    scores = log_probs[:, list(tokens)].double()
    right = (scores.argmax(1) == labels).double().mean()
    return float(right), float(scores.log_softmax(1)[torch.arange(len(labels)), labels].mean())


@pytest.mark.parametrize(("shots", "vocabulary"), [([8, 8], 14), ([6, 3, 4], 12)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_few_assignments_are_all_tried(shots: list[int], vocabulary: int, seed: int) -> None:
    log_probs, labels = sample(shots, vocabulary, seed)
    found = search(log_probs, labels, 1, "likelihood")
    tokens = tuple(words[0][0] for words in found)
    best = max(value(log_probs, labels, t) for t in itertools.permutations(range(vocabulary), len(shots)))
    assert value(log_probs, labels, tokens) == pytest.approx(best)
    for c, words in enumerate(found):
        assert words[0][1] == pytest.approx(float(log_probs[labels == c][:, words[0][0]].sum()), rel=1e-5)


def test_where_there_are_many_no_single_change_is_better() -> None:
    log_probs, labels = sample([5] * 6, 60)
    found = search(log_probs, labels, 1, "likelihood")
    tokens = [words[0][0] for words in found]
    reached = value(log_probs, labels, tuple(tokens))
    for c, token in itertools.product(range(6), range(60)):
        if token not in tokens:
            other = (*tokens[:c], token, *tokens[c + 1 :])
            assert value(log_probs, labels, other) <= (reached[0] + 1e-12, reached[1] + 1e-9)


def test_the_second_word_is_the_best_beside_the_first() -> None:
    log_probs, labels = sample([7, 6], 10, seed=3)
    (a1, a2), (b1, b2) = search(log_probs, labels, 2, "likelihood")

    def mean_value(a: int, b: int) -> tuple[float, float]:
        pooled = torch.stack([log_probs[:, [a1[0], a]].mean(1), log_probs[:, [b1[0], b]].mean(1)], dim=1)
        return value(pooled, labels, (0, 1))

    rest = [t for t in range(10) if t not in (a1[0], b1[0])]
    best = max(mean_value(a, b) for a, b in itertools.permutations(rest, 2))
    assert mean_value(a2[0], b2[0]) == pytest.approx(best)


@pytest.mark.parametrize("method", SEARCHES)
def test_a_planted_word_is_found(method: str) -> None:
    """Three tokens, each much likelier in one class of four rows."""
    log_probs, labels = sample([4, 4, 4], 50)
    logits = log_probs + 6 * torch.nn.functional.one_hot(labels * 7 + 3, 50)
    found = search(logits.log_softmax(-1), labels, 1, method)
    assert [words[0][0] for words in found] == [3, 10, 17]


@pytest.mark.parametrize("method", SEARCHES)
def test_a_certain_token_is_no_infinity(method: str) -> None:
    rows = torch.tensor([[50.0, 0, 0, 0], [0, 50.0, 0, 0]]).log_softmax(-1)
    found = search(rows, torch.tensor([0, 1]), 1, method)
    assert [words[0][0] for words in found] == [0, 1]
    assert all(math.isfinite(score) for words in found for _, score in words)


def test_one_class_alone_takes_its_likeliest() -> None:
    log_probs, labels = sample([4], 9)
    likeliest = log_probs.double().sum(0).topk(2).indices.tolist()
    assert [t for t, _ in search(log_probs, labels, 2, "likelihood")[0]] == likeliest


def test_too_few_tokens() -> None:
    log_probs, labels = sample([2, 2], 9)
    with pytest.raises(PromptDSLError) as caught:
        search_words(log_probs, labels, torch.arange(9) < 5, n=3, classes=["a", "b"])
    assert caught.value.code == "PD461"
    assert "take 6 tokens, and 5 of the vocabulary" in str(caught.value)


def test_a_class_without_rows_is_named() -> None:
    log_probs, labels = sample([2, 2], 9)
    with pytest.raises(PromptDSLError) as caught:
        search_words(log_probs, labels, n=1, classes=["a", "b", "c"])
    assert (caught.value.code, caught.value.diagnostics[0].message) == ("PD707", "no labelled row for c")


def test_log_probabilities_that_are_no_numbers() -> None:
    log_probs, labels = sample([2, 2], 9)
    log_probs[1, 1] = math.nan
    with pytest.raises(PromptDSLError, match="PD460"):
        search(log_probs, labels, 1)
