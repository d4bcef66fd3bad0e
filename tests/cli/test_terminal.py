"""Colours: on a terminal, nowhere else."""

from __future__ import annotations

import io

import pytest

from promptdsl.cli.terminal import paint


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert paint("no", "error", Terminal()) == "\x1b[1;31mno\x1b[0m"
    assert paint("no", "error", io.StringIO()) == "no"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert paint("no", "error", Terminal()) == "no"
