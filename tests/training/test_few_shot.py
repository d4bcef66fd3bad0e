"""k-shot draws."""

from collections import Counter

import pytest

from promptdsl.errors import TrainingError
from promptdsl.training.few_shot import few_shot_indices, few_shot_split

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


def test_dev_rows_are_as_many_and_others_and_what_is_left_where_a_class_is_short() -> None:
    labels = ["a"] * 20 + ["b"] * 6 + ["c"] * 3
    split = few_shot_split(labels, 4, seed=5)
    assert Counter(labels[i] for i in split.train) == {"a": 4, "b": 4, "c": 3}
    assert Counter(labels[i] for i in split.dev) == {"a": 4, "b": 2}
    assert not set(split.train) & set(split.dev)
    assert split.train == tuple(few_shot_indices(labels, 4, seed=5))


def test_more_shots_keep_the_rows_of_fewer() -> None:
    assert set(few_shot_split(LABELS, 2, seed=3).train) < set(few_shot_split(LABELS, 8, seed=3).train)
