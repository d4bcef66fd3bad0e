"""What people mistype inside a tag: the first row that fits is reported. Order matters; specific rows come first."""

from __future__ import annotations

import re

from promptdsl.language.mistakes import Mistake

__all__ = ["TAG_MISTAKES"]

_ANYTHING = re.compile(r"[^\s,:<>{}\[\]]+|.|\Z", re.DOTALL)
_END = re.compile(r"\Z")
_WORD = re.compile(r"[^\W\d]\w*")
_QUOTE_RULE = "a string opens and closes with the same straight quote, on one line"
_FILTERS = (
    'no code is ever read; name filters instead, as in "filters":["strip","lower"]; '
    "promptdsl migrate FILE rewrites OpenPrompt's lambdas"
)

_UNCLOSED = (
    Mistake(
        "element|after element",
        _END,
        "PD106",
        "a list is not closed",
        "expected ] here",
        "close it: [ … ]",
        caret="gap",
    ),
    Mistake("*", _END, "PD101", "this $thing is never closed", "opened here", "end it with $close", caret="opener"),
    Mistake(
        "key|value|element",
        re.compile(r"([\"'])(?:(?!\1)[^\r\n<{])*[\r\n][^\r\n<{\"']*\1"),
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
        _QUOTE_RULE,
    ),
    Mistake(
        "key|value|element",
        re.compile(r"[\"'][^,:>}\]\r\n]*"),
        "PD102",
        "a string has no closing quote",
        "opened here, still open at the end of the line",
        _QUOTE_RULE,
    ),
    Mistake(
        "after key|after value|after element",
        re.compile(""),
        "PD102",
        "a string has no closing quote",
        "this string runs on into the next tag",
        "close it where the text ends",
        caret="last",
        behind=re.compile(r"[<{]\s*[\"']\s*$"),
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
        "after key|after value|after element",
        _WORD,
        "PD102",
        "a string has no closing quote",
        "the quote before the comma is missing",
        "close the string before the comma",
        caret="last",
        behind=re.compile(r",\s*[\"']\s*$"),
    ),
)

_LOOKALIKES = (
    Mistake(
        "*",
        re.compile("[\u2018\u2019\u201a-\u201f\u00ab\u00bb\u2039\u203a\u300c-\u300f\uff02\uff07\u00b4`]"),
        "PD103",
        "$found is not a quote that a tag can have",
        "a typographic quote",
        'use the straight quote "',
    ),
    Mistake(
        "*",
        re.compile("[\uff0c\uff1a\uff1b\u3001\uff1e\uff1c\uff5d\uff3b\uff3d\u3010\u3011\u3000]"),
        "PD103",
        "$found is a full-width character",
        "only looks like punctuation",
        "use the ASCII character",
    ),
    Mistake(
        "*",
        re.compile("[\u00a0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\ufeff\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"),
        "PD103",
        "$found is not a blank that a tag can have",
        "an invisible character",
        "delete it, or write an ordinary blank",
    ),
)

_BRACKETS = (
    Mistake(
        "key|after key|after value",
        re.compile(r"[>}]"),
        "PD104",
        "a $thing that $open opens cannot be closed by $found",
        "expected $close",
        "close it with $close",
    ),
    Mistake(
        "element|after element",
        re.compile(r"[>}]"),
        "PD106",
        "a list is not closed",
        "expected ] here",
        "close it: [ … ]",
        caret="gap",
    ),
    Mistake(
        "after key|after value",
        re.compile(r"[\])]"),
        "PD104",
        "$found closes nothing here",
        "nothing was opened with its partner",
        "remove it",
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
        re.compile(r"[<{]\s*[\"']"),
        "PD107",
        "a tag inside a tag",
        "tags do not nest",
        "end this $thing with $close first, or give a plain value",
    ),
)

_CODE = (
    Mistake("*", re.compile(r"lambda\b[^,>}]*"), "PD110", "a lambda in a tag", "code", _FILTERS),
    Mistake(
        "value|element|key",
        re.compile(r"[A-Za-z]{1,2}[\"']"),
        "PD110",
        "a string takes no prefix",
        "Python's prefixes mean nothing here",
        "remove the letter before the quote",
    ),
    Mistake(
        "value|element",
        re.compile(r"[^\W\d]\w*\s*(?:\(|\.\s*\w+)"),
        "PD110",
        "$found… is Python code",
        "code",
        _FILTERS,
    ),
)

_KEYS = (
    Mistake("key", _WORD, "PD105", "the key $found has no quotes", "keys stand in quotes", 'write "$found"'),
    Mistake(
        "key", re.compile(r","), "PD108", "two commas with nothing between", "a key was expected", "remove one comma"
    ),
    Mistake("key", re.compile(r":"), "PD108", "no key before the colon", "a key was expected", 'write "key":value'),
    Mistake(
        "key",
        re.compile(r"-?[\d.]+"),
        "PD105",
        "the number $found stands where a key should",
        "keys are texts in quotes",
        'write "key":$found',
    ),
    Mistake(
        "key", _ANYTHING, "PD105", "$found stands where a key should", "keys are texts in quotes", 'write "key":value'
    ),
    Mistake(
        "after key",
        re.compile(r":?=>?"),
        "PD108",
        "$found stands where a colon should",
        "not a colon",
        "write $last: and the value",
    ),
    Mistake(
        "after key",
        re.compile(r"[\"'](?:[^\"'\r\n]*)[\"'](?=\s*[,:>}])"),
        "PD108",
        "nothing stands between two strings",
        "a colon or a comma is missing before this",
        "write $last:$found for a value, or $last,$found for two keys",
    ),
    Mistake(
        "after key|after value|after element",
        re.compile(r"[\"']"),
        "PD102",
        "a quote too many",
        "the string before it is already closed",
        "remove it, or write it as \\$found inside the string",
    ),
)

_VALUES = (
    Mistake("value", re.compile(r"[:=]"), "PD108", "a colon too many", "a value was expected", "remove $found"),
    Mistake(
        "value",
        re.compile(r"[,>}\]]"),
        "PD109",
        "no value after the colon",
        "a value was expected",
        "write the value, or leave the colon out",
    ),
    Mistake(
        "element", re.compile(r","), "PD108", "two commas with nothing between", "a value was expected", "remove one"
    ),
    Mistake(
        "element",
        re.compile(r"[\[({]"),
        "PD107",
        "a list inside a list",
        "lists are flat",
        "write all values in one list",
    ),
    Mistake(
        "value",
        re.compile(r"\{"),
        "PD107",
        "a mapping as a value",
        "values do not nest",
        "a value is a text, a number, true, false, null, or a flat list of those",
    ),
    Mistake("value", re.compile(r"\("), "PD107", "a list in round brackets", "not [", "write lists as [ … ]"),
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
        re.compile(r"[-+]?\.?\d[\w.+,-]*(?<!,)|[-+]?inf(?:inity)?\b"),
        "PD111",
        "$found is not a number as a tag writes it",
        "not a number",
        "write numbers as in JSON: 5, -1, 0.5, 1e-3",
    ),
    Mistake(
        "value|element", _WORD, "PD109", "the text $found has no quotes", "texts stand in quotes", 'write "$found"'
    ),
    Mistake(
        "value|element",
        _ANYTHING,
        "PD109",
        "$found is not a value",
        "a value was expected",
        "a value is a text in quotes, a number, true, false, null, or a flat list of those",
    ),
)

_BETWEEN = (
    Mistake(
        "after value",
        re.compile(r":"),
        "PD108",
        "a second colon",
        "this pair has its value",
        "write , before the next key",
    ),
    Mistake(
        "after key|after value|after element",
        re.compile(r"[;|&]"),
        "PD108",
        "$found stands where a comma should",
        "not a comma",
        "separate with ,",
    ),
    Mistake(
        "after value|after element",
        re.compile(r"[-+*/%.]"),
        "PD110",
        "$found after a value is Python code",
        "nothing is computed in a tag",
        "write the value itself",
    ),
    Mistake(
        "after element",
        _ANYTHING,
        "PD108",
        "$found after a list's value",
        "a comma or ] was expected",
        "separate values with , and end the list with ]",
    ),
    Mistake(
        "after key|after value",
        _ANYTHING,
        "PD108",
        "$found after $last",
        "a comma or $close was expected",
        'separate pairs with , as in "key":value,"key":value',
    ),
    Mistake("*", _ANYTHING, "PD108", "$found was not expected here", "not expected", "remove it"),
)

TAG_MISTAKES = (*_UNCLOSED, *_LOOKALIKES, *_BRACKETS, *_CODE, *_KEYS, *_VALUES, *_BETWEEN)
