"""Run by `make wheel` with the wheel's own environment, away from the checkout: README's examples must work there."""

import sys
from pathlib import Path

import promptdsl

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tools"))

from update_readme import EXAMPLE, printed  # noqa: E402 - beside the package, found only now

assert "site-packages" in Path(promptdsl.__file__).parts, promptdsl.__file__
for example in EXAMPLE.finditer((ROOT / "README.md").read_text("utf-8")):
    print(printed(example["code"]))
