"""Which examples a query gets, against choices worked out by hand and by a plain loop over the definition."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from families import wordpiece
from hypothesis import given, settings
from hypothesis import strategies as st

from promptdsl.encoding import as_rows, bind
from promptdsl.encoding.demos import demonstrations
from promptdsl.errors import TrainingError
from promptdsl.models.demonstrations import DemoStore, choose

LABELS = ["a", "b", "a", "c", "b", "a", "a"]
PLANE = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 2.0], [-1.0, 0.0], [0.0, 0.0]])


def test_classes_take_turns_and_all_queries_of_a_draw_get_the_same() -> None:
    first, second = choose(LABELS, 5, 2, seed=3)
    assert first == second and len(set(first)) == 5
    labels = [LABELS[i] for i in first]
    assert set(labels[:3]) == {"a", "b", "c"}
    assert sorted(labels[3:]) == ["a", "b"]  # c has no second row


def test_the_seed_and_the_draw_choose_the_rows_and_the_order_of_the_classes() -> None:
    draws = [tuple(choose(LABELS, 3, 1, seed=1, draw=d)[0]) for d in range(40)]
    assert draws == [tuple(choose(LABELS, 3, 1, seed=1, draw=d)[0]) for d in range(40)]
    assert {i for chosen in draws for i in chosen} == set(range(7))
    assert {LABELS[chosen[0]] for chosen in draws} == {"a", "b", "c"}
    assert draws != [tuple(choose(LABELS, 3, 1, seed=2, draw=d)[0]) for d in range(40)]


@settings(max_examples=100, deadline=None)
@given(
    labels=st.lists(st.sampled_from("abcd"), min_size=1, max_size=12),
    k=st.integers(1, 14),
    seed=st.integers(0, 5),
    draw=st.integers(0, 3),
)
def test_class_examples_are_even_and_never_the_query_itself(labels: list[str], k: int, seed: int, draw: int) -> None:
    (usual,) = choose(labels, k, 1, seed=seed, draw=draw)
    chosen = choose(labels, k, len(labels), seed=seed, draw=draw, exclude=range(len(labels)))
    for own, rows in enumerate(chosen):
        assert own not in rows and len(set(rows)) == len(rows) == min(k, len(labels) - 1)
        assert rows == usual or own in usual
        there = Counter(label for i, label in enumerate(labels) if i != own)
        counts = Counter(labels[i] for i in rows)
        # Two classes differ by more than one only where the smaller one has no further rows.
        for c, n in counts.items():
            assert all(counts[other] >= n - 1 or counts[other] == there[other] for other in there), c


def test_the_nearest_by_cosine_stand_first() -> None:
    """Cosines with (1, 0.1): row 0 most, then 2 and 3 alike, 1, the zero row 5, 4; ties go to the earlier row."""
    queries = np.array([[1.0, 0.1], [0.0, -1.0]])
    chosen = choose(["x"] * 6, 3, queries, select="nearest", states=PLANE)
    # (0, -1): rows 0, 4 and 5 have cosine 0, rows 2 and 3 less, row 1 least
    assert chosen == [[0, 2, 3], [0, 4, 5]]
    everything = choose(["x"] * 6, 9, queries, select="nearest", states=PLANE)
    assert everything[0] == [0, 2, 3, 1, 5, 4]


def test_a_fitted_row_is_not_its_own_nearest_example() -> None:
    chosen = choose(["x"] * 6, 1, PLANE, select="nearest", states=PLANE, exclude=range(6))
    assert chosen == [[2], [2], [3], [2], [1], [0]]
    mixed = choose(["x"] * 6, 1, PLANE[:2], select="nearest", states=PLANE, exclude=[None, 1])
    assert mixed == [[0], [2]]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_nearest_equal_a_loop_over_the_definition(data: st.DataObject) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 1000)))
    n, q, k = (data.draw(st.integers(1, 8)) for _ in range(3))
    states, queries = random.integers(-2, 3, (n, 3)).astype(float), random.integers(-2, 3, (q, 3)).astype(float)
    chosen = choose(["x"] * n, k, queries, select="nearest", states=states)
    for query, rows in zip(queries, chosen, strict=True):

        def cosine(row: int, query: np.ndarray = query) -> float:
            size = float(np.sqrt(states[row] @ states[row]) * np.sqrt(query @ query))
            return round(float(states[row] @ query) / size, 9) if size else 0.0

        assert rows == sorted(range(n), key=lambda i: (-cosine(i), i))[:k]


def test_several_draws_are_from_the_more_similar_half() -> None:
    angles = np.linspace(0, 3, 10)
    states = np.stack([np.cos(angles), np.sin(angles)], 1)
    query = states[:1]
    seen: Counter[int] = Counter()
    for draw in range(60):
        (rows,) = choose(["x"] * 10, 2, query, select="nearest", states=states, draw=draw, draws=60)
        assert rows == sorted(rows)  # the nearest, which is the earlier, stands first
        seen.update(rows)
    assert set(seen) == set(range(5))
    (six,) = choose(["x"] * 10, 6, query, select="nearest", states=states, draws=2)
    assert set(six) == set(range(6))  # more than the half: what is needed


def test_what_a_query_gets_does_not_depend_on_the_others() -> None:
    random = np.random.default_rng(0)
    states, queries = random.normal(size=(30, 4)), random.normal(size=(600, 4))
    together = choose(["x"] * 30, 4, queries, select="nearest", states=states, draw=2, draws=3)
    for i in (0, 255, 256, 599):
        (alone,) = choose(["x"] * 30, 4, queries[i : i + 1], select="nearest", states=states, draw=2, draws=3)
        assert alone == together[i]


def test_fewer_rows_than_asked_for_are_all_of_them() -> None:
    assert sorted(choose(["a", "b"], 5, 1)[0]) == [0, 1]
    assert choose(["a"], 1, 1, exclude=[0]) == [[]]


def test_without_rows_or_states_there_is_nothing_to_choose() -> None:
    with pytest.raises(TrainingError, match="PD711"):
        choose([], 2, 1)
    for queries, states in ((2, PLANE), (PLANE, None)):
        with pytest.raises(TrainingError, match="PD712"):
            choose(["x"] * 6, 2, queries, select="nearest", states=states)


def test_a_store_reads_the_tag_and_picks_demonstrations() -> None:
    program = bind('<"demos":2,"draws":3><"placeholder":"text_a"> It was <"mask">.', wordpiece())
    good, bad = [[i] for i in wordpiece().convert_tokens_to_ids(["good", "bad"])]
    made = demonstrations(
        program, as_rows(["the film", "a mess", "the best"]), ["yes", "no", "yes"], [(good,), (bad,), (good,)]
    )
    store = DemoStore.of(program, made, seed=5)
    assert str(store) == "2 solved examples of 3 rows, evenly from the classes, 3 draws"
    assert not store.needs_states and store.labels == ("yes", "no", "yes")
    (picked,) = store.pick(1, 2)
    assert {d.label for d in picked} == {"yes", "no"}
    assert [d.row for d in picked] == choose(store.labels, 2, 1, seed=5, draw=2)[0]
    assert [d.row for d in store.pick(1, exclude=[1])[0]] != [1] and len(store.pick(1, exclude=[1])[0]) == 2
    nearest = bind('<"demos":2,"select":"nearest"><"placeholder":"text_a"> It was <"mask">.', wordpiece())
    with pytest.raises(TrainingError, match="PD712"):
        DemoStore.of(nearest, made)
    with pytest.raises(TrainingError, match="PD711"):
        DemoStore.of(program, [])
    by_state = DemoStore.of(nearest, made, states=PLANE[:3])
    assert [[d.row for d in row] for row in by_state.pick(PLANE[1:2])] == [[1, 2]]
