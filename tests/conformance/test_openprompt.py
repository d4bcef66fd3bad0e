"""What OpenPrompt 1.0.1 recorded for its own template lines is what the importer gives, piece by piece."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from promptdsl.encoding.rows import as_rows, column_texts
from promptdsl.errors import PromptDSLError
from promptdsl.language.importers import from_openprompt
from promptdsl.language.nodes import Segment, Tag, Text
from promptdsl.language.template import Template

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "conformance"
if not FOLDER.is_dir():
    pytest.skip("needs the recorded OpenPrompt lines (shared/conformance beside the checkout)", allow_module_level=True)

LINES = [json.loads(line) for line in (FOLDER / "openprompt_templates.jsonl").read_text("utf-8").splitlines()]
ROW = {
    "text_a": "The film was great.",
    "text_b": "It was bad.",
    **json.loads((FOLDER / "openprompt_meta.json").read_text("utf-8")),
}
ABSURD = [d for d in LINES if d["template"].startswith('{"soft": None, "duplicate": 10000}')]
TEMPLATES = [d for d in LINES if d["status"] == "ok" and d["kind"].startswith("template") and d not in ABSURD]
RULES = [d for d in LINES if d["status"] == "ok" and "rule" in d["kind"]]


def name(line: dict[str, Any]) -> str:
    return f"{line['path']}:{line['line']}"


def filled(segment: Segment) -> str:
    """The segment's text for ROW, with its leading blank, as OpenPrompt writes it."""
    piece = segment.piece
    if isinstance(piece, Tag) and piece.kind in ("placeholder", "meta"):
        return " " * segment.leading_space + column_texts(as_rows([ROW]), piece)[0]
    return " " * segment.leading_space + segment.text


def letters(text: str) -> str:
    """A text as a lower-casing WordPiece leaves it when its pieces are put together: no blanks, no case."""
    return re.sub(r"\s|##", "", text).lower()


class Recorded:
    """OpenPrompt's wrapped pieces, taken from the front."""

    def __init__(self, wrapped: list[dict[str, Any]]) -> None:
        self.left = list(wrapped)
        self.ids: dict[int, list[int]] = {}  # our soft_id → OpenPrompt's numbers
        self.used: set[int] = set()

    def take_soft(self, tag: Tag) -> None:
        """Compare one soft tag: the words by their text, null by its number, shared vectors by their numbers."""
        numbers: list[int] = []
        shared = tag["soft_id"]
        if shared in self.ids:
            for number in self.ids[shared]:
                found = self.left.pop(0)
                assert (found["text"], found["soft_token_ids"]) == (None, number)
            return
        if isinstance(tag.value, str):
            spelled = ""
            while len(spelled) < len(letters(tag.value)):
                found = self.left.pop(0)
                spelled += letters(found["text"])
                numbers.append(found["soft_token_ids"])
            assert spelled == letters(tag.value)
        else:
            for _ in range(int(tag.value or tag["duplicate"] or 1)):
                found = self.left.pop(0)
                assert found["text"] == ""
                numbers.append(found["soft_token_ids"])
        assert 0 not in numbers
        assert not self.used & set(numbers)
        self.used |= set(numbers)
        if shared is not None:
            self.ids[shared] = numbers


@pytest.mark.parametrize("line", TEMPLATES, ids=name)
def test_wrapped_pieces(line: dict[str, Any]) -> None:
    recorded = Recorded(line["wrapped"])
    for segment in from_openprompt(line["template"]).segments:
        piece = segment.piece
        if isinstance(piece, Tag) and piece.kind == "soft":
            recorded.take_soft(piece)
            continue
        found = recorded.left.pop(0)
        assert found.get("soft_token_ids", 0) == 0
        if isinstance(piece, Tag) and piece.kind in ("mask", "special"):
            expected = "<mask>" if piece.kind == "mask" else piece.value
            assert (found["text"], found["loss_ids"]) == (expected, int(piece.kind == "mask"))
            assert found["shortenable_ids"] == 0
        else:
            assert (filled(segment), 0) == (found["text"], found["loss_ids"])
            shortenable = isinstance(piece, Tag) and piece["shortenable"] is True
            assert shortenable == bool(found["shortenable_ids"])
    assert recorded.left == []


@pytest.mark.parametrize("line", TEMPLATES, ids=name)
def test_leading_blanks_are_those_that_openprompt_parsed(line: dict[str, Any]) -> None:
    found = [s.leading_space for s in from_openprompt(line["template"]).segments]
    assert found == [p["add_prefix_space"] == " " for p in line["parsed"]]


@pytest.mark.parametrize("line", RULES, ids=name)
def test_generation_rules_read_as_templates(line: dict[str, Any]) -> None:
    assert "".join(map(filled, from_openprompt(line["template"].strip()).segments)) == line["tgt_text"]


def test_an_absurd_duplicate_gives_the_limit_error_at_its_number() -> None:
    (line,) = ABSURD
    with pytest.raises(PromptDSLError) as caught:
        from_openprompt(line["template"])
    (found,) = caught.value.diagnostics
    assert found.code == "PD123"
    assert found.span is not None
    assert line["template"][found.span.start : found.span.end] == "10000"


def test_lines_that_only_lack_a_mask_parse() -> None:
    lacking = [d for d in LINES if "'mask' position not found" in d["status"]]
    assert [str(from_openprompt(d["template"])) for d in lacking] == [" "]


def test_a_malformed_line_gives_a_coded_error() -> None:
    (line,) = [d for d in LINES if d["status"].startswith("TypeError")]
    with pytest.raises(PromptDSLError) as caught:
        from_openprompt(line["template"])
    assert [d.code for d in caught.value.diagnostics] == ["PD203", "PD202"]


@pytest.mark.parametrize("line", TEMPLATES, ids=name)
def test_our_text_says_the_same_again(line: dict[str, Any]) -> None:
    ours = from_openprompt(line["template"])
    assert Template(str(ours)) == ours
    assert any(isinstance(p, Text) for p in ours.pieces) or len(ours.pieces) > 1
