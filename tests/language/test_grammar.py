"""Where the grammars are found, that each parser is built once, and what a new kind of tag takes."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest
from lark import Lark

from promptdsl.language import grammar
from promptdsl.language.grammar import grammar_folder, load_grammar


def test_the_folder_holds_the_grammars() -> None:
    assert {file.name for file in grammar_folder().glob("*.lark")} == {
        "common.lark",
        "template.lark",
        "verbalizer.lark",
    }


def test_a_wheel_has_the_grammars_inside_and_a_checkout_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "promptdsl" / "language" / "grammar.py"
    module.parent.mkdir(parents=True)
    monkeypatch.setattr(grammar, "__file__", str(module))
    assert grammar_folder() == tmp_path / "grammars"
    (tmp_path / "promptdsl" / "grammars").mkdir()
    assert grammar_folder() == tmp_path / "promptdsl" / "grammars"


def test_threads_share_one_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    original = Lark.open

    def slow_open(path: str, **options: object) -> Lark:
        built.append(path)
        return original(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(grammar, "_built", {})
    monkeypatch.setattr(Lark, "open", slow_open)
    barrier, got = threading.Barrier(8), []

    def work() -> None:
        barrier.wait()
        got.append(load_grammar("template"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1 and len(set(map(id, got))) == 1


def test_no_grammar_is_cached_on_disk() -> None:
    for name in ("template", "verbalizer"):
        assert load_grammar(name).options.cache is False


@pytest.mark.parametrize("name", ["common", "template", "verbalizer"])
def test_rules_are_lower_case_and_no_rule_is_recursive(name: str) -> None:
    """Read from the file itself: a rule may only use rules that stand below it, or in the file below."""
    text = (grammar_folder() / f"{name}.lark").read_text(encoding="utf-8")
    text = re.sub(r"//[^\n]*", "", text)
    rules = dict(re.findall(r"^([a-z_]+):(.*?)(?=^\S|\Z)", text, re.DOTALL | re.MULTILINE))
    order = list(rules)
    for place, (rule, body) in enumerate(rules.items()):
        used = set(re.findall(r"\b[a-z_]+\b", re.sub(r"/(?:\\.|[^/\n])*/", "", body)))
        assert not used & set(order[: place + 1]), rule
    assert "%ignore" not in text
