"""The audit: which rows, in which order, and the table. Every expectation by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptdsl import Verbalizer
from promptdsl.knowledge.related import Related
from promptdsl.language.audit import Audit, Decision, Trace
from promptdsl.language.expansion import decide, replace_items


def made() -> Verbalizer:
    """Two classes with words of all origins, two steps that judged them."""
    words = {"p": ["fine", "well made", "dandy"], "n": ["awful"]}
    verbalizer = replace_items(
        Verbalizer('p: good, <"auto":3>, <"soft":"nice">\nn: <"auto":3>, bad\n'),
        {"auto": lambda c, tag: [Related(w, "found") for w in words[c.label]]},
    )
    verbalizer = decide(verbalizer, "frequency", {("p", "good"): (True, 12.0), ("p", "fine"): (False, 0.12345678)})
    return decide(verbalizer, "relevance", {("p", "dandy"): (True, 2.0), ("n", "awful"): (False, None)})


FINE = Trace("p", "fine", "auto 3: found", (Decision("frequency", False, 0.12345678),))
DANDY = Trace("p", "dandy", "auto 3: found", (Decision("relevance", True, 2.0),))


def test_what_a_trace_says() -> None:
    trace = Trace("p", "w", "o", (Decision("a", True, 3.0), Decision("b", True, None)))
    assert (trace.kept, trace.removed_by, trace.score) == (True, None, 3.0)
    gone = Trace("p", "w", "o", (Decision("a", True, 3.0), Decision("b", False, 1.0), Decision("c", True, 2.0)))
    assert (gone.kept, gone.removed_by, gone.score) == (False, "b", 1.0)
    silent = Trace("p", "w", "o", (Decision("a", True, 3.0), Decision("b", False)))
    assert (silent.kept, silent.removed_by, silent.score) == (False, "b", None)
    assert (Trace("p", "w").kept, Trace("p", "w").score, Trace("p", "w").origin) == (True, None, "written")


def test_the_rows_are_the_words_of_the_classes_then_the_removed_ones() -> None:
    audit = made().audit()
    assert isinstance(audit, Audit)
    assert [(t.label, t.word, t.kept) for t in audit] == [
        ("p", "good", True),
        ("p", '<"soft":"nice">', True),
        ("p", "well made", True),
        ("p", "dandy", True),
        ("p", "fine", False),
        ("n", "bad", True),
        ("n", "awful", False),
    ]
    assert audit[3] == DANDY and audit[4] == FINE and len(audit) == 7
    assert audit[0] == Trace("p", "good", "written", (Decision("frequency", True, 12.0),))
    assert list(audit[3:5]) == [DANDY, FINE] and FINE in audit and isinstance(audit[3:5], Audit)


def test_the_table() -> None:
    assert str(made().audit()) == (
        "label  word             kept           score   origin\n"
        "p      good             yes            12      written\n"
        'p      <"soft":"nice">  yes                    written\n'
        "p      well made        yes                    auto 3: found\n"
        "p      dandy            yes            2       auto 3: found\n"
        "p      fine             no: frequency  0.1235  auto 3: found\n"
        "n      bad              yes                    written\n"
        "n      awful            no: relevance          auto 3: found"
    )


def test_the_table_is_aligned_by_columns_of_the_terminal_and_printable() -> None:
    assert str(Verbalizer({"评价": ["好", "a\tb"], "x": ["very good"]}).audit()) == (
        "label  word       kept  score  origin\n"
        "评价   好         yes          written\n"
        "评价   a\\tb       yes          written\n"
        "x      very good  yes          written"
    )


def test_a_long_class_is_cut_in_the_table_only() -> None:
    words = [f"w{i}" for i in range(25)]
    verbalizer = decide(Verbalizer({"a": words, "b": ["c"]}), "cut", {("a", w): (w > "w2", None) for w in words[::2]})
    # w0, w2, w10 to w18 (even ones) go: seven; w4, w6, w8, w20, w22, w24 stay.
    audit = verbalizer.audit()
    table = str(audit).split("\n")
    assert len(audit) == 26 and len(table) == 1 + 20 + 1 + 1
    assert table[21] == "a      … and 5 more: 0 kept, 5 removed"
    assert table[19:21] == ["a      w0    no: cut         written", "a      w2    no: cut         written"]
    assert table[22].split() == ["b", "c", "yes", "written"]


def test_records() -> None:
    records = made().audit().records()
    assert len({tuple(record) for record in records}) == 1
    assert records[4] == {
        "label": "p",
        "word": "fine",
        "kept": False,
        "removed_by": "frequency",
        "score": 0.12345678,
        "origin": "auto 3: found",
        "frequency_score": 0.12345678,
        "relevance_score": None,
    }
    assert json.loads(json.dumps(records)) == records


def test_knowledge_is_expanded_for_the_audit(tmp_path: Path) -> None:
    path = tmp_path / "w.tsv"
    path.write_text("a\tb\na\tc\t0.5\n", encoding="utf-8")
    verbalizer = Verbalizer({"a": ["b", '<"words":' + json.dumps(str(path)) + ">"]})
    rows = [(t.word, t.origin.partition(" ")[0], t.score) for t in verbalizer.audit()]
    assert rows == [("b", "written", None), ("c", "words", 0.5)]
    assert verbalizer.traces == () and len(verbalizer.classes[0].items) == 2


def test_the_audit_of_the_expanded_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "w.tsv").write_text("a\tb\n", encoding="utf-8")
    verbalizer = Verbalizer({"a": ['<"words":' + json.dumps(str(tmp_path / "w.tsv")) + ">"]})
    assert verbalizer.expanded().audit() == verbalizer.audit()


def test_an_audit_is_no_place_for_a_string_index() -> None:
    with pytest.raises(TypeError):
        made().audit()["p"]  # type: ignore[call-overload]
