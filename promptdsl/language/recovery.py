"""Drives a grammar's parser over a text, and over the broken places in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.lexer import AbstractBasicLexer, ContextualLexer, LexerState
from lark.parsers.lalr_interactive_parser import InteractiveParser
from lark.parsers.lalr_parser_state import ParserState

__all__ = ["BLANKS", "Branch", "Problem", "read"]

BLANKS = " \t\r\n"
MOST_TOKENS = 100_000

Branch = Tree[Token]

# The grammar's names, as far as this file knows them.
OPENERS = ("OPEN_ANGLE", "OPEN_BRACE", "_OPEN_OBJECT")
CLOSERS = ("CLOSE_ANGLE", "CLOSE_BRACE", "_CLOSE_OBJECT")
LINE_END = "_END"


@dataclass(frozen=True, slots=True)
class Problem:
    """A place where the grammar could not go on.

    `at` is the offset of the first character that does not fit (blanks before it skipped; the text's length at its
    end); `where` says in plain words what was expected there, see `_where`; `last` is the token before that place and
    `opener` the one that opened the tag which is still open, if one is.
    """

    text: str
    at: int
    where: str
    last: Token | None
    opener: Token | None

    @property
    def gap(self) -> int:
        """The offset just behind the last token: where something is missing."""
        if self.last is None:
            return self.at
        return (self.last.start_pos or 0) + len(self.last.rstrip())


def read(
    grammar: Lark,
    start: str,
    text: str,
    on_problem: Callable[[Problem], int | None],
    on_token: Callable[[Token], bool] = lambda token: True,
    begin: int = 0,
) -> tuple[Branch | None, int | None]:
    """Parse `text[begin:]` from rule `start`; return the tree, and the offset where reading was given up, if it was.

    At each broken place `on_problem` reports and returns the offset at which reading goes on, or None to give up. What
    was being read there is dropped: the open tag, or the line of a verbalizer. `on_token` sees each token and may stop
    the reading by returning False; `MOST_TOKENS` bounds the work whatever the text.
    """
    interactive = grammar.parse_interactive(text, start=start)
    thread, state = interactive.lexer_thread, interactive.parser_state
    lexers, reading = cast(ContextualLexer, thread.lexer).lexers, thread.state
    assert reading is not None
    reading.line_ctr.char_pos = begin
    last: Token | None = None
    left = MOST_TOKENS
    while True:
        try:
            token = _next_token(lexers[state.position], reading, state)
            tree = state.feed_token(token, token.type == "$END")
        except UnexpectedInput as error:
            problem = _problem(interactive, error, text, last)
            resume = on_problem(problem)
            if resume is None:
                return None, problem.at
            _drop_unfinished(interactive, start)
            reading.line_ctr.char_pos = resume
            last = None
            continue
        if token.type == "$END":
            return tree, None
        last = token
        left -= 1
        if left < 0 or not on_token(token):
            return None, token.start_pos


def _next_token(lexer: AbstractBasicLexer, reading: LexerState, state: ParserState[int]) -> Token:
    """The next token in the parser's state.

    That state's `lexer` is asked directly. Where nothing fits, Lark's own loop would try every terminal of the grammar,
    text included, and so match the rest of the text again at each broken place.
    """
    try:
        return lexer.next_token(reading, state)
    except EOFError:
        return Token("$END", "", reading.line_ctr.char_pos)


def _problem(interactive: InteractiveParser, error: UnexpectedInput, text: str, last: Token | None) -> Problem:
    at = len(text)
    if isinstance(error, UnexpectedCharacters):
        at = int(error.pos_in_stream or 0)
    elif isinstance(error, UnexpectedToken) and error.token.type != "$END":
        at = error.token.start_pos or 0
    values = interactive.parser_state.value_stack
    closed = last is not None and last.type in CLOSERS
    opener = None if closed else next((v for v in reversed(values) if isinstance(v, Token) and v.type in OPENERS), None)
    while at < len(text) and text[at] in (" \t" if opener is None else BLANKS):
        at += 1
    accepted: set[str] = interactive.accepts()  # type: ignore[no-untyped-call]
    return Problem(text, at, _where(accepted, last), last, opener)


def _where(accepted: set[str], last: Token | None) -> str:
    """What could have come, as a word of the mistakes' table.

    Inside tags: "key", "after key", "value", "after value", "element", "after element".
    In a verbalizer: "line", "after label", "item", "after item", "after tag"; "object" before a JSON text's first key,
    "end" after everything.
    """
    after_tag = last is not None and last.type == "CLOSE_ANGLE"
    for terminal, where in (
        ("_AFTER_LABEL", "after label"),
        ("LABEL", "line"),
        ("WORDS", "item"),
        ("_NEXT", "after item"),
        ("_COLON", "after key"),
        ("OPEN_LIST", "value"),
        ("NUMBER", "element"),
        ("STRING", "key"),
        ("CLOSE_LIST", "after element"),
        ("_COMMA", "after value"),
        ("CLOSE_ANGLE", "after value"),
        ("CLOSE_BRACE", "after value"),
        ("_CLOSE_OBJECT", "after value"),
        ("_END", "after tag" if after_tag else "after item"),
    ):
        if terminal in accepted:
            return where
    return "end"


def _drop_unfinished(interactive: InteractiveParser, start: str) -> None:
    """Take the open tag (in a template), or the line (in a verbalizer), off the parser's stacks."""
    state = interactive.parser_state
    values = state.value_stack
    keep = 0
    for index in range(len(values) - 1, -1, -1):
        value = values[index]
        if isinstance(value, Token) and value.type == LINE_END:
            keep = index + 1
            break
        if isinstance(value, Token) and value.type in OPENERS and start == "template":
            keep = index
            break
    del values[keep:]
    del state.state_stack[keep + 1 :]
