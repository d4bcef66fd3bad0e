"""What people mistype in a verbalizer, outside its tags: the first row that fits is reported."""

from __future__ import annotations

import re

from promptdsl.language.mistakes import Mistake

__all__ = ["LINE_MISTAKES"]

_ANYTHING = re.compile(r"[^,;\r\n]+|.|\Z", re.DOTALL)
_LINE = "a class is one line: label: word, word"

LINE_MISTAKES = (
    # Quotes.
    Mistake(
        "line|item",
        re.compile(r'"[^\r\n]*'),
        "PD405",
        "a quote is never closed",
        "opened here, still open at the end of the line",
        'close it with ", or write \\" for a quote inside',
    ),
    Mistake(
        "line|item|after item",
        re.compile(r"<[ \t]*'[^,;\r\n]*"),
        "PD412",
        "a verbalizer's tag needs double quotes",
        "not a tag, not a word",
        'write it as <"…">; as a word it stands in double quotes',
    ),
    Mistake(
        "after item",
        re.compile(r"[^,;\r\n]+|\""),
        "PD406",
        "$found after a closing quote",
        "a comma was expected",
        "separate items with a comma; a quoted word has nothing around its quotes",
        behind=re.compile(r'"\s*$'),
    ),
    Mistake(
        "after item|after tag",
        re.compile(r"[^,;\r\n]+"),
        "PD406",
        "$found after a tag",
        "a comma was expected",
        "a tag is an item of its own; separate it with a comma",
        behind=re.compile(r">\s*$"),
    ),
    Mistake(
        "after item",
        re.compile(r'"[^,;\r\n]*'),
        "PD407",
        "a tag inside a word",
        "a tag is an item of its own",
        "put a comma before the tag",
        behind=re.compile(r"[<{][ \t]*$"),
    ),
    Mistake(
        "after item",
        re.compile(r'"[^,;\r\n]*'),
        "PD407",
        "a double quote inside a word",
        "a quote opens only where an item begins",
        'quote the whole item and write the inner quotes as \\"',
    ),
    # Labels.
    Mistake(
        "line",
        re.compile(r"[ \t]*:"),
        "PD408",
        "no label before the colon",
        "a label was expected",
        _LINE,
    ),
    Mistake("line", re.compile(r","), "PD404", "a line that begins with a comma", "a label was expected", _LINE),
    Mistake(
        "line",
        re.compile(r'[^:,;"\r\n]*"[^;\r\n]*'),
        "PD407",
        "a double quote inside a label",
        "a quote opens only where a label begins",
        'quote the whole label and write the inner quotes as \\"',
    ),
    Mistake(
        "line",
        re.compile(r'[^:,;"\r\n]*(?:：|︰|﹕)[^\r\n]*'),
        "PD401",
        "no colon after the label",
        "a full-width colon does not count",
        "write the ASCII colon and a blank: label: word, word",
    ),
    Mistake(
        "line",
        re.compile(r"[^:,;\"\r\n]*?(?:=>|->|=|\||\t)[^\r\n;]*"),
        "PD401",
        "no colon after the label",
        "a label ends with a colon",
        "write label: word, word",
    ),
    Mistake(
        "line",
        re.compile(r"[^,;\"\r\n]+,[^\r\n:;]*:[^\r\n;]*"),
        "PD401",
        "no colon after the label",
        "a comma comes before the colon",
        "a label with a comma stands in double quotes; " + _LINE,
    ),
    Mistake(
        "line",
        _ANYTHING,
        "PD401",
        "no colon after the label",
        "a line begins with its label",
        "write label: word, word",
    ),
    Mistake(
        "after label",
        _ANYTHING,
        "PD401",
        "no colon after the label",
        "a colon was expected",
        "write $last: word, word",
        caret="gap",
    ),
    Mistake(
        "after tag",
        re.compile(r"[,:][^;\r\n]*"),
        "PD401",
        "a tag where the label should be",
        "only a tag that speaks of the whole verbalizer stands without a label",
        "begin the line with the label: label: word, <…>",
    ),
    # Items.
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
        "nothing between the commas",
        "a word was expected",
        "remove one comma",
        behind=re.compile(r",\s*$"),
    ),
    Mistake("item", re.compile(r","), "PD404", "nothing before the comma", "a word was expected", "remove the comma"),
    Mistake("*", _ANYTHING, "PD410", "$found was not expected here", "not expected", "remove it"),
)
