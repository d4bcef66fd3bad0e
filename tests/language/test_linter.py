"""The linter's findings: which, where, and where there are none. Every expectation by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptdsl.codes import CODES, Code
from promptdsl.errors import PromptDSLError
from promptdsl.language.linter import RULES, lint
from promptdsl.language.template import Template
from promptdsl.language.verbalizer import Verbalizer

# A template, the family, and (code, the characters under the caret) of each finding.
ON_TEMPLATES: list[tuple[str, str | None, list[tuple[str, str]]]] = [
    # nothing to say
    ('<"placeholder":"text_a"> It was <"mask">.', None, []),
    ('<"placeholder":"text_a"> It was <"mask">.', "masked", []),
    ('<"placeholder":"text_a"> It was <"mask">', "causal", []),
    ('<"mask"> news: <"placeholder":"text_a">', "masked", []),
    ('(<"mask">) <"placeholder":"text_a">', None, []),
    ('"<"mask">" <"placeholder":"text_a">', None, []),
    ('第<"mask">句 <"meta":"x">', None, []),
    ('ที่<"mask">', None, []),
    ('It was\n<"mask">\nor not', None, []),
    ('<"mask"><"mask"> un<"text":"-"><"mask">', None, []),
    ('<"soft":3><"mask"><"special":"sep">', None, []),
    ('a < b, <br>, {x}, [1], <3 and [x] <"mask">', None, []),
    ('<"text":"<mask>"> <"mask">', None, []),
    ('می\u200cخواهم <"mask">', None, []),
    ('👩\u200d🔬 <"mask">', None, []),
    # no mask
    ("It was", None, [("PW101", "")]),
    # a blank missing or doubled beside the mask
    ('It was<"mask">.', None, [("PW102", "<")]),
    ('<"placeholder":"text_a"><"mask">.', None, [("PW102", "<")]),
    ('It was:<"mask">', None, [("PW102", "<")]),
    ('A <"mask">news', None, [("PW102", ">")]),
    ('A <"mask"><"meta":"x">', None, [("PW102", ">")]),
    ('was<"mask">word', None, [("PW102", "<"), ("PW102", ">")]),
    ('<"text":"was"><"mask">', None, [("PW102", "<")]),
    ('It was  <"mask">.', None, [("PW103", "  ")]),
    ('It was   <"mask">    .', None, [("PW103", "   "), ("PW103", "    ")]),
    # text that only looks like a tag
    ('<mask> <"mask">', None, [("PW104", "<mask>")]),
    ('[MASK] <"mask">', None, [("PW104", "[MASK]")]),
    ('{mask} and { mask } <"mask">', None, [("PW104", "{mask}"), ("PW104", "{ mask }")]),
    (
        '<soft:20> {text_a} [text_b] <"mask">',
        None,
        [("PW104", "<soft:20>"), ("PW104", "{text_a}"), ("PW104", "[text_b]")],
    ),
    ('{{text_a}} <"mask">', None, [("PW104", "{{text_a}}")]),
    ('{placeholder: text_a} <"mask">', None, [("PW104", "{placeholder: text_a}")]),
    (
        '<s> x </s> [SEP] <|endoftext|> <"mask">',
        None,
        [("PW104", x) for x in ("<s>", "</s>", "[SEP]", "<|endoftext|>")],
    ),
    ('\\<"x"> \\\\< <mask> <"mask">', None, [("PW104", "<mask>")]),
    # causal
    ('x <"mask">.', "causal", [("PW105", ".")]),
    ('x <"mask"> <"text":"end">', "causal", [("PW105", '<"text":"end">')]),
    ('x <"mask"> and <"mask"> ', "causal", []),
    ('x <"mask"> <"meta":"y">', "causal", [("PW106", '<"meta":"y">')]),
    ('x <"mask"> <"soft":2>', "causal", [("PW106", '<"soft":2>')]),
    ('x <"mask"> <"soft":2>', "masked", []),
    ('x <"mask"> <"demos":2>', "causal", [("PW106", '<"demos":2>')]),
    ('<"demos":2>x <"mask">', "causal", []),
    # a field twice
    ('<"placeholder":"a"> <"meta":"b"> <"meta":"a"> <"mask">', None, [("PW107", '<"meta":"a">')]),
    # invisible characters
    ('It\u200b was <"mask">', None, [("PW108", "\u200b")]),
    ('\ufeffIt \u202ewas\u2069 <"mask">', None, [("PW108", c) for c in "\ufeff\u202e\u2069"]),
    ('so\u00adft\u200djoin <"mask">', None, [("PW108", "\u00ad"), ("PW108", "\u200d")]),
    ('<"meta":"na\u200bme"> <"mask">', None, [("PW108", "\u200b")]),
]


def found(template: str, family: str | None) -> list[tuple[str, str]]:
    diagnostics = lint(Template(template), family=family)
    assert all(d.severity == "warning" and d.help and d.source == template for d in diagnostics)
    return [(d.code, template[d.span.start : d.span.end]) for d in diagnostics if d.span]


@pytest.mark.parametrize(("template", "family", "expected"), ON_TEMPLATES, ids=[f"{t[0]} {t[1]}" for t in ON_TEMPLATES])
def test_templates(template: str, family: str | None, expected: list[tuple[str, str]]) -> None:
    assert found(template, family) == expected


def test_a_missing_mask_is_shown_at_the_end() -> None:
    (diagnostic,) = lint(Template("It was"))
    assert (diagnostic.code, diagnostic.column) == ("PW101", 7)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("[MASK]", '<"mask">'),
        ("<soft>", '<"soft":20>'),
        ("{text_b}", '<"placeholder":"text_b">'),
        ("<meta>", '<"meta":"text_a">'),
        ("</s>", '<"special":"eos">'),
        ("[CLS]", '<"special":"cls">'),
        ("<|endoftext|>", '<"special":"<|endoftext|>">'),
        ("<pad>", '<"special":"<pad>">'),
    ],
)
def test_what_was_probably_meant(text: str, meant: str) -> None:
    (diagnostic,) = lint(Template(f'{text} <"mask">'))
    assert diagnostic.help == f"write {meant}"
    assert Template(f'{meant} <"mask">').tags


ON_VERBALIZERS: list[tuple[str, list[tuple[str, str]]]] = [
    ("neg: bad, not good\npos: good, don't", []),
    ("neg: bad\npos: bad", [("PW202", "bad")]),
    ("neg: bad, awful, bad\npos: good", [("PW203", "bad")]),
    ("neg: bad, bad\npos: bad", [("PW203", "bad"), ("PW202", "bad")]),
    ("Sports: ball\nsports: game", [("PW204", "sports")]),
    ("neg: 'bad'\npos: good", [("PW205", "'bad'")]),
    ("neg: “bad”\n‘pos’: good", [("PW205", "“bad”"), ("PW205", "‘pos’")]),
    ("neg: \"'bad'\", '90s\npos: good", []),
    ("neg: ba\u200bd\npos: good", [("PW108", "\u200b")]),
    ("ne\u202eg: bad\npos: good", [("PW108", "\u202e")]),
    ('neg: bad\npos: good\n<"refine":["frequency"]>', [("PW207", '<"refine":["frequency"]>')]),
    ('neg: bad, <"soft":"x">\npos: good\n<"refine":["frequency"]>', [("PW207", '<"refine":["frequency"]>')]),
    ('neg: bad, <"neighbors":"bad">\npos: good\n<"refine":["frequency"]>', []),
    ('neg: bad\npos: good\n<"soft":"x">', [("PW208", '<"soft":"x">')]),
    ('a: <"meta":"c">\nb: <"meta":"d">\nc: <"meta":"c">', [("PW208", '<"meta":"c">')]),
    ('a: <"words":"x.tsv">\nb: <"words":"x.tsv">', []),
    ('a: <"words":"x.tsv","of":"s">\nb: <"words":"x.tsv","of":"t">', []),
    ('a: <"words":"x.tsv","of":"s">\nb: <"words":"x.tsv","of":"s">', [("PW208", '<"words":"x.tsv","of":"s">')]),
    ('a: b\nc: d\n<"auto":3>\n<"cluster":2>\n<"prototype":8>', []),
]


@pytest.mark.parametrize(("text", "expected"), ON_VERBALIZERS, ids=[v[0] for v in ON_VERBALIZERS])
def test_verbalizers(text: str, expected: list[tuple[str, str]]) -> None:
    diagnostics = lint(None, Verbalizer(text))
    assert [(d.code, text[d.span.start : d.span.end]) for d in diagnostics if d.span] == expected
    assert all(d.origin == "verbalizer" and d.severity == "warning" and d.help for d in diagnostics)


def test_the_second_word_is_the_one_shown() -> None:
    (diagnostic,) = lint(None, Verbalizer("neg: bad\npos: good, bad"))
    assert (diagnostic.line, diagnostic.column) == (2, 12)


def test_a_mapping_has_findings_too() -> None:
    assert [d.code for d in lint(None, Verbalizer({"neg": ["bad"], "pos": ["bad"]}))] == ["PW202"]


@pytest.fixture
def tag(tmp_path: Path) -> str:
    """An item over a word list: `tag % "seed"`."""
    path = tmp_path / "w.tsv"
    path.write_text("a\tx\na\ty\na\tz\nb\ty\nb\tz\nb\tw\nb\tv\nc\tq\n", encoding="utf-8")
    return f'<"words":{json.dumps(str(path))},"of":"%s">'


def test_words_of_an_expansion_in_two_classes(tag: str) -> None:
    text = f"one: {tag % 'a'}\ntwo: v, {tag % 'b'}\nthree: w, {tag % 'c'}"
    first, second = (d for d in lint(None, Verbalizer(text)) if d.code == "PW206")
    assert first.message == 'the class "two" shares 2 words with other classes: y, z' and first.span is not None
    assert text[first.span.start : first.span.end] == tag % "b"
    assert second.message == 'the class "three" shares 1 word with other classes: w' and second.span is not None
    assert text[second.span.start : second.span.end] == "w"
    assert lint(None, Verbalizer(text + '\n<"refine":["single","duplicates"]>')) == ()
    assert [d.code for d in lint(None, Verbalizer(text + '\n<"refine":["single"]>'))] == ["PW206", "PW206"]


def test_the_same_item_twice_is_one_finding(tag: str) -> None:
    found = lint(None, Verbalizer(f"one: x1\ntwo: x2\n{tag % 'a'}"))
    assert [d.code for d in found] == ["PW208"]


def test_words_that_were_written_are_no_finding_of_the_expansion(tag: str) -> None:
    found = lint(None, Verbalizer(f"one: p, {tag % 'a'}\ntwo: p, {tag % 'c'}"))
    assert [d.code for d in found] == ["PW202"]


def test_without_knowledge_there_is_no_finding() -> None:
    assert lint(None, Verbalizer('a: <"words":"nowhere.tsv">\nb: <"words":"nowhere.tsv">')) == ()


def letters(text: str) -> int:
    """A tokenizer of one token a letter, blanks included."""
    return len(text)


@pytest.mark.parametrize(
    ("template", "verbalizer", "expected"),
    [
        (None, "a: x\nb: yy", [("x", " x"), ("yy", " yy")]),  # a leading blank: two letters, three letters
        ('<"mask">', "a: x\nb: yy", [("yy", "yy")]),
        ('It <"mask">', "a: x\nb: y", [("x", " x"), ("y", " y")]),
        ('<"mask":2>', "a: xx\nb: yyy", [("yyy", "yyy")]),
        ('<"mask"> and<"mask":2>', "a: x + yy\nb: z + xyz", [("z + xyz", "xyz")]),
    ],
)
def test_words_of_several_tokens(template: str | None, verbalizer: str, expected: list[tuple[str, str]]) -> None:
    asked: list[str] = []

    def count(text: str) -> int:
        asked.append(text)
        return letters(text)

    shown = lint(None if template is None else Template(template), Verbalizer(verbalizer), count_tokens=count)
    several = [d for d in shown if d.code == "PW201"]
    assert [verbalizer[d.span.start : d.span.end] for d in several if d.span] == [word for word, _ in expected]
    assert {counted for _, counted in expected} <= set(asked)
    assert [f"{len(counted)} tokens" in d.message for d, (_, counted) in zip(several, expected, strict=True)] == [
        True for _ in expected
    ]


@pytest.mark.parametrize(
    "code", [c for c in CODES.values() if c.code.startswith("PW") and c.wrong], ids=lambda c: c.code
)
def test_the_examples_of_the_table_of_codes(code: Code) -> None:
    def codes(text: str) -> list[str]:
        if code.code.startswith("PW2"):
            found = lint(None, Verbalizer(text), count_tokens=lambda word: 1 + len(word) // 12)
        else:
            found = lint(Template(text), family="causal" if code.code in ("PW105", "PW106") else None)
        return [d.code for d in found]

    assert codes(code.wrong) == [code.code]
    assert codes(code.right) == []


def test_every_finding_is_in_the_table_of_codes() -> None:
    assert [c for c in CODES if c.startswith("PW")] == list(RULES)


def test_without_a_tokenizer_no_tokens_are_counted() -> None:
    assert lint(None, Verbalizer("a: several words here\nb: x")) == ()


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(ValueError, match="masked"):
        lint(Template('<"mask">'), family="prefix")


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["<", "{", "[", "mask", ">", "]", "}", " ", ":", '<"mask">'])).map("".join)
)
def test_any_template_can_be_linted(text: str) -> None:
    try:
        template = Template(text)
    except PromptDSLError:
        return
    for diagnostic in lint(template, family="causal"):
        assert diagnostic.span is not None
        assert diagnostic.span.end <= len(text)
        assert diagnostic.code in str(diagnostic)
