"""Which tokens of a vocabulary can be label words: whole alphabetic words that stand at a mask as one token."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from promptdsl.encoding.compiler import TokenProgram
from promptdsl.encoding.tokenizer import TextTokenizer

__all__ = ["label_word_tokens", "whole_words", "word_ids"]


def word_ids(program: TokenProgram, text: str, number: int) -> list[int]:
    """The ids of a label word's text at mask tag `number`, with a leading space if the mask had one."""
    mask = program.masks[number]
    return program.text.encode([" " + text if mask.leading_space else text], at_start=mask.at_start)[0]


def label_word_tokens(program: TokenProgram) -> NDArray[np.bool_]:
    """(vocabulary,) whether a token is a word that, written at the first mask, gives this token and no other.

    Only words of letters with at least two of them count (PETAL: Schick, Schmid & Schütze 2020, section 5).
    """
    mask = program.masks[0]
    return _usable(program.text, mask.leading_space, mask.at_start)


def whole_words(text: TextTokenizer) -> NDArray[np.bool_]:
    """(vocabulary,) whether a token is a word that, written within a text, gives this token and no other."""
    return _usable(text, True, False)


@lru_cache(maxsize=16)
def _usable(text: TextTokenizer, leading_space: bool, at_start: bool) -> NDArray[np.bool_]:
    words = [text.word(token) for token in range(text.vocab_size)]
    written = [" " + word if leading_space else word for word in words]
    ids = text.encode(written, at_start=at_start)
    usable = [
        len(word) >= 2 and word.isalpha() and found == [token] and token not in text.special_ids
        for token, (word, found) in enumerate(zip(words, ids, strict=True))
    ]
    return np.array(usable)
