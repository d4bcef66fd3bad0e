"""Floor 7: the command line. Here, and only here, errors become text on stderr and exit codes.

Exit codes: 0 all is well · 1 findings, or something that failed · 2 a wrong call, or an error in a string or a file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from promptdsl import __version__
from promptdsl.cli import (
    audit,
    compare,
    demo,
    evaluate,
    expand,
    explain,
    fit,
    fmt,
    lint,
    migrate,
    predict,
    show,
    wordnet,
)
from promptdsl.cli.terminal import FAILED, FINE, WRONG, show_error
from promptdsl.errors import PromptDSLError

__all__ = ["COMMANDS", "app", "main"]

# Name → function. A further command is one file with a function and one entry here; what is heavy is imported inside
# the function, so that `promptdsl lint` stays light.
COMMANDS: dict[str, Callable[..., None]] = {
    "lint": lint.command,
    "fmt": fmt.command,
    "explain": explain.command,
    "migrate": migrate.command,
    "show": show.command,
    "fit": fit.command,
    "predict": predict.command,
    "evaluate": evaluate.command,
    "expand": expand.command,
    "audit": audit.command,
    "compare": compare.command,
    "demo": demo.command,
    "wordnet": wordnet.command,
}

app = typer.Typer(
    name="promptdsl",
    help="Prompt-learning in two strings: a template and a verbalizer around a frozen language model.",
    epilog="promptdsl COMMAND --help shows an example of each.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for _name, _function in COMMANDS.items():
    app.command(_name)(_function)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"promptdsl {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Prompt-learning in two strings: a template and a verbalizer around a frozen language model."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; a user's mistake never ends in a traceback."""
    try:
        try:
            app(args=None if arguments is None else list(arguments), prog_name="promptdsl")
        finally:
            sys.stdout.flush()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FINE if end.code is None else FAILED
    except PromptDSLError as error:
        show_error(error)
        return WRONG
    except BrokenPipeError:  # the reader (`| head`) has seen enough; nothing may be written any more, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    return FINE
