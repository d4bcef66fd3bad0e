"""Solved examples against whole strings written out by hand, and what a length budget may never do to them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from families import FAMILIES, byte_level, sentencepiece_bpe, tiny, unigram, wordpiece
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from promptdsl.encoding import as_rows, bind, encode
from promptdsl.encoding.compiler import FieldSlot, FixedSlot, TokenProgram
from promptdsl.encoding.demos import Demonstration, demonstrations, fair_share, first_words, require_demos
from promptdsl.encoding.encoder import Encoding, default_layout, lay_out, tokenize
from promptdsl.errors import PromptDSLError, TrainingError, VerbalizerError

POCKET = Path(__file__).resolve().parents[2] / "promptdsl" / "pocket"
PLAIN = '<"demos":2><"placeholder":"text_a"> It was <"mask">.'
SHOTS = ["a stirring film", "the plot is dull"]
WORDS = ["great", "bad"]


def solve(program: TokenProgram, rows: Any, words: Sequence[str], share: int | None = None) -> list[Demonstration]:
    """Rows solved with one word each, tokenised as it would stand at each mask."""
    parts = [tuple(tuple(program.text.encode([" " * m.leading_space + w])[0]) for m in program.masks) for w in words]
    return demonstrations(program, as_rows(rows), list(words), parts, share=share)


def read(program: TokenProgram, row: Any, demos: Sequence[Demonstration], **options: Any) -> Encoding:
    tokens = tokenize(program, as_rows([row]), demos=[demos], **options)
    return lay_out(tokens, default_layout(program))[0]


def pocket(name: str) -> Any:
    return AutoTokenizer.from_pretrained(POCKET / name)


# Template → the whole string for a masked LM, with two examples.
STRINGS = {
    PLAIN: "a stirring film It was great.\nthe plot is dull It was bad.\nso funny It was {mask}.",
    '<"demos":2,"separator":" ### "><"placeholder":"text_a"> It was <"mask">': (
        "a stirring film It was great ### the plot is dull It was bad ### so funny It was {mask}"
    ),
    'Rate it: <"demos":2><"placeholder":"text_a"> It was <"mask"> .': (
        "Rate it: a stirring film It was great .\nthe plot is dull It was bad .\nso funny It was {mask} ."
    ),
    '<"demos":2,"separator":"\\n\\n"> <"placeholder":"text_a"> It was <"mask"> .': (
        "a stirring film It was great .\n\n the plot is dull It was bad .\n\n so funny It was {mask} ."
    ),
    '<"placeholder":"text_a"> It was <"mask"> . <"demos":2,"separator":" "> Yes': (
        "so funny It was {mask} . a stirring film It was great . the plot is dull It was bad . Yes"
    ),
}


MASKED = {
    "wordpiece": wordpiece,
    "bytes": lambda: byte_level(True),
    "unigram": unigram,
    "pocket-mlm": lambda: pocket("mlm"),
}
# A sentencepiece tokenizer itself writes a blank between a mask and what follows it.
CASES = [(n, t) for n in MASKED for t in STRINGS if n != "unigram" or t != PLAIN]


@pytest.mark.parametrize(("name", "template"), CASES)
def test_two_examples_have_the_ids_of_the_whole_string_on_masked_models(name: str, template: str) -> None:
    tokenizer = MASKED[name]()
    program = bind(template, tokenizer)
    found = read(program, "so funny", solve(program, SHOTS, WORDS))
    whole = tokenizer(STRINGS[template].format(mask=tokenizer.mask_token))["input_ids"]
    assert found.input_ids.tolist() == whole
    assert [whole[p] for p in found.reads.tolist()] == [tokenizer.mask_token_id]
    place = program.slots.index(program.demos)
    solved = tokenizer.decode([i for i, s in zip(whole, found.slots.tolist(), strict=True) if s == place])
    assert "so funny" not in solved and "great" in solved and "bad" in solved


CAUSAL = {
    PLAIN: "a stirring film It was great.\nthe plot is dull It was bad.\nso funny It was",
    'Rate it:\n\n<"demos":2,"separator":"\\n\\n"><"placeholder":"text_a"> So <"mask">! Really.': (
        "Rate it:\n\na stirring film So great! Really.\n\nthe plot is dull So bad! Really.\n\nso funny So"
    ),
    'See: <"demos":2> <"placeholder":"text_a"> It was <"mask">': (
        "See: a stirring film It was great\n the plot is dull It was bad\n so funny It was"
    ),
}


@pytest.mark.parametrize("template", CAUSAL, ids=range(len(CAUSAL)))
@pytest.mark.parametrize("name", ["bytes", "pocket-clm"])
def test_examples_on_a_causal_model_keep_what_the_query_does_not_read(name: str, template: str) -> None:
    tokenizer = byte_level(False) if name == "bytes" else pocket("clm")
    program = bind(template, tokenizer)
    found = read(program, "so funny", solve(program, SHOTS, WORDS))
    assert found.input_ids.tolist() == tokenizer(CAUSAL[template])["input_ids"]
    assert found.reads.tolist() == [len(found) - 1]


def test_only_the_start_of_the_input_gets_a_dummy_prefix() -> None:
    tokenizer = sentencepiece_bpe()
    program = bind(PLAIN, tokenizer)
    view = program.text
    solved = solve(program, SHOTS, WORDS)
    start = view.encode(["a stirring film"], at_start=True)[0]
    (later, was, great, bad, full, line, query) = view.encode(
        ["the plot is dull", " It was", " great", " bad", ".", "\n", "so funny"]
    )
    expected = [1, *start, *was, *great, *full, *line, *later, *was, *bad, *full, *line, *query, *was]
    assert read(program, "so funny", solved).input_ids.tolist() == expected
    # Without examples the query itself stands at the start, and gets the prefix.
    (alone,) = encode(program, ["so funny"])
    assert alone.input_ids.tolist() == [1, *view.encode(["so funny"], at_start=True)[0], *was]
    # The second example alone is now the first.
    shortened = read(program, "so funny", solved[1:])
    begins = view.encode(["the plot is dull"], at_start=True)[0]
    assert shortened.input_ids.tolist() == [1, *begins, *was, *bad, *full, *line, *query, *was]


REAL = {
    "tokenizers/bert-base-uncased": "masked",
    "minilm-mlm": "masked",
    "tokenizers/gpt2": "causal",
    "tokenizers/t5": "causal",
}


@pytest.mark.parametrize("name", REAL)
def test_genuine_tokenizers_give_the_same_ids_to_the_whole_string(shared: Path, name: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(shared / "models" / name)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    causal = REAL[name] == "causal"
    program = bind(PLAIN, tokenizer, family=REAL[name])
    rows = ["Fast, funny & 100% charming!", "It's 90 minutes — too long", "naïve (and dull)"]
    found = read(program, rows[2], solve(program, rows[:2], ["wonderful", "unwatchable"]))
    ends = "" if causal else f" {tokenizer.mask_token}."
    whole = f"{rows[0]} It was wonderful.\n{rows[1]} It was unwatchable.\n{rows[2]} It was{ends}"
    assert found.input_ids.tolist() == tokenizer(whole, add_special_tokens=not causal)["input_ids"]


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_every_family_reads_its_masks_behind_examples_that_spell_masks(family: Any) -> None:
    _, tokenizer = tiny(family.name)
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    program = bind('So <"demos":3><"placeholder":"text_a"> It was <"mask">.', tokenizer)
    hostile = ["[MASK] <mask>", "</s> [SEP]<s>", '<"mask"> [CLS]']
    plain, found = read(program, "[MASK]", []), read(program, "[MASK]", solve(program, hostile, ["good"] * 3))
    around = [i for i in plain.input_ids.tolist() if i in special]
    assert [i for i in found.input_ids.tolist() if i in special] == around
    (place,) = found.reads.tolist()
    if family.kind == "masked":
        assert found.input_ids[place] == tokenizer.mask_token_id
        assert found.slots[place] == program.slots.index(program.masks[0])
    else:
        assert place == len(found) - 1


@pytest.mark.parametrize(
    ("template", "pieces"),
    [
        ('Rate. <"demos":2><"placeholder":"text_a"> is <"mask">.', ["text_a", " is", "mask", "."]),
        ('<"placeholder":"text_a"> is <"mask">. <"demos":2>The end', ["text_a", " is", "mask", "."]),
        ('<"meta":"m"> <"demos":2> <"placeholder":"text_a"> is <"mask">', ["m", "text_a", " is", "mask"]),
        ('<"mask"> is <"demos":2>, <"mask">', ["mask", " is", ",", "mask"]),
    ],
)
def test_an_example_is_the_side_of_the_tag_that_varies(template: str, pieces: list[str]) -> None:
    program = bind(template, wordpiece())
    assert program.demos is not None
    shown = [
        s.piece.value
        if isinstance(s, FieldSlot)
        else program.text.token(s.ids[0]).rjust(len(p))
        if isinstance(s, FixedSlot)
        else "mask"
        for s, p in zip(program.demos.example, pieces, strict=True)
    ]
    assert shown == pieces


def test_soft_vectors_in_an_example_are_the_query_s() -> None:
    program = bind('<"soft":2> <"demos":2,"separator":""><"soft":3> <"placeholder":"text_a"> <"mask">', wordpiece())
    assert program.soft == 5
    found = read(program, "the film", solve(program, ["was"], ["good"]))
    assert found.soft.tolist() == [-1, 0, 1, 2, 3, 4, -1, -1, 2, 3, 4, -1, -1, -1, -1]
    assert found.tokens()[6:8] == ["was", "good"]


def test_two_masks_take_a_word_each_and_a_wide_mask_its_tokens() -> None:
    program = bind('<"demos":1><"placeholder":"text_a"> <"mask"> or <"mask":2>', wordpiece())
    good, bad, film = wordpiece().convert_tokens_to_ids(["good", "bad", "film"])
    (solved,) = demonstrations(program, as_rows(["the"]), ["x"], [((good,), (bad, film))])
    assert [program.text.token(i) for i in solved.ids] == ["the", "good", "or", "bad", "film"]
    assert len(read(program, "the", [solved]).reads) == 3


def test_segments_go_by_the_query_s_separator() -> None:
    template = '{}<"placeholder":"text_a"><"special":"sep">{}<"placeholder":"text_b"> <"mask">'
    pair = as_rows([("the", "film")])
    for written, zeros in ((('<"demos":1>', ""), 7), (("", '<"demos":1>'), 3)):
        program = bind(template.format(*written), wordpiece())
        made = demonstrations(program, pair, ["x"], [((9,),)])
        found = read(program, ("was", "good"), made)
        assert found.token_type_ids.tolist() == [0] * zeros + [1] * (len(found) - zeros)


def test_an_example_takes_no_more_than_its_share() -> None:
    template = '<"demos":3><"placeholder":"text_a","truncate":"head"> and <"meta":"m"> is <"mask">.'
    program = bind(template, wordpiece())
    assert fair_share(program, 42) == 10 and fair_share(program, None) is None
    row = {"text_a": "the film was good", "m": "the best"}
    (whole,) = solve(program, [row], ["good"])
    (cut,) = solve(program, [row], ["good"], share=8)
    (least,) = solve(program, [row], ["good"], share=3)
    assert " ".join(map(program.text.token, whole.ids)) == "the film was good and the best is good ."
    assert " ".join(map(program.text.token, cut.ids)) == "was good and the best is good ."
    assert " ".join(map(program.text.token, least.ids)) == "and the best is good ."
    assert [d.cut for d in (whole, cut, least)] == [0, 2, 4]
    assert str(cut) == "row 0 (good), 8 tokens, 2 cut"


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_examples_give_way_to_the_row_s_text_the_last_first(data: st.DataObject) -> None:
    tokenizer = data.draw(st.sampled_from([wordpiece(), sentencepiece_bpe(), byte_level(True), unigram()]))
    tag = data.draw(st.sampled_from(['<"demos":4>', 'So <"demos":4> ', '<"demos":4,"separator":" # "> ']))
    program = bind(tag + '<"placeholder":"text_a"> was <"mask">, <"text":"of it all","shortenable":true>', tokenizer)
    lengths = data.draw(st.lists(st.integers(0, 12), min_size=0, max_size=4))
    limit, own = data.draw(st.integers(16, 90)), data.draw(st.integers(1, 40))
    demos = solve(program, ["the film " * n for n in lengths], ["good"] * len(lengths)) if lengths else []
    row = "the film " * own
    found = read(program, row, demos, max_length=limit)
    assert len(found) <= limit
    kept = list(found.demos)
    assert kept == demos[: len(kept)]
    place = program.slots.index(program.demos)
    assert found.cut[place] == len(demos) - len(kept)
    (at,) = found.reads.tolist()
    if program.family == "masked":
        assert found.input_ids[at] == tokenizer.mask_token_id
    if kept:
        assert sum(found.cut) == found.cut[place]  # nothing of the row is cut beside examples
    if len(kept) < len(demos):
        assert len(read(program, row, demos[: len(kept) + 1])) > limit  # one more has no room
    expected = read(program, row, kept) if kept else read(program, row, (), max_length=limit)
    assert found.input_ids.tolist() == expected.input_ids.tolist()


def test_rows_of_one_batch_have_their_own_examples() -> None:
    program = bind(PLAIN, byte_level(True))
    solved = solve(program, SHOTS, WORDS)
    rows = as_rows(["so funny", "the film " * 30, "dull"])
    tokens = tokenize(program, rows, demos=[solved, solved[:1], []], max_length=60)
    found = lay_out(tokens, default_layout(program))
    assert [[d.row for d in e.demos] for e in found] == [[0, 1], [], []]
    assert found[0].input_ids.tolist() == read(program, "so funny", solved).input_ids.tolist()
    (alone,) = encode(program, ["dull"])
    assert found[2].input_ids.tolist() == alone.input_ids.tolist()


def test_a_row_of_the_fitted_data_that_cannot_be_read_is_named() -> None:
    program = bind(PLAIN, wordpiece())
    with pytest.raises(PromptDSLError, match='PD604 row 1, column "text_a"'):
        solve(program, ["fine", None], ["good", "bad"])


def test_demos_behind_the_last_mask_are_for_masked_models() -> None:
    template = '<"placeholder":"text_a"> is <"mask">. <"demos":2>'
    assert bind(template, wordpiece()).demos is not None
    with pytest.raises(PromptDSLError, match="PD356"):
        bind(template, byte_level(False))


def test_examples_before_fit_and_classes_without_words_are_errors() -> None:
    program = bind(PLAIN, wordpiece())
    with pytest.raises(TrainingError, match="PD710 the template asks for 2 solved examples"):
        require_demos(program, None)
    require_demos(program, ())
    require_demos(bind('<"mask">', wordpiece()), None)
    words = [(1, ((7,),)), (0, ((5,),)), (1, ((8,),))]
    assert first_words(["no", "yes"], words) == [((5,),), ((7,),)]
    with pytest.raises(VerbalizerError, match='PD520 class "maybe"'):
        first_words(["no", "yes", "maybe"], words)
