"""`promptdsl explain`: codes, tags and filters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Cli


def test_a_code(cli: Cli) -> None:
    ran = cli("explain", "pd201")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("PD201: ")
    assert "right:" in ran.out


def test_a_lint_finding(cli: Cli) -> None:
    ran = cli("explain", "PW102")
    assert ran.code == 0
    assert 'It was<"mask">' in ran.out


def test_a_tag(cli: Cli) -> None:
    ran = cli("explain", "soft")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith('<"soft":20>\n')
    (line,) = [x for x in ran.out.splitlines() if x.split()[:1] == ["soft_id"]]
    assert "≥ 1; places with the same id share their vectors (default none)" in line


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("append", '"filters":["append:text"]'),
        ("strip", '"filters":["strip[:text]"]'),
        ("lower", '"filters":["lower"]'),
    ],
)
def test_a_filter(cli: Cli, name: str, shown: str) -> None:
    ran = cli("explain", name)
    assert (ran.code, ran.out.splitlines()[0]) == (0, shown)


def test_nothing_gives_the_list(cli: Cli) -> None:
    ran = cli("explain")
    assert ran.code == 0
    assert "placeholder" in ran.out
    assert "PW101" in ran.out


@pytest.mark.parametrize(("written", "meant"), [("sotf", "soft"), ("PW1022", "PW102"), ("apend", "append")])
def test_what_does_not_exist(cli: Cli, written: str, meant: str) -> None:
    ran = cli("explain", written)
    assert (ran.code, ran.out) == (2, "")
    assert f"did you mean {meant}" in ran.err
