"""What people mistype in a verbalizer, outside its tags: the first row that fits is reported."""

from __future__ import annotations

import re

from promptdsl.language.mistakes import Mistake

__all__ = ["LINE_MISTAKES"]

_ANYTHING = re.compile(r"[^,;\r\n]+|.|\Z", re.DOTALL)
_NO_COLON = "no colon after the label"
_WRITE = "write label: word, word"

_QUOTES = (
    Mistake(
        "line|item",
        re.compile(r'"[^\r\n]*'),
        "PD405",
        "a quote is never closed",
        "opened here, still open at the end of the line",
        'add the closing "; a quote inside is written \\"',
    ),
    Mistake(
        "line|item|after item",
        re.compile(r"<[ \t]*'[^,;\r\n]*"),
        "PD412",
        "a verbalizer's tag has double quotes",
        "neither a tag nor a word",
        'write it as <"…">; to mean a word, put double quotes around it',
    ),
    Mistake(
        "after item",
        re.compile(r'"[^,;\r\n]*'),
        "PD412",
        "a verbalizer's tag stands in angle brackets",
        "braces make no tag here",
        'write it as <"…">',
        behind=re.compile(r"(?:^|,\s*)\{[ \t]*$"),
    ),
    Mistake(
        "after item",
        re.compile(r"[^,;\r\n]+"),
        "PD406",
        "$found after a closing quote",
        "a comma was expected",
        "a quoted word is an item of its own; separate items with commas",
        behind=re.compile(r'"\s*$'),
    ),
    Mistake(
        "after item|after tag",
        re.compile(r"(?![,:])[^,;\r\n]+"),
        "PD406",
        "$found after a tag",
        "a comma was expected",
        "a tag is an item of its own; separate items with commas",
        behind=re.compile(r">\s*$"),
    ),
    Mistake(
        "after item",
        re.compile(r'"[^,;\r\n]*'),
        "PD406",
        "a word before a tag",
        "a comma is missing before the tag",
        "a tag is an item of its own; separate items with commas",
        behind=re.compile(r"<[ \t]*$"),
    ),
    Mistake(
        "after item",
        re.compile(r'"[^,;\r\n]*'),
        "PD407",
        "a double quote inside a word",
        "a quote opens only where a word begins",
        'put quotes around the whole word; a quote inside is written \\"',
    ),
)

_LABELS = (
    Mistake(
        "line",
        re.compile(r"[ \t]*:"),
        "PD408",
        "no label before the colon",
        "a label was expected",
        _WRITE,
    ),
    Mistake("line", re.compile(r","), "PD404", "a line begins with a comma", "a label was expected", _WRITE),
    Mistake(
        "line",
        re.compile(r"(?P<spot>#|//|--)[^\r\n]*"),
        "PD401",
        _NO_COLON,
        "a verbalizer has no comments",
        "remove the line",
    ),
    Mistake(
        "line",
        re.compile(r"(?P<spot>-)[ \t]+[^:,;\"\r\n]*(?=[\r\n]|\Z)"),
        "PD401",
        _NO_COLON,
        "a list of this kind is YAML",
        "write label: word, word on one line, or save the text with the suffix .yaml",
    ),
    Mistake(
        "line",
        re.compile(r"[\[(]\s*[\[(\"'][^\r\n]*"),
        "PD411",
        "a list has no labels",
        "a label was expected",
        'write label: word, word, or JSON: {"label": ["word", "word"]}',
    ),
    Mistake(
        "line",
        re.compile(r'[^:,;"\r\n]*(?P<spot>")[^\r\n]*'),
        "PD407",
        "a double quote inside a label",
        "a quote opens only where a label begins",
        'put quotes around the whole label; a quote inside is written \\"',
    ),
    Mistake(
        "line",
        re.compile('[^:,;"\r\n]*?(?P<spot>[\uff1a\ufe55\ufe30])'),
        "PD401",
        _NO_COLON,
        "a full-width colon does not count",
        "write the ASCII colon and a blank: label: word, word",
    ),
    Mistake(
        "line",
        re.compile(r"[^:,;\"\r\n]*?(?P<spot>=>|->|=|\||\t)"),
        "PD401",
        _NO_COLON,
        "not a colon",
        "write label: word, word",
    ),
    Mistake(
        "line",
        re.compile(r"[^,;\"\r\n]+(?P<spot>,)[^\r\n:;]*:"),
        "PD401",
        _NO_COLON,
        "a comma comes before the colon",
        'a label with a comma stands in double quotes: "a, b": word',
    ),
    Mistake("line", _ANYTHING, "PD401", _NO_COLON, "a line begins with its label and a colon", _WRITE),
    Mistake(
        "after label",
        _ANYTHING,
        "PD401",
        _NO_COLON,
        "a colon was expected",
        "write $last: word, word",
        caret="gap",
    ),
    Mistake(
        "after tag",
        re.compile(r"(?P<spot>[,:])[^;\r\n]*"),
        "PD401",
        "a line with words has no label",
        "a tag without a label stands alone on its line",
        'begin the line with its label: label: <"…">, word',
    ),
)

_ITEMS = (
    Mistake(
        "item",
        re.compile(r"[;\r\n]|\Z"),
        "PD403",
        "a class without label words",
        "a word was expected",
        "write at least one word after the colon",
        caret="gap",
        behind=re.compile(r":\s*$"),
    ),
    Mistake(
        "item",
        re.compile(r"[;\r\n]|\Z"),
        "PD404",
        "nothing after the last comma",
        "a word was expected",
        "remove the comma; all words of a class stand on its line",
        caret="gap",
    ),
    Mistake(
        "item",
        re.compile(r","),
        "PD404",
        "two commas in a row",
        "a word was expected",
        "remove one comma",
        behind=re.compile(r",\s*$"),
    ),
    Mistake("item", re.compile(r","), "PD404", "nothing before the comma", "a word was expected", "remove one comma"),
    Mistake("*", _ANYTHING, "PD410", "$found after the end", "nothing was expected here", "remove it"),
)

LINE_MISTAKES = (*_QUOTES, *_LABELS, *_ITEMS)
