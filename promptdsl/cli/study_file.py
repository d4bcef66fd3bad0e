"""A study file (TOML) → the arguments of compare(), with all that is wrong said at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from promptdsl.errors import Diagnostic, FileError, PromptDSLError, Span, fail, printable
from promptdsl.language.files import read_text
from promptdsl.language.template import Template
from promptdsl.language.verbalizer import Verbalizer

__all__ = ["KEYS", "StudyFile", "read_study"]

SAMPLE = "sample:"  # before the name and half of a labelled sample that comes with the package
SAMPLES = ("sentiment/train", "sentiment/test", "topics/train", "topics/test")


@dataclass(frozen=True, slots=True)
class StudyFile:
    """What a study file says.

    Attributes:
        path: where it is; other paths in it start at its folder.
        text: all of it.
        arguments: of compare().
        folder: where the study goes.
    """

    path: Path
    text: str = field(repr=False)
    arguments: Mapping[str, Any]
    folder: Path

    def __str__(self) -> str:
        return f"{self.path}: a study in {self.folder}"


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _list_of(one: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and bool(value) and all(map(one, value))


def _table_of(one: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(one, value.values()))


def _either(*kinds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: any(kind(value) for kind in kinds)


_words = _table_of(_either(_text, _list_of(_text)))  # label → words
_tables = _list_of(lambda value: isinstance(value, dict))

# Key → (which value is right, that value in words). But for train, test and dev they are arguments of compare().
KEYS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "train": (_text, "the name of a file"),
    "test": (_text, "the name of a file"),
    "dev": (_text, "the name of a file"),
    "model": (_text, "a name or a folder"),
    "templates": (_either(_text, _list_of(_text), _table_of(_text)), "a table name → template, or a list of templates"),
    "verbalizers": (
        _either(_text, _list_of(_either(_text, _words)), _table_of(_either(_text, _words, _list_of(_text)))),
        "a table name → verbalizer, or a list of verbalizers",
    ),
    "baselines": (_either(lambda value: value == [], _list_of(_text)), "a list of names"),
    "baseline": (_text, "the name of an arm"),
    "shots": (_either(_whole, _list_of(_whole)), "a list of whole numbers"),
    "seeds": (_either(_whole, _list_of(_whole)), "a list of whole numbers"),
    "support": (_whole, "a whole number"),
    "test_rows": (_whole, "a whole number"),
    "random_state": (_whole, "a whole number"),
    "workers": (_whole, "a whole number"),
    "label_column": (_text, "the name of a column"),
    "text_columns": (_either(_text, _list_of(_text)), "a list of names of columns"),
    "folder": (_text, "the name of a folder"),
    "settings": (lambda value: isinstance(value, dict), "a table of settings, or of tables by template"),
    "choose": (_either(_tables, _table_of(_tables)), "tables [[choose]] of settings, or such by template"),
}
NEEDED = ("train", "test", "templates", "verbalizers")
# What people write for a key that goes by another name.
OTHERS = {"label": "label_column", "text": "text_columns", "data": "train", "out": "folder", "random_seed": "seeds"}


class Findings:
    """What is wrong with a study file, with its place in the text as far as that is found."""

    def __init__(self, text: str, origin: str) -> None:
        self.text, self.origin = text, origin
        self.found: list[Diagnostic] = []

    def add(self, code: str, message: str, remedy: str, *path: str) -> None:
        """A mistake at a key, given with the tables that it is in."""
        span = self._place(path)
        source = None if span is None else self.text
        self.found.append(Diagnostic(code, message, span=span, source=source, help=remedy, origin=self.origin))

    def unknown(self, known: Any, *path: str) -> None:
        """A key that is none of those known."""
        key = path[-1]
        close = [OTHERS[key]] if OTHERS.get(key) in known else get_close_matches(key, list(known), 1)
        where = f" in [{printable('.'.join(path[:-1]), 80)}]" if path[:-1] else ""
        remedy = f'did you mean "{close[0]}"?' if close else f"known are {', '.join(known)}"
        self.add("PD851", f'no key "{printable(key, 60)}"{where}', remedy, *path)

    def take(self, error: PromptDSLError, what: str) -> None:
        """Mistakes that others found in a text of the file."""
        self.found += [replace(d, origin=f"{self.origin}, {what}") for d in error.diagnostics]

    def raise_all(self) -> None:
        """Raise FileError if there is any."""
        if self.found:
            raise FileError(*self.found)

    def _place(self, path: tuple[str, ...]) -> Span | None:
        """The last key of a path: after the heads of its tables, where there are such."""
        start, place = 0, None
        for depth, key in enumerate(path):
            dotted = r"\s*\.\s*".join(_spelled(k) for k in path[: depth + 1])
            here = rf"^[ \t]*(?:\[\[?[ \t]*{dotted}[ \t]*\]|(?:{dotted}|{_spelled(key)})[ \t]*[=.])"
            match = re.compile(here, re.MULTILINE).search(self.text, start)
            if match is None:
                continue
            at = self.text.find(key, match.start(), match.end())
            place, start = (Span(at, at + len(key)), match.start()) if at >= 0 else (place, match.start())
        return place


def _spelled(key: str) -> str:
    return rf"[\"']?{re.escape(key)}[\"']?"


def read_study(path: str) -> StudyFile:
    """Read a study file.

    Raises:
        FileError: PD801–PD803 if it cannot be read, PD850 if it is not TOML, PD851–PD853 for keys, and whatever its
            templates and verbalizers raise: all in one.
    """
    from promptdsl.cli.study_settings import settings_of

    text = read_text(path)
    content = _parsed(text, path)
    findings = Findings(text, printable(path, 200))
    for key in content:
        if key not in KEYS:
            findings.unknown(KEYS, key)
        elif not KEYS[key][0](content[key]):
            findings.add("PD852", f"{key} must be {KEYS[key][1]}", f"write {KEYS[key][1]}", key)
    for key in NEEDED:
        if key not in content:
            findings.add("PD853", f"there is no {key}", f"give {key}: {KEYS[key][1]}")
    right = {key: value for key, value in content.items() if key in KEYS and KEYS[key][0](value)}
    base = Path(path).resolve().parent
    arguments = {key: value for key, value in right.items() if key not in ("train", "test", "dev", "folder")}
    for name, kind in (("templates", Template), ("verbalizers", Verbalizer)):
        if name in right:
            arguments[name] = _strings(right[name], name, kind, base, findings)
    parts = {name: _data(right[name], name, base, findings) for name in ("train", "test", "dev") if name in right}
    if "templates" in right:
        arguments |= settings_of(right, arguments["templates"], findings)
    findings.raise_all()
    model = arguments.get("model", "pocket-mlm")
    arguments["model"] = str(base / model) if (base / model).is_dir() else model
    if isinstance(arguments.get("text_columns"), str):
        arguments["text_columns"] = [arguments["text_columns"]]
    arguments |= {"data": (parts["train"], parts["test"]), "dev": parts.get("dev")}
    return StudyFile(Path(path), text, arguments, base / right.get("folder", "study"))


def _parsed(text: str, path: str) -> dict[str, Any]:
    """Raise FileError PD850 with the place."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        message, _, place = str(error).partition(" (at ")
        found = re.match(r"line (\d+), column (\d+)", place)
        lines = text.split("\n")
        if found:
            line, column = int(found[1]), int(found[2])
            at = sum(len(before) + 1 for before in lines[: line - 1]) + column - 1
        else:
            at = len(text.rstrip())
        at = min(at, len(text))
        fail("PD850", f"not TOML: {message}", span=Span(at, at), source=text, origin=printable(path, 200),
             help='texts stand in "quotes", or in \'such\' where they have quotes in them')  # fmt: skip


def _strings(given: Any, name: str, kind: Any, base: Path, findings: Findings) -> Any:
    """Templates or verbalizers, `@FILE` read, each checked."""
    if isinstance(given, str):
        return _string(given, name, kind, base, findings)
    if isinstance(given, list):
        return [_string(v, f"{name}[{i}]", kind, base, findings) for i, v in enumerate(given)]
    if any(isinstance(value, list) for value in given.values()):  # one verbalizer: label → words
        return _string(given, name, kind, base, findings)
    return {key: _string(v, f"{name}.{printable(key, 40)}", kind, base, findings) for key, v in given.items()}


def _string(given: Any, what: str, kind: Any, base: Path, findings: Findings) -> Any:
    try:
        if isinstance(given, str) and given.startswith("@"):
            return str(kind.from_file(str(base / given[1:])))
        kind(given)
    except PromptDSLError as error:
        findings.take(error, what)
    return given


def _data(given: str, name: str, base: Path, findings: Findings) -> Any:
    """Rows and labels of a sample, or the path of a file that is there."""
    if given.startswith(SAMPLE):
        from promptdsl.cli.demo_runs import sample

        if given.removeprefix(SAMPLE) not in SAMPLES:
            close = get_close_matches(given.removeprefix(SAMPLE), SAMPLES, 1, 0.3) or SAMPLES[:1]
            findings.add("PD852", f"{name}: no sample {printable(given, 60)}", f'write "{SAMPLE}{close[0]}"', name)
            return None
        found = sample(*given.removeprefix(SAMPLE).split("/"))
        return list(found.texts), list(found.labels)
    if not (base / given).is_file():
        findings.add("PD801", f"{name}: no file {printable(str(base / given), 160)}", "check the path", name)
    return str(base / given)
