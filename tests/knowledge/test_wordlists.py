"""Word lists: what two small files by hand mean, and every way in which a file can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptdsl.errors import FileError, PromptDSLError, VerbalizerError
from promptdsl.knowledge.related import Related
from promptdsl.knowledge.wordlists import read_word_list, words_of

TSV = """\
# seed, word, score
sports\tfootball\t0.5
sports\tathlete\t0.75
politics\tsenate

sports\tgame
sports\tathlete\t0.25
 politics \t prime minister \t 1e-3
sports\tgame
"""


def write(folder: Path, name: str, text: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    return file


@pytest.mark.parametrize("name", ["related.tsv", "related.txt", "RELATED.TSV"])
def test_lines_highest_score_first(tmp_path: Path, name: str) -> None:
    how = f"word list {name}"
    assert dict(read_word_list(write(tmp_path, name, TSV))) == {
        "sports": (Related("athlete", how, 0.75), Related("football", how, 0.5), Related("game", how)),
        "politics": (Related("prime minister", how, 0.001), Related("senate", how)),
    }


def test_windows_line_ends_and_a_byte_order_mark(tmp_path: Path) -> None:
    file = write(tmp_path, "a.tsv", b"\xef\xbb\xbfcaf\xc3\xa9\tlatte\r\ncaf\xc3\xa9\tmocha\t2\r\n")
    assert [(w.word, w.score) for w in read_word_list(file)["café"]] == [("mocha", 2.0), ("latte", None)]


@pytest.mark.parametrize("text", ['{"b": [" w"], "a": ["x", "y z"]}', '{"a": {"y z": 1, "x": 2.5}, "b": ["w"]}'])
def test_json_of_both_shapes(tmp_path: Path, text: str) -> None:
    found = read_word_list(str(write(tmp_path, "a.json", text)))
    assert {seed: [w.word for w in words] for seed, words in found.items()} == {"a": ["x", "y z"], "b": ["w"]}
    assert [w.score for w in found["a"]] in ([None, None], [2.5, 1.0])


MALFORMED = {
    ("a.tsv", "one\n"): 'PD435 line 1 of "a.tsv" has 1 field: "one"\n'
    "  = help: a line is seed, word and, if there is one, a score, with tabs between",
    ("a.tsv", "# c\n\na\tb\t1\td\n"): 'PD435 line 3 of "a.tsv" has 4 fields: "a\\tb\\t1\\td"\n'
    "  = help: a line is seed, word and, if there is one, a score, with tabs between",
    ("a.tsv", "a\tb\thigh\n"): 'PD435 line 1 of "a.tsv" has the score "high"\n'
    "  = help: a score is a number such as 0.5; higher is nearer",
    ("a.tsv", "a\tb\tnan\n"): 'PD435 line 1 of "a.tsv" has the score "nan"\n'
    "  = help: a score is a number such as 0.5; higher is nearer",
    ("a.tsv", "a\tb\t\n"): 'PD435 line 1 of "a.tsv" has the score ""\n'
    "  = help: a score is a number such as 0.5; higher is nearer",
    ("a.tsv", "a\t \n"): 'PD435 line 1 of "a.tsv" has an empty word\n  = help: write the word, or remove the entry',
    ("a.tsv", "\tb\n"): 'PD435 line 1 of "a.tsv" has an empty seed\n  = help: write the seed, or remove the entry',
    ("a.json", "[1]"): 'PD435 "a.json" is no mapping of seeds to words\n'
    '  = help: write {"seed": ["word", …]} or {"seed": {"word": 0.5, …}}',
    ("a.json", '{"a": []}'): 'PD435 the seed "a" of "a.json" has no words\n  = help: write some, or remove the seed',
    ("a.json", '{"a": {}}'): 'PD435 the seed "a" of "a.json" has no words\n  = help: write some, or remove the seed',
    ("a.json", '{"a": "b"}'): 'PD435 the seed "a" of "a.json" has neither a list of words nor a mapping of words to '
    'scores\n  = help: write {"seed": ["word", …]} or {"seed": {"word": 0.5, …}}',
    ("a.json", '{"a": [1]}'): 'PD435 the seed "a" of "a.json" has a word that is int, not a text\n'
    "  = help: put the word in quotes",
    ("a.json", '{"a": {"b": true}}'): 'PD435 the seed "a" of "a.json" has the score "True"\n'
    "  = help: a score is a number such as 0.5; higher is nearer",
    ("a.json", '{"a": {"b": 1e999}}'): 'PD435 the seed "a" of "a.json" has the score "inf"\n'
    "  = help: a score is a number such as 0.5; higher is nearer",
    ("a.json", '{"a": ["x"], "a": ["y"]}'): 'PD435 "a.json" has the key "a" twice\n  = help: keep one',
    ("a.json", '{"a": {"x": 1, "x": 2}}'): 'PD435 the seed "a" of "a.json" has the key "x" twice\n  = help: keep one',
    ("a.json", '{"a": ["\\ud800"]}'): 'PD435 the seed "a" of "a.json" has half a character in the word "\\ud800"\n'
    "  = help: it was decoded wrongly: write it",
}


@pytest.mark.parametrize(("file", "message"), MALFORMED.items(), ids=lambda value: str(value)[:40])
def test_malformed_entries(tmp_path: Path, file: tuple[str, str], message: str) -> None:
    with pytest.raises(VerbalizerError) as caught:
        read_word_list(write(tmp_path, *file))
    assert str(caught.value) == message


def test_a_null_score_is_no_score(tmp_path: Path) -> None:
    assert read_word_list(write(tmp_path, "a.json", '{"a": {"b": null}}'))["a"][0].score is None


@pytest.mark.parametrize(
    ("name", "data", "code", "part"),
    [
        ("a.json", b"{", "PD811", "is not JSON at line 1"),
        ("a.json", b"[" * 100_000, "PD811", "nests too deep"),
        ("a.json", b'{"a": {"b": ' + b"9" * 5000 + b"}}", "PD811", "is not JSON"),
        ("a.tsv", b"a\t\xff\n", "PD802", "byte 0xff at 2"),
        ("a.csv", b"a,b\n", "PD810", "a word list ends in .tsv, .txt, .json"),
        ("words", b"a\tb\n", "PD810", "a word list ends in .tsv, .txt, .json"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, data: bytes, code: str, part: str) -> None:
    with pytest.raises(FileError) as caught:
        read_word_list(write(tmp_path, name, data))
    assert caught.value.code == code
    assert part in str(caught.value)


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "folder.tsv").mkdir()
    for path, code in (("no.tsv", "PD801"), ("folder.tsv", "PD803"), ("a\x00b.tsv", "PD803"), ("../no.json", "PD801")):
        with pytest.raises(FileError) as caught:
            read_word_list(tmp_path / path)
        assert caught.value.code == code


def test_the_words_of_a_seed(tmp_path: Path) -> None:
    words = read_word_list(write(tmp_path, "a.tsv", TSV))
    assert [w.word for w in words_of(words, "sports", limit=2)] == ["athlete", "football"]
    assert words_of(words, "Sports") == words["sports"]
    assert len(words_of(words, "sports")) == 3


@pytest.mark.parametrize(
    ("text", "seed", "message"),
    [
        (
            TSV,
            "sport",
            'PD436 the word list has no seed "sport"\n  = help: did you mean "sports"?\n'
            '  = note: a tag\'s "of" says which seed is taken; by default the label',
        ),
        (
            TSV,
            "music",
            'PD436 the word list has no seed "music"\n  = help: it has "sports", "politics"\n'
            '  = note: a tag\'s "of" says which seed is taken; by default the label',
        ),
        (
            "",
            "music",
            'PD436 the word list has no seed "music"\n  = help: it has no seeds\n'
            '  = note: a tag\'s "of" says which seed is taken; by default the label',
        ),
    ],
)
def test_a_seed_that_is_not_there(tmp_path: Path, text: str, seed: str, message: str) -> None:
    words = read_word_list(write(tmp_path, "a.tsv", text))
    with pytest.raises(VerbalizerError) as caught:
        words_of(words, seed)
    assert str(caught.value) == message


@pytest.mark.parametrize("seed", ["x" * 10_000, "\ud800", "../../etc/passwd", "", "\x00"])
def test_hostile_seeds(tmp_path: Path, seed: str) -> None:
    words = read_word_list(write(tmp_path, "a.tsv", TSV))
    with pytest.raises(PromptDSLError) as caught:
        words_of(words, seed)
    assert caught.value.code == "PD436"
    assert len(str(caught.value).encode()) < 2048
