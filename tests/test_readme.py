"""README says what is true: its examples print what it shows, its commands exist, its table is the schema's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from update_readme import EXAMPLE, TABLES, kinds_table, printed

from promptdsl.knowledge.reader import find_wordnet

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text("utf-8")
NUMBER = re.compile(r"\d+\.\d+")


@pytest.mark.parametrize("example", list(EXAMPLE.finditer(TEXT)), ids=lambda m: m["code"].splitlines()[0][:40])
def test_examples_print_what_is_shown(example: re.Match[str]) -> None:
    """Word for word; a number's last digit may round otherwise on another processor."""
    if ("wordnet" in example["code"] or "expand(" in example["code"]) and find_wordnet() is None:
        pytest.skip("there is no WordNet on this machine: `promptdsl wordnet` fetches it")
    found, shown = printed(example["code"]), example["output"]
    assert NUMBER.sub("#", found) == NUMBER.sub("#", shown)
    assert [float(n) for n in NUMBER.findall(found)] == pytest.approx(
        [float(n) for n in NUMBER.findall(shown)], abs=0.011
    )


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_of_kinds_are_the_schema_s(name: str) -> None:
    assert kinds_table(name) in TEXT


def test_every_command_that_is_shown_exists() -> None:
    commands = {line.split()[1] for line in TEXT.splitlines() if line.startswith("promptdsl ")}
    ran = subprocess.run([sys.executable, "-m", "promptdsl", "--help"], capture_output=True, text=True, check=True)
    listed = set(re.findall(r"^  ([a-z]+)  ", ran.stdout, re.MULTILINE))
    assert commands and commands <= listed
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = re.findall(r"^make ([a-z]+)", TEXT, re.MULTILINE)
    assert targets == ["demo", "test"] and all(f"\n{t}:" in makefile for t in targets)
