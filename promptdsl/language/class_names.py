"""Verbalizer text from class names alone: each class gets its name's words and what knowledge relates to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, zip_longest
from os import PathLike
from typing import Any, NoReturn

from promptdsl.errors import fail
from promptdsl.knowledge.names import seeds
from promptdsl.knowledge.related import Related
from promptdsl.knowledge.wordlists import read_word_list, words_of
from promptdsl.knowledge.wordnet import related
from promptdsl.language.findings import quoted
from promptdsl.language.nodes import LabelledWords, Word

__all__ = ["Knowledge", "Names", "expand_names"]

Names = Iterable[str] | Mapping[str, str | Sequence[str]]
Knowledge = str | PathLike[str] | Mapping[str, Sequence[str]]

_NAMES = 'give a list of class names, or labels with seed words: {"positive": ["good", "great"]}'


def expand_names(names: Names, knowledge: Knowledge, limit: int, **options: Any) -> str:
    """The verbalizer text that `Verbalizer.expand` gives; `options` are those of `knowledge.wordnet.related`."""
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        _refuse(f"limit is a whole number ≥ 1, not {quoted(repr(limit))}", "leave it out for 50")
    english_wordnet = knowledge == "wordnet" and options.get("lang") == "eng"
    own = _own_words(names, seeds if english_wordnet else lambda name: (name,))
    look_up = _source(knowledge, limit, options)
    found = {label: _in_turns([look_up(word) for word in words]) for label, words in own.items()}
    lines = _told_apart(_kept_seeds(own), own, found, limit)
    return "\n".join(str(LabelledWords(label, tuple(map(Word, words)))) for label, words in lines.items())


def _own_words(names: Names, of_name: Callable[[str], Sequence[str]]) -> dict[str, list[str]]:
    """Label → seed words: those that were given, or those of the name."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        _refuse(f"class names are a list, not {type(names).__name__}", _NAMES)
    listed = list(names)
    wrong = next((name for name in listed if not isinstance(name, str) or not name.strip()), None)
    if not listed:
        _refuse("no class names", _NAMES)
    if wrong is not None:
        _refuse(f"{quoted(repr(wrong))} is no class name", "a class name is a text with something in it")
    twice = next((name for name, count in Counter(listed).items() if count > 1), None)
    if twice is not None:
        _refuse(f"the class name {quoted(twice)} stands twice", "name each class once")
    if not isinstance(names, Mapping):
        return {name: list(dict.fromkeys(of_name(name))) for name in listed}
    return {label: _given(label, words) for label, words in names.items()}


def _given(label: str, words: Any) -> list[str]:
    given = [words] if isinstance(words, str) else words
    if not isinstance(given, (list, tuple)) or not given or not all(isinstance(w, str) and w.strip() for w in given):
        _refuse(f"the seed words of the class {quoted(label)} are no list of texts", _NAMES)
    return list(dict.fromkeys(given))


def _source(knowledge: Knowledge, limit: int, options: Mapping[str, Any]) -> Callable[[str], Sequence[Related]]:
    """How a seed's words are looked up."""
    if isinstance(knowledge, Mapping):
        wrong = next((seed for seed, words in knowledge.items() if not _is_word_list(seed, words)), None)
        if wrong is not None:
            _refuse(f"the words of the seed {quoted(str(wrong))} are no list of texts", 'write {"seed": ["word", …]}')
        made = {seed: tuple(Related(word, "given") for word in words) for seed, words in knowledge.items()}
        return lambda seed: words_of(made, seed)
    if knowledge == "wordnet":
        return lambda seed: related(seed, limit=limit, **options)
    if isinstance(knowledge, (str, PathLike)):
        read = read_word_list(knowledge)
        return lambda seed: words_of(read, seed)
    kind = type(knowledge).__name__
    _refuse(f'knowledge is "wordnet", a file or a mapping, not {kind}', 'write knowledge="wordnet"')


def _is_word_list(seed: object, words: object) -> bool:
    return isinstance(seed, str) and isinstance(words, (list, tuple)) and all(isinstance(w, str) for w in words)


def _in_turns(groups: Iterable[Sequence[Related]]) -> list[str]:
    """The words of several seeds, the best of each first."""
    turns = chain.from_iterable(zip_longest(*groups))
    return [word.word for word in turns if word is not None and word.word.strip()]


def _kept_seeds(own: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Each class's own words without those that are another's too, if any others are left."""
    classes = Counter(word for words in own.values() for word in {w.casefold() for w in words})
    alone = {label: [word for word in words if classes[word.casefold()] == 1] for label, words in own.items()}
    return {label: alone[label] or list(words) for label, words in own.items()}


def _told_apart(
    kept: Mapping[str, Sequence[str]],
    own: Mapping[str, Sequence[str]],
    found: Mapping[str, Sequence[str]],
    limit: int,
) -> dict[str, list[str]]:
    """Label → its own words and those found for it alone: a word of two classes speaks for none."""
    seeds_of_all = {word.casefold() for words in own.values() for word in words}
    classes = Counter(word for words in found.values() for word in {w.casefold() for w in words})
    lines = {}
    for label, words in found.items():
        alone = (w for w in words if classes[w.casefold()] == 1 and w.casefold() not in seeds_of_all)
        line: dict[str, str] = {}
        for word in (*kept[label], *alone):
            line.setdefault(word.casefold(), word)
        lines[label] = list(line.values())[: max(limit, len(kept[label]))]
    return lines


def _refuse(message: str, remedy: str) -> NoReturn:
    fail("PD424", message, help=remedy, origin="verbalizer")
