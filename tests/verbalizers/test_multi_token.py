"""Plans for words of several tokens, by hand and against each mode's definition on a made-up language model."""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import fsum
from typing import Any

import pytest
import torch
from families import tiny

from promptdsl.encoding.encoder import Layout, lay_out, tokenize
from promptdsl.encoding.rows import as_rows
from promptdsl.language.schema import STEP_KINDS
from promptdsl.models.prompt_model import PromptModel
from promptdsl.verbalizers.multi_token import (
    PLANNERS,
    Parts,
    Plan,
    Reading,
    plan,
    word_scores,
)

M = 99


def fills_and_readings(words: Any, counts: Any, mask_id: int | None) -> tuple[Any, Any]:
    found = plan(words, counts, mask_id)
    return found.fills, found.readings


def test_masked_words_of_one_length_share_a_pass_and_count_with_their_mean() -> None:
    fills, readings = fills_and_readings([((1,),), ((2, 3),), ((4,),)], [None], M)
    assert fills == (((M,),), ((M, M),))
    assert readings == (
        Reading(0, 0, 0, 1, 1.0),
        Reading(1, 1, 0, 2, 0.5),
        Reading(1, 1, 1, 3, 0.5),
        Reading(2, 0, 0, 4, 1.0),
    )


def test_masked_parts_at_a_mask_of_n_count_with_their_sum() -> None:
    fills, readings = fills_and_readings([((1,), (2, 3))], [None, 2], M)
    assert fills == (((M,), (M, M)),)
    assert [(r.read, r.token, r.weight) for r in readings] == [(0, 1, 1.0), (1, 2, 1.0), (2, 3, 1.0)]


def test_causal_words_that_begin_alike_share_a_pass() -> None:
    """[5], [5 6], [5 6 7] and [8] are all read on the way through the context 5 6."""
    fills, readings = fills_and_readings([((5,),), ((5, 6),), ((5, 6, 7),), ((8,),)], [None], None)
    assert fills == (((5, 6),),)
    assert [(r.word, r.read, r.token) for r in readings] == [
        (0, 0, 5),
        (1, 0, 5), (1, 1, 6),
        (2, 0, 5), (2, 1, 6), (2, 2, 7),
        (3, 0, 8),
    ]  # fmt: skip


def test_causal_words_that_part_ways_take_a_pass_each() -> None:
    fills, readings = fills_and_readings([((5, 6),), ((7, 8),)], [None], None)
    assert fills == (((5,),), ((7,),))
    assert [(r.word, r.fill, r.read, r.token) for r in readings] == [
        (0, 0, 0, 5),
        (0, 0, 1, 6),
        (1, 1, 0, 7),
        (1, 1, 1, 8),
    ]


def test_a_second_mask_after_the_same_word_is_not_read_where_the_word_goes_on() -> None:
    """`a + b` reads its b after the text between the masks; `a c + d` goes on with c at the first mask."""
    fills, readings = fills_and_readings([((1,), (2,)), ((1, 3), (4,))], [None, None], None)
    assert sorted(fills) == [((1,), ()), ((1, 3), ())]
    own = {w: {r.fill for r in readings if r.word == w} for w in (0, 1)}
    assert own[0] != own[1]


def test_the_modes_are_those_of_the_language() -> None:
    assert tuple(PLANNERS) == STEP_KINDS["tokens"].value.choices


def test_sequential_fills_a_word_in_from_left_to_right() -> None:
    """[1 2 3] is read behind nothing, 1 and 1 2; [1 4 5] shares the first two of these; [6] is shorter."""
    found = plan([((1, 2, 3),), ((1, 4, 5),), ((6,),)], [None], M, "sequential")
    assert found.fills == (((M, M, M),), ((1, M, M),), ((1, 2, M),), ((1, 4, M),), ((M,),))
    assert [(r.word, r.fill, r.read, r.token) for r in found.readings] == [
        (0, 0, 0, 1), (0, 1, 1, 2), (0, 2, 2, 3),
        (1, 0, 0, 1), (1, 1, 1, 4), (1, 3, 2, 5),
        (2, 4, 0, 6),
    ]  # fmt: skip
    assert [round(r.weight, 6) for r in found.readings] == [0.333333] * 6 + [1.0]


def test_sequential_takes_the_mask_tags_from_left_to_right() -> None:
    found = plan([((1, 2), (3, 4))], [None, 2], M, "sequential")
    assert found.fills == (((M, M), (M, M)), ((1, M), (M, M)), ((1, 2), (M, M)), ((1, 2), (3, M)))
    assert [(r.fill, r.read, r.token, r.weight) for r in found.readings] == [
        (0, 0, 1, 0.5), (1, 1, 2, 0.5), (2, 2, 3, 1.0), (3, 3, 4, 1.0),
    ]  # fmt: skip


def test_one_mask_stands_for_words_of_any_length_and_those_at_a_mask_of_n_stay() -> None:
    words: list[Parts] = [((1, 2, 3), (4, 5)), ((6,), (7, 8))]
    for mode in ("first", "mean", "max"):
        assert plan(words, [None, 2], M, mode).fills == (((M,), (M, M)),)
    assert [(r.word, r.read, r.token, r.weight) for r in plan(words, [None, 2], M, "first").readings] == [
        (0, 0, 1, 1.0), (0, 1, 4, 1.0), (0, 2, 5, 1.0), (1, 0, 6, 1.0), (1, 1, 7, 1.0), (1, 2, 8, 1.0),
    ]  # fmt: skip


def test_only_the_first_token_needs_no_word_in_the_input_of_a_causal_model() -> None:
    assert plan([((1, 2, 3),), ((4, 5),)], [None], None, "first").fills == (((),),)


def made_up(kind: str, before: Sequence[int], token: int) -> float:
    """log p of a token, given what stands in the input, for a language that nobody speaks."""
    return -random.Random(repr((kind, tuple(before), token))).random()


def one_token(parts: Parts, counts: Sequence[int | None], mode: str, tag: int, i: int) -> float:
    """What token i of the part at a mask tag scores on a masked model: its place, and the input around it."""
    one_mask = mode in ("first", "mean", "max")
    lengths = [(count or 1) if one_mask else len(part) for part, count in zip(parts, counts, strict=True)]
    filled = [t for part in parts[:tag] for t in part] + list(parts[tag][:i]) if mode == "sequential" else []
    within = 0 if one_mask and not counts[tag] else i
    return made_up("masked", [sum(lengths[:tag]) + within, *filled, *[M] * (sum(lengths) - len(filled))], parts[tag][i])


def by_definition(parts: Parts, counts: Sequence[int | None], mode: str, masked: bool) -> float:
    """A word's score, written down from what the mode means."""
    total = 0.0
    for tag, (part, count) in enumerate(zip(parts, counts, strict=True)):
        before = [t for p in parts[:tag] for t in p]
        scores = [
            one_token(parts, counts, mode, tag, i) if masked else made_up("causal", [*before, *part[:i]], part[i])
            for i in range(len(part))
        ]
        if not count and mode == "first":
            total += scores[0]
        elif not count and mode == "max":
            total += max(scores)
        elif not count and (mode == "mean" or masked):
            total += fsum(scores) / len(scores)
        else:
            total += fsum(scores)
    return total


def read_made_up(found: Plan, masked: bool) -> torch.Tensor:
    """(1, readings): what the made-up model says where the plan reads it."""
    scores = []
    for r in found.readings:
        flat = [token for at_tag in found.fills[r.fill] for token in at_tag]
        scores.append(
            made_up("masked", [r.read, *flat], r.token) if masked else made_up("causal", flat[: r.read], r.token)
        )
    return torch.tensor([scores], dtype=torch.float64)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("mode", list(PLANNERS))
@pytest.mark.parametrize("counts", [(None,), (None, None), (2, None), (None, 2, None)])
def test_a_plan_gives_what_its_mode_means(mode: str, counts: tuple[int | None, ...], masked: bool) -> None:
    draw = random.Random(f"{mode} {counts}")
    words = [
        tuple(tuple(draw.randrange(3) for _ in range(count or draw.randint(1, 3))) for count in counts)
        for _ in range(40)
    ]
    found = plan(words, counts, M if masked else None, mode)
    scores = word_scores(found, len(words), read_made_up(found, masked))
    expected = [by_definition(word, counts, mode, masked) for word in words]
    torch.testing.assert_close(scores[0], torch.tensor(expected, dtype=torch.float64), atol=1e-9, rtol=0)


@pytest.mark.parametrize("mode", list(PLANNERS))
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(
    "words", [[((1,),), ((2,),)], [((1, 2),), ((3, 4),)], [((1, 2),), ((3,),)], [((1, 2),), ((1, 3),)]]
)
def test_logits_do_where_a_shift_of_each_place_moves_all_words_alike(
    words: list[Parts], masked: bool, mode: str
) -> None:
    """The normaliser of a place is a number that is taken from every token read there: does it cancel?"""
    found = plan(words, [None], M if masked else None, mode)
    logits = read_made_up(found, masked)
    before = word_scores(found, 2, logits).log_softmax(-1)
    stays = []
    for step in (2.9, -2.9):
        shifts = torch.tensor([[1.7 * r.fill + step * r.read + 1 for r in found.readings]], dtype=torch.float64)
        stays.append(torch.allclose(word_scores(found, 2, logits - shifts).log_softmax(-1), before))
    assert found.normalised != all(stays)


def test_passes_of_words_filled_in_go_through_the_encoder_and_a_real_model() -> None:
    """Sequential scores equal plain transformers on strings with the word's beginning written out."""
    model, tokenizer = tiny("bert")
    text, word = "the plot is dull", "wonderful terrible film"
    ids = tokenizer(word, add_special_tokens=False)["input_ids"]
    assert len(ids) == 3
    program = PromptModel((model, tokenizer), '<"placeholder":"text_a"> It was <"mask"> .', "x: the; y: a").program
    found = plan([(tuple(ids),)], [None], tokenizer.mask_token_id, "sequential")
    rows = tokenize(program, as_rows([text]), at_masks=len(ids))
    scores, expected = [], []
    with torch.no_grad():
        for r in found.readings:
            (line,) = lay_out(rows, Layout(found.fills[r.fill]))
            log_p = model(torch.tensor([line.input_ids.tolist()])).logits[0].log_softmax(-1)
            scores.append(log_p[line.reads[r.read], r.token])
        start = tokenizer(f"{text} It was", add_special_tokens=False)["input_ids"]
        end = tokenizer(" .", add_special_tokens=False)["input_ids"]
        for i in range(len(ids)):
            masks = [tokenizer.mask_token_id] * (len(ids) - i)
            line_ids = [tokenizer.cls_token_id, *start, *ids[:i], *masks, *end, tokenizer.sep_token_id]
            expected.append(model(torch.tensor([line_ids])).logits[0, 1 + len(start) + i].log_softmax(-1)[ids[i]])
    torch.testing.assert_close(torch.stack(scores), torch.stack(expected), atol=1e-5, rtol=0)
    mean = word_scores(found, 1, torch.stack(scores)[None])
    torch.testing.assert_close(mean, torch.stack(expected).mean()[None, None], atol=1e-5, rtol=0)
