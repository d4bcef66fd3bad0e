"""Water-filling against a brute force that takes one token at a time from the longest piece."""

from hypothesis import given
from hypothesis import strategies as st

from promptdsl.encoding.truncation import CUTS, water_fill


def one_at_a_time(lengths: list[int], budget: int) -> list[int]:
    """Cut the longest piece by one token, the last of equals first, until the budget is met."""
    kept = list(lengths)
    while sum(kept) > budget:
        longest = max(kept)
        kept[max(i for i, n in enumerate(kept) if n == longest)] -= 1
    return kept


@given(st.lists(st.integers(0, 30), max_size=6), st.integers(0, 80))
def test_water_fill_equals_cutting_one_at_a_time(lengths: list[int], budget: int) -> None:
    assert water_fill(lengths, budget) == one_at_a_time(lengths, budget)


def test_a_remainder_goes_to_earlier_pieces() -> None:
    assert water_fill([10, 3, 10, 10], 20) == [6, 3, 6, 5]
    assert water_fill([5, 5], 3) == [2, 1]
    assert water_fill([4, 4], 0) == [0, 0]


def test_cuts_take_away_the_side_that_they_name() -> None:
    ids = [0, 1, 2, 3, 4, 5]
    assert list(CUTS["tail"](ids, 3)) == [0, 1, 2]
    assert list(CUTS["head"](ids, 3)) == [3, 4, 5]
    assert list(CUTS["middle"](ids, 3)) == [0, 1, 5]
    assert [list(cut(ids, 0)) for cut in CUTS.values()] == [[], [], []]
    assert [list(cut(ids, 6)) for cut in CUTS.values()] == [ids, ids, ids]
