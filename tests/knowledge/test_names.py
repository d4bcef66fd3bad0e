"""Class names of well-known data sets, as a person would ask WordNet about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptdsl.errors import VerbalizerError
from promptdsl.knowledge.names import ABBREVIATIONS, seeds
from promptdsl.knowledge.spelling import spelled, spellings
from promptdsl.knowledge.wordnet import parts_of_speech

NAMES = {
    # AG's News
    "World": "world",
    "Sports": "sports",
    "Sci/Tech": "science technology",
    # DBpedia
    "Company": "company",
    "EducationalInstitution": "educational_institution",
    "OfficeHolder": "officeholder",
    "MeanOfTransportation": "transportation",
    "NaturalPlace": "place",
    "WrittenWork": "work",
    # Yahoo! Answers
    "Society & Culture": "society culture",
    "Science & Mathematics": "science mathematics",
    "Computers & Internet": "computers internet",
    # 20 Newsgroups
    "comp.graphics": "computer graphics",
    "rec.sport.hockey": "recreation sport hockey",
    "sci.med": "science medicine",
    "talk.politics.guns": "talk politics guns",
    "alt.atheism": "atheism",
    # TREC
    "ABBR": "abbreviation",
    "HUM": "human",
    "LOC": "location",
    # sentiment, relations, intents
    "neg": "negative",
    "very_positive": "positive",
    "Product-Producer(e2,e1)": "product producer",
    "Cause-Effect": "cause effect",
    "per:city_of_birth": "person city birth",
    "card_arrival": "card arrival",
    "business_news": "business_news",
    "World War II": "World_War_II",
    "well-being": "well-being",
    "U.S.": "U.S.",
    "TV": "TV",
}


@pytest.mark.parametrize(("name", "expected"), NAMES.items(), ids=NAMES)
def test_a_class_name_gives_its_seeds(wordnet: Path, name: str, expected: str) -> None:
    assert seeds(name) == tuple(seed.replace("_", " ") for seed in expected.split())


def test_every_abbreviation_stands_for_what_wordnet_has(wordnet: Path) -> None:
    assert [word for word in ABBREVIATIONS.values() if not parts_of_speech(word)] == []
    assert [short for short, word in ABBREVIATIONS.items() if short == word or not short.islower()] == []


@pytest.mark.parametrize("name", ["xqzt", "", "42", "a/b", "not_duplicate", "non-toxic things", "🙂", "&"])
def test_a_class_name_without_seeds_asks_for_them(wordnet: Path, name: str) -> None:
    with pytest.raises(VerbalizerError) as caught:
        seeds(name)
    assert str(caught.value) == (
        f'PD431 WordNet has nothing for the class name "{name}"\n'
        '  = help: give its seed words by hand: Verbalizer.expand({"label": ["seed", …]})'
    )


@pytest.mark.parametrize("name", ["x" * 10_000, "../../etc/passw0rt", "\ud800", "a\x00b", "\n", None, 3, "_" * 100])
def test_hostile_names_end_in_a_coded_error(wordnet: Path, name: Any) -> None:
    with pytest.raises(VerbalizerError) as caught:
        seeds(name)
    assert caught.value.code == "PD431"
    assert len(str(caught.value).encode()) < 2048


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("OfficeHolder", "office holder"),
        ("office_holder", "office holder"),
        ("NBATeam", "NBA team"),
        ("sports", "sports"),
        ("TV", "TV"),
        ("Top10List", "top10 list"),
        ("  a \t b ", "a b"),
        ("", ""),
    ],
)
def test_names_of_code_become_words(name: str, words: str) -> None:
    assert spelled(name) == words


def test_spellings_begin_with_what_was_written() -> None:
    assert spellings("well made") == ("well_made", "well-made", "wellmade")
    assert spellings("OfficeHolder") == ("OfficeHolder", "office_holder", "office-holder", "officeholder")
    assert spellings("good") == ("good",)
    assert spellings("x" * 201) == spellings(" ") == ()
