"""Plans for words of several tokens, by hand."""

from promptdsl.verbalizers.multi_token import Reading, plan_causal, plan_masked

M = 99


def test_masked_words_of_one_length_share_a_pass_and_count_with_their_mean() -> None:
    fills, readings = plan_masked([((1,),), ((2, 3),), ((4,),)], [None], M)
    assert fills == (((M,),), ((M, M),))
    assert readings == (
        Reading(0, 0, 0, 1, 1.0),
        Reading(1, 1, 0, 2, 0.5),
        Reading(1, 1, 1, 3, 0.5),
        Reading(2, 0, 0, 4, 1.0),
    )


def test_masked_parts_at_a_mask_of_n_count_with_their_sum() -> None:
    fills, readings = plan_masked([((1,), (2, 3))], [None, 2], M)
    assert fills == (((M,), (M, M)),)
    assert [(r.read, r.token, r.weight) for r in readings] == [(0, 1, 1.0), (1, 2, 1.0), (2, 3, 1.0)]


def test_causal_words_that_begin_alike_share_a_pass() -> None:
    """[5], [5 6], [5 6 7] and [8] are all read on the way through the context 5 6."""
    fills, readings = plan_causal([((5,),), ((5, 6),), ((5, 6, 7),), ((8,),)], [None], None)
    assert fills == (((5, 6),),)
    assert [(r.word, r.read, r.token) for r in readings] == [
        (0, 0, 5),
        (1, 0, 5), (1, 1, 6),
        (2, 0, 5), (2, 1, 6), (2, 2, 7),
        (3, 0, 8),
    ]  # fmt: skip


def test_causal_words_that_part_ways_take_a_pass_each() -> None:
    fills, readings = plan_causal([((5, 6),), ((7, 8),)], [None], None)
    assert fills == (((5,),), ((7,),))
    assert [(r.word, r.fill, r.read, r.token) for r in readings] == [
        (0, 0, 0, 5),
        (0, 0, 1, 6),
        (1, 1, 0, 7),
        (1, 1, 1, 8),
    ]


def test_a_second_mask_after_the_same_word_is_not_read_where_the_word_goes_on() -> None:
    """`a + b` reads its b after the text between the masks; `a c + d` goes on with c at the first mask."""
    fills, readings = plan_causal([((1,), (2,)), ((1, 3), (4,))], [None, None], None)
    assert sorted(fills) == [((1,), ()), ((1, 3), ())]
    own = {w: {r.fill for r in readings if r.word == w} for w in (0, 1)}
    assert own[0] != own[1]
