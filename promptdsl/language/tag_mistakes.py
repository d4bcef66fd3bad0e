"""What people mistype inside a tag: the first row that fits is reported. Order matters; specific rows come first."""

from __future__ import annotations

import re

from promptdsl.language.mistakes import Mistake

__all__ = ["JSON_MISTAKES", "TAG_MISTAKES"]

_ANYTHING = re.compile(r"[^\s,:<>{}\[\]]+|.|\Z", re.DOTALL)
_END = re.compile(r"\Z")
_WORD = re.compile(r"[^\W\d]\w*")
_NOTHING = re.compile("")
# A whole string after which a tag could go on.
_STRING = re.compile(r"\"[^\"\r\n]*\"(?=\s*[,:>}\]])|'[^'\r\n]*'(?=\s*[,:>}\]])")
_AFTER = "after key|after value|after element"
_QUOTES = "a string opens and closes with the same straight quote, on one line"
_VALUE = "a value is a text in quotes, a number, true, false, null, or a flat list of those"
_FILTERS = (
    'no code is ever read; name filters instead, as in "filters":["strip","lower"]; '
    "promptdsl migrate FILE rewrites OpenPrompt's lambdas"
)

_UNCLOSED = (
    Mistake(
        "element|after element",
        _END,
        "PD106",
        "a list is never closed",
        "expected ] here",
        "close it with ]",
        caret="gap",
    ),
    Mistake(
        "after key|after value",
        _END,
        "PD101",
        "this tag is never closed",
        "expected $close here",
        "end it with $close",
        caret="gap",
    ),
    Mistake(
        "*",
        _END,
        "PD101",
        "this tag is never closed",
        "the text ends here",
        "finish it and end it with $close",
        caret="gap",
    ),
    Mistake(
        "key|value|element",
        re.compile(r"(?P<spot>([\"'])(?:(?!\2)[^\r\n<{])*)[\r\n][^\r\n<{\"']*\2"),
        "PD102",
        "a string runs over the end of its line",
        "opened here",
        "write \\n where the text has a line break",
    ),
    Mistake(
        "key|value|element",
        re.compile(r"\"[^\"'\r\n]*'(?=\s*[,:>}\]])|'[^\"'\r\n]*\"(?=\s*[,:>}\]])"),
        "PD102",
        "a string opens with one kind of quote and closes with the other",
        "these two differ",
        _QUOTES,
    ),
    Mistake(
        "key",
        re.compile(r"[\"'][^,:>}\]\r\n]*"),
        "PD102",
        "a string has no closing quote",
        "opened here, still open at the end of the line",
        _QUOTES,
        behind=re.compile(r"[<{]\s*$"),
        note="a $open with a quote after it begins a tag; to mean the text itself, write \\$open",
    ),
    Mistake(
        "key|value|element",
        re.compile(r"[\"'][^,:>}\]\r\n]*"),
        "PD102",
        "a string has no closing quote",
        "opened here, still open at the end of the line",
        _QUOTES,
    ),
    Mistake(
        _AFTER,
        _NOTHING,
        "PD102",
        "a string has no closing quote",
        "this string runs on into the next tag",
        "put the closing quote, and $close, before the next tag",
        caret="last",
        behind=re.compile(r"[<{]\s*[\"']\s*$"),
        goes_on="last",
    ),
    Mistake(
        "after key",
        _WORD,
        "PD102",
        "a key has no closing quote",
        "the quote before the colon is missing",
        'write "key":"value"',
        caret="last",
        behind=re.compile(r":\s*[\"']\s*$"),
    ),
    Mistake(
        _AFTER,
        _WORD,
        "PD102",
        "a string has no closing quote",
        "the quote before the comma is missing",
        "close the string before the comma",
        caret="last",
        behind=re.compile(r",\s*[\"']\s*$"),
    ),
    Mistake(
        _AFTER,
        re.compile(r"(?<=[\"'])\w[^,:<>{}\[\]]*"),
        "PD102",
        "a quote inside a string ends it",
        "the string ended before this",
        'write the inner quote as \\", or put the other kind of quote around the string',
    ),
)

_LOOKALIKES = (
    Mistake(
        "*",
        re.compile("[\u2018\u2019\u201a-\u201f\u00ab\u00bb\u2039\u203a\u300c-\u300f\uff02\uff07\u00b4`]"),
        "PD103",
        "$found is not a quote that a tag can have",
        "only looks like a quote",
        'use the straight quote "',
    ),
    Mistake(
        "*",
        re.compile("[\uff0c\uff1a\uff1b\u3001\uff1e\uff1c\uff5b\uff5d\uff3b\uff3d\u3010\u3011]"),
        "PD103",
        "$found is a full-width character",
        "only looks like punctuation",
        "use the ASCII character",
    ),
    Mistake(
        "*",
        re.compile(
            "[\u00a0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
        ),
        "PD103",
        "$found is not a blank that a tag can have",
        "hard to see, but there",
        "delete it, or write an ordinary blank",
    ),
)

_BRACKETS = (
    Mistake(
        "key|after key|after value",
        re.compile(r"[>}]"),
        "PD104",
        "a tag that $open opens cannot be closed by $found",
        "expected $close",
        "close it with $close",
        goes_on="next",
    ),
    Mistake(
        "element|after element",
        re.compile(r"[>}]"),
        "PD106",
        "a list is never closed",
        "expected ] here",
        "close it with ]",
        caret="gap",
    ),
    Mistake(
        "after key|after value",
        re.compile(r"[\])]"),
        "PD104",
        "$found closes nothing",
        "its partner was not opened",
        "remove it",
    ),
    Mistake(
        "key|after key|after value",
        re.compile(r"/\s*(?=[>}])"),
        "PD104",
        "a tag does not end with a slash",
        "not needed",
        "remove the slash",
    ),
    Mistake(
        "after key|after value",
        re.compile(r"(?![\"',:;=|])(?!lambda\b)"),
        "PD101",
        "this tag is never closed",
        "expected $close here",
        "end it with $close",
        caret="gap",
        closed=False,
    ),
    Mistake(
        "value|element|key",
        re.compile(r"<\s*[\"'][^>\r\n]*>?"),
        "PD107",
        "a tag inside a tag",
        "tags do not nest",
        "close the first tag before the next begins",
    ),
    Mistake(
        "value|element",
        re.compile(r"\{[^>}\r\n]*\}?"),
        "PD107",
        "a mapping as a value",
        "values do not nest",
        _VALUE,
    ),
)

_CODE = (
    Mistake("*", re.compile(r"lambda\b[^,>}]*"), "PD110", "a lambda in a tag", "code", _FILTERS),
    Mistake(
        "value|element|key",
        re.compile(r"(?P<spot>[A-Za-z]{1,2})[\"']"),
        "PD110",
        "a letter before a string",
        "Python's prefixes mean nothing here",
        "remove $found",
    ),
    Mistake(
        "value|element",
        re.compile(r"[^\W\d]\w*\s*(?:\([^>}]*|\.\s*\w+)"),
        "PD110",
        "$found is code",
        "not a value",
        _FILTERS,
    ),
    Mistake(
        "after value|after element",
        re.compile(r"[-+*/%.]"),
        "PD110",
        "$found after a value",
        "nothing is computed in a tag",
        "write the value itself",
    ),
)

_KEYS = (
    Mistake("key", _WORD, "PD105", "the key $found has no quotes", "keys stand in quotes", 'write "$found"'),
    Mistake("key", re.compile(r","), "PD108", "two commas in a row", "a key was expected", "remove one comma"),
    Mistake("key", re.compile(r":"), "PD108", "no key before the colon", "a key was expected", 'write "key":value'),
    Mistake(
        "key",
        re.compile(r"-?[\d.]+"),
        "PD105",
        "the number $found where a key should be",
        "keys are texts in quotes",
        'write "key":$found',
    ),
    Mistake("key", _ANYTHING, "PD105", "$found where a key should be", "keys are texts in quotes", 'write "key":value'),
    Mistake(
        "after key",
        re.compile(r":?=>?"),
        "PD108",
        "$found where a colon should be",
        "not a colon",
        "write $last: and the value",
    ),
    Mistake(
        "after key",
        _STRING,
        "PD108",
        "nothing between $last and $found",
        "a colon or a comma is missing before this",
        "write $last:$found for a value, or $last,$found for two keys",
    ),
)

_VALUES = (
    Mistake("value", re.compile(r"[:=]"), "PD108", "$found after a colon", "a value was expected", "remove $found"),
    Mistake(
        "value",
        re.compile(r"[,>}\]]"),
        "PD109",
        "no value after the colon",
        "a value was expected",
        "write the value, or leave the colon out",
    ),
    Mistake("element", re.compile(r","), "PD108", "two commas in a row", "a value was expected", "remove one comma"),
    Mistake(
        "element",
        re.compile(r"[\[(]"),
        "PD107",
        "a list inside a list",
        "lists are flat",
        "write all values in one list",
    ),
    Mistake("value", re.compile(r"\("), "PD107", "a list in round brackets", "not square", "write [ … ]"),
    Mistake(
        "value|element",
        re.compile(r"(?i:none|null|nil|undefined|nan|n/a)(?!\w)"),
        "PD109",
        "$found is not a value",
        "unknown word",
        "write null",
    ),
    Mistake(
        "value|element",
        re.compile(r"(?i:true|yes|on|t)(?!\w)"),
        "PD109",
        "$found is not a value",
        "unknown word",
        "write true",
    ),
    Mistake(
        "value|element",
        re.compile(r"(?i:false|no|off|f)(?!\w)"),
        "PD109",
        "$found is not a value",
        "unknown word",
        "write false",
    ),
    Mistake(
        "value|element",
        re.compile(r"[-+]?\.?\d[\w.+-]*|[-+]?inf(?:inity)?\b"),
        "PD111",
        "$found is not a number that a tag can have",
        "not a number",
        "write numbers as in JSON: 5, -1, 0.5, 1e-3",
    ),
    Mistake(
        "value|element",
        _WORD,
        "PD109",
        "the text $found has no quotes",
        "texts stand in quotes",
        'write "$found"',
    ),
    Mistake("value|element", _ANYTHING, "PD109", "$found is not a value", "a value was expected", _VALUE),
)

_BETWEEN = (
    Mistake(
        "after value",
        re.compile(r":"),
        "PD108",
        "a second colon",
        "this pair has its value already",
        "write , before the next key",
    ),
    Mistake(
        _AFTER,
        re.compile(r"[;|&]"),
        "PD108",
        "$found where a comma should be",
        "not a comma",
        "separate with ,",
    ),
    Mistake(
        "after value|after element",
        _STRING,
        "PD108",
        "no comma between $last and $found",
        "a comma is missing before this",
        "separate with ,",
    ),
    Mistake(
        _AFTER,
        re.compile(r"[\"']"),
        "PD102",
        "one quote too many",
        "the string before it is closed already",
        "remove it, or write it as \\$found inside the string",
    ),
    Mistake(
        "after element",
        _ANYTHING,
        "PD108",
        "$found after a value of a list",
        "a comma or ] was expected",
        "separate values with , and end the list with ]",
    ),
    Mistake(
        "after key",
        _ANYTHING,
        "PD108",
        "$found after $last",
        "a colon, a comma or $close was expected",
        'write "key":value, and a comma between pairs',
    ),
    Mistake("*", _ANYTHING, "PD108", "$found after $last", "a comma or $close was expected", "separate pairs with ,"),
)

TAG_MISTAKES = (*_UNCLOSED, *_LOOKALIKES, *_BRACKETS, *_CODE, *_KEYS, *_VALUES, *_BETWEEN)

_IS_JSON = "a verbalizer that begins with { is JSON; a label that begins with { stands in double quotes"
_WORDS = 'write "label": ["word", "word"]'

# A verbalizer's JSON text is the inside of a tag; what people mistype there has other words.
JSON_MISTAKES = (
    Mistake("*", _END, "PD410", "this JSON text is never closed", "the text ends here", "close it with }", caret="gap"),
    Mistake(
        "key",
        _WORD,
        "PD410",
        "the label $found has no quotes",
        "labels stand in quotes",
        'write "$found"',
        note=_IS_JSON,
    ),
    Mistake(
        "key",
        re.compile(r"-?[\d.]+"),
        "PD410",
        "the label $found has no quotes",
        "labels stand in quotes",
        'write "$found"',
    ),
    Mistake("after key", re.compile(r"\["), "PD410", "no colon after $last", "a colon is missing before this", _WORDS),
    Mistake("value|element", re.compile(r"\{"), "PD411", "a mapping inside a mapping", "words do not nest", _WORDS),
    Mistake(
        "value|element",
        re.compile(r"(?!(?:lambda|[A-Za-z]{1,2}[\"']))[^\W\d]\w*"),
        "PD410",
        "the word $found has no quotes",
        "words stand in quotes",
        'write "$found"',
    ),
    *TAG_MISTAKES,
)
