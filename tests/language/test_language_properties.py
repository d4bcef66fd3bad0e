"""Properties of both languages over generated texts and trees."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from promptdsl import PromptDSLError, Template, Verbalizer
from promptdsl.codes import CODES
from promptdsl.language.filters import FILTERS
from promptdsl.language.nodes import Attribute, LabelledWords, Piece, Tag, Text, Word
from promptdsl.language.schema import (
    ITEM_KINDS,
    STEP_KINDS,
    TEMPLATE_KINDS,
    AttributeSpec,
    KindSpec,
    Type,
    Value,
)

SOME = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MANY = settings(SOME, max_examples=400)

# Any code point, surrogates included; and texts that are nearly templates or verbalizers.
ANY = st.text(st.characters(exclude_categories=()), max_size=40)
CLEAN = st.text(max_size=12)
FRAGMENTS = st.sampled_from(
    [
        *"<>{}[]()\"'\\:;,=-+. \t\n\r#@",
        '<"mask">',
        '<"placeholder":"text_a"',
        '<"cluster":2>',
        '<"wordnet":"x"',
        '<"pool":"max">',
        '{"soft":5,',
        '"filters":["strip"]',
        '"same"',
        "true",
        "None",
        "3",
        "1e5",
        "-0.0",
        "label: ",
        "word, ",
        "\\u00e9",
        "\\ud83d",
        "lambda x: x",
        "“",
        "：",
        "\u200b",
        "\ud800",
        "\x00",
        "\u2028",
        "é🙂",
    ]
)
SOUP = st.lists(FRAGMENTS, max_size=25).map("".join)


def check_error(error: PromptDSLError, text: str | None) -> None:
    """What every error keeps to: known codes, places inside the text, a printable message of at most 2 KB."""
    message = str(error)
    assert len(message.encode()) <= 2048
    assert all(c == "\n" or not unicodedata.category(c).startswith("C") for c in message)
    assert "lark" not in message.lower() and "$END" not in message
    for diagnostic in error.diagnostics:
        assert diagnostic.code in CODES and diagnostic.message and diagnostic.help
        if diagnostic.span is not None:
            assert text is not None and 0 <= diagnostic.span.start <= diagnostic.span.end <= len(text)


@MANY
@given(ANY | SOUP)
@example('<"')
@example("<'\\")
@example('{"a":["b" ,')
@example('<"text":"' + "\U0010ffff" * 400)
def test_any_text_is_a_template_or_an_error(text: str) -> None:
    try:
        template = Template(text)
    except PromptDSLError as error:
        check_error(error, text)
        return
    written = str(template)
    assert Template(written) == template
    assert str(Template(written)) == written


@MANY
@given(ANY | SOUP)
@example("{")
@example('a: "b" c; <"')
@example("\n;\r;:")
def test_any_text_is_a_verbalizer_or_an_error(text: str) -> None:
    try:
        verbalizer = Verbalizer(text)
    except PromptDSLError as error:
        check_error(error, text)
        return
    written = str(verbalizer)
    assert Verbalizer(written) == verbalizer
    assert str(Verbalizer(written)) == written


def values(allowed: Type) -> st.SearchStrategy[Value]:
    """Values that a type allows."""
    choices: list[st.SearchStrategy[Value]] = []
    for name in allowed.names:
        if name == "null":
            choices.append(st.none())
        elif name == "boolean":
            choices.append(st.booleans())
        elif name == "integer":
            choices.append(st.integers(int(allowed.least or 0), min(12, int(allowed.most or 12))))
        elif name == "number":
            choices.append(st.floats(allowed.least, allowed.most, allow_infinity=False) | st.just(0))
        elif name == "texts" and allowed.choices:
            choices.append(st.lists(st.sampled_from(allowed.choices), min_size=1, unique=True).map(tuple))
        elif name == "texts":
            choices.append(st.lists(filters(), max_size=3).map(tuple))
        elif allowed.choices:
            exact = [c for c in allowed.choices if not c.endswith(":")]
            choices.append(st.sampled_from(exact + [c + "x, y" for c in allowed.choices if c.endswith(":")]))
        else:
            choices.append(st.text(min_size=int(allowed.filled), max_size=12))
    return st.one_of(choices)


@st.composite
def filters(draw: st.DrawFn) -> str:
    spec = draw(st.sampled_from(list(FILTERS.values())))
    with_text = spec.argument == "required" or (spec.argument == "optional" and draw(st.booleans()))
    return f"{spec.name}:{draw(CLEAN)}" if with_text else spec.name


@st.composite
def tags(draw: st.DrawFn) -> Tag:
    spec = TEMPLATE_KINDS[draw(st.sampled_from(sorted(set(TEMPLATE_KINDS) - {"prefix"})))]
    value = draw(values(spec.value))
    attributes: list[tuple[str, AttributeSpec]] = [p for p in spec.attributes.items() if draw(st.booleans())]
    if spec.name == "soft":  # what contradicts itself is for the other tests
        left_out = {"soft_id", "same", "duplicate"} if value is None else {"soft_id", "same", "duplicate", "length"}
        left_out |= {"init"} if isinstance(value, str) else set()
        attributes = [(k, a) for k, a in attributes if k not in left_out]
    if spec.name == "mask":
        attributes = []
    assume(not (spec.name == "special" and "mask" in str(value).casefold()))
    return Tag(spec.name, value, tuple(Attribute(k, draw(values(a.type))) for k, a in attributes), spec)


@st.composite
def trees(draw: st.DrawFn) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    for piece in draw(st.lists(tags() | SOUP.filter(lambda t: "\ud800" not in t).map(Text), min_size=1, max_size=6)):
        if isinstance(piece, Tag) or (piece.text and not (pieces and isinstance(pieces[-1], Text))):
            pieces.append(piece)
    assume(pieces)
    demos = [p for p in pieces if isinstance(p, Tag) and p.kind == "demos"]
    assume(len(demos) < 2 and (not demos or any(isinstance(p, Tag) and p.kind == "mask" for p in pieces)))
    if draw(st.booleans()):
        pieces.insert(0, Tag("prefix", draw(st.integers(1, 20)), (), TEMPLATE_KINDS["prefix"]))
    return tuple(pieces)


@MANY
@given(trees())
def test_what_is_unparsed_parses_to_the_same(pieces: tuple[Piece, ...]) -> None:
    template = Template.from_pieces(pieces)
    assert template.pieces == pieces
    assert Template(str(template)).pieces == pieces


@SOME
@given(trees())
def test_braces_and_python_spellings_say_the_same(pieces: tuple[Piece, ...]) -> None:
    """The same tree written by another hand: OpenPrompt's braces, Python's literals by `repr`, blanks everywhere."""
    written = ""
    for number, piece in enumerate(pieces):
        if isinstance(piece, Text):
            written += str(Template.from_pieces([piece])) if number + 1 == len(pieces) else ""
            continue
        pairs = [(piece.kind, piece.value), *((a.key, a.value) for a in piece.attributes)]
        shown = (f"{k!r} : {list(v)!r}" if isinstance(v, tuple) else f"{k!r} : {v!r}" for k, v in pairs)
        written += "{ " + " , ".join(shown) + " }"
    assume("\\x" not in written and "\\U" not in written and written)  # escapes that repr has and JSON has not
    kept = [p for n, p in enumerate(pieces) if isinstance(p, Tag) or n + 1 == len(pieces)]
    assert Template(written) == Template.from_pieces(kept)


@SOME
@given(st.text(max_size=30))
def test_strings_mean_what_json_says(text: str) -> None:
    for written in (json.dumps(text), json.dumps(text, ensure_ascii=False)):
        (tag,) = Template(f'<"text":{written}>').tags
        assert tag.value == text


@SOME
@given(st.floats(0, 0.99) | st.sampled_from(["0", "0.5", "1e-3", "0.0E+0", "9E-1"]))
def test_numbers_mean_what_json_says(number: float | str) -> None:
    (tag,) = Template(f'<"prefix":1,"dropout":{number}>').tags
    assert tag["dropout"] == json.loads(str(number))


@SOME
@given(SOUP.filter(lambda t: "\ud800" not in t))
def test_escaped_text_is_only_text(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace("<", "\\<").replace("{", "\\{")
    assume(escaped)
    assert Template(escaped).pieces == (Text(text),)


WORDS = (CLEAN | SOUP.filter(lambda t: "\ud800" not in t)).filter(lambda t: t and not t.lstrip().startswith("<"))


@SOME
@given(st.dictionaries(WORDS.filter(str.strip), st.lists(WORDS, min_size=1, max_size=4), min_size=1, max_size=4))
def test_a_verbalizer_is_the_same_in_all_its_forms(classes: dict[str, list[str]]) -> None:
    expected = tuple(LabelledWords(label, tuple(map(Word, words))) for label, words in classes.items())
    from_mapping = Verbalizer(classes)
    assert from_mapping.classes == expected
    assert Verbalizer(str(from_mapping)).classes == expected
    assert Verbalizer(json.dumps(classes)).classes == expected
    assert Verbalizer(json.dumps(classes, ensure_ascii=False, indent=2)).classes == expected
    lines = (f"{json.dumps(k)}:{' , '.join(map(json.dumps, v))}" for k, v in classes.items())
    assert Verbalizer(" ; ".join(lines)).classes == expected


@st.composite
def tags_of(draw: st.DrawFn, spec: KindSpec) -> Tag:
    written = [pair for pair in spec.attributes.items() if draw(st.booleans())]
    attributes = tuple(Attribute(key, draw(values(a.type))) for key, a in written)
    return Tag(spec.name, draw(values(spec.value)), attributes, spec)


@st.composite
def verbalizers(draw: st.DrawFn) -> tuple[tuple[LabelledWords, ...], tuple[Tag, ...]]:
    """Classes and steps that do not contradict each other: words in all classes, the same abstract ones in all."""
    row = draw(st.booleans())
    kinds = ["wordnet", "words", "neighbors", *(["meta"] if row else ["soft", "auto"])]
    items = WORDS.map(Word) | st.sampled_from(kinds).flatmap(lambda kind: tags_of(ITEM_KINDS[kind]))
    vectors = [draw(tags_of(ITEM_KINDS[k])) for k in ("cluster", "prototype") if not row and draw(st.booleans())]
    labels = draw(st.lists(WORDS.filter(str.strip), min_size=1, max_size=3, unique=True))
    classes = (LabelledWords(x, (*draw(st.lists(items, min_size=1, max_size=3)), *vectors)) for x in labels)
    steps = draw(st.permutations(sorted(set(STEP_KINDS) - ({"refine"} if row else set()))))
    chosen = [draw(tags_of(STEP_KINDS[kind])) for kind in steps if draw(st.booleans())]
    return tuple(classes), tuple(s for s in chosen if not (row and s.value in ("contextual", "support", "weighted")))


@SOME
@given(verbalizers())
def test_a_verbalizer_with_tags_is_the_same_in_all_its_forms(
    tree: tuple[tuple[LabelledWords, ...], tuple[Tag, ...]],
) -> None:
    classes, steps = tree
    verbalizer = Verbalizer.from_classes(classes, steps)
    assert (verbalizer.classes, verbalizer.steps) == (classes, steps)
    text = str(verbalizer)
    assert Verbalizer(text) == verbalizer and str(Verbalizer(text)) == text
    mapping: dict[str, list[str]] = {
        c.label: [i.text if isinstance(i, Word) else str(i) for i in c.items] for c in classes
    }
    mapping |= {str(step): [] for step in steps}
    assert Verbalizer(mapping) == Verbalizer(json.dumps(mapping)) == verbalizer


BARE = st.text(st.characters(exclude_characters=',;"\r\n', exclude_categories=("C", "Z")), min_size=1, max_size=8)


@SOME
@given(
    st.lists(BARE.filter(lambda t: not t.startswith("<'")), min_size=1, max_size=6), st.sampled_from([" ", "\t", "  "])
)
def test_bare_words_need_no_quotes(words: list[str], blank: str) -> None:
    text = f"label:{blank}" + f"{blank},{blank}".join(words)
    assert [str(getattr(w, "text", "")) for w in Verbalizer(text).classes[0].items] == words


UNITS = [
    "<",
    '<"',
    "\\",
    '"',
    "'",
    "{",
    '{"',
    "[",
    "]",
    ",",
    ":",
    ";",
    "\n",
    " ",
    "<'\\",
    '<"a":[',
    '<"mask">',
    "a: b\n",
    "a:;",
]


@pytest.mark.parametrize("unit", UNITS, ids=repr)
@pytest.mark.parametrize("begin", ["", '<"mask":', "a: ", '{"a":["', '<"text":"'], ids=repr)
def test_large_texts_are_read_or_refused(begin: str, unit: str) -> None:
    """100 kB of one thing. That time grows with the length only is measured by benchmarks/language.py."""
    text = begin + unit * (100_000 // len(unit))
    for language in (Template, Verbalizer):
        try:
            language(text, limit=None)
        except PromptDSLError as error:
            check_error(error, text)
