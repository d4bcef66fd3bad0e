"""`promptdsl wordnet`: says where WordNet is, and shows the relatives of a word."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from promptdsl.knowledge import source
from promptdsl.knowledge.debian import UnavailableError
from promptdsl.knowledge.reader import find_wordnet

if TYPE_CHECKING:
    from conftest import Cli


@pytest.fixture
def place() -> str:
    found = find_wordnet()
    if found is None:
        pytest.skip("there is no WordNet on this machine; `promptdsl wordnet` gets it")
    return found


def test_wordnet_that_is_there_is_named(cli: Cli, place: str) -> None:
    assert cli("wordnet") == (0, f"WordNet is already there: {place}\n", "")


def test_relatives_of_a_word(cli: Cli, place: str) -> None:
    ran = cli("wordnet", "good", "--relations", "antonym, attribute", "--senses", "1")
    assert ran.code == 0
    assert ran.out == "good     itself\nbad      antonym of good.a.01\nquality  attribute of good.a.01\n"


def test_a_wrong_word_and_a_wrong_option_are_2(cli: Cli, place: str) -> None:
    ran = cli("wordnet", "terible")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith('VerbalizerError: PD431 WordNet has no word "terible"\n  = help: did you mean "terrible"')
    ran = cli("wordnet", "good", "--relations", "similar,hyponyms")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("VerbalizerError: PD433 there is no relation 'hyponyms'\n")
    assert cli("wordnet", "good", "--depth", "0").code == 2


def test_where_wordnet_cannot_be_had(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(target: Path, scratch: Path) -> None:
        raise UnavailableError("no connection")

    monkeypatch.setenv("NLTK_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("nltk.data.path", [str(tmp_path / "data")])
    monkeypatch.setattr(source, "SOURCES", (("downloaded", nothing),))
    ran = cli("wordnet")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("VerbalizerError: PD430 WordNet is not on this machine and cannot be fetched\n")
    assert ran.err.endswith("  = note: downloaded: no connection\n")
