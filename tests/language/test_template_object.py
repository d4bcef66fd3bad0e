"""What a Template is and gives: fields, equality, copies, files, limits."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from promptdsl import PromptDSLError, Template, Verbalizer
from promptdsl.errors import FileError, TemplateError, TemplateNameError, TemplateSyntaxError
from promptdsl.language.explain import explain_kind
from promptdsl.language.nodes import Attribute, Tag, Text
from promptdsl.language.schema import ITEM_KINDS, STEP_KINDS, TEMPLATE_KINDS, KindSpec


def codes(text: str, **options: int | None) -> list[str]:
    with pytest.raises(PromptDSLError) as caught:
        Template(text, **options)  # type: ignore[arg-type]
    return [d.code for d in caught.value.diagnostics]


def test_pieces_and_their_places() -> None:
    text = 'On {"meta":"title"} it was < "mask" , "name":"m" >.'
    on, title, was, mask, dot = Template(text).pieces
    assert isinstance(title, Tag) and isinstance(mask, Tag)
    assert [on, was, dot] == [Text("On "), Text(" it was "), Text(".")]
    assert (title.kind, title.value, title.attributes) == ("meta", "title", ())
    assert (mask.kind, mask.value, mask.attributes) == ("mask", None, (Attribute("name", "m"),))
    places = [title.span, title.kind_span, title.value_span, mask.span, mask.attributes[0].value_span]
    assert [text[p.start : p.end] for p in places] == [
        '{"meta":"title"}',
        '"meta"',
        '"title"',
        '< "mask" , "name":"m" >',
        '"m"',
    ]


def test_written_attributes_and_defaults() -> None:
    (tag,) = Template('<"placeholder":"a","truncate":"head">').tags
    assert (tag["truncate"], tag["shortenable"], tag["filters"], tag["missing"]) == ("head", True, (), "error")
    assert "truncate" in tag and "shortenable" not in tag
    (tag,) = Template('<"meta":"a">').tags
    assert tag["shortenable"] is False


def test_columns_masks_and_what_is_trained() -> None:
    template = Template('<"prefix":3><"placeholder":"b"> <"meta":"a"> <"placeholder":"b"><"soft"> <"mask":2> <"mask">')
    assert template.columns == ("b", "a")
    assert [mask.value for mask in template.masks] == [2, None]
    assert [tag.kind for tag in template.soft] == ["prefix", "soft"]


def test_segments_take_the_blank_before_them() -> None:
    template = Template('<"placeholder":"a">  It <"text":" x "> <"mask"> ')
    field, text, mask = template.tags
    assert [(s.piece, s.text, s.leading_space) for s in template.segments] == [
        (field, "", False),
        (Text("  It "), " It", True),
        (text, " x ", True),
        (mask, "", True),
        (Text(" "), "", True),
    ]


def test_equality_is_about_what_is_said() -> None:
    written = Template('{ "mask" : None , }')
    assert written == Template('<"mask">') and hash(written) == hash(Template('<"mask">'))
    assert written != Template('<"mask"> ')
    assert written.source == '{ "mask" : None , }'
    assert repr(written) == """Template('<"mask">')"""
    assert Template(written) == written and Template(written).source == written.source


def test_adjacent_and_empty_texts_are_one() -> None:
    assert Template.from_pieces([Text("a <"), Text('"'), Text("")]).pieces == (Text('a <"'),)


def test_nodes_are_checked_as_if_written() -> None:
    with pytest.raises(TemplateError) as caught:
        Template.from_pieces([Text("a"), Tag("prefix", 20)])
    assert caught.value.code == "PD302"


def test_copies_and_pickles_are_equal() -> None:
    template = Template('<"placeholder":"a","filters":["strip"]> <"mask">')
    assert pickle.loads(pickle.dumps(template)) == template
    assert copy.deepcopy(template) == template and copy.copy(template) == template
    (tag, _) = template.tags
    again = pickle.loads(pickle.dumps(tag))
    assert again == tag and again["missing"] == "error" and copy.deepcopy(tag) == tag


def test_a_template_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Template("x").source = "y"  # type: ignore[misc]


@pytest.mark.parametrize("value", [None, 5, b"x", ["x"]])
def test_what_is_no_text_is_an_error(value: object) -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        Template(value)  # type: ignore[arg-type]
    assert caught.value.code == "PD120" and type(value).__name__ in str(caught.value)


def test_the_class_of_an_error_is_that_of_its_first_code() -> None:
    for text, kind in (
        ('<"mask"', TemplateSyntaxError),
        ('<"msk">', TemplateNameError),
        ("", TemplateError),
        ('<"msk"> <"mask"', TemplateNameError),
        ('<"mask" <"msk">', TemplateSyntaxError),
    ):
        with pytest.raises(kind):
            Template(text)


def test_errors_come_in_the_order_of_their_places() -> None:
    text = 'a <"msk"> b <"mask" c <"mask":0> d <"soft":1,"length":2> e <"mask"'
    with pytest.raises(PromptDSLError) as caught:
        Template(text)
    assert [d.code for d in caught.value.diagnostics] == ["PD201", "PD101", "PD204", "PD307", "PD101"]
    starts = [d.span.start for d in caught.value.diagnostics if d.span]
    assert starts == sorted(starts) and len(starts) == 5


def test_many_errors_are_cut_off() -> None:
    with pytest.raises(PromptDSLError) as caught:
        Template('<"msk"> ' * 1000)
    assert 20 <= len(caught.value.diagnostics) <= 50
    assert str(caught.value).endswith(" more")


def test_size_is_counted_in_bytes() -> None:
    assert len(str(Template("x" * 65_536))) == 65_536
    assert codes("x" * 65_537) == ["PD121"]
    assert len(str(Template("é" * 32_768))) == 32_768
    assert codes("é" * 32_769) == ["PD121"]
    assert len(str(Template("x" * 65_537, limit=None))) == 65_537


def test_at_most_1024_tags() -> None:
    assert len(Template('<"text":"x">' * 1024).tags) == 1024
    assert codes('<"text":"x">' * 1025) == ["PD122"]
    assert codes('<"text":"x">' * 100_000, limit=None) == ["PD122"]


def test_the_values_of_a_tag_are_bounded_whatever_the_size_limit() -> None:
    assert codes('<"placeholder":"a","filters":[' + '"strip",' * 100_000 + "]>", limit=None) == ["PD122"]


def test_at_most_1024_soft_tokens_and_masks() -> None:
    assert Template('<"prefix":512><"soft":500><"soft","duplicate":12>')
    assert codes('<"prefix":512><"soft":500><"soft","duplicate":13>') == ["PD123"]
    assert Template('<"soft":341,"soft_id":1>' + '<"soft","soft_id":1>' * 2)
    assert codes('<"soft":341,"soft_id":1>' + '<"soft","soft_id":1>' * 3) == ["PD123"]
    assert Template('<"mask":1000>' + '<"mask">' * 24)
    assert codes('<"mask":1000>' + '<"mask">' * 25) == ["PD123"]
    assert codes('<"mask":1025>') == ["PD123"]


@pytest.mark.parametrize("kind", TEMPLATE_KINDS.values(), ids=lambda kind: kind.name)
def test_each_kind_parses_its_example_and_explains_itself(kind: object) -> None:
    spec = TEMPLATE_KINDS[kind.name]  # type: ignore[attr-defined]
    tag = Template(f'{spec.example}<"mask">').tags[0]
    assert tag.kind == spec.name and str(tag) == spec.example
    told = explain_kind(spec)
    assert told.startswith(spec.example) and spec.doc in told
    assert all(name in told and attribute.doc in told for name, attribute in spec.attributes.items())


@pytest.mark.parametrize("spec", [*ITEM_KINDS.values(), *STEP_KINDS.values()], ids=lambda spec: spec.name)
def test_each_kind_of_verbalizers_parses_its_example_and_explains_itself(spec: KindSpec) -> None:
    step = spec.name in STEP_KINDS
    verbalizer = Verbalizer(f"a: b\n{spec.example}" if step else f"a: {spec.example}")
    (tag,) = verbalizer.steps if step else verbalizer.classes[0].items
    assert isinstance(tag, Tag) and tag.kind == spec.name and str(tag) == spec.example
    told = explain_kind(spec).split("\n")
    assert told[0] == spec.example and told[2].endswith(spec.doc) and len(told) == 4 + len(spec.attributes)
    texts = [line[2 + len(name) :].lstrip() for name, line in zip(spec.attributes, told[4:], strict=True)]
    assert len({line.index(text) for line, text in zip(told[4:], texts, strict=True)}) <= 1  # one column


def test_what_explain_says_of_an_item() -> None:
    assert explain_kind(ITEM_KINDS["meta"]) == (
        '<"meta":"choice1">\n\nmeta (in a verbalizer): a label word taken from the row: a column\nvalue: a text\n'
        "  filters      a list of texts; filters that turn the value into text, applied in order (default none)\n"
        '  missing      "error" or "empty"; what a row without this column is (default "error")'
    )


def test_what_explain_says() -> None:
    assert explain_kind(TEMPLATE_KINDS["mask"]) == (
        '<"mask">\n\nmask: where label words are read: one position, or n\n'
        "value: nothing or an integer from 1 to 1024\n"
        "  name         a text; a name for this mask (default none)"
    )


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "t.template"
    path.write_bytes('\ufeffÉ <"mask">\r\n'.encode())
    assert Template.from_file(path) == Template('É <"mask">')
    path.write_bytes(b'ok \xff <"mask">')
    for broken, code in ((path, "PD802"), (tmp_path, "PD803"), (tmp_path / "none", "PD801"), ("a\0b", "PD803")):
        with pytest.raises(FileError) as caught:
            Template.from_file(broken)
        assert caught.value.code == code
    path.write_text('<"msk">')
    with pytest.raises(TemplateNameError, match=r"t\.template:1:2"):
        Template.from_file(path)
