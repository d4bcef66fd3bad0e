"""k-shot draws."""

from collections import Counter

import pytest

from promptdsl.errors import TrainingError
from promptdsl.training.few_shot import few_shot_indices

LABELS = ["a", "b", "c"] * 20 + ["rare"]


def test_each_class_gives_k_rows_and_a_rare_one_what_it_has() -> None:
    chosen = few_shot_indices(LABELS, 4, seed=13)
    assert Counter(LABELS[i] for i in chosen) == {"a": 4, "b": 4, "c": 4, "rare": 1}
    assert chosen == sorted(set(chosen))


def test_a_seed_draws_the_same_rows_and_another_seed_others() -> None:
    assert few_shot_indices(LABELS, 4, seed=13) == few_shot_indices(LABELS, 4, seed=13)
    assert few_shot_indices(LABELS, 4, seed=13) != few_shot_indices(LABELS, 4, seed=21)


def test_no_shots_are_refused() -> None:
    with pytest.raises(TrainingError, match="PD702"):
        few_shot_indices(LABELS, 0)
