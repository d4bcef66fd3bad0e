"""The table of codes against the code that raises them, and its examples against the parsers."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import promptdsl
from promptdsl import PromptDSLError, Template, Verbalizer
from promptdsl.codes import CODES, Code
from promptdsl.language.importers import from_openprompt

PACKAGE = Path(promptdsl.__file__).parent
EXAMPLES = [code for code in CODES.values() if code.code.startswith("PD") and (code.wrong or code.code == "PD301")]


def read(code: Code, text: str) -> object:
    """The text, read by the parser that the code belongs to."""
    if code.code.startswith("PD4"):
        return Verbalizer(text)
    return from_openprompt(text) if code.code.startswith("PD15") else Template(text)


def raised() -> dict[str, str]:
    """Each code that stands as a literal in the package, with a file that holds it."""
    found: dict[str, str] = {}
    for file in PACKAGE.rglob("*.py"):
        if file == PACKAGE / "codes.py":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and re.fullmatch(r"P[DW]\d{3}", node.value)
            ):
                found[node.value] = file.name
    return found


def test_every_code_that_is_raised_is_in_the_table() -> None:
    assert {code: where for code, where in raised().items() if code not in CODES} == {}


def test_every_code_of_the_table_is_raised() -> None:
    assert sorted(set(CODES) - set(raised())) == []


def test_the_language_codes_have_examples() -> None:
    """All but those that no short text can show: limits, half characters, YAML, values that are no text, knowledge."""
    without = {"PD113", "PD120", "PD121", "PD122", "PD155", "PD156", "PD414"}
    without |= {"PD422", "PD423", "PD424"}  # what expansion and steps say
    without |= {f"PD43{number}" for number in range(10)} & set(CODES)  # what lies outside of the text
    own = {code for code in CODES if code[:3] in ("PD1", "PD2", "PD3", "PD4") and code[3:] < "50"}
    assert own - {code.code for code in EXAMPLES} == without & own


@pytest.mark.parametrize("code", EXAMPLES, ids=lambda code: code.code)
def test_the_wrong_example_gives_the_code(code: Code) -> None:
    with pytest.raises(PromptDSLError) as caught:
        read(code, code.wrong)
    assert {d.code for d in caught.value.diagnostics} == {code.code}


@pytest.mark.parametrize("code", EXAMPLES, ids=lambda code: code.code)
def test_the_right_example_is_read(code: Code) -> None:
    read(code, code.right)


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: code.code)
def test_a_row_says_what_why_and_what_to_do(code: Code) -> None:
    assert code.title and code.cause.endswith(".") and code.remedy
    assert bool(code.right) >= bool(code.wrong)
