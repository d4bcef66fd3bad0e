"""The fixture files: canonical text stays, trees and messages are what the files say, to the letter."""

from __future__ import annotations

import pytest
from blocks import FIXTURES, Case, cases

from promptdsl import PromptDSLError, Template, Verbalizer

IDENTITIES = (FIXTURES / "template_identity.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")


@pytest.mark.parametrize("line", IDENTITIES)
def test_a_canonical_template_stays_as_it_is(line: str) -> None:
    assert str(Template(line)) == line


@pytest.mark.parametrize("case", cases("verbalizer_identity.txt"), ids=str)
def test_a_canonical_verbalizer_stays_as_it_is(case: Case) -> None:
    assert str(Verbalizer(case.input)) == case.input


@pytest.mark.parametrize("case", cases("template_trees.txt"), ids=str)
def test_a_template_is_the_tree(case: Case) -> None:
    template = Template(case.input)
    assert template.tree() == case.expected
    assert Template(str(template)) == template


@pytest.mark.parametrize("case", cases("verbalizer_trees.txt"), ids=str)
def test_a_verbalizer_is_the_tree(case: Case) -> None:
    verbalizer = Verbalizer(case.input)
    assert verbalizer.tree() == case.expected
    assert Verbalizer(str(verbalizer)) == verbalizer


@pytest.mark.parametrize("case", cases("template_errors.txt"), ids=str)
def test_a_malformed_template_gives_the_message(case: Case) -> None:
    with pytest.raises(PromptDSLError) as caught:
        Template(case.input)
    assert str(caught.value) == case.expected


@pytest.mark.parametrize("case", cases("verbalizer_errors.txt"), ids=str)
def test_a_malformed_verbalizer_gives_the_message(case: Case) -> None:
    with pytest.raises(PromptDSLError) as caught:
        Verbalizer(case.input)
    assert str(caught.value) == case.expected


def test_no_name_of_the_parser_reaches_the_user() -> None:
    for name in ("template_errors.txt", "verbalizer_errors.txt"):
        told = "\n".join(case.expected for case in cases(name))
        for word in ("OPEN_", "CLOSE_", "LABEL", "WORDS", "$END", "lark", "Unexpected", "Token", "terminal"):
            assert word not in told
