"""The model card of an artefact: the strings, the scores, the seeds, and how to load it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from promptdsl.errors import fail, printable
from promptdsl.models.whole_files import replace_file

__all__ = ["CARD", "card_of", "write_card"]

CARD = "README.md"
_MARK = re.compile(r"<!-- written by promptdsl, sha256 ([0-9a-f]{64}) -->\n\Z")


def write_card(folder: str | Path, record: Mapping[str, Any]) -> None:
    """Write the card, unless the folder has one that a person wrote or changed. Raises FileError PD804."""
    path = Path(folder).expanduser() / CARD
    try:
        if os.path.lexists(path) and not _is_ours(path):
            return
        replace_file(path, card_of(record).encode("utf-8", "backslashreplace"))
    except OSError as error:
        message = f'the model card in "{printable(str(folder), 100)}" cannot be written: {error.strerror or error}'
        fail("PD804", message, help="give a folder that can be written to", origin="artefact")


def card_of(record: Mapping[str, Any]) -> str:
    """The card's Markdown. Whatever a user wrote stands in fences that it cannot close, or in code spans."""
    base = record["language_model"]
    named = base["name"] or f"{base['kind']}, which was given and has no name"
    parts = [
        _head(base["name"]),
        "# A prompt for text classification\n",
        "Trained with promptdsl. The language model itself is not part of it.\n",
        f"- Language model: {_code(named)}, {_code(base['dtype'])}, SHA-256 {_code(base['weights'])}",
        f"- Revision: {_code(base['revision'])}" if base["revision"] else "",
        f"- What was tuned of it: {_code(_short(record['tune']))}",
        f"- Labels: {', '.join(map(_code, record['labels'][:50]))}\n",
        "## Template\n",
        _fenced(record["template"]),
        "## Verbalizer\n",
        _fenced(record["verbalizer"]["written"]["text"]),
        _table("Scores", record["metrics"]),
        _table("Seeds", record["seeds"]),
        _examples(record["examples"]),
        "## How to load it\n",
        _fenced(_loading(base["name"], record["classifier"] is not None), "python"),
    ]
    body = "\n".join(part for part in parts if part)
    return f"{body}<!-- written by promptdsl, sha256 {_digest(body)} -->\n"


def _head(name: str | None) -> str:
    """The part that the hub reads; what JSON writes is YAML too."""
    lines = ["library_name: promptdsl", "tags: [promptdsl, prompt-learning, text-classification]"]
    if name and re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        lines.append(f"base_model: {json.dumps(name)}")
    return "\n".join(["---", *lines, "---\n"])


def _loading(name: str | None, classifier: bool) -> str:
    given = "" if name else ", model=(model, tokenizer)"
    if classifier:
        return (
            "from promptdsl import PromptClassifier\n\n"
            f'classifier = PromptClassifier.from_pretrained("this folder"{given})\n'
            'classifier.predict(["a text"])'
        )
    return (
        "from promptdsl.training.artefact import load\n\n"
        f'model = load("this folder"{given})\nmodel.predict_log_proba(["a text"])'
    )


def _examples(count: int) -> str:
    said = "rows of the data that it was fitted on are part of it, as token ids: whoever has it can read them."
    return f"## Solved examples\n\n{count} {said}\n" if count else ""


def _table(title: str, values: Mapping[str, Any]) -> str:
    if not values:
        return ""
    lines = [f"| {_cell(name)} | {_cell(_short(value))} |" for name, value in list(values.items())[:100]]
    return "\n".join([f"## {title}\n", "| | |", "| --- | --- |", *lines, ""])


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _cell(text: str) -> str:
    return _code(text).replace("|", "\\|")


def _code(text: str) -> str:
    """A code span that holds the text, which is one line and cannot end it."""
    shown = printable(text, 200)
    ticks = "`" * (_longest(shown) + 1)
    return f"{ticks} {shown} {ticks}" if "`" in shown or not shown else f"{ticks}{shown}{ticks}"


def _fenced(text: str, language: str = "") -> str:
    """A block that holds the text, whatever fences are in it."""
    fence = "`" * max(3, _longest(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}\n"


def _longest(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode("utf-8", "backslashreplace")).hexdigest()


def _is_ours(path: Path) -> bool:
    """Whether promptdsl wrote a card, and nobody changed it since."""
    with suppress(OSError, ValueError):
        if path.is_symlink() or not path.is_file() or path.stat().st_size > 2**26:
            return False
        text = path.read_text("utf-8")
        found = _MARK.search(text)
        return found is not None and hashlib.sha256(text[: found.start()].encode()).hexdigest() == found[1]
    return False
