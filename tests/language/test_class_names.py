"""Verbalizer text from class names. Every expectation by hand, over a small knowledge of the test's own."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptdsl import PromptDSLError, Verbalizer
from promptdsl.errors import FileError, VerbalizerError
from promptdsl.knowledge.reader import find_wordnet
from promptdsl.knowledge.related import Related
from promptdsl.language import class_names
from promptdsl.language.schema import ITEM_KINDS

SPORT = {
    "sports": ["game", "War", "team, side", "world", "game"],
    "world": ["war", "globe", "Game", "peace"],
    "match": ["game", "fire", "light"],
}


def test_own_words_first_and_a_word_of_two_classes_for_none() -> None:
    assert Verbalizer.expand(["sports", "world"], SPORT) == 'sports: sports, "team, side"\nworld: world, globe, peace'


def test_seed_words_stand_in_their_own_class_only() -> None:
    made = Verbalizer.expand({"Sci: Tech": ["sports", "match"], "b": "world"}, SPORT)
    assert made == '"Sci: Tech": sports, match, fire, "team, side", light\nb: world, globe, peace'


def test_seeds_that_classes_share() -> None:
    one = {"a": ["one"], "b": [], "c": ["three"]}
    assert Verbalizer.expand({"x": ["a", "b"], "y": ["B", "c"], "z": ["b"]}, one) == "x: a, one\ny: c, three\nz: b"


def test_the_limit_is_of_a_class_and_its_own_words_stay() -> None:
    knowledge = {"a": ["a1", "a2", "a3"], "b": ["b1", "b2"]}
    assert Verbalizer.expand({"x": ["a", "b"]}, knowledge, limit=4) == "x: a, b, a1, b1"
    assert Verbalizer.expand({"x": ["a", "b"]}, knowledge, limit=6) == "x: a, b, a1, b1, a2, b2"
    assert Verbalizer.expand({"x": ["a", "b"]}, knowledge, limit=1) == "x: a, b"


def test_words_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "related.tsv"
    path.write_text("sports\tteam\t0.5\nsports\tgame\t0.9\nworld\twar\n", encoding="utf-8")
    assert Verbalizer.expand(["Sports", "world"], path) == "Sports: Sports, game, team\nworld: world, war"
    assert Verbalizer.expand(("Sports",), str(path), limit=2) == "Sports: Sports, game"
    with pytest.raises(VerbalizerError, match="PD436"):
        Verbalizer.expand(["news"], path)
    with pytest.raises(FileError, match="PD801"):
        Verbalizer.expand(["news"], tmp_path / "none.json")


def test_wordnet_is_asked_for_the_phrases_of_the_names(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []

    def related(word: str, **options: Any) -> tuple[Related, ...]:
        asked.append((word, options))
        return Related(word, "itself"), Related(word + "s", "hyponym")

    monkeypatch.setattr(class_names, "related", related)
    monkeypatch.setattr(class_names, "seeds", lambda name: tuple(name.lower().split("/")))
    assert Verbalizer.expand(["Sci/Tech", "World"]) == "Sci/Tech: sci, tech, scis, techs\nWorld: world, worlds"
    own = {"depth": 1, "relations": ("synonym", "similar", "hyponym", "derivation"), "pos": None, "senses": 3}
    assert asked == [(word, {**own, "limit": 50, "lang": "eng"}) for word in ("sci", "tech", "world")]
    asked.clear()
    Verbalizer.expand(["Sci/Tech"], lang="fra", depth=2, relations=["also"], pos="n", senses=1, limit=9)
    assert asked == [
        ("Sci/Tech", {"depth": 2, "relations": ["also"], "pos": "n", "senses": 1, "limit": 9, "lang": "fra"})
    ]


def test_the_defaults_are_those_of_the_tag() -> None:
    signature = inspect.signature(Verbalizer.expand).parameters
    tag = ITEM_KINDS["wordnet"].attributes
    assert {name: signature[name].default for name in tag} == {name: tag[name].default for name in tag}


def test_the_real_wordnet() -> None:
    if find_wordnet() is None:
        pytest.skip("there is no WordNet on this machine; `promptdsl wordnet` gets it")
    text = Verbalizer.expand(["World", "Sports", "Business", "Sci/Tech"])
    by_label = {c.label: [str(w) for w in c.items] for c in Verbalizer(text).classes}
    assert [words[0] for words in by_label.values()] == ["world", "sports", "business", "science"]
    assert by_label["Sci/Tech"][1] == "technology"
    everything = [word.casefold() for words in by_label.values() for word in words]
    assert len(set(everything)) == len(everything)
    assert "athletics" in by_label["Sports"]  # WordNet: sport, athletics are one synset, sport.n.01


NO_LISTS: list[Any] = [[], {}, "sports", None, 3, ["a", "a"], ["a", ""], [" "], [1]]
NO_MAPPINGS: list[Any] = [{"a": []}, {"a": [""]}, {"a": 1}, {1: ["b"]}]


@pytest.mark.parametrize("names", NO_LISTS + NO_MAPPINGS, ids=repr)
def test_what_are_no_class_names(names: Any) -> None:
    with pytest.raises(VerbalizerError) as caught:
        Verbalizer.expand(names, {"a": ["b"]})
    assert caught.value.code == "PD424" and caught.value.diagnostics[0].help


@pytest.mark.parametrize("knowledge", [3, None, {"a": "b"}, {"a": [1]}, {1: ["b"]}, {"a": {"b": 1}}], ids=repr)
def test_what_is_no_knowledge(knowledge: Any) -> None:
    with pytest.raises(VerbalizerError, match="PD424"):
        Verbalizer.expand(["a"], knowledge)


@pytest.mark.parametrize("limit", [0, -1, True, 2.0, "3", None], ids=repr)
def test_what_is_no_limit(limit: Any) -> None:
    with pytest.raises(VerbalizerError, match="PD424"):
        Verbalizer.expand(["a"], {"a": ["b"]}, limit=limit)


TEXTS = st.text(max_size=6) | st.sampled_from([",", '"', "a: b", "<\"'", ";", "{", "\n", "A", "a"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(TEXTS.filter(str.strip), st.lists(TEXTS, max_size=5), min_size=1, max_size=4))
def test_what_is_written_is_read_as_it_was_meant(knowledge: dict[str, list[str]]) -> None:
    try:
        text = Verbalizer.expand(list(knowledge), knowledge)
    except PromptDSLError as error:  # pragma: no cover - would be a bug
        raise AssertionError(knowledge) from error
    verbalizer = Verbalizer(text)
    assert str(verbalizer) == text and list(verbalizer.labels) == list(knowledge)
    for words, (name, given_words) in zip(verbalizer.classes, knowledge.items(), strict=True):
        texts = [getattr(item, "text", None) for item in words.items]
        assert texts[0] == name and set(texts) <= {name, *given_words}
