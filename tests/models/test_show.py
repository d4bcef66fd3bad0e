"""`show`: what it prints, whole, for tiny models of both families; and that its parts agree with plain transformers."""

from __future__ import annotations

import json

import pytest
import torch
from families import tiny, wordpiece

from promptdsl import PromptDSLError, Template, show
from promptdsl.encoding import as_rows, bind
from promptdsl.encoding.demos import demonstrations
from promptdsl.encoding.encoder import default_layout, lay_out, tokenize
from promptdsl.models.show_text import encoding_text

TEMPLATE = '<"placeholder":"text_a"> It was <"mask">.'

MASKED = """\
template
  placeholder "text_a"
  " It was "
  mask
  "."

program for BertForMaskedLM (masked)
     added   by the tokenizer          [CLS] (2)
  0  column  <"placeholder":"text_a">  a row's text, cut at the tail
  1  fixed   " It was"                 it (N) was (N)
  2  mask    <"mask">                  as many positions as a label word has, label words with a leading space
  3  fixed   "."                       . (N)
     added   by the tokenizer          [SEP] (3)

2 label words, 2 forward passes a row
  no
    not: not (N)
  yes
    the film: the (N) film (N)
  pass 0 has at the masks: [MASK]
  pass 1 has at the masks: [MASK] [MASK]

row 0: 9 positions of at most 10
  0        by the tokenizer          [CLS]
  1–3      <"placeholder":"text_a">  film film film   (3 tokens cut at the tail)
  4–5      " It was"                 it was
  6        <"mask">                  [MASK]   (read here)
  7        "."                       .
  8        by the tokenizer          [SEP]"""


def test_everything_is_printed_and_nothing_is_printed_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    shown = show(TEMPLATE, ["film " * 6], tiny("bert"), verbalizer="no: not; yes: the film", max_length=10)
    assert capsys.readouterr() == ("", "")
    *lines, last = str(shown).splitlines()
    expected = MASKED
    for word in ("it", "was", "not", "the", "film", "."):
        expected = expected.replace(f" {word} (N)", f" {word} ({wordpiece().convert_tokens_to_ids(word)})")
    assert "\n".join(lines) == expected
    assert last.startswith("  the model's own words at position 6: ")


def test_the_models_own_words_are_those_of_plain_transformers() -> None:
    model, tokenizer = tiny("bert")
    shown = show(TEMPLATE, ["the film", "a mess"], (model, tokenizer))
    for text, (words,) in zip(["the film", "a mess"], shown.top_words, strict=True):
        inputs = tokenizer(f"{text} It was [MASK].", return_tensors="pt")
        place = inputs["input_ids"][0].tolist().index(tokenizer.mask_token_id)
        with torch.no_grad():
            best = model(**inputs).logits[0, place].softmax(-1).topk(5)
        assert [p for _, p in words] == pytest.approx(best.values.tolist(), rel=1e-4)
        expected = [tokenizer.decode([i]).strip() for i in best.indices.tolist()]
        assert [w for w, _ in words] == expected


def test_a_causal_model_reads_before_the_mask_and_nothing_after_it() -> None:
    model, tokenizer = tiny("gpt2")
    shown = show('A film <"mask"> again <"mask">. The end', [""], (model, tokenizer))
    text = str(shown)
    length = len(tokenizer("A film", add_special_tokens=False)["input_ids"])
    assert f"(read at position {length - 1}: what comes next)" in text
    assert 'not read: ". The end" stands after the last mask' in text
    assert text.count("(stands after the first mask's word)") == 2
    (row,) = shown.as_dict()["rows"]
    assert row["ids"] == tokenizer("A film", add_special_tokens=False)["input_ids"]
    assert row["reads"] == [length - 1]


def test_soft_tokens_and_prefix_are_shown_without_weights() -> None:
    template = '<"prefix":5><"soft":"the film"> <"placeholder":"text_a"> <"soft":2,"encoder":"lstm"> <"mask">'
    shown = show(template, ["film", ""], tiny("bert"), verbalizer="no: not; yes: good")
    text = str(shown)
    assert "5 keys and values in every layer" in text
    assert "row 0: 13 positions of at most 128, 5 of them prefix" in text  # CLS, 2, film, 2, MASK, SEP and 5
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert '1–2 <"soft":"the film"> «0» «1»' in lines
    assert '4–5 <"soft":2,"encoder":"lstm"> «2» «3»' in lines
    assert '<"placeholder":"text_a"> (empty)' in lines
    assert shown.top_words == ()


def test_a_tokenizer_alone_shows_tokens_and_label_words() -> None:
    shown = show(TEMPLATE, ["film"], wordpiece(), verbalizer="no: not; yes: good")
    assert shown.top_words == ()
    assert shown.max_length == 128  # the tokenizer's
    assert shown.encodings[0].tokens() == ["[CLS]", "film", "it", "was", "[MASK]", ".", "[SEP]"]
    causal = show(TEMPLATE, ["film"], wordpiece(), family="causal")
    assert causal.encodings[0].tokens() == ["[CLS]", "film", "it", "was"]


def test_without_a_model_there_is_the_tree_only() -> None:
    assert str(show(TEMPLATE)) == Template(TEMPLATE).tree()
    for given in ({"rows": ["x"]}, {"verbalizer": "a: b"}):
        with pytest.raises(PromptDSLError, match="PD519"):
            show(TEMPLATE, **given)  # type: ignore[arg-type]


def test_label_words_need_a_mask() -> None:
    with pytest.raises(PromptDSLError, match="PD355"):
        show('<"placeholder":"text_a">', ["x"], wordpiece(), verbalizer="a: film")


def test_long_rows_wrap_and_control_characters_are_escaped() -> None:
    shown = show(TEMPLATE, ["film " * 100], tiny("bert"))
    row = str(shown).split("\n\n")[-1]
    assert max(map(len, row.splitlines())) <= 110
    assert row.count("film") == 100
    assert "\x1b" not in str(show('\x1b[31m<"mask">', [{}], tiny("bert")))


def test_the_data_are_json() -> None:
    data = show(TEMPLATE, ["film"], tiny("bert"), verbalizer="no: not; yes: good").as_dict()
    again = json.loads(json.dumps(data))
    assert again["pieces"] == ['<"placeholder":"text_a">', '" It was"', '<"mask">', '"."']
    assert [w["label"] for w in again["label_words"]] == ["no", "yes"]
    assert again["rows"][0]["pieces"] == [None, 0, 1, 1, 2, 3, None]


def test_solved_examples_are_named_and_promised_before_fit() -> None:
    template = 'Rate.\n<"demos":2,"separator":" and"><"placeholder":"text_a"> <"mask">.'
    shown = show(template, ["the film"], wordpiece(), family="causal")
    lines = [" ".join(line.split()) for line in str(shown).splitlines()]
    (and_id,) = wordpiece().convert_tokens_to_ids(["and"])
    slot = '<"demos":2,"separator":" and">'
    assert f"1 demos {slot} 2 solved examples after fit, evenly from the classes, after each: and ({and_id})" in lines
    assert f"{slot} (2 solved examples after fit)" in lines
    assert 'not read: "." stands after the last mask; the solved examples keep it' in lines
    assert shown.as_dict()["rows"][0]["demos"] == []


def test_a_row_says_which_examples_it_has_and_how_many_had_no_room() -> None:
    program = bind('<"demos":3><"placeholder":"text_a"> <"mask">', wordpiece())
    (good,) = wordpiece().convert_tokens_to_ids(["good"])
    made = demonstrations(program, as_rows(["the film", "it", "was"]), ["a", "b", "c"], [((good,),)] * 3)
    tokens = tokenize(program, as_rows(["the"]), demos=[made], max_length=8)
    (encoding,) = lay_out(tokens, default_layout(program))
    lines = [" ".join(line.split()) for line in encoding_text(encoding, 0, 8, ()).splitlines()]
    assert '1–3 <"demos":3> the film good (row 0 (a); 2 left out for want of room)' in lines
