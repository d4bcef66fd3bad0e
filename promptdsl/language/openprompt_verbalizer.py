"""OpenPrompt's verbalizer files → ours.

Text files hold one class a line, its words comma-separated, and a blank line between several verbalizers; JSON files
(also those named .jsonl) hold a mapping label → words, a list of words a class, or a list of verbalizers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from promptdsl.errors import Span, fail
from promptdsl.language.nodes import Tag, Text
from promptdsl.language.openprompt import from_openprompt
from promptdsl.language.verbalizer import Verbalizer

__all__ = ["verbalizer_from_openprompt"]


def verbalizer_from_openprompt(
    text: str, classes: Sequence[str] | None = None, choice: int = 0, masks: int = 1
) -> Verbalizer:
    """The verbalizer number `choice` (from 0) in the text of an OpenPrompt verbalizer file.

    `classes` names the classes where the file does not; without it a class is called after its first word. With
    `masks` > 1 (PTR's files) a class's words are the parts of one item, a part a mask. Raises PD156 for a file that
    holds no such verbalizer, else what our own verbalizer says.
    """
    words = _from_json(text, choice) if text.lstrip()[:1] in ("[", "{") else None
    if words is None:
        words = _from_lines(text, choice)
    if isinstance(words, Mapping):
        if classes is not None and set(classes) != set(map(str, words)):
            _refuse(text, "the file names its classes itself, and other ones", "leave the class names out")
        labels, listed = [str(label) for label in words], [_listed(w, text) for w in words.values()]
    elif isinstance(words, list):
        listed = [_listed(w, text) for w in words]
        if classes is not None and len(classes) != len(listed):
            message = f"{len(classes)} class names were given and the file has {len(listed)} classes"
            _refuse(text, message, "give one name a class")
        if not all(listed):
            _refuse(text, "a class has no words", "give every class a word")
        labels = [w[0] for w in listed] if classes is None else list(classes)
        if len(set(labels)) < len(labels):
            _refuse(text, "two classes would have the same name", "name the classes")
    else:
        _refuse(text, "there is no list of classes here", "see OpenPrompt's verbalizer files")
    if masks > 1:
        listed = [[_joined(w, masks, text)] for w in listed]
    return Verbalizer(dict(zip(labels, listed, strict=True)))


def _joined(parts: list[str], masks: int, text: str) -> str:
    if len(parts) != masks:
        _refuse(text, f"a class has {len(parts)} words for {masks} masks", "say how many masks the template has")
    return " + ".join(parts)


def _from_json(text: str, choice: int) -> Any:
    """The JSON text's verbalizer; None where it is no JSON, as lines of `{"text": …}` rules are."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, dict):
        return None if set(found) <= {"text", "meta"} else found
    if not any(isinstance(f, dict) or (isinstance(f, list) and any(isinstance(w, list) for w in f)) for f in found):
        return found
    return _chosen(found, choice, text)


def _from_lines(text: str, choice: int) -> list[list[str]]:
    groups: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        written = line.strip()
        if not written and groups[-1]:
            groups.append([])
        elif written.startswith("{"):
            groups[-1].append([_rule(written)])
        elif written:
            groups[-1].append(written.split(","))
    found: list[list[str]] = _chosen([g for g in groups if g], choice, text)
    return found


def _chosen(found: list[Any], choice: int, text: str) -> Any:
    if not 0 <= choice < len(found):
        _refuse(text, f"there is no verbalizer {choice} here: the file holds {len(found)}", "count from 0")
    return found[choice]


def _rule(line: str) -> str:
    """A generation rule: fixed text, with nothing from the row."""
    pieces = from_openprompt(line).pieces
    texts = [
        p.text if isinstance(p, Text) else p.value if isinstance(p, Tag) and p.kind == "text" else None for p in pieces
    ]
    if None in texts:
        _refuse(
            line, "a label word that comes from the row cannot be imported", 'write it as an item: <"meta":"choice1">'
        )
    return "".join(map(str, texts))


def _listed(words: Any, text: str) -> list[str]:
    """A class's words: a text, or a list of texts; blanks around them and empty ones go."""
    found = [words] if isinstance(words, str) else words
    if not isinstance(found, list) or not all(isinstance(w, str) for w in found):
        _refuse(text, "the words of a class are a text or a list of texts", "see OpenPrompt's verbalizer files")
    return [w.strip() for w in found if w.strip()]


def _refuse(text: str, message: str, remedy: str) -> NoReturn:
    fail("PD156", message, span=Span(0, 0), source=text, origin="verbalizer", help=remedy)
