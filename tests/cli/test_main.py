"""What holds for every command: exit codes, no foreign tracebacks, light imports, closed pipes, help."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from promptdsl import __version__
from promptdsl.cli import COMMANDS, app

if TYPE_CHECKING:
    from conftest import Cli

HEAVY = ["torch", "transformers", "numpy", "sklearn", "pandas", "nltk"]


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert f"promptdsl {command}" in shown.output.partition("Usage:")[2].partition("\n")[2]


def test_no_arguments_show_the_help(cli: Cli) -> None:
    ran = cli()
    assert "Commands:" in ran.out + ran.err


def test_version(cli: Cli) -> None:
    assert cli("--version") == (0, f"promptdsl {__version__}\n", "")


@pytest.mark.parametrize("arguments", [["nonsense"], ["lint"], ["lint", "--nonsense"], ["migrate"]])
def test_a_wrong_call_is_2_and_on_stderr(cli: Cli, arguments: list[str]) -> None:
    ran = cli(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "Error: " in ran.err


def test_an_error_is_2_and_on_stderr_with_its_class(cli: Cli) -> None:
    ran = cli("lint", "--template", '<"plceholder":"text_a">')
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith('TemplateNameError: PD201 unknown tag "plceholder"\n --> template:1:2\n')
    assert "Traceback" not in ran.err
    assert "\x1b" not in ran.err


def test_lint_fmt_migrate_and_explain_load_nothing_heavy(tmp_path: Path) -> None:
    file = tmp_path / "a.template"
    file.write_text('<"placeholder":"text_a"> It was <"mask">.\n')
    old = tmp_path / "old.txt"
    old.write_text('{"mask"}\n')
    code = (
        "import sys; from promptdsl.cli import main\n"
        "codes = [main(['lint', sys.argv[1], '--verbalizer', 'a: b']), main(['fmt', sys.argv[1]]),"
        " main(['migrate', sys.argv[2]]), main(['explain', 'soft'])]\n"
        f"print(codes, [m for m in {HEAVY} if m in sys.modules])"
    )
    ran = python(code, str(file), str(old))
    assert ran.stdout.splitlines()[-1] == "[0, 0, 0, 0] []"


def test_as_a_module() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "promptdsl", "fmt"],
        input='{"mask"}',
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, '<"mask">\n', "")


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "many.txt"
    file.write_text("a\n" * 20_000)
    command = f"'{sys.executable}' -m promptdsl fmt --lines '{file}' | head -n 1"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120, check=False)
    assert (ran.stdout, ran.stderr) == ("a\n", "")


def test_a_terminal_that_cannot_write_a_character_gets_it_escaped() -> None:
    code = "import sys; sys.stdout.reconfigure(encoding='ascii'); from promptdsl.cli import main; main(['fmt', '-'])"
    ran = subprocess.run(
        [sys.executable, "-c", code], input="é <'mask'>".encode(), capture_output=True, timeout=120, check=False
    )
    assert (ran.stdout, ran.stderr) == (b'\\xe9 <"mask">\n', b"")
