"""Class names → the phrases that WordNet can be asked about: "Sci/Tech" → science, technology."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import MappingProxyType

from promptdsl.errors import fail
from promptdsl.knowledge.spelling import LONGEST, quoted, spelled
from promptdsl.knowledge.wordnet import known, parts_of_speech

__all__ = ["ABBREVIATIONS", "seeds"]

# What data sets shorten in their class names. They go before WordNet, which takes "tech" for a school, "comp" for an
# examination and "hum" for a noise.
ABBREVIATIONS = MappingProxyType(
    {
        "abbr": "abbreviation",
        "acad": "academia",
        "admin": "administration",
        "agri": "agriculture",
        "bio": "biology",
        "biz": "business",
        "chem": "chemistry",
        "comm": "communication",
        "comp": "computer",
        "crypt": "cryptography",
        "desc": "description",
        "econ": "economics",
        "edu": "education",
        "ent": "entertainment",
        "enty": "entity",
        "env": "environment",
        "fin": "finance",
        "geo": "geography",
        "gov": "government",
        "govt": "government",
        "hist": "history",
        "hum": "human",
        "info": "information",
        "intl": "international",
        "lit": "literature",
        "loc": "location",
        "math": "mathematics",
        "med": "medicine",
        "misc": "miscellaneous",
        "neg": "negative",
        "neu": "neutral",
        "num": "number",
        "org": "organization",
        "per": "person",
        "phil": "philosophy",
        "phys": "physics",
        "pol": "politics",
        "pos": "positive",
        "psych": "psychology",
        "rec": "recreation",
        "rel": "religion",
        "sci": "science",
        "soc": "society",
        "sys": "system",
        "tech": "technology",
    }
)

# Words that join or introduce, and heads that say nothing before "of": a means of transportation is transportation.
_LITTLE = frozenset(
    ("a", "alt", "an", "and", "as", "at", "by", "for", "from", "in", "into", "of", "on", "or", "other", "per", "than",
     "the", "to", "versus", "vs", "with")
)  # fmt: skip
_LIGHT = frozenset(("form", "group", "kind", "mean", "means", "number", "part", "piece", "set", "sort", "type"))
_NOT = frozenset(("no", "non", "not", "never", "without"))  # what WordNet says of the rest is the opposite of the class

_BETWEEN = re.compile(r"[/&,;:|+.()\[\]]+|\s(?:and|or)\s")
_BY_HAND = 'give its seed words by hand: Verbalizer.expand({"label": ["seed", …]})'


def seeds(name: str) -> tuple[str, ...]:
    """The phrases of a class name for which WordNet has synsets, part by part and the longest of a part first.

    A name that WordNet has is its only seed ("EducationalInstitution" → "educational institution"). Any other falls
    into parts at punctuation, "and" and "or", and each part into the longest phrases that are known, without modifiers
    that are no nouns ("NaturalPlace" → "place"); a part with a negation ("not_duplicate") gives none.

    Raises `VerbalizerError`: PD431 where WordNet has none of it, PD430 and PD432 as `related` does.
    """
    if not isinstance(name, str) or len(name) > LONGEST:
        shown = quoted(name) if isinstance(name, str) else f"a value of type {type(name).__name__}"
        fail("PD431", f"{shown} is no class name that could be looked up", help=_BY_HAND, origin="verbalizer")
    whole = _word(name.strip()) if name.strip().lower() not in ABBREVIATIONS else ""
    found = [whole] if whole else [phrase for part in _parts(name) for phrase in _phrases(part)]
    if not found:
        fail("PD431", f"WordNet has nothing for the class name {quoted(name)}", help=_BY_HAND, origin="verbalizer")
    return tuple(dict.fromkeys(found))


def _word(phrase: str) -> str:
    """The phrase as WordNet spells it; "" for one that it does not have, for single letters and for bare numbers."""
    return known(phrase)[0] if sum(map(str.isalpha, phrase)) > 1 else ""


def _parts(name: str) -> Iterator[list[str]]:
    """The words of each part of a name, abbreviations written out."""
    for part in _BETWEEN.split(spelled(name)):
        words = [part] if "-" in part and _word(part) else spelled(part.replace("-", " ")).split()
        yield [ABBREVIATIONS.get(word.lower(), word) for word in words]


def _phrases(words: list[str]) -> list[str]:
    """What WordNet has of one part: the longest phrases that are nouns; without any, the last phrase that is known."""
    if not _NOT.isdisjoint(words):
        return []
    phrases = list(_longest(words))
    nouns = [phrase for phrase in phrases if "n" in (kinds := parts_of_speech(phrase)) and kinds[0] in "nv"]
    return sorted(nouns or phrases[-1:], key=lambda phrase: -phrase.count(" "))


def _longest(words: list[str]) -> Iterator[str]:
    """The phrases that WordNet has, from left to right, each as long as can be, but for those that say nothing."""
    at = 0
    while at < len(words):
        end = next((end for end in range(len(words), at, -1) if _word(" ".join(words[at:end]))), at + 1)
        phrase = " ".join(words[at:end])
        light = phrase in _LIGHT and words[end : end + 1] == ["of"]
        if _word(phrase) and phrase.lower() not in _LITTLE and not light:
            yield _word(phrase)
        at = end
