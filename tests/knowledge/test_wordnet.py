"""Relatives of words, against WordNet's own files read by hand."""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from promptdsl.errors import PromptDSLError, VerbalizerError
from promptdsl.knowledge import wordnet as room
from promptdsl.knowledge.related import Related
from promptdsl.knowledge.wordnet import RELATIONS, known, parts_of_speech, related
from promptdsl.language import schema

if TYPE_CHECKING:
    from conftest import Database

GOOD = 1123148  # good.a.01: "having desirable or positive qualities especially those suitable for a thing specified"


def words(found: tuple[Related, ...]) -> list[str]:
    return [relative.word for relative in found]


def pointed(database: Database, kind: str, offset: int, symbol: str) -> list[str]:
    """The words of the synsets that a synset's pointers lead to, in the order of the file."""
    line = database.line(kind, offset)
    targets = [database.line(file, target) for mark, target, file, *_ in line.pointers if mark == symbol]
    return [word.replace("_", " ") for target in targets for word in target.words]


def test_similar_words_are_those_of_the_data_file(database: Database) -> None:
    assert database.senses("good", "adj")[0] == GOOD
    expected = pointed(database, "adj", GOOD, "&")
    found = related("good", relations=["similar"], senses=1)
    assert sorted(words(found)[1:]) == sorted(expected)
    assert {relative.how for relative in found} == {"itself", "similar of good.a.01"}
    assert "superb" in expected and len(expected) > 20


@pytest.mark.parametrize(
    ("word", "relation", "symbol"),
    [("science", "hyponym", "~"), ("science", "hypernym", "@"), ("continent", "instance", "~i"), ("car", "part", "%p")],
)
def test_noun_relations_are_those_of_the_data_file_the_commonest_first(
    database: Database, word: str, relation: str, symbol: str
) -> None:
    counts = database.counts()
    offset = next(o for o in database.senses(word, "noun") if any(word == w for w in database.line("noun", o).words))
    expected: list[tuple[int, int, str, str]] = []
    for mark, target, file, *_ in database.line("noun", offset).pointers:
        if mark == symbol:
            line = database.line(file, target)
            first = line.words[0].lower()
            synset = f"{first}.n.{database.senses(first, 'noun').index(target) + 1:02d}"
            for number, lemma in enumerate(line.words):
                name = lemma.replace("_", " ")
                expected.append((-counts.get(line.key(number), 0), name.count(" "), synset, name))
    expected.sort(key=lambda entry: entry[:3])
    found = related(word, relations=[relation], senses=1, pos="n", limit=1000)
    assert words(found) == [word, *dict.fromkeys(name for *_, name in expected)]
    assert len(found) > 1


def test_words_of_a_topic_are_those_of_the_data_file(database: Database) -> None:
    sport = database.senses("sport", "noun")[0]
    expected = pointed(database, "noun", sport, "-c")
    found = related("sport", relations=["topic"], senses=1, pos=None, limit=1000)
    names = {"English"}  # of a spin on a ball: a name beside ordinary words is left out
    assert set(words(found)[1:]) == set(expected) - names - {"sport"} and names < set(expected) and len(found) > 100
    assert {r.how for r in found[1:]} == {"topic of sport.n.01"}


def test_derivation_and_antonym_lead_from_word_to_word(database: Database) -> None:
    line = database.line("adj", database.senses("happy", "adj")[0])
    for relation, symbol in (("derivation", "+"), ("antonym", "!")):
        expected = set()
        for mark, target, file, _, number in line.pointers:
            if mark == symbol:
                expected.add(database.line(file, target).words[number - 1])
        found = related("happy", relations=[relation], senses=1)
        assert set(words(found)[1:]) == expected != set()


def test_what_is_derived_brings_its_synonyms_one_step_later() -> None:
    options: dict[str, Any] = {"relations": ["derivation", "synonym"], "senses": 1}
    near, far = related("happy", **options), related("happy", depth=2, **options)
    assert words(near) == ["happy", "happiness"]
    felicity = next(relative for relative in far if relative.word == "felicity")
    assert felicity.how in ("synonym of happiness.n.01, 2 steps", "synonym of happiness.n.02, 2 steps")


def test_the_commonest_sense_starts_whatever_its_part_of_speech(database: Database) -> None:
    counts = database.counts()
    noun = database.line("noun", database.senses("good", "noun")[0])
    adjective = database.line("adj", GOOD)
    assert counts[adjective.key(0)] > counts[noun.key(noun.words.index("good"))]
    assert {r.how for r in related("good", relations=["similar", "hypernym"], senses=1)[1:]} == {"similar of good.a.01"}
    nouns = related("good", relations=["hypernym"], senses=1, pos="n")
    assert words(nouns)[1:] == pointed(database, "noun", database.senses("good", "noun")[0], "@")


def test_senses_without_any_count_keep_wordnets_order() -> None:
    found = related("goody-goody", relations=["similar", "hypernym"], senses=1)
    assert found[1].how.endswith(("goody-goody.n.01", "goody-goody.s.01"))


def test_two_steps_say_so_and_come_after_one() -> None:
    found = related("peachy", relations=["similar"], depth=2, senses=1, limit=1000)
    assert found[1] == Related("good", "similar of bang-up.s.01")
    assert Related("superb", "similar of good.a.01, 2 steps") in found
    far = [", 2 steps" in relative.how for relative in found]
    assert far == sorted(far)
    assert words(related("peachy", relations=["similar"], senses=1)) == ["peachy", "good"]


def test_no_word_comes_twice_and_the_limit_counts_all() -> None:
    found = words(related("good", depth=3, limit=150))
    assert len(found) == 150
    assert len({word.casefold() for word in found}) == 150
    assert words(related("good", depth=3, limit=7)) == found[:7]
    assert words(related("good", limit=1)) == ["good"]


def test_a_part_of_speech_holds_for_senses_and_relatives_and_satellites_are_adjectives() -> None:
    found = words(related("good", pos="a"))
    assert "goodness" in words(related("good")) and "goodness" not in found
    assert {"superb", "solid"} <= set(found)
    assert words(related("superb", pos="a", relations=["similar"]))[1:] != []


@pytest.mark.parametrize(
    ("written", "own", "relative"),
    [
        ("EducationalInstitution", "educational institution", "university"),
        ("educational_institution", "educational institution", "university"),
        ("educational institution", "educational institution", "university"),
        ("  educational \t institution ", "educational institution", "university"),
        ("OfficeHolder", "office holder", "officer"),
        ("office holder", "office holder", "officer"),
        ("well behaved", "well behaved", "good"),
        ("Well-Behaved", "Well-Behaved", "good"),
        ("sports", "sports", "sport"),
        ("Sports", "Sports", "sport"),
        ("axes", "axes", "ax"),
        ("TV", "TV", "television"),
        ("U.S.", "U.S.", "United States"),
    ],
)
def test_a_word_is_found_however_it_is_written(wordnet: Path, written: str, own: str, relative: str) -> None:
    found = words(related(written, limit=1000))
    assert found[0] == own
    assert relative in found


def test_names_come_where_names_are_meant(wordnet: Path) -> None:
    assert "Canis familiaris" not in words(related("dog"))  # beside "dog" in one synset
    assert "Christianity" in words(related("religion"))  # has no common word
    assert not {"city", "France"} & set(words(related("nice", relations=["hypernym"], senses=50, depth=2)))
    assert "Republic of Turkey" in words(related("Turkey", relations=["synonym"]))
    assert "Republic of Turkey" not in words(related("turkey", relations=["synonym"], senses=50))
    assert "city" in words(related("Cannes", relations=["hypernym"], depth=2, limit=500))


def test_words_that_are_asked_for_by_name(wordnet: Path) -> None:
    assert words(related("good", relations=["antonym"], senses=1)) == ["good", "bad"]
    assert "speed" in words(related("fast", relations=["attribute"]))
    assert "bad" in words(related("badly", relations=["derivation"]))
    assert words(related("good", relations=[])) == ["good"]


def test_parts_of_speech_commonest_first(wordnet: Path) -> None:
    assert parts_of_speech("good") == ("a", "n", "r")
    assert parts_of_speech("xqzt") == ()
    assert known("World War Ii") == ("World War II", ("n",))
    assert known("Business")[0] == "business"
    assert known("China")[0] == "China"


def test_relations_and_defaults_are_those_of_the_language() -> None:
    tag = schema.ITEM_KINDS["wordnet"]
    assert tuple(RELATIONS) == schema.RELATIONS
    defaults = {n: p.default for n, p in inspect.signature(related).parameters.items() if n != "word"}
    assert defaults == {name: spec.default for name, spec in tag.attributes.items()}


@pytest.mark.parametrize(
    ("word", "options", "message"),
    [
        (
            "terible",
            {},
            'PD431 WordNet has no word "terible"\n'
            '  = help: did you mean "terrible" or "tribe" or "thurible"? Or write the label words themselves',
        ),
        (
            "supercool film",
            {},
            'PD431 WordNet has no word "supercool film"\n'
            '  = help: try its head word "film", or write the label words themselves',
        ),
        (
            "goodness",
            {"pos": "v"},
            'PD431 WordNet has no verb "goodness"\n'
            "  = help: as noun it is there: leave pos out, or write the label words themselves",
        ),
        ("", {}, 'PD431 WordNet has no word ""\n  = help: write the label words themselves'),
        (
            "good",
            {"relations": ["foo"]},
            "PD433 there is no relation 'foo'\n  = help: relations are synonym, similar, also, hyponym, hypernym, "
            "instance, part, derivation, attribute, antonym, topic",
        ),
        (
            "good",
            {"relations": "synonym"},
            "PD433 relations is a list of names, not 'synonym'\n  = help: write relations=(\"synonym\",)",
        ),
        (
            "good",
            {"pos": "adj"},
            "PD433 there is no part of speech 'adj'\n"
            "  = help: pos is n (noun), v (verb), a (adjective), r (adverb), or None for all",
        ),
        ("good", {"depth": 0}, "PD433 depth is a whole number ≥ 1, not 0\n  = help: give one"),
        ("good", {"limit": True}, "PD433 limit is a whole number ≥ 1, not True\n  = help: give one"),
        ("good", {"senses": 1.0}, "PD433 senses is a whole number ≥ 1, not 1.0\n  = help: give one"),
        (None, {}, "PD433 a word is a text, not NoneType\n  = help: give a str"),
    ],
)
def test_errors(wordnet: Path, word: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(VerbalizerError) as caught:
        related(word, **options)
    assert str(caught.value) == message


HOSTILE = [
    "../../etc/passwd",
    "x" * 10_000,
    "good " * 2_000,
    "a\x00b",
    "\ud800",
    "\n\t",
    "🙂",
    "%s{0}",
    "good.a.01",
    "\u202e" * 50,
    "-" * 150,
    "A" * 200,
]


@pytest.mark.parametrize("word", HOSTILE, ids=lambda word: repr(word[:12]))
def test_hostile_words_end_in_a_coded_error(wordnet: Path, word: str) -> None:
    with pytest.raises(PromptDSLError) as caught:
        related(word)
    assert caught.value.code == "PD431"
    assert len(str(caught.value).encode()) < 2048


@pytest.mark.parametrize(
    "options", [{"relations": [[]]}, {"pos": []}, {"lang": None}, {"relations": 3}, {"depth": "2"}]
)
def test_hostile_options_end_in_a_coded_error(wordnet: Path, options: dict[str, Any]) -> None:
    with pytest.raises(PromptDSLError) as caught:
        related("good", **options)
    assert caught.value.code == "PD433"


def test_threads_get_what_one_thread_gets(wordnet: Path) -> None:
    seeds = ["good", "bad", "science", "sport", "film", "company", "music", "animal"]
    alone = {seed: related(seed, depth=2) for seed in seeds}
    room._related.cache_clear()
    got: list[tuple[str, tuple[Related, ...]]] = []
    barrier = threading.Barrier(len(seeds))

    def look_up(first: int) -> None:
        barrier.wait()
        for seed in [*seeds[first:], *seeds[:first]]:
            room._related.cache_clear()
            got.append((seed, related(seed, depth=2)))

    threads = [threading.Thread(target=look_up, args=(first,)) for first in range(len(seeds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len(seeds) ** 2
    assert all(found == alone[seed] for seed, found in got)


def elsewhere(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, for which NLTK's data is this folder and nothing else."""
    start = f"import nltk.data; nltk.data.path[:] = [{os.fspath(folder)!r}]\n"
    start += "from promptdsl.errors import PromptDSLError\nfrom promptdsl.knowledge.wordnet import related\n"
    command = [sys.executable, "-W", "error", "-c", start + code]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


SHOW = "try: print([r.word for r in related({word!r}, lang={lang!r})])\nexcept PromptDSLError as e: print(e)\n"


def test_without_wordnet_the_error_names_the_command(tmp_path: Path) -> None:
    ran = elsewhere(tmp_path, SHOW.format(word="good", lang="eng"))
    assert ran.stderr == ""
    assert ran.stdout == (
        "PD430 WordNet is not on this machine\n"
        "  = help: run `promptdsl wordnet` once: it puts WordNet where NLTK looks for it\n"
    )


def test_a_broken_wordnet_is_told_from_none(tmp_path: Path) -> None:
    folder = tmp_path / "corpora" / "wordnet"
    folder.mkdir(parents=True)
    (folder / "lexnames").write_text("this is no table\n")
    ran = elsewhere(tmp_path, SHOW.format(word="good", lang="eng"))
    assert ran.stderr == ""
    assert ran.stdout.startswith("PD432 NLTK cannot read WordNet: ")
    assert "Traceback" not in ran.stdout


def test_other_languages_need_their_data(wordnet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nltk.data.path", [str(tmp_path)])  # WordNet may be loaded already; other data is not there
    related_words = elsewhere_with(wordnet, tmp_path, {}, SHOW.format(word="chien", lang="fra"))
    assert related_words.startswith('PD434 words in the language "fra" need Open Multilingual Wordnet, which is')
    assert "nltk.download(" in related_words


def test_words_of_another_language(wordnet: Path, database: Database, tmp_path: Path) -> None:
    """Two synsets with French words, in the form of Open Multilingual Wordnet's files."""
    dog = database.senses("dog", "noun")[0]
    puppies = {o: database.line("noun", o).pointers for o in database.senses("puppy", "noun")}
    puppy = next(offset for offset, pointers in puppies.items() if ("@", dog) in {p[:2] for p in pointers})
    table = f"# test\tfra\t\t\n{dog:08d}-n\tfra:lemma\tchien\n{dog:08d}-n\tfra:lemma\tchien domestique\n"
    table += f"{puppy:08d}-n\tfra:lemma\tchiot\n"
    code = SHOW.format(word="chien", lang="fra") + SHOW.format(word="chien", lang="frq")
    shown = elsewhere_with(wordnet, tmp_path, {"fra/wn-data-fra.tab": table}, code).splitlines()
    assert shown[0] == "['chien', 'chiot', 'chien domestique']"
    assert shown[1] == 'PD434 Open Multilingual Wordnet has no language "frq"'
    assert shown[2].startswith("  = help: did you mean fra")


def elsewhere_with(wordnet: Path, folder: Path, multilingual: dict[str, str], code: str) -> str:
    """What the code prints where NLTK's data is a copy of WordNet and these files of the multilingual WordNet."""
    corpora = folder / "corpora"
    corpora.mkdir()
    if wordnet.is_dir():
        shutil.copytree(wordnet, corpora / "wordnet")
    else:
        shutil.copy(wordnet, corpora / "wordnet.zip")
    for release in ("omw-1.4", "omw-2.0"):  # which of the two is read depends on NLTK's version
        for name, text in multilingual.items():
            file = corpora / release / name
            file.parent.mkdir(parents=True)
            file.write_text(text, encoding="utf-8")
    ran = elsewhere(folder, code)
    assert ran.stderr == ""
    return ran.stdout
