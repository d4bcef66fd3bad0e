"""Write into README.md what its examples really print, and the tables of tag kinds from the schema.

    python tools/update_readme.py [--check]

Each ```python block that a ```text block follows is run in a process of its own; `--check` changes nothing and says
whether something differs.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from promptdsl.language.schema import ITEM_KINDS, STEP_KINDS, TEMPLATE_KINDS

README = Path(__file__).resolve().parent.parent / "README.md"
EXAMPLE = re.compile(r"```python\n(?P<code>.*?)```\n\n```text\n(?P<output>.*?)```\n", re.DOTALL)
KINDS = re.compile(r"<!-- (?P<name>tags|items|steps) -->\n(?:\n\|.*\n(?:\|.*\n)*)?")
TABLES = {"tags": TEMPLATE_KINDS, "items": ITEM_KINDS, "steps": STEP_KINDS}


def printed(code: str) -> str:
    """What an example prints, run as a stranger would run it."""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    return "\n".join(line.rstrip() for line in ran.stdout.splitlines()) + "\n"


def kinds_table(name: str) -> str:
    """The kinds of one table of the schema as a Markdown table."""
    rows = []
    for kind in TABLES[name].values():
        choices = ": " + ", ".join(f"`{choice}`" for choice in kind.value.choices) if kind.value.choices else ""
        attributes = ", ".join(f"`{attribute}`" for attribute in kind.attributes)
        rows.append(f"| `{kind.example}` | {kind.doc}{choices} | {attributes} |")
    return "\n".join([f"<!-- {name} -->", "", "| tag | what it is | attributes |", "| --- | --- | --- |", *rows, ""])


def updated(text: str) -> str:
    """README's text with true outputs."""

    def fill(found: re.Match[str]) -> str:
        return f"```python\n{found['code']}```\n\n```text\n{printed(found['code'])}```\n"

    return KINDS.sub(lambda found: kinds_table(found["name"]), EXAMPLE.sub(fill, text))


def main() -> int:
    """Update README.md, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    before = README.read_text("utf-8")
    after = updated(before)
    if not check:
        README.write_text(after, "utf-8")
    return int(check and after != before)


if __name__ == "__main__":
    sys.exit(main())
