"""Finds the grammar files and builds each parser once."""

from __future__ import annotations

import threading
from pathlib import Path

from lark import Lark

__all__ = ["grammar_folder", "load_grammar"]

# The start rules of each grammar file.
STARTS = {"template": ["template"], "verbalizer": ["verbalizer", "json", "tag"]}

_built: dict[str, Lark] = {}
_lock = threading.Lock()


def grammar_folder() -> Path:
    """The folder of the `.lark` files: inside an installed package, beside the package in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "grammars"
    return inside if inside.is_dir() else package.parent / "grammars"


def load_grammar(name: str) -> Lark:
    """The parser of `grammars/<name>.lark`, built at the first call and shared by all threads after it.

    Lark's own cache stays off: it unpickles from a predictable path.
    """
    if name not in _built:
        with _lock:
            if name not in _built:
                _built[name] = Lark.open(
                    str(grammar_folder() / f"{name}.lark"),
                    parser="lalr",
                    lexer="contextual",
                    start=STARTS[name],
                    maybe_placeholders=False,
                )
    return _built[name]
