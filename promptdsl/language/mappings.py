"""Verbalizers from Python mappings and from YAML: label → list of words."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

from promptdsl.errors import Diagnostic, FileError, Span, VerbalizerError
from promptdsl.language.findings import Findings, quoted
from promptdsl.language.verbalizer_parser import (
    LONGEST_VERBALIZER,
    Classes,
    ClassesBuilder,
    is_tag,
    mapped_items,
    mapped_line,
)

__all__ = ["classes_from_mapping", "classes_from_yaml"]

_SHAPE = 'a mapping has labels and lists of words: {"positive": ["good", "great"]}'
_PLAIN = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:seq")  # what nodes are without a tag of their own


def classes_from_mapping(mapping: Mapping[Any, Any], origin: str = "verbalizer") -> Classes:
    """The classes of a Python mapping. A label may be an integer or a boolean: its text counts, as a label's in data.

    A key that is a tag is a step, or an item for every class; its value is None or no words. Raises `VerbalizerError`;
    there is no text to point into, so messages name the class.
    """
    findings = Findings(None, origin)
    builder = ClassesBuilder(findings, decoded=True)
    for key, value in mapping.items():
        if findings.full:
            break
        if not isinstance(key, (str, numbers.Integral)):
            message = f"a label is a text, not {type(key).__name__}"
            findings.add("PD411", message, None, help=_SHAPE)
            continue
        label = str(key)
        if is_tag(label):
            mapped_line(label, value is None or value in ("", [], ()), None, builder)
            continue
        words = _words(label, value, findings)
        items = None if words is None else mapped_items(words, [None] * len(words), findings)
        if items is not None:
            builder.add_class(label, items, None)
    found = builder.finish(None)
    findings.raise_found("verbalizer")
    return found


def _words(label: str, value: Any, findings: Findings) -> list[str] | None:
    """The list of texts that `value` is; None, with the error reported, if it is not."""
    if isinstance(value, str) and (is_tag(value) or not {",", ";"} & set(value)):
        return [value]
    if isinstance(value, str):
        message = f"the class {quoted(label)} has one text where a list of words belongs"
        findings.add("PD411", message, None, help="a text is never split; write a list of words")
        return None
    if not isinstance(value, (list, tuple)):
        message = f"the class {quoted(label)} has {type(value).__name__} where a list of words belongs"
        findings.add("PD411", message, None, help=_SHAPE)
        return None
    wrong = next((item for item in value if not isinstance(item, str)), None)
    if wrong is not None or None in value:
        message = f"a label word of class {quoted(label)} is {type(wrong).__name__}, not a text"
        findings.add("PD411", message, None, help=_SHAPE)
        return None
    return list(value)


def classes_from_yaml(text: str, origin: str, limit: int | None = LONGEST_VERBALIZER) -> Classes:
    """The classes of a YAML text: a mapping of lists, every scalar a string as written. Raises `VerbalizerError`."""
    try:
        import yaml
    except ImportError:
        message = "reading YAML takes the package PyYAML"
        advice = 'pip install "promptdsl[yaml]", or write the verbalizer as text or JSON'
        raise FileError(Diagnostic("PD807", message, help=advice, origin=origin)) from None
    findings = Findings(text, origin)
    findings.refuse_larger(limit, "verbalizer")
    root = None
    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)  # nodes only: no object is ever built from a tag
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = Span(mark.index, mark.index) if mark is not None and mark.index <= len(text) else None
        reason = str(getattr(error, "problem", None) or "a character that YAML does not allow")
        findings.add("PD414", f"not YAML: {reason}", place, "YAML cannot be read from here", _SHAPE)
    except RecursionError:
        findings.add("PD414", "YAML that nests too deeply", None, help=_SHAPE)
    if not findings.found:
        builder = ClassesBuilder(findings, decoded=True)
        _add_yaml_classes(root, builder, yaml)
        found = builder.finish(Span(0, 0))
    findings.raise_found("verbalizer")
    return found


def _add_yaml_classes(root: Any, builder: ClassesBuilder, yaml: Any) -> None:
    findings = builder.findings
    if not isinstance(root, yaml.MappingNode):
        place = None if root is None else _place(root)
        findings.add("PD411", "the YAML is not a mapping of labels", place, "not label: words", _SHAPE)
        return
    for key, value in root.value:
        if findings.full:
            return
        nodes = value.value if isinstance(value, yaml.SequenceNode) else [value]
        if isinstance(key, yaml.ScalarNode) and is_tag(key.value):
            mapped_line(key.value, value.value in ("", "~", "null", []), _place(key), builder)
            continue
        wrong = next((node for node in (key, *nodes) if not isinstance(node, yaml.ScalarNode)), None)
        wrong = wrong or next((node for node in (key, value, *nodes) if node.tag not in _PLAIN), None)
        if wrong is not None:
            findings.add("PD411", "a label or label word that is not a plain text", _place(wrong), "not a text", _SHAPE)
            continue
        if isinstance(value, yaml.ScalarNode) and not is_tag(value.value) and {",", ";"} & set(value.value):
            label = "never split at its commas"
            advice = "write a list: [word, word]"
            findings.add("PD411", "one text where a list of words belongs", _place(value), label, advice)
            continue
        empty = isinstance(value, yaml.ScalarNode) and not value.value
        items = [] if empty else mapped_items([n.value for n in nodes], [_place(n) for n in nodes], findings)
        if items is not None:
            builder.add_class(key.value, items, _place(key))


def _place(node: Any) -> Span:
    start, end = node.start_mark.index, node.end_mark.index
    return Span(start, max(start, end))


def refuse(value: object) -> VerbalizerError:
    """The error for a value that is no verbalizer at all."""
    message = f"a verbalizer is a text or a mapping, not {type(value).__name__}"
    return VerbalizerError(Diagnostic("PD411", message, help=_SHAPE, origin="verbalizer"))
