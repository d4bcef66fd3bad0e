"""Other frameworks' strings → ours: every expectation derived by hand from what the framework's reader does."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptdsl.errors import PromptDSLError, TemplateSyntaxError, VerbalizerError
from promptdsl.language.importers import (
    IMPORTERS,
    from_autoprompt,
    from_lmbff,
    from_openprompt,
    verbalizer_from_openprompt,
)
from promptdsl.language.nodes import Tag
from promptdsl.language.template import Template

# OpenPrompt's string → ours.
OPENPROMPT = [
    # quotes, blanks, commas
    ("{'placeholder': 'text_a'} It was {'mask'}.", '<"placeholder":"text_a"> It was <"mask">.'),
    ('{ "mask" }', '<"mask">'),
    ('{\n"mask"\t:\nNone\n}', '<"mask">'),
    ('{"mask",}', '<"mask">'),
    ('{"placeholder":"text_a","shortenable":False,}', '<"placeholder":"text_a","shortenable":false>'),
    ('{"shortenable": True, "meta": "title"}', '<"meta":"title","shortenable":true>'),
    ('{"text": "it\'s"}', '<"text":"it\'s">'),
    ("{'text': 'say \"hi\"'}", '<"text":"say \\"hi\\"">'),
    ("{'text': 'it\\'s'}", '<"text":"it\'s">'),
    ('{"text": "a" "b"}', '<"text":"ab">'),
    ('{"text": "{}"} {"mask"}', '<"text":"{}"> <"mask">'),
    ('{"text": "{"} {"mask"}', '<"text":"{"> <"mask">'),
    ('{"text": "\\u00e9\\x41\\101\\N{BULLET}\\n\\q"}', '<"text":"éAA•\\n\\\\q">'),
    ('{"text": r"\\n"}', '<"text":"\\\\n">'),
    ('{"text": "é意"} {"mask"}', '<"text":"é意"> <"mask">'),
    # text: a brace that closes, what would be a tag of ours, backslashes
    ('a } b {"mask"}', 'a } b <"mask">'),
    ('<"mask"> is {"mask"}', '\\<"mask"> is <"mask">'),
    ('<mask> [MASK] {"mask"}', '<mask> [MASK] <"mask">'),
    ('a\\n {"mask"}', 'a\\n <"mask">'),
    ('a\\{"mask"}', 'a\\\\<"mask">'),
    # blanks: runs before a piece become one, those at the end go; inside a text and around a newline they stay
    ('{"meta":"x"}   {"mask"}', '<"meta":"x"> <"mask">'),
    ('   was   {"mask"}   ', ' was <"mask">'),
    ('a  b  {"mask"}  !  ', 'a  b <"mask"> !'),
    ('{"meta":"x"} \n {"mask"}\n', '<"meta":"x"> \n <"mask">\n'),
    ("only text  ", "only text"),
    ("  ", " "),
    # what OpenPrompt reads and ignores
    ('{"mask": None, "shortenable": False}', '<"mask">'),
    ('{"text": "a", "post_processing": lambda x: x.nonsense()}', '<"text":"a">'),
    ('{"soft": "It was", "duplicate": 3, "same": True}', '<"soft":"It was">'),
    ('{"soft": None, "same": True}', '<"soft">'),
    ('{"placeholder":"text_a","post_processing":None}', '<"placeholder":"text_a">'),
    ('{"placeholder":"text_a","shortenable":0}', '<"placeholder":"text_a","shortenable":false>'),
    # soft
    ('{"soft": None, "duplicate": 20, "same": True} {"mask"}', '<"soft","same":true,"duplicate":20> <"mask">'),
    (
        '{"soft": None, "duplicate": 3, "soft_id": 1} {"soft_id": 1}',
        '<"soft","soft_id":1,"duplicate":3> <"soft","soft_id":1>',
    ),
    ('{"soft_id": 2} {"soft": "it", "soft_id": 2}', '<"soft","soft_id":2> <"soft","soft_id":2>'),
    ('{"soft"}{"soft"} {"mask"}', '<"soft"><"soft"> <"mask">'),
    # special, meta
    ('{"meta":"a"} {"special": "<eos>"} {"mask"}', '<"meta":"a"> <"special":"<eos>"> <"mask">'),
    # lambdas: bare, quoted either way, with commas and braces inside, across lines
    (
        '{"placeholder":"text_a","post_processing": lambda s: s.strip().lower(), "shortenable": False}',
        '<"placeholder":"text_a","shortenable":false,"filters":["strip","lower"]>',
    ),
    (
        "{'meta':'x','post_processing':'lambda s: s.rstrip(\".\")+\"?\"'}",
        '<"meta":"x","filters":["rstrip:.","append:?"]>',
    ),
    (
        '{"meta":"x","post_processing":"lambda s: \'}\' + s"} {"mask"}',
        '<"meta":"x","filters":["prepend:}"]> <"mask">',
    ),
    (
        '{"meta":"x","post_processing":lambda l: ", ".join(l)} {"mask"}',
        '<"meta":"x","filters":["join:, "]> <"mask">',
    ),
    (
        '{"meta":"x","post_processing":lambda l: "|".join(f"{i}:{c}" for i, c in enumerate(l))}',
        '<"meta":"x","filters":["enumerate:|"]>',
    ),
    ('{"post_processing": str.lower, "placeholder": "text_a"}', '<"placeholder":"text_a","filters":["lower"]>'),
    ('{"meta":"x","post_processing":lambda s:\n   s[:-1]\n}', '<"meta":"x","filters":["drop_last"]>'),
    ('{"meta":"x","post_processing":lambda x: x}', '<"meta":"x">'),
]


@pytest.mark.parametrize(("written", "ours"), OPENPROMPT, ids=[w for w, _ in OPENPROMPT])
def test_openprompt(written: str, ours: str) -> None:
    found = from_openprompt(written)
    assert str(found) == str(Template(ours))
    assert found == Template(ours)


# A malformed string → its code and the characters under the caret.
MALFORMED = [
    ("{x}", "PD151", "x"),
    ("{}", "PD151", "}"),
    ("{1: 2}", "PD151", "1"),
    ("{“mask”}", "PD151", "“"),
    ('{"mask"', "PD150", "{"),
    ('It was {"mask" , ', "PD150", "{"),
    ('{"placeholder": ', "PD150", "{"),
    ('{"placeholder":"text_a","post_processing":lambda x: (x', "PD150", "{"),
    ('{"mask" "x" 5}', "PD151", "5"),
    ('{"placeholder"="text_a"}', "PD151", "="),
    ('{"mask": None, None}', "PD151", "N"),
    ('{"mask', "PD152", '"'),
    ('{"text": "a\nb"}', "PD152", '"'),
    ('{"text": "\\x4"}', "PD152", '"\\x4"'),
    ('{"text": "\\N{NO SUCH NAME}"}', "PD152", '"\\N{NO SUCH NAME}"'),
    ('{"text": b"a"}', "PD152", 'b"a"'),
    ('{"placeholder": text_a}', "PD153", "text_a"),
    ('{"placeholder": ["text_a"]}', "PD153", "["),
    ('{"meta": "x", "shortenable": os.getenv("A")}', "PD153", "os.getenv"),
    ('{"soft": None, "duplicate": 1e999}', "PD153", "1e999"),
    ('{"soft": None, "duplicate": ' + "9" * 5000 + "}", "PD153", "9" * 5000),
    ('{"meta":"x","post_processing":lambda x: exec(x)}', "PD154", "lambda x: exec(x)"),
    ('{"meta":"x","post_processing":"lambda x: y"}', "PD154", '"lambda x: y"'),
    ('{"meta":"x","post_processing":5}', "PD154", "5"),
    ('{"meta":"x","post_processing"}', "PD154", '"post_processing"'),
    ('{"meta":lambda x: x}', "PD154", "lambda x: x"),
    # what our own parser says, with the caret in OpenPrompt's text
    ("a   {\"plceholder\" : 'text_a'}", "PD201", '"plceholder"'),
    ('{"meta":"x"}  {"soft": None,\t"duplicate" : 0}', "PD204", "0"),
    ('{"placeholder": "text_a", "shortenable": "yes"}', "PD203", '"yes"'),
    ('{"special": "<mask>"}', "PD309", '"<mask>"'),
]


@pytest.mark.parametrize(("written", "code", "under"), MALFORMED, ids=[w[:40] for w, _, _ in MALFORMED])
def test_openprompt_malformed(written: str, code: str, under: str) -> None:
    with pytest.raises(PromptDSLError) as caught:
        from_openprompt(written)
    first = caught.value.diagnostics[0]
    assert first.code == code
    assert first.source == written
    assert first.span is not None
    assert written[first.span.start : first.span.end] == under


def test_an_unknown_lambda_names_the_filters_and_all_of_them_are_reported() -> None:
    bad = '{"meta":"a","post_processing":lambda x: y}'
    with pytest.raises(TemplateSyntaxError) as caught:
        from_openprompt(f"{bad} {bad}")
    assert [d.span.start for d in caught.value.diagnostics if d.span] == [30, 30 + len(bad) + 1]
    assert "uncapitalize" in str(caught.value)
    assert "code is never run" in str(caught.value)


def test_a_literal_brace_is_explained_in_openprompts_own_words() -> None:
    with pytest.raises(PromptDSLError) as caught:
        from_openprompt("{'who'}")
    assert caught.value.diagnostics[0].help == 'for a brace that is text write {"text": "{"}'


@pytest.mark.parametrize("name", IMPORTERS)
@given(st.data())
def test_any_text_gives_a_template_or_our_error(name: str, data: st.DataObject) -> None:
    fragments = ["{", "}", '"', "'", "*", "_", "\\", ":", ",", " ", "lambda x:", "mask", "soft", "placeholder", "[T]"]
    text = data.draw(st.text() | st.lists(st.sampled_from(fragments) | st.text(max_size=3)).map("".join))
    try:
        found = IMPORTERS[name](text)
    except PromptDSLError as error:
        assert all(d.code.startswith("PD") for d in error.diagnostics)
        assert len(str(error).encode("utf-8", "replace")) <= 2048
    else:
        assert Template(str(found)) == found


@given(st.text(alphabet=st.characters(exclude_characters="{", exclude_categories=["Cs"]), min_size=1))
def test_text_without_a_brace_is_text_less_its_last_blanks(text: str) -> None:
    kept = text.strip(" ")
    expected = " " * (text.startswith(" ") or not kept) + kept
    assert "".join(p.text for p in from_openprompt(text).pieces if not isinstance(p, Tag)) == expected


@pytest.mark.parametrize("name", IMPORTERS)
def test_a_text_larger_than_a_template_may_be_is_refused(name: str) -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        IMPORTERS[name]("a " * 40_000)
    assert caught.value.code == "PD121"


LMBFF = [
    ("*cls**sent_0*_It_was*mask*.*sep+*", '<"placeholder":"text_a"> It was <"mask">.'),
    (
        "*cls**sent-_0*?*mask*,*+sentl_1**sep+*",
        '<"placeholder":"text_a","filters":["drop_last"]>? <"mask">, '
        '<"placeholder":"text_b","filters":["uncapitalize"]>',
    ),
    ("*cls*_*mask*:*+sent_0**sep*", ' <"mask">: <"placeholder":"text_a">'),
    ("*sentu_0*_*mask*", '<"placeholder":"text_a","filters":["capitalize"]> <"mask">'),
    ("*cls**sent_0**sep+**sent_1**mask*", '<"placeholder":"text_a"><"special":"sep"><"placeholder":"text_b"> <"mask">'),
    ("*sent_2**mask*", '<"placeholder":"sent_2"> <"mask">'),
    ('*<**"x"*', '\\<"x"'),
]
AUTOPROMPT = [
    ("<s> {sentence} [T] [T] [T] [P] . </s>", '<"placeholder":"sentence"> <"soft":3> <"mask"> .'),
    ("[CLS] {sentence} [T] [P] . [SEP]", '<"placeholder":"sentence"> <"soft"> <"mask"> .'),
    (
        "<s> {premise} [P] </s> [T][T] {hypothesis} </s>",
        '<"placeholder":"premise"> <"mask"> <"special":"sep"> <"soft":2> <"placeholder":"hypothesis">',
    ),
    ("{a}[P]", '<"placeholder":"a"><"mask">'),
]


@pytest.mark.parametrize(("written", "ours"), LMBFF, ids=[w for w, _ in LMBFF])
def test_lmbff(written: str, ours: str) -> None:
    assert str(from_lmbff(written)) == ours


@pytest.mark.parametrize("part", ["label_0", "labelx_1", "+sentx_0", "sent_all", "option_2"])
def test_lmbff_parts_without_counterpart(part: str) -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        from_lmbff(f"*cls**{part}**mask*")
    (found,) = caught.value.diagnostics
    assert (found.code, found.column, found.span and found.span.end) == ("PD155", 7, 6 + len(part))


@pytest.mark.parametrize(("written", "ours"), AUTOPROMPT, ids=[w for w, _ in AUTOPROMPT])
def test_autoprompt(written: str, ours: str) -> None:
    assert str(from_autoprompt(written)) == ours


VERBALIZERS = [
    ("no\nyes\n", None, 0, "no: no\nyes: yes"),
    ("bad, awful\ngood,great ,\n", ["neg", "pos"], 0, "neg: bad, awful\npos: good, great"),
    ("a\nb\n\nc\nd\n", ["x", "y"], 1, "x: c\ny: d"),
    ('{"neg": ["bad"], "pos": "well made"}', None, 0, "neg: bad\npos: well made"),
    ('[["bad", "poor"], ["good"]]', ["neg", "pos"], 0, "neg: bad, poor\npos: good"),
    ('[{"a": ["x"]}, {"b": ["y"]}]', None, 1, "b: y"),
    (' {"text":"No"}\n {"text": "Yes"}\n', ["0", "1"], 0, "0: No\n1: Yes"),
]


@pytest.mark.parametrize(("written", "classes", "choice", "ours"), VERBALIZERS, ids=[v[0] for v in VERBALIZERS])
def test_openprompt_verbalizers(written: str, classes: list[str] | None, choice: int, ours: str) -> None:
    assert str(verbalizer_from_openprompt(written, classes, choice)) == ours


def test_a_word_for_each_mask() -> None:
    file = '{"founded": ["organization", "was", "founded"], "none": ["entity", "is", "irrelevant"]}'
    found = verbalizer_from_openprompt(file, masks=3)
    assert str(found) == "founded: organization + was + founded\nnone: entity + is + irrelevant"
    with pytest.raises(VerbalizerError, match="3 words for 2 masks"):
        verbalizer_from_openprompt(file, masks=2)


@pytest.mark.parametrize(
    ("written", "classes", "choice"),
    [
        ("", None, 0),
        ("a\nb", ["only one"], 0),
        ("a\nb", None, 1),
        ("a\n,\n", None, 0),
        ("good\ngood", None, 0),
        ('{"a": 5}', None, 0),
        ('[["a"], 5]', None, 0),
        ('{"a": ["x"]}', ["b"], 0),
        ('{"meta": "choice1"}', None, 0),
    ],
)
def test_openprompt_verbalizers_refused(written: str, classes: list[str] | None, choice: int) -> None:
    with pytest.raises(VerbalizerError) as caught:
        verbalizer_from_openprompt(written, classes, choice)
    assert caught.value.code == "PD156"


@given(
    st.text()
    | st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)).map(
        json.dumps
    )
)
def test_any_verbalizer_text_gives_a_verbalizer_or_our_error(text: str) -> None:
    try:
        found = verbalizer_from_openprompt(text)
    except PromptDSLError as error:
        assert error.code.startswith("PD")
    else:
        assert found.labels
