"""Word lists: files that say which words belong to a seed, as the knowledge bases of KPT (Hu et al. 2022) do."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from os import PathLike, fspath
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from promptdsl.errors import fail, printable
from promptdsl.knowledge.related import Related
from promptdsl.knowledge.spelling import quoted

__all__ = ["read_word_list", "words_of"]

Entry = tuple[str, str, float | None]  # seed, word, score
WordList = Mapping[str, tuple[Related, ...]]

_TSV = "a line is seed, word and, if there is one, a score, with tabs between"
_JSON = 'write {"seed": ["word", …]} or {"seed": {"word": 0.5, …}}'


def read_word_list(path: str | PathLike[str]) -> WordList:
    """The words of a file, seed → words, highest score first; those without a score follow in the file's order.

    A `.tsv` or `.txt` file has a line `seed<TAB>word[<TAB>score]` for each word, and lines that begin with # are
    comments. A `.json` file is {"seed": ["word", …]} or {"seed": {"word": score, …}}. Both are UTF-8. A word that
    stands twice with a seed counts once, with its highest score.

    Raises `FileError` for a file that cannot be read (PD801 to PD803), of another suffix (PD810) or that is no JSON
    (PD811); `VerbalizerError` PD435 for an entry of another shape, with its line.
    """
    file = Path(path)
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        fail("PD810", f"the suffix of {quoted(fspath(path), 80)} says no format of a word list",
             help=f"a word list ends in {', '.join(_READERS)}", origin="file")  # fmt: skip
    found: dict[str, dict[str, float | None]] = {}
    for seed, word, score in reader(_text(file), file.name):
        words = found.setdefault(seed, {})
        words[word] = score if _before(score, words.get(word)) else words[word]
    return MappingProxyType({seed: _ordered(words, file.name) for seed, words in found.items()})


def words_of(words: WordList, seed: str, *, limit: int | None = None) -> tuple[Related, ...]:
    """The words of one seed, the best `limit` of them. The seed is found in another case too ("Sports" for "sports").

    Raises `VerbalizerError` PD436 for a seed that the list does not have.
    """
    own = seed if seed in words else next((s for s in words if s.casefold() == str(seed).casefold()), None)
    if own is None:
        near = difflib.get_close_matches(str(seed)[:200], list(words), 3, 0.6)
        some = " or ".join(map(quoted, near)) if near else ", ".join(map(quoted, list(words)[:3])) or "no seeds"
        fail("PD436", f"the word list has no seed {quoted(str(seed))}", origin="verbalizer",
             help=f"did you mean {some}?" if near else f"it has {some}",
             note="a tag's \"of\" says which seed is taken; by default the label")  # fmt: skip
    return words[own][:limit]


def _before(score: float | None, old: float | None) -> bool:
    """Whether the score is higher; having one is higher than having none."""
    return old is None or (score is not None and score > old)


def _ordered(words: dict[str, float | None], name: str) -> tuple[Related, ...]:
    how = f"word list {printable(name, 80)}"
    best = sorted(words.items(), key=lambda entry: math.inf if entry[1] is None else -entry[1])
    return tuple(Related(word, how, score) for word, score in best)


def _text(file: Path) -> str:
    """The file's text; errors as for every other file."""
    shown = quoted(str(file), 120)
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        fail("PD801", f"no file {shown}", help="check the path", origin="file")
    except UnicodeDecodeError as error:
        place = f"byte 0x{error.object[error.start]:02x} at {error.start}"
        fail("PD802", f"the file {shown} is not UTF-8: {place}", help="save it as UTF-8", origin="file")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        fail("PD803", f"the file {shown} cannot be read: {reason}", help="check the path", origin="file")


def _from_tsv(text: str, name: str) -> Iterator[Entry]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split("\t")]
        if not 2 <= len(fields) <= 3:
            count = f"{len(fields)} field{'s' * (len(fields) > 1)}"
            _malformed(f"line {number} of {quoted(name)} has {count}: {quoted(line)}", _TSV)
        yield _entry(fields[0], fields[1], fields[2] if len(fields) == 3 else None, f"line {number} of {quoted(name)}")


def _from_json(text: str, name: str) -> Iterator[Entry]:
    try:
        data: Any = json.loads(text, object_pairs_hook=_Pairs)
    except RecursionError:
        fail("PD811", f"the file {quoted(name)} nests too deep", help=_JSON, origin="file")
    except ValueError as error:
        place = f" at line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else ""
        fail("PD811", f"the file {quoted(name)} is not JSON{place}", help=_JSON, origin="file")
    if not isinstance(data, _Pairs):
        _malformed(f"{quoted(name)} is no mapping of seeds to words", _JSON)
    for seed, words in data.unique(quoted(name)):
        where = f"the seed {quoted(seed)} of {quoted(name)}"
        if words == []:  # of _Pairs, too
            _malformed(f"{where} has no words", "write some, or remove the seed")
        if isinstance(words, _Pairs):
            yield from (_entry(seed, word, score, where) for word, score in words.unique(where))
        elif isinstance(words, list):
            yield from (_entry(seed, word, None, where) for word in words)
        else:
            _malformed(f"{where} has neither a list of words nor a mapping of words to scores", _JSON)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its keys in order, as often as they stand there."""

    def unique(self, where: str) -> list[tuple[str, Any]]:
        """The pairs; a key twice is an error, for which of the two counts would be a guess."""
        seen: set[str] = set()
        for key, _ in self:
            if key in seen:
                _malformed(f"{where} has the key {quoted(key)} twice", "keep one")
            seen.add(key)
        return self


def _entry(seed: str, word: Any, score: Any, where: str) -> Entry:
    """One checked entry."""
    if not isinstance(word, str):
        _malformed(f"{where} has a word that is {type(word).__name__}, not a text", "put the word in quotes")
    seed, word = seed.strip(), word.strip()
    for text, what in ((seed, "seed"), (word, "word")):
        if not text:
            _malformed(f"{where} has an empty {what}", f"write the {what}, or remove the entry")
        if any("\ud800" <= character <= "\udfff" for character in text):
            _malformed(f"{where} has half a character in the {what} {quoted(text)}", "it was decoded wrongly: write it")
    return seed, word, None if score is None else _score(score, where)


def _score(score: Any, where: str) -> float:
    """A score as a finite number."""
    try:
        number = float(score) if isinstance(score, (str, int, float)) and not isinstance(score, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        _malformed(f"{where} has the score {quoted(str(score))}", "a score is a number such as 0.5; higher is nearer")
    return number


def _malformed(message: str, remedy: str) -> NoReturn:
    fail("PD435", message, help=remedy, origin="file")


_READERS: Mapping[str, Callable[[str, str], Iterator[Entry]]] = MappingProxyType(
    {".tsv": _from_tsv, ".txt": _from_tsv, ".json": _from_json}
)
