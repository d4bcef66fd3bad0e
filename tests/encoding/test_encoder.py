"""Encodings against whole strings through the Hugging Face tokenizer, and what must never happen."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from families import FAMILIES, byte_level, tiny, unigram, wordpiece
from hypothesis import given, settings
from hypothesis import strategies as st

from promptdsl.encoding import bind, encode
from promptdsl.encoding.encoder import default_layout
from promptdsl.encoding.tokenizer import text_tokenizer
from promptdsl.errors import PromptDSLError

TEXTS = ["A stirring, funny film", "the plot is  dull ", "Ça alors — 漢字 🙂", ""]


@pytest.mark.parametrize("tokenizer", [wordpiece(), byte_level(True), unigram()], ids=["wordpiece", "bytes", "unigram"])
@pytest.mark.parametrize(
    ("template", "string"),
    [
        ('<"placeholder":"text_a"> It was <"mask"> .', "{} It was {mask} ."),
        ('It was <"mask"> , <"placeholder":"text_a">', "It was {mask} , {}"),
        ('<"mask"> news: <"placeholder":"text_a">', "{mask} news: {}"),
        ('A<"mask"> ( <"placeholder":"text_a"> )', "A{mask} ( {} )"),
    ],
)
def test_ids_equal_the_whole_string_s(tokenizer: Any, template: str, string: str) -> None:
    """Whatever merges a tokenizer makes, it makes none across these borders."""
    program = bind(template, tokenizer)
    for text in TEXTS[:3]:
        (found,) = encode(program, [text.strip()])
        whole = tokenizer(string.format(text.strip(), mask=tokenizer.mask_token))
        assert found.input_ids.tolist() == whole["input_ids"]
        (place,) = found.reads.tolist()
        assert whole["input_ids"][place] == tokenizer.mask_token_id


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_a_causal_program_reads_before_the_mask_and_ends_there(name: str) -> None:
    _, tokenizer = tiny(name)
    program = bind('<"placeholder":"text_a"> It was <"mask"> . The end', tokenizer)
    view = text_tokenizer(tokenizer)
    (found,) = encode(program, ["A stirring, funny film"])
    bos = [1] if name == "llama" else []
    expected = [*bos, *view.encode(["A stirring, funny film"], at_start=True)[0], *view.encode([" It was"])[0]]
    assert found.input_ids.tolist() == expected
    assert found.reads.tolist() == [len(expected) - 1]


def test_no_blank_is_made_up_where_none_was_written() -> None:
    """Where a sentencepiece tokenizer itself would put one after a mask: `▁.`"""
    (found,) = encode(bind('<"placeholder":"text_a"> It was <"mask">.', unigram()), ["the film"])
    (spaced,) = encode(bind('<"placeholder":"text_a"> It was <"mask"> .', unigram()), ["the film"])
    assert found.tokens()[-3:] == ["[MASK]", ".", "[SEP]"]
    assert spaced.tokens()[-4:] == ["[MASK]", "▁", ".", "[SEP]"]


def test_an_empty_field_takes_its_blank_with_it() -> None:
    tokenizer = byte_level(True)
    program = bind('So <"placeholder":"text_a"> it was <"mask">', tokenizer)
    (found,) = encode(program, [""])
    assert found.input_ids.tolist() == tokenizer("So it was<mask>")["input_ids"]


def test_pairs_open_the_second_segment_after_the_first_separator() -> None:
    tokenizer = wordpiece()
    program = bind('<"placeholder":"text_a"> <"special":"sep"> <"placeholder":"text_b"> ? <"mask">', tokenizer)
    (found,) = encode(program, [("the film", "was good")])
    ids = tokenizer("the film", "was good ? [MASK]")
    assert found.input_ids.tolist() == ids["input_ids"]
    assert found.token_type_ids.tolist() == ids["token_type_ids"]


def test_soft_vectors_and_prefix_take_room_and_are_numbered() -> None:
    template = '<"prefix":4><"soft":2> <"placeholder":"text_a"> <"soft":"it was","soft_id":1> <"mask"> <"soft_id":1>'
    program = bind(template, wordpiece())
    (found,) = encode(program, ["the film"])
    assert [s for s in found.soft.tolist() if s >= 0] == [0, 1, 2, 3, 2, 3]
    assert program.prefix == 4 and program.soft == 4
    # [CLS] 2 soft + the film + 2 soft + mask + 2 soft + [SEP] = 11, and 4 positions for the prefix
    assert len(found) == 11
    (cut,) = encode(program, ["the film"], max_length=14)
    assert len(cut) == 10 and sum(cut.cut) == 1
    with pytest.raises(PromptDSLError, match="PD504"):
        encode(program, ["the film"], max_length=12)


def test_only_shortenable_pieces_are_cut_and_on_the_side_that_is_named() -> None:
    tokenizer = wordpiece()
    words = ["the", "film", "was", "good", "and", "it", "was", "the", "best", "of", "the", "year"]
    single = [w for w in words if len(tokenizer.tokenize(w)) == 1][:8]
    assert len(single) == 8
    template = '<"placeholder":"text_a","truncate":"%s"> <"meta":"m"> is <"mask">'
    for side, kept in {"tail": single[:3], "head": single[-3:], "middle": [*single[:2], single[-1]]}.items():
        program = bind(template % side, tokenizer)
        row = {"text_a": " ".join(single), "m": "the the"}
        (found,) = encode(program, [row], max_length=2 + 3 + 2 + 2)  # specials, kept, meta, is + mask
        assert found.tokens() == ["[CLS]", *kept, "the", "the", "is", "[MASK]", "[SEP]"]
        assert sum(found.cut) == 5


def test_what_may_not_be_cut_and_does_not_fit_is_an_error_that_names_the_row() -> None:
    program = bind('<"meta":"m"> <"mask">', wordpiece())
    with pytest.raises(PromptDSLError, match="PD608 row 1"):
        encode(program, [{"m": "the"}, {"m": "the " * 20}], max_length=10)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_masks_and_fixed_text_survive_every_length(data: st.DataObject) -> None:
    texts = [" ".join(["the film"] * data.draw(st.integers(0, 40))) for _ in range(2)]
    limit = data.draw(st.integers(8, 60))
    soft = data.draw(st.integers(0, 6))
    tag = f'<"soft":{soft}> ' if soft else ""
    program = bind(f'{tag}<"placeholder":"text_a"> and <"placeholder":"text_b"> was <"mask"> of <"mask">', wordpiece())
    needed = 2 + soft + 5
    if limit < needed:
        with pytest.raises(PromptDSLError, match="PD504"):
            encode(program, [tuple(texts)], max_length=limit)
        return
    (found,) = encode(program, [tuple(texts)], max_length=limit)
    tokens = found.tokens()
    assert len(tokens) <= limit
    assert tokens.count("[MASK]") == 2 == len(found.reads)
    assert [t for t in tokens if t in ("and", "was", "of")] == ["and", "was", "of"]
    assert sum(t.startswith("«") for t in tokens) == soft
    cut_nothing = len(tokens) == needed + sum(2 * t.count("film") for t in texts)
    assert cut_nothing or len(tokens) == limit


def spellings(tokenizer: Any) -> list[str]:
    added = [t.content for t in tokenizer.added_tokens_decoder.values()]
    fixed = ["[MASK]", "<mask>", '<"mask">', '{"mask"}', "</s>", "<s>", "[SEP]", "[CLS]", "<pad>", '<"soft":3>', "«0»"]
    return list(dict.fromkeys([*added, *fixed]))


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_special_tokens_in_data_are_only_text(family: Any) -> None:
    _, tokenizer = tiny(family.name)
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    program = bind('Is <"placeholder":"text_a"> or <"placeholder":"text_b"> it was <"mask">', tokenizer)
    (plain,) = encode(program, [("x", "y")])
    around = [i for i in plain.input_ids.tolist() if i in special]
    shapes = ["{}", "a{}b", " {} ", "{}{}", "\n{}", "a {}, b"]
    rows = [
        pair
        for spelling, shape in itertools.product(spellings(tokenizer), shapes)
        for pair in ((shape.format(spelling, spelling), "y"), ("x", shape.format(spelling, spelling)))
    ]
    for row, found in zip(rows, encode(program, rows), strict=True):
        assert [i for i in found.input_ids.tolist() if i in special] == around, row
        assert len(found.reads) == len(plain.reads)
        if family.kind == "masked":
            assert found.input_ids[found.reads[0]] == tokenizer.mask_token_id


def test_a_word_level_vocabulary_does_not_give_its_mask_away() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.WordLevel({"[UNK]": 0, "[GAP]": 1, "[PAD]": 2, "a": 3}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="[UNK]", mask_token="[GAP]", pad_token="[PAD]"
    )
    (found,) = encode(bind('<"placeholder":"text_a"> <"mask">', tokenizer), ["a [GAP] [PAD] a"])
    assert found.input_ids.tolist() == [3, 0, 0, 3, 1]
    with pytest.raises(PromptDSLError, match="PD353"):
        bind('<"special":"[GAP]"> <"mask">', tokenizer)


@pytest.mark.parametrize(
    ("template", "name", "code"),
    [
        ('<"mask"> <"placeholder":"text_a">', "gpt2", "PD351"),
        ('<"placeholder":"text_a"> <"mask"> <"soft">', "gpt2", "PD351"),
        ('<"mask">', "gpt2", "PD352"),
        ('<"special":"nothing"> <"mask">', "bert", "PD503"),
        ('<"soft":"it was the","length":2> <"mask">', "bert", "PD354"),
    ],
)
def test_templates_that_cannot_work_are_refused_at_bind_time(template: str, name: str, code: str) -> None:
    with pytest.raises(PromptDSLError) as caught:
        bind(template, tiny(name)[1])
    assert caught.value.code == code


def test_a_causal_row_with_nothing_before_its_mask_is_named() -> None:
    program = bind('<"placeholder":"text_a"> <"mask">', tiny("gpt2")[1])
    with pytest.raises(PromptDSLError, match="PD609 row 1"):
        encode(program, ["a", ""])


def test_binding_is_cached_and_prints_itself() -> None:
    program = bind('<"placeholder":"text_a"> It was <"mask">.', wordpiece())
    assert bind('<"placeholder":"text_a"> It was <"mask">.', wordpiece()) is program
    assert "mask" in str(program) and len(default_layout(program).fills) == 1
