"""The report read back with a parser, the tables with csv, against a study written by hand."""

from __future__ import annotations

import csv
from html.parser import HTMLParser
from pathlib import Path

import pytest
from comparison.made_up import NO_SHOTS, TEMPLATE, example

from promptdsl import PromptDSLError
from promptdsl.comparison import publishing
from promptdsl.comparison.page import tag
from promptdsl.comparison.publishing import publish
from promptdsl.comparison.report import html_report
from promptdsl.comparison.tables import as_markdown

HOSTILE = '<script>alert("1")</script>&amp;\'"><img src=http://x.invalid/a.png>'
VOID = {"meta", "img", "br"}


class Read(HTMLParser):
    """Elements with their attributes, the text, and rows of tables; an element that is not closed is an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.rows: list[list[str]] = []
        self.codes: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, name: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attrs)))
        if name not in VOID:
            self.open.append(name)
        if name == "tr":
            self.rows.append([])
        if name in ("td", "th"):
            self.rows[-1].append("")
        if name == "code":
            self.codes.append("")

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text.append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data
        if "code" in self.open:
            self.codes[-1] += data


def report_of(made: object, **options: object) -> Read:
    return Read(html_report(made, made.lines(), {}, **options))  # type: ignore[attr-defined,arg-type]


def test_the_table_has_the_numbers() -> None:
    found = report_of(example())
    lines = example().lines()
    row = next(row for row in found.rows if row[:2] == ["4", "2"] and "0.700" in row)
    hard = next(line for line in lines if line.arm == "hard/words" and line.shots == 4)
    assert row[3] == f"[{hard.low:.3f}, {hard.high:.3f}]"
    assert row[4] == "0.141"  # of 0.6 and 0.8: 0.1·√2
    soft = next(row for row in found.rows if "0.900" in row)
    assert soft[5] == "+0.300"  # 0.9 and 0.6, with the one seed that both have
    assert soft[-1] == "partly"
    assert soft[8] == "400" and soft[9] == "1.00"
    assert ["soft/words", "0", f"no sense: {NO_SHOTS}"] in found.rows


def test_it_says_what_was_asked_and_found() -> None:
    text = "".join(report_of(example()).text)
    assert "Which of 2 templates with 1 verbalizer is right most often with 0 or 4 labelled rows of each class" in text
    assert "At 4 shots the highest mean accuracy is that of soft/words: 0.900" in text


def test_strings_failures_and_provenance_are_there() -> None:
    found = report_of(example(), source="model = 'x'")
    assert {f"{TEMPLATE} 0", f"{TEMPLATE} 1", "a: good; b: bad, word0", "model = 'x'"} <= set(found.codes)
    assert ["soft/words", "4", "2", "PD703 the loss is <not> a number"] in found.rows
    text = "".join(found.text)
    assert f"Cells that make no sense ({NO_SHOTS}): soft/words at 0 shots; majority at 0 shots." in text
    assert "1e" * 32 in text and "2d" * 32 in text and "0f" * 16 in text
    assert "1, 2" in text and "0 at 0 shots, 8 at 4 shots" in text


def test_hostile_names_are_text() -> None:
    made = example(soft=HOSTILE.replace("/", "|"), words=HOSTILE.replace("/", "|"))
    page = html_report(made, made.lines(), {}, source=HOSTILE, folder=HOSTILE)
    found = Read(page)
    assert not {name for name, _ in found.elements} & {"script", "img", "link", "iframe", "object"}
    assert HOSTILE in found.codes
    assert any(HOSTILE.replace("/", "|") in row[0] for row in found.rows)
    assert "<script" not in page


def test_control_characters_and_half_surrogates_are_spelled() -> None:
    assert str(tag("p", "a\x00b\ud800c\nd", id='"x"')) == '<p id="&quot;x&quot;">a\\x00b\\ud800c\nd</p>'


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    """Every address in it is data, and its policy forbids all others."""
    pytest.importorskip("matplotlib")
    example().report(tmp_path / "r.html")
    found = Read((tmp_path / "r.html").read_text("utf-8"))
    addresses = [v for _, attributes in found.elements for k, v in attributes.items() if k in ("src", "href")]
    assert len(addresses) == 3
    assert all(address and address.startswith("data:image/svg+xml;base64,") for address in addresses)
    assert all(attributes["alt"] for name, attributes in found.elements if name == "img")
    policies = [a["content"] for name, a in found.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_publish_writes_tables_pictures_and_report(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    publish(example(), tmp_path / "study")
    assert sorted(p.name for p in (tmp_path / "study").iterdir()) == [
        "cost.png", "cost.svg", "curves.png", "curves.svg", "report.html", "table.csv", "table.md", "templates.png",
        "templates.svg",
    ]  # fmt: skip
    with (tmp_path / "study" / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["arm"], r["shots"], r["accuracy"]) for r in rows if r["accuracy"]] == [
        ("hard/words", "0", "0.5"), ("hard/words", "4", repr((0.6 + 0.8) / 2)), ("soft/words", "4", "0.9"),
        ("majority", "4", "0.5"),
    ]  # fmt: skip


def test_without_matplotlib_there_are_no_pictures_and_the_report_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "find_spec", lambda name: None)
    publish(example(), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "table.csv", "table.md"]
    assert "Pictures take matplotlib" in "".join(Read((tmp_path / "report.html").read_text("utf-8")).text)


def test_markdown_keeps_names_in_their_cells() -> None:
    made = example(soft="a|b\n*c*", words="<x>")
    table = as_markdown(made.lines()).splitlines()
    assert len(table) == 2 + 6
    assert table[4].startswith("| a\\|b\\\\n\\*c\\*/\\<x\\> | 0 | 0 | – |")


def test_what_cannot_be_written_is_a_coded_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(PromptDSLError, match="PD804"):
        example().report(tmp_path / "file" / "r.html")
    assert (tmp_path / "file").read_text() == "kept"
