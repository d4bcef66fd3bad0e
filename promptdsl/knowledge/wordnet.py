"""WordNet relatives of a word (Fellbaum 1998, WordNet: An Electronic Lexical Database), through NLTK."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NoReturn

from promptdsl.errors import fail, printable
from promptdsl.knowledge.reader import LOCK, wordnet_reader
from promptdsl.knowledge.related import Related
from promptdsl.knowledge.spelling import quoted, spelled, spellings

__all__ = ["RELATIONS", "known", "parts_of_speech", "related"]

# A relation: a synset → synsets it leads to, each with the lemmas that stand in the relation.
Relation = Callable[[Any, str], Iterator[tuple[Any, list[Any]]]]

POS = MappingProxyType({"n": "noun", "v": "verb", "a": "adjective", "r": "adverb"})
ENGLISH = "eng"
DEFAULT = ("synonym", "similar", "hyponym", "derivation")


def _itself(synset: Any, lang: str) -> Iterator[tuple[Any, list[Any]]]:
    """A synset is a set of synonyms."""
    yield synset, synset.lemmas(lang)


def _between_synsets(*pointers: str) -> Relation:
    """A relation of the whole synset: every lemma at its other end stands in it."""

    def relation(synset: Any, lang: str) -> Iterator[tuple[Any, list[Any]]]:
        for pointer in pointers:
            for target in sorted(getattr(synset, pointer)(), key=lambda related: related.name()):  # NLTK keeps a set
                yield target, target.lemmas(lang)

    return relation


def _between_lemmas(*pointers: str) -> Relation:
    """A relation of single English words: only the lemma at the other end stands in it."""

    def relation(synset: Any, lang: str) -> Iterator[tuple[Any, list[Any]]]:
        for lemma in synset.lemmas():
            for pointer in pointers:
                for target in getattr(lemma, pointer)():
                    yield target.synset(), [target] if lang == ENGLISH else target.synset().lemmas(lang)

    return relation


def _also(synset: Any, lang: str) -> Iterator[tuple[Any, list[Any]]]:
    """ "See also" stands between synsets of adjectives and between single verbs."""
    yield from _between_synsets("also_sees")(synset, lang)
    yield from _between_lemmas("also_sees")(synset, lang)


# Name → function; the names are those of the attribute `relations` of the tag <"wordnet">.
RELATIONS: Mapping[str, Relation] = MappingProxyType(
    {
        "synonym": _itself,
        "similar": _between_synsets("similar_tos", "verb_groups"),
        "also": _also,
        "hyponym": _between_synsets("hyponyms"),
        "hypernym": _between_synsets("hypernyms", "instance_hypernyms"),
        "instance": _between_synsets("instance_hyponyms"),
        "part": _between_synsets("part_meronyms", "member_meronyms", "substance_meronyms"),
        "derivation": _between_lemmas("derivationally_related_forms", "pertainyms"),
        "attribute": _between_synsets("attributes"),
        "antonym": _between_lemmas("antonyms"),
        "topic": _between_synsets("in_topic_domains"),
    }
)


@dataclass(frozen=True, slots=True)
class _Query:
    """The arguments of `related`, checked."""

    word: str
    depth: int
    relations: tuple[str, ...]
    pos: str | None
    senses: int
    limit: int
    lang: str

    def __post_init__(self) -> None:
        if not isinstance(self.word, str):
            _wrong(f"a word is a text, not {type(self.word).__name__}", "give a str")
        for name in ("depth", "senses", "limit"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                _wrong(f"{name} is a whole number ≥ 1, not {printable(repr(value), 40)}", "give one")
        for relation in self.relations:
            if not isinstance(relation, str) or relation not in RELATIONS:
                _wrong(f"there is no relation {printable(repr(relation), 40)}", f"relations are {', '.join(RELATIONS)}")
        if self.pos is not None and not (isinstance(self.pos, str) and self.pos in POS):
            kinds = ", ".join(f"{letter} ({name})" for letter, name in POS.items())
            _wrong(f"there is no part of speech {printable(repr(self.pos), 40)}", f"pos is {kinds}, or None for all")
        if not isinstance(self.lang, str):
            _wrong(f"lang is a text, not {type(self.lang).__name__}", 'English is "eng"')


def _wrong(message: str, remedy: str) -> NoReturn:
    fail("PD433", message, help=remedy, origin="verbalizer")


def related(
    word: str,
    *,
    depth: int = 1,
    relations: Iterable[str] = DEFAULT,
    pos: str | None = None,
    senses: int = 3,
    limit: int = 50,
    lang: str = ENGLISH,
) -> tuple[Related, ...]:
    """The word itself and its relatives in WordNet: nearest first, and of those equally near the commonest first.

    How common a word is in a sense says SemCor, where WordNet's makers counted senses (Fellbaum 1998, ch. 8); where
    that says nothing, single words come before phrases, commoner senses before others, and synsets by name.
    Relations lead from synset to synset, so what is two steps away is near to the sense that was meant, not to its
    homonyms. Names (capitalised lemmas) are left out where their synset has common words too ("Canis familiaris"
    beside "dog"), and a word in lower case does not start from a synset of one named thing ("nice" is not Nice).

    Args:
        word: as it is written: blanks, hyphens, underscores, camel case and inflected forms are found.
        depth: how many relations a word may be away.
        relations: names of `RELATIONS`.
        pos: n, v, a (satellites included) or r: both the senses and the relatives; None for all.
        senses: how many senses of the word count, the commonest first, whatever their part of speech.
        limit: the most words in the answer, the word itself included.
        lang: the language of `word` and its relatives as Open Multilingual Wordnet names it (ISO 639-3).

    Raises `VerbalizerError`: PD430 without WordNet, PD431 for a word that WordNet does not have, PD432 where WordNet
    cannot be read, PD433 for a wrong argument, PD434 for a language that is not there.
    """
    if isinstance(relations, str) or not isinstance(relations, Iterable):
        _wrong(f"relations is a list of names, not {printable(repr(relations), 40)}", 'write relations=("synonym",)')
    return _related(_Query(word, depth, tuple(relations), pos, senses, limit, lang))


@lru_cache(maxsize=512)
def _related(query: _Query) -> tuple[Related, ...]:
    with LOCK:
        lemma, starts = _senses(query.word, query.pos, query.lang)
        if not starts:
            _no_sense(query.word, query.pos, query.lang)
        written = "_".join(query.word.split())
        exact = any(own.name() == written for synset in starts for own in synset.lemmas())
        own = _as_written(query.word, lemma, exact)
        found = {own.casefold(): Related(own, "itself")}
        for word in _walk(starts[: query.senses], query, names=exact and not written.islower()):
            if len(found) >= query.limit:
                break
            found.setdefault(word.word.casefold(), word)
    return tuple(found.values())


def _as_written(word: str, lemma: str, exact: bool) -> str:
    """The word as a label word: as the user wrote it, unless that was a name in code ("OfficeHolder")."""
    own = " ".join(word.split())
    return own if (exact and "_" not in own) or spelled(own).lower() == own.lower() else spelled(lemma)


def parts_of_speech(word: str) -> tuple[str, ...]:
    """The parts of speech (n, v, a, r) that WordNet knows the English word in, that of the commonest sense first."""
    return known(word)[1]


@lru_cache(maxsize=4096)
def known(word: str) -> tuple[str, tuple[str, ...]]:
    """An English word as WordNet spells it in its commonest sense ("World" → "world"), and its parts of speech.

    An inflected form stays one, in lower case. ("", ()) for a word that WordNet does not have.
    """
    with LOCK:
        lemma, senses = _senses(word, None, ENGLISH)
        lemmas = (own.name() for synset in senses[:1] for own in synset.lemmas())
        own = next((name for name in lemmas if name.lower() == lemma.lower()), lemma.lower())
        return own.replace("_", " "), tuple(dict.fromkeys(_pos(synset) for synset in senses))


def _walk(starts: list[Any], query: _Query, *, names: bool) -> Iterator[Related]:
    """Breadth-first from the start synsets: all that is one relation away by count, then what is two away, …"""
    level, seen = starts, set(starts)
    for distance in range(1, query.depth + 1):
        near: list[tuple[int, int, Related]] = []
        following: list[Any] = []
        for synset, relation, target, lemmas in _steps(level, query):
            steps = f", {distance} steps" if distance > 1 else ""
            how = f"{relation} of {synset.name()}{steps}"
            for lemma in lemmas:
                if names or relation == "instance" or not _is_name_beside_words(lemma, lemmas):
                    name = lemma.name().replace("_", " ")
                    near.append((-lemma.count(), name.count(" "), Related(name, how)))
            if target not in seen:
                seen.add(target)
                following.append(target)
        near.sort(key=lambda counted: counted[:2])
        yield from (word for *_, word in near)
        level = following


def _steps(level: list[Any], query: _Query) -> Iterator[tuple[Any, str, Any, list[Any]]]:
    """Every relation from a level of synsets: synset, relation, target, and the lemmas that stand in the relation."""
    for synset in level:
        for relation in query.relations:
            for target, lemmas in RELATIONS[relation](synset, query.lang):
                if query.pos in (None, _pos(target)):
                    yield synset, relation, target, lemmas


def _pos(synset: Any) -> str:
    pos: str = synset.pos()
    return "a" if pos == "s" else pos


def _is_name_beside_words(lemma: Any, lemmas: list[Any]) -> bool:
    """Whether the lemma is written as a name ("Homo sapiens", not "TV") where others of its synset are common words."""
    name = lemma.name()
    return name[:1].isupper() and not name.isupper() and any(other.name().islower() for other in lemmas)


def _senses(word: str, pos: str | None, lang: str) -> tuple[str, list[Any]]:
    """The lemma under which the word is found, and its synsets, commonest sense first; "" and none if it is not."""
    reader = wordnet_reader()
    for lemma in spellings(word):
        try:
            found = reader.synsets(lemma, lang=lang)
        except (LookupError, ValueError, _wordnet_error()) as error:
            _no_language(reader, lang, error)
        wanted = [synset for synset in dict.fromkeys(found) if pos in (None, _pos(synset))]
        if wanted:
            return lemma, _commonest_first(reader, lemma, wanted, lang)
    return "", []


def _commonest_first(reader: Any, lemma: str, synsets: list[Any], lang: str) -> list[Any]:
    """The synsets by how often the lemma was counted in them; NLTK's order where the counts are equal.

    Equal counts take the first sense of each part of speech before the second of any. In other languages than English
    nothing was counted, and the synset's English words stand for it.
    """
    forms = {lemma.lower(), *(reader.morphy(lemma.lower(), pos) for pos in POS)}
    ranked: list[tuple[bool, int, int, Any]] = []
    rank = dict.fromkeys(POS, 0)
    for synset in synsets:
        own = [x for x in synset.lemmas() if lang != ENGLISH or x.name().lower() in forms]
        named = lang == ENGLISH and lemma.islower() and bool(own) and not any(x.name().islower() for x in own)
        rank[_pos(synset)] += 1
        if not (named and synset.instance_hypernyms()):  # one named thing, where a common word was written
            ranked.append((named, -sum(x.count() for x in own), rank[_pos(synset)], synset))
    ranked.sort(key=lambda entry: entry[:3])
    return [synset for *_, synset in ranked] or synsets


def _wordnet_error() -> type[Exception]:
    from nltk.corpus.reader.wordnet import WordNetError

    return WordNetError  # type: ignore[no-any-return]


def _no_language(reader: Any, lang: str, error: Exception) -> NoReturn:
    """Raise PD434: no multilingual data, or no such language in it."""
    missing = re.search(r"omw-[\d.]+", str(error)) if isinstance(error, LookupError) else None
    if missing or isinstance(error, LookupError):
        package = missing.group() if missing else "omw-1.4"
        fail("PD434", f"words in the language {quoted(lang)} need Open Multilingual Wordnet, which is not there",
             help=f'get it with python -c \'import nltk; nltk.download("{package}")\'',
             note='English needs nothing but WordNet: lang="eng"', origin="verbalizer")  # fmt: skip
    near = difflib.get_close_matches(lang, reader.langs(), 3, 0.4)
    hint = f"did you mean {', '.join(near)}? " if near else ""
    fail("PD434", f"Open Multilingual Wordnet has no language {quoted(lang)}",
         help=f"{hint}languages are named by ISO 639-3: eng, fra, spa, jpn", origin="verbalizer")  # fmt: skip


def _no_sense(word: str, pos: str | None, lang: str) -> NoReturn:
    """Raise PD431 with what may have been meant: another part of speech, a near spelling, the head of the phrase."""
    kind = f"{POS[pos]} " if pos else "word "
    fail("PD431", f"WordNet has no {kind}{quoted(word)}", origin="verbalizer",
         help=f"{_meant(word, pos) if lang == ENGLISH else ''}write the label words themselves")  # fmt: skip


def _meant(word: str, pos: str | None) -> str:
    others = parts_of_speech(word) if pos else ()
    if others:
        return f"as {' and '.join(POS[p] for p in others)} it is there: leave pos out, or "
    first, _, head = spelled(word).rpartition(" ")
    if first and parts_of_speech(head):
        return f"try its head word {quoted(head)}, or "
    near = _near(word)
    return f"did you mean {' or '.join(quoted(n) for n in near)}? Or " if near else ""


def _near(word: str) -> list[str]:
    """Up to three lemmas spelled nearly like the word; only those that begin alike are compared, which is quick."""
    lemma = "_".join(word.lower().split())
    if not 2 <= len(lemma) <= 40:
        return []
    alike = [n for n in wordnet_reader().all_lemma_names() if n[0] == lemma[0] and abs(len(n) - len(lemma)) <= 2]
    return [n.replace("_", " ") for n in difflib.get_close_matches(lemma, sorted(alike), 3, 0.8)]
