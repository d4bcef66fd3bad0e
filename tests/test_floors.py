"""Imports go down only: the floors of the house, held against every spelling of an import."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import promptdsl

PACKAGE = Path(promptdsl.__file__).parent

# Room (the first name after promptdsl) → floor. A module may import from floors below its own and from its own room;
# rooms of one floor know each other only on the top floor. The two wings, encoding and verbalizers, do not.
FLOORS = {
    "errors": 0,
    "codes": 0,
    "knowledge": 0.5,
    "language": 1,
    "encoding": 2,
    "verbalizers": 2,
    "models": 3,
    "training": 4,
    "classifier": 5,
    "comparison": 6,
    "cli": 7,
    "plots": 7,
    "display": 7,
    "playground": 7,
    "lsp": 7,
    "__main__": 7,
}
TOP = 7
DATA = {"pocket", "samples", "grammars"}

# What else a room may not load, at any place in its modules.
STANDARD = set(sys.stdlib_module_names)
ALLOWED_OUTSIDE = {
    "errors": STANDARD,
    "codes": STANDARD,
    "knowledge": STANDARD | {"nltk"},
    "language": STANDARD | {"lark", "yaml"},
}
FORBIDDEN_OUTSIDE = {"encoding": {"torch", "sklearn", "accelerate"}, "verbalizers": {"transformers", "accelerate"}}


def module_name(file: Path, root: Path) -> str:
    """`root/models/loading.py` → `promptdsl.models.loading`; a package's `__init__` is the package."""
    parts = ["promptdsl", *file.relative_to(root).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source: str, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything that a module's text imports, wherever and however it does.

    `import a.b`, `from a import b`, relative imports, imports in functions and under TYPE_CHECKING, and any string that
    is a dotted name of ours (`importlib.import_module("promptdsl.x")`, tables of lazy names). Of `from a import b` both
    `a` and `a.b` are given, for `b` may be a module.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".") if is_package else module.split(".")[:-1]
                package = package[: len(package) - node.level + 1]
                base = ".".join([*package, base] if base else package)
            for alias in node.names:
                yield node.lineno, base if base != "promptdsl" else f"{base}.{alias.name}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.fullmatch(r"promptdsl(\.\w+)+", node.value):
                yield node.lineno, node.value
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            yield from called(node, module, is_package)


def called(node: ast.Call, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """What `importlib.import_module("…")` and `__import__("…")` load; names of ours are found as strings already."""
    function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    name = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
    if function not in ("import_module", "__import__") or not isinstance(name, str):
        return
    if name.startswith("."):
        dots = len(name) - len(name.lstrip("."))
        package = module.split(".") if is_package else module.split(".")[:-1]
        yield node.lineno, ".".join([*package[: len(package) - dots + 1], name.lstrip(".")])
    elif name.partition(".")[0] != "promptdsl":
        yield node.lineno, name


def wrong(module: str, target: str) -> str:
    """Why `module` may not import `target`; "" if it may."""
    room = module.split(".")[1]
    outside, *rest = target.split(".")
    if outside != "promptdsl":
        if room in ALLOWED_OUTSIDE and outside not in ALLOWED_OUTSIDE[room]:
            return f"{room} needs {outside}"
        return f"{room} needs {outside}" if outside in FORBIDDEN_OUTSIDE.get(room, ()) else ""
    here = FLOORS.get(room)
    if here is None:
        return f"{room} has no floor; give it one in FLOORS"
    if not rest:
        return "" if here == TOP else "the whole package"
    if rest[0] == room or rest[0] in DATA or rest[0] == "__version__":
        return ""
    there = FLOORS.get(rest[0])
    if there is None:  # a public name, which the package's own __init__ loads from any floor
        return "" if here == TOP else f"the public name {rest[0]}"
    return "" if there < here or there == here == TOP else f"floor {here} imports floor {there}"


def violations(root: Path) -> list[str]:
    """Every import in the package at `root` that does not go down. The package's `__init__` is the one exception."""
    found = []
    for file in sorted(root.rglob("*.py")):
        name = module_name(file, root)
        if name == "promptdsl":
            continue
        for line, target in imported(file.read_text(encoding="utf-8"), name, file.name == "__init__.py"):
            reason = wrong(name, target)
            if reason:
                found.append(f"{file.relative_to(root)}:{line}: {target} ({reason})")
    return found


def test_imports_go_down_only() -> None:
    assert violations(PACKAGE) == []


PLANTED = [
    ("language/bad.py", "import promptdsl.models.loading"),
    ("language/bad.py", "import promptdsl.models.loading as quiet"),
    ("language/bad.py", "from promptdsl.encoding import bind"),
    ("language/bad.py", "from promptdsl import encoding"),
    ("language/bad.py", "from promptdsl import PromptClassifier"),
    ("language/bad.py", "import promptdsl"),
    ("language/bad.py", "from .. import models"),
    ("language/bad.py", "from ..models import loading"),
    ("language/bad.py", "from ..models.loading import load"),
    ("language/__init__.py", "from ..encoding import rows"),
    ("language/deep/bad.py", "from ...encoding import rows"),
    ("language/bad.py", "def f():\n    from promptdsl.encoding import rows"),
    ("language/bad.py", "if TYPE_CHECKING:\n    from promptdsl.classifier import PromptClassifier"),
    ("language/bad.py", "try:\n    import promptdsl.training\nexcept ImportError:\n    pass"),
    ("language/bad.py", 'import importlib\nimportlib.import_module("promptdsl.encoding")'),
    ("language/bad.py", 'from importlib import import_module\nimport_module("..encoding", __package__)'),
    ("language/bad.py", '__import__("promptdsl.models.loading")'),
    ("language/bad.py", 'HOMES = {"bind": "promptdsl.encoding"}'),
    ("language/bad.py", "import torch"),
    ("language/bad.py", "import numpy as np"),
    ("language/bad.py", "def f():\n    from transformers import AutoTokenizer"),
    ("language/bad.py", '__import__("torch")'),
    ("errors.py", "from promptdsl.language import nodes"),
    ("errors.py", "import lark"),
    ("errors.py", "from promptdsl.knowledge.related import Related"),
    ("knowledge/bad.py", "from promptdsl.language import nodes"),
    ("knowledge/bad.py", "def f():\n    import numpy"),
    ("language/bad.py", "def f():\n    from nltk.corpus import wordnet"),
    ("encoding/bad.py", "from promptdsl.verbalizers import calibration"),
    ("encoding/bad.py", "import torch.nn"),
    ("verbalizers/bad.py", "from promptdsl.encoding.rows import Rows"),
    ("verbalizers/bad.py", "from promptdsl.models import batching"),
    ("models/bad.py", "from promptdsl.training import trainer"),
    ("training/bad.py", "from promptdsl.classifier import PromptClassifier"),
    ("classifier.py", "from promptdsl.cli import main"),
    ("newroom/bad.py", "from promptdsl import errors"),
]


@pytest.mark.parametrize(("file", "source"), PLANTED, ids=lambda text: text.replace("\n", " "))
def test_a_planted_violation_is_caught(tmp_path: Path, file: str, source: str) -> None:
    planted = tmp_path / file
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_text(source)
    (tmp_path / "innocent.py").touch()
    assert [found.partition(":")[0] for found in violations(tmp_path)] == [file]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        (
            "language/good.py",
            "import re\nimport lark\nfrom promptdsl.errors import Span\nfrom . import nodes\nfrom .. import errors",
        ),
        (
            "encoding/good.py",
            "import numpy\nfrom transformers import AutoTokenizer\nfrom ..language.template import Template",
        ),
        (
            "models/good.py",
            "import torch\nfrom promptdsl.encoding import rows\nfrom promptdsl.verbalizers import verbalizer",
        ),
        ("knowledge/good.py", "def f():\n    import nltk.data\nfrom promptdsl.errors import fail"),
        ("language/also_good.py", "from promptdsl.knowledge.wordnet import related"),
        ("cli/good.py", "import promptdsl\nfrom promptdsl import PromptClassifier, plots, __version__"),
        ("language/good.py", '"""Speaks of promptdsl.models in a sentence."""'),
    ],
)
def test_what_goes_down_is_not_reported(tmp_path: Path, file: str, source: str) -> None:
    good = tmp_path / file
    good.parent.mkdir(parents=True)
    good.write_text(source)
    assert violations(tmp_path) == []


HEAVY = ("torch", "transformers", "numpy", "sklearn", "accelerate", "safetensors", "nltk", "typer", "rich", "yaml")
LANGUAGE = sorted(
    module_name(file, PACKAGE) for room in ("knowledge", "language") for file in (PACKAGE / room).rglob("*.py")
)


@pytest.mark.parametrize(
    "code",
    [
        "import promptdsl; dir(promptdsl); promptdsl.__version__",
        'from promptdsl import Template, Verbalizer; Template(\'<"mask">\'); Verbalizer(\'{"a": ["b"]}\')',
        "import " + ", ".join(LANGUAGE) + ", promptdsl.codes",
    ],
    ids=["package", "objects", "language"],
)
def test_the_language_floor_loads_nothing_heavy(code: str) -> None:
    loaded = f"{code}; import sys; print(*(m for m in {HEAVY!r} if m in sys.modules))"
    run = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
