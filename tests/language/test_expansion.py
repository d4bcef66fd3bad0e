"""Items that become label words: order, repeats, traces, places of errors. Every expectation by hand."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptdsl import Verbalizer
from promptdsl.errors import VerbalizerError, fail
from promptdsl.knowledge.related import Related
from promptdsl.language import expansion
from promptdsl.language.audit import Decision, Trace
from promptdsl.language.expansion import KNOWLEDGE, decide, replace_items
from promptdsl.language.nodes import LabelledWords, Tag, Word


def neighbors(words: LabelledWords, tag: Tag) -> Sequence[Related]:
    """The seeds' letters doubled, each with its place as score."""
    return [Related(2 * seed, f"near {seed}", float(n)) for n, seed in enumerate(str(tag.value).split())]


def texts(verbalizer: Verbalizer) -> list[list[str]]:
    return [[item.text if isinstance(item, Word) else str(item) for item in c.items] for c in verbalizer.classes]


MIXED = Verbalizer(
    'n: <"neighbors":"a b">, bad, <"soft":"x">, aa, <"neighbors":"c b a">\np: good, <"neighbors":"a">\n<"pool":"max">'
)


def test_what_a_class_has_stands_first_and_every_word_once() -> None:
    made = replace_items(MIXED, {"neighbors": neighbors})
    assert texts(made) == [["bad", '<"soft":"x">', "aa", "bb", "cc"], ["good", "aa"]]
    assert str(made) == 'n: bad, <"soft":"x">, aa, bb, cc\np: good, aa\n<"pool":"max">'
    assert made.traces == (
        Trace("n", "bb", 'neighbors "a b": near b', (Decision("neighbors", True, 1.0),)),
        Trace("n", "cc", 'neighbors "c b a": near c', (Decision("neighbors", True, 0.0),)),
        Trace("p", "aa", 'neighbors "a": near a', (Decision("neighbors", True, 0.0),)),
    )


def test_new_words_have_the_place_of_their_item() -> None:
    made = replace_items(MIXED, {"neighbors": neighbors})
    assert made.source == MIXED.source
    spans = [item.span for item in made.classes[0].items]
    assert [made.source[s.start : s.end] for s in spans] == [
        "bad", '<"soft":"x">', "aa", '<"neighbors":"a b">', '<"neighbors":"c b a">',
    ]  # fmt: skip


def test_without_items_of_the_kind_nothing_happens() -> None:
    assert replace_items(MIXED, {"auto": neighbors}) is MIXED
    assert Verbalizer("a: b").expanded() == Verbalizer("a: b")


def test_traces_travel() -> None:
    made = replace_items(MIXED, {"neighbors": neighbors})
    for again in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made), copy.copy(made), Verbalizer(made)):
        assert again == made and again.traces == made.traces and str(again) == str(made)
    twice = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(made))))
    assert (twice, twice.traces, twice.source) == (made, made.traces, str(made))
    assert made == Verbalizer(str(made)) and hash(made) == hash(Verbalizer(str(made)))
    assert repr(made) == f"Verbalizer({str(made)!r})"
    assert Verbalizer(MIXED).source == pickle.loads(pickle.dumps(MIXED)).source == MIXED.source


def test_an_item_for_every_class_is_made_for_each() -> None:
    def label(words: LabelledWords, tag: Tag) -> Sequence[Related]:
        return [Related(words.label * int(str(tag.value)), "the label")]

    made = replace_items(Verbalizer('x: b\ny: d\n<"auto":2>'), {"auto": label})
    assert texts(made) == [["b", "xx"], ["d", "yy"]]


def test_empty_words_are_none() -> None:
    def nothing(words: LabelledWords, tag: Tag) -> Sequence[Related]:
        return [Related("", "empty"), Related(" ", "blank"), Related(" a", "a blank and a letter")][: len(words.label)]

    assert texts(replace_items(Verbalizer('aaa: <"auto":2>'), {"auto": nothing})) == [[" a"]]
    with pytest.raises(VerbalizerError) as caught:
        replace_items(Verbalizer('aaa: b\na: <"auto":2>\nbb: <"auto":1>, <"auto":2>'), {"auto": nothing})
    assert [(d.code, d.line, d.column) for d in caught.value.diagnostics] == [("PD423", 2, 4), ("PD423", 3, 5)]
    mapping = Verbalizer({"a": ['<"auto":2>']})
    with pytest.raises(VerbalizerError) as caught:
        replace_items(mapping, {"auto": nothing})
    assert str(caught.value) == (
        'PD423 the items of the class "a" give no words\n  = help: write a word of the class yourself, or ask for more'
    )


def test_a_class_keeps_what_else_counts_as_a_word() -> None:
    made = replace_items(Verbalizer('a: <"auto":2>, <"soft":"x">'), {"auto": lambda words, tag: []})
    assert texts(made) == [['<"soft":"x">']]
    with pytest.raises(VerbalizerError, match="PD423"):
        replace_items(Verbalizer('a: <"auto":2>, <"cluster":3>'), {"auto": lambda words, tag: []})


def test_what_a_maker_raises_stands_under_its_item() -> None:
    def broken(words: LabelledWords, tag: Tag) -> Sequence[Related]:
        fail("PD501", f"no {tag.value}", help="other words", origin="model")

    text = 'a: b, <"neighbors":"x">\nc: <"neighbors":"y">, <"neighbors":"x">'
    with pytest.raises(VerbalizerError) as caught:
        replace_items(Verbalizer(text), {"neighbors": broken})
    assert str(caught.value) == (
        'PD501 no x\n --> verbalizer:1:7\n  |\n1 | a: b, <"neighbors":"x">\n  |       ^^^^^^^^^^^^^^^^^\n'
        "  = help: other words\n\n"
        'PD501 no y\n --> verbalizer:2:4\n  |\n2 | c: <"neighbors":"y">, <"neighbors":"x">\n'
        "  |    ^^^^^^^^^^^^^^^^^\n  = help: other words"
    )
    with pytest.raises(VerbalizerError) as caught:
        replace_items(Verbalizer({"a": ['<"neighbors":"x">']}), {"neighbors": broken})
    assert str(caught.value) == "PD501 no x\n  = help: other words"


# Knowledge.


@pytest.fixture
def word_list(tmp_path: Path) -> str:
    path = tmp_path / "related.tsv"
    rows = ["sports\tteam\t0.5", "sports\tgame\t0.9", "world\twar, peace", "world\tunited nations", "sports\tball\t0.1"]
    path.write_text("\n".join(rows), encoding="utf-8")
    return str(path)


def test_words_of_a_file(word_list: str) -> None:
    tag = '<"words":' + json.dumps(word_list)
    text = f'Sports: play, {tag},"limit":2>\nnews: {tag},"of":"world">'
    made = Verbalizer(text).expanded()
    assert texts(made) == [["play", "game", "team"], ["war, peace", "united nations"]]
    assert str(made) == 'Sports: play, game, team\nnews: "war, peace", united nations'
    shown = json.dumps(word_list)
    assert made.traces == (
        Trace("Sports", "game", f"words {shown}: word list related.tsv", (Decision("words", True, 0.9),)),
        Trace("Sports", "team", f"words {shown}: word list related.tsv", (Decision("words", True, 0.5),)),
        Trace("news", "war, peace", f"words {shown}: word list related.tsv"),
        Trace("news", "united nations", f"words {shown}: word list related.tsv"),
    )


def test_a_file_that_changes_is_read_again(word_list: str) -> None:
    verbalizer = Verbalizer({"sports": ['<"words":' + json.dumps(word_list) + ">"]})
    assert texts(verbalizer.expanded()) == [["game", "team", "ball"]]
    Path(word_list).write_text("sports\tother", encoding="utf-8")
    assert texts(verbalizer.expanded()) == [["other"]]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    tag = '<"words":"none.tsv">'
    verbalizer = Verbalizer(f"a: b\nc: d\n{tag}")
    with pytest.raises(VerbalizerError) as caught:
        verbalizer.expanded()
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.line, diagnostic.column, diagnostic.origin) == ("PD801", 3, 1, "verbalizer")
    with pytest.raises(VerbalizerError, match="PD801"):
        verbalizer.audit()


def test_a_seed_that_the_file_does_not_have(word_list: str) -> None:
    with pytest.raises(VerbalizerError) as caught:
        Verbalizer('sport: <"words":' + json.dumps(word_list) + ">").expanded()
    assert [(d.code, d.column) for d in caught.value.diagnostics] == [("PD436", 8)]
    assert "sports" in str(caught.value)


def test_wordnet_is_asked_with_what_the_item_says(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, dict[str, object]]] = []

    def answer(word: str, **options: object) -> tuple[Related, ...]:
        asked.append((word, options))
        return Related(word, "itself"), Related("fine", "similar of good.a.01")

    monkeypatch.setattr(expansion, "related", answer)
    made = Verbalizer(
        'p: good, <"wordnet":"good">\n'
        'n: <"wordnet":"bad","depth":2,"relations":["antonym"],"pos":"a","senses":1,"limit":7,"lang":"fra">'
    ).expanded()
    default = ("synonym", "similar", "hyponym", "derivation")
    assert asked == [
        ("good", {"depth": 1, "relations": default, "pos": None, "senses": 3, "limit": 50, "lang": "eng"}),
        ("bad", {"depth": 2, "relations": ("antonym",), "pos": "a", "senses": 1, "limit": 7, "lang": "fra"}),
    ]
    assert texts(made) == [["good", "fine"], ["bad", "fine"]]
    assert made.traces[0] == Trace("p", "fine", 'wordnet "good": similar of good.a.01')


def test_the_items_that_need_no_language_model() -> None:
    assert set(KNOWLEDGE) == {"wordnet", "words"}


# Decisions.


def test_decisions_remove_words_and_are_remembered() -> None:
    made = replace_items(MIXED, {"neighbors": neighbors})
    rare = decide(made, "frequency", {("n", "bb"): (False, 0.25), ("n", "bad"): (True, 3.0), ("p", "aa"): (True, None)})
    assert texts(rare) == [["bad", '<"soft":"x">', "aa", "cc"], ["good", "aa"]]
    assert rare.traces == (
        Trace(
            "n", "bb", 'neighbors "a b": near b', (Decision("neighbors", True, 1.0), Decision("frequency", False, 0.25))
        ),
        Trace("n", "cc", 'neighbors "c b a": near c', (Decision("neighbors", True, 0.0),)),
        Trace(
            "p", "aa", 'neighbors "a": near a', (Decision("neighbors", True, 0.0), Decision("frequency", True, None))
        ),
        Trace("n", "bad", "written", (Decision("frequency", True, 3.0),)),
    )
    last = decide(rare, "relevance", {("n", "bad"): (False, 0.5), ("n", "bb"): (True, 1.0), ("n", "soft"): (False, 0)})
    assert texts(last) == [['<"soft":"x">', "aa", "cc"], ["good", "aa"]]
    assert last.traces[:3] == rare.traces[:3]
    assert last.traces[3].decisions == (Decision("frequency", True, 3.0), Decision("relevance", False, 0.5))
    assert pickle.loads(pickle.dumps(last)).traces == last.traces and Verbalizer(str(last)) == last


def test_a_word_written_twice_is_judged_once() -> None:
    made = decide(Verbalizer("a: b, b, c"), "frequency", {("a", "b"): (False, 0.0)})
    assert texts(made) == [["c"]] and len(made.traces) == 1


def test_a_class_does_not_lose_its_last_word() -> None:
    text = 'a: b, c\nd: e\na2: x, <"soft":"y">\n<"refine":["frequency"]>'
    verbalizer = Verbalizer(text)
    assert texts(decide(verbalizer, "frequency", {("a2", "x"): (False, None)}))[2] == ['<"soft":"y">']
    with pytest.raises(VerbalizerError) as caught:
        decide(verbalizer, "frequency", {("a", "b"): (False, 1.0), ("a", "c"): (False, 1.0)})
    assert str(caught.value) == (
        'PD422 "frequency" leaves no word of the class "a"\n --> verbalizer:4:1\n  |\n4 | <"refine":["frequency"]>\n'
        '  | ^^^^^^^^^^^^^^^^^^^^^^^^ removes its last word\n  = help: keep at least one: <"refine":[…],"keep":1>'
    )
    with pytest.raises(VerbalizerError) as caught:
        decide(verbalizer, "by hand", {("d", "e"): (False, 1.0)})
    assert (caught.value.diagnostics[0].line, caught.value.diagnostics[0].column) == (2, 1)
    with pytest.raises(VerbalizerError) as caught:
        decide(Verbalizer({"d": ["e"]}), "by hand", {("d", "e"): (False, 1.0)})
    assert caught.value.diagnostics[0].span is None
    with pytest.raises(VerbalizerError, match="PD422"):
        decide(Verbalizer('a: b, <"cluster":2>'), "frequency", {("a", "b"): (False, 1.0)})


def test_steps_that_are_done() -> None:
    verbalizer = Verbalizer('a: b\n<"refine":["frequency"]>\n<"pool":"max">')
    done = verbalizer.rewritten(steps=verbalizer.steps[1:])
    assert str(done) == 'a: b\n<"pool":"max">'
    assert pickle.loads(pickle.dumps(done)).steps == verbalizer.steps[1:]


# Any words.

ODD_WORDS = st.sampled_from([*",;:\"'<>{}\n\r\t ", '<"pool"', "a: b", "x + y"])
ANY_WORDS = st.lists(st.text(max_size=8) | ODD_WORDS, max_size=6)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(min_size=1, max_size=4).filter(str.strip), ANY_WORDS, min_size=1, max_size=3))
def test_whatever_words_are_made_the_text_says_them(given_words: Mapping[str, list[str]]) -> None:
    text = "\n".join(f'{json.dumps(label)}: own, <"auto":1>' for label in given_words)
    made = replace_items(
        Verbalizer(text), {"auto": lambda words, tag: [Related(w, "any") for w in given_words[words.label]]}
    )
    expected = [
        list(dict.fromkeys(["own", *(word for word in words if word.strip())])) for words in given_words.values()
    ]
    assert texts(made) == expected
    assert Verbalizer(str(made)) == made
    assert [(t.label, t.word) for t in made.traces] == [
        (label, word) for label, words in zip(given_words, expected, strict=True) for word in words[1:]
    ]
    again = pickle.loads(pickle.dumps(made))
    assert again == made and again.traces == made.traces
