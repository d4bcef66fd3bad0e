"""What a Verbalizer is and gives: fields, its other forms, limits, and tags once there are any."""

from __future__ import annotations

import copy
import pickle
import sys
from pathlib import Path
from types import MappingProxyType

import pytest

from promptdsl import Verbalizer
from promptdsl.errors import FileError, VerbalizerError
from promptdsl.language import schema
from promptdsl.language.nodes import LabelledWords, Tag, Word
from promptdsl.language.schema import AttributeSpec, KindSpec, Type

PLAIN = Verbalizer('negative: bad, "not, good"; positive: good')


def codes(value: object, **options: int | None) -> list[str]:
    with pytest.raises(VerbalizerError) as caught:
        Verbalizer(value, **options)  # type: ignore[arg-type]
    assert len(str(caught.value).encode()) <= 2048
    return [d.code for d in caught.value.diagnostics]


def test_classes_and_their_places() -> None:
    text = 'negative : bad,  "not, good"\n "po,s":good'
    verbalizer = Verbalizer(text)
    assert verbalizer.classes == (
        LabelledWords("negative", (Word("bad"), Word("not, good"))),
        LabelledWords("po,s", (Word("good"),)),
    )
    assert verbalizer.labels == ("negative", "po,s") and verbalizer.steps == ()
    places = [c.label_span for c in verbalizer.classes] + [w.span for c in verbalizer.classes for w in c.items]
    assert [text[p.start : p.end] for p in places] == ["negative", '"po,s"', "bad", '"not, good"', "good"]


def test_text_equality_and_copies() -> None:
    assert str(PLAIN) == 'negative: bad, "not, good"\npositive: good'
    assert repr(PLAIN) == "Verbalizer('negative: bad, \"not, good\"\\npositive: good')"
    assert PLAIN == Verbalizer(PLAIN) == Verbalizer.from_classes(PLAIN.classes)
    assert hash(PLAIN) == hash(Verbalizer(str(PLAIN)))
    assert Verbalizer("a: b; c: d") != Verbalizer("c: d; a: b")
    assert pickle.loads(pickle.dumps(PLAIN)) == copy.deepcopy(PLAIN) == copy.copy(PLAIN) == PLAIN


def test_mappings() -> None:
    assert Verbalizer({"negative": ["bad", "not, good"], "positive": ("good",)}) == PLAIN
    assert Verbalizer({"negative": ["bad", "not, good"], "positive": "good"}) == PLAIN
    assert Verbalizer(MappingProxyType({0: ["a"], True: ["b"]})).labels == ("0", "True")
    assert pickle.loads(pickle.dumps(Verbalizer({"{": ["{"]}))).labels == ("{",)
    blanks = Verbalizer({" a ": [" b "]})
    assert str(blanks) == '" a ": " b "' and Verbalizer(str(blanks)) == Verbalizer('{" a ": [" b "]}') == blanks


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "PD411"),
        (["bad", "good"], "PD411"),
        ({}, "PD413"),
        ({"a": []}, "PD403"),
        ({"a": "b, c"}, "PD411"),
        ({"a": 1}, "PD411"),
        ({"a": None}, "PD411"),
        ({"a": ["b", 1]}, "PD411"),
        ({"a": ["b", None]}, "PD411"),
        ({"a": [["b"]]}, "PD411"),
        ({"a": {"b": "c"}}, "PD411"),
        ({"a": [""]}, "PD404"),
        ({"": ["b"]}, "PD408"),
        ({" ": ["b"]}, "PD408"),
        ({1: ["b"], "1": ["c"]}, "PD402"),
        ({1.5: ["b"]}, "PD411"),
        ({None: ["b"]}, "PD411"),
        ({"a": ['<"wordent":"good">']}, "PD201"),
        ({"a": ["\ud83d"]}, "PD113"),
        ({"\ud83d": ["b"]}, "PD113"),
    ],
    ids=repr,
)
def test_what_is_no_verbalizer(value: object, code: str) -> None:
    assert codes(value) == [code]


def test_json_is_read_as_json_reads_it() -> None:
    text = '{"n\\u00e9g": ["a\\tb", "\\ud83d\\ude42"], "x": ["<3"]}'
    assert Verbalizer(text) == Verbalizer({"nég": ["a\tb", "🙂"], "x": ["<3"]})


def test_size() -> None:
    most = 4 * 1024 * 1024
    assert len(Verbalizer("a: " + "x" * (most - 3)).classes) == 1
    assert codes("a: " + "x" * (most - 2)) == ["PD121"]
    assert Verbalizer("a: " + "x" * (most - 2), limit=None)
    assert len(Verbalizer("a: " + ", ".join(f"w{i}" for i in range(100_000))).classes[0].items) == 100_000


def test_lines_are_bounded_whatever_the_size_limit() -> None:
    assert codes("".join(f"l{i}: w\n" for i in range(50_000)), limit=None) == ["PD122"]


def test_the_end_of_a_line_ends_a_label_as_a_blank_does() -> None:
    assert codes("a:b:\nc: d") == codes("a:b:; c: d") == codes("c: d\na:b:") == ["PD403"]


def test_several_lines_are_reported_in_one_pass() -> None:
    assert codes('a: b\nno colon\nc: "d\ne:\na: f\ng: h, , i') == ["PD401", "PD405", "PD403", "PD402", "PD404"]


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "v.verbalizer"
    path.write_bytes('\ufeffnegative: bad, "not, good"\r\npositive: good\r\n'.encode())
    assert Verbalizer.from_file(path) == PLAIN
    with pytest.raises(FileError) as caught:
        Verbalizer.from_file(tmp_path / "none")
    assert caught.value.code == "PD801"
    path.write_text('a: <"x', encoding="utf-8")
    with pytest.raises(VerbalizerError, match=r"v\.verbalizer:1:5"):
        Verbalizer.from_file(path)


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".YAML"])
def test_yaml_scalars_stay_as_written(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("yaml")
    path = tmp_path / f"v{suffix}"
    path.write_text("true: [yes, 1.0, ~, 2024-01-01]\n012:\n  - 'x, y'\n  - \"z\"\nno: on\n", encoding="utf-8")
    verbalizer = Verbalizer.from_file(path)
    assert verbalizer == Verbalizer({"true": ["yes", "1.0", "~", "2024-01-01"], "012": ["x, y", "z"], "no": ["on"]})
    assert Verbalizer(str(verbalizer)) == verbalizer


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: [b]\na: [c]\n", "PD402"),
        ("a: b, c\n", "PD411"),
        ("- a\n- b\n", "PD411"),
        ("a: {b: c}\n", "PD411"),
        ("a: [[b]]\n", "PD411"),
        ("a:\n", "PD403"),
        ("a: []\n", "PD403"),
        ("a: [b\n", "PD414"),
        ("a: b\x00\n", "PD414"),
        ("", "PD411"),
        ("a: !!python/object/apply:os.system [echo]\n", "PD411"),
        ("a: [!!int 3]\n", "PD411"),
        ("a: &x [b, *x]\n", "PD411"),
        ("a: " + "[" * 5000, "PD414"),
        ('a: [\'<"wordent":"b">\']\n', "PD201"),
        ('a: ["\\ud83d"]\n', "PD113"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_yaml_that_is_no_verbalizer(tmp_path: Path, text: str, code: str) -> None:
    pytest.importorskip("yaml")
    path = tmp_path / "v.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(VerbalizerError) as caught:
        Verbalizer.from_file(path)
    assert caught.value.code == code and len(str(caught.value).encode()) <= 2048


def test_yaml_without_pyyaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    (tmp_path / "v.yaml").write_text("a: [b]")
    with pytest.raises(FileError) as caught:
        Verbalizer.from_file(tmp_path / "v.yaml")
    assert caught.value.code == "PD807" and "promptdsl[yaml]" in str(caught.value)


def test_an_entry_in_a_table_makes_a_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    """One item kind and one step that there are not: an entry in a table each."""
    depth = AttributeSpec(Type(("integer",), least=1, most=5), 1, "how far")
    text = Type(("text",))
    rhymes = KindSpec("rhymes", text, "words that sound alike", '<"rhymes":"good">', MappingProxyType({"depth": depth}))
    blur = KindSpec("blur", text, "what is smoothed", '<"blur":"all">')
    monkeypatch.setattr(schema, "ITEM_KINDS", {"rhymes": rhymes})
    monkeypatch.setattr(schema, "STEP_KINDS", {"blur": blur})
    written = 'n: bad, <"rhymes":"bad","depth":2>, "x,"\np: <"rhymes":"good">\n<"blur":"all">'
    verbalizer = Verbalizer(written)
    assert str(verbalizer) == written
    negative, positive = verbalizer.classes
    assert isinstance(negative.items[1], Tag) and negative.items[1]["depth"] == 2
    assert [item.kind for item in positive.items if isinstance(item, Tag)] == ["rhymes"]
    assert [step.kind for step in verbalizer.steps] == ["blur"]
    assert verbalizer.tree() == (
        'verbalizer\n  "n"\n    "bad"\n    rhymes "bad"\n      depth 2\n    "x,"\n'
        '  "p"\n    rhymes "good"\n  blur "all"'
    )
    assert pickle.loads(pickle.dumps(verbalizer)) == verbalizer
    with pytest.raises(VerbalizerError, match='did you mean "rhymes"'):
        Verbalizer('n: <"rhimes":"bad">')


def test_an_item_tag_on_its_own_line_is_for_every_class() -> None:
    assert Verbalizer('n: bad\np: good\n<"wordnet":"x">') == Verbalizer(
        'n: bad, <"wordnet":"x">; p: good, <"wordnet":"x">'
    )


def test_tags_in_mappings() -> None:
    expected = Verbalizer('n: bad, <"wordnet":"bad">')
    assert Verbalizer({"n": ["bad", '<"wordnet":"bad">']}) == expected
    assert Verbalizer('{"n": ["bad", "<\\"wordnet\\":\\"bad\\">"]}') == expected


STEPS = Verbalizer('n: bad\np: good\n<"cluster":2>\n<"pool":"max">')


def test_a_key_that_is_a_tag_is_a_line_of_its_own() -> None:
    cluster, pool = '<"cluster":2>', '<"pool":"max">'
    assert Verbalizer({"n": ["bad"], "p": ["good"], cluster: None, pool: []}) == STEPS
    assert Verbalizer({cluster: "", "n": "bad", "p": "good", f" {pool}": ()}) == STEPS
    assert codes({"n": ["bad"], pool: ["good"]}) == codes({"n": ["bad"], pool: 1}) == ["PD411"]
    assert codes({"n": ["bad"], '<"pool":"mode">': None}) == ["PD205"]
    assert codes({"n": ["bad", cluster], "p": ["good"]}) == ["PD417"]


def test_a_key_of_yaml_that_is_a_tag_is_a_line_of_its_own(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    path = tmp_path / "v.yaml"
    path.write_text('n: bad\np: [good]\n\'<"cluster":2>\':\n\'<"pool":"max">\': null\n', encoding="utf-8")
    assert Verbalizer.from_file(path) == STEPS
    path.write_text('n: bad\np: good\n\'<"pool":"max">\':\n\'<"pool":"mean">\': []\n', encoding="utf-8")
    with pytest.raises(VerbalizerError, match=r"v\.yaml:4:1"):
        Verbalizer.from_file(path)


def test_an_error_without_a_text_has_no_place() -> None:
    with pytest.raises(VerbalizerError) as caught:
        Verbalizer({"n": ['<"prototype":64>'], "p": ['<"prototype":32>']})
    assert str(caught.value) == (
        'PD419 "prototype" is 32 here and 64 in another class\n'
        '  = help: write the same in every class, or once for all: <"prototype":64> on a line of its own'
    )


def test_tags_of_json_stand_at_their_whole_text() -> None:
    text = '{"n": ["bad", "<\\"soft\\":\\"x\\">"], "<\\"pool\\":\\"max\\">": null}'
    verbalizer = Verbalizer(text)
    tag, step = verbalizer.classes[0].items[1], verbalizer.steps[0]
    assert text[tag.span.start : tag.span.end] == '"<\\"soft\\":\\"x\\">"'
    assert text[step.kind_span.start : step.kind_span.end] == '"<\\"pool\\":\\"max\\">"'


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('n: <"wordnet":"bad","depth":9>', "PD204"),
        ('n: <"wordnet":"bad","deep":1>', "PD202"),
        ('n: <"wordent":"bad">', "PD201"),
        ('n: <"calibrate":"contextual">', "PD409"),
        ('n: bad <"wordnet":"bad">', "PD406"),
        ('n: <"wordnet":"bad"> bad', "PD406"),
        ('<"wordnet":"bad">: bad', "PD401"),
        ('n: <"wordnet":"bad"', "PD101"),
        ('<"calibrate":"contextual">', "PD413"),
        ('{"n": ["<\\"wordnet\\":3>"]}', "PD203"),
        ("n: " + ", ".join(['<"wordnet":"x">'] * 1025), "PD122"),
    ],
)
def test_wrong_tags(text: str, code: str) -> None:
    assert codes(text) == [code]
