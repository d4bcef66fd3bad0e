"""`promptdsl expand`: the text is a verbalizer that says what the word list says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from promptdsl import Verbalizer
from promptdsl.knowledge.reader import find_wordnet

if TYPE_CHECKING:
    from conftest import Cli


@pytest.fixture
def words(tmp_path: Path) -> Path:
    path = tmp_path / "words.tsv"
    path.write_text("sports\tgame\nsports\twar\nworld\twar\nworld\tglobe, map\ngood\tfine\ngreat\tgrand\nbad\tpoor\n")
    return path


def test_class_names_and_a_word_list(cli: Cli, words: Path) -> None:
    """ "war" is a word of both classes, so of neither; a comma needs quotes."""
    ran = cli("expand", "sports", "world", "--knowledge", words)
    assert ran == (0, 'sports: sports, game\nworld: world, "globe, map"\n', "")
    assert str(Verbalizer(ran.out)) + "\n" == ran.out


def test_seed_words_stand_behind_a_colon(cli: Cli, words: Path) -> None:
    ran = cli("expand", "pos: good, great", "neg: bad", "--knowledge", words, "--limit", 3)
    assert ran == (0, "pos: good, great, fine\nneg: bad, poor\n", "")


def test_wordnet(cli: Cli) -> None:
    if find_wordnet() is None:
        pytest.skip("there is no WordNet on this machine; `promptdsl wordnet` gets it")
    options = ("--relations", "antonym", "--senses", 1, "--pos", "a")
    assert cli("expand", "good", "long", *options).out == "good: good, bad\nlong: long, short\n"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("sports", "sports"), "VerbalizerError: PD424 the class name"),
        (("sports", "--knowledge", "none.tsv"), "FileError: PD801"),
        (("film", "--knowledge", "{words}"), "VerbalizerError: PD436"),
        (("a: b", "c"), "VerbalizerError: PD4"),
        (("sports", "--limit", "0"), "Invalid value for '--limit'"),
    ],
)
def test_mistakes_are_2(cli: Cli, words: Path, arguments: tuple[str, ...], part: str) -> None:
    ran = cli("expand", *(a.replace("{words}", str(words)) for a in arguments))
    assert (ran.code, ran.out) == (2, "")
    assert part in ran.err
