"""NLTK's WordNet reader: found, loaded once, and used by one thread at a time."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from promptdsl.errors import fail

__all__ = ["FILES", "LOCK", "find_wordnet", "wordnet_reader"]

# What NLTK reads of WordNet's database: wndb(5WN), senseidx(5WN), cntlist(5WN), lexnames(5WN).
FILES = (
    "cntlist.rev", "lexnames", "index.sense",
    "index.adj", "index.adv", "index.noun", "index.verb",
    "data.adj", "data.adv", "data.noun", "data.verb",
    "adj.exc", "adv.exc", "noun.exc", "verb.exc",
)  # fmt: skip

# NLTK's lazy loader is not made for threads, and neither is its reader, which seeks in one open file: every use of the
# reader holds this lock.
LOCK = threading.RLock()

GET_IT = "run `promptdsl wordnet` once: it puts WordNet where NLTK looks for it"


def find_wordnet() -> str | None:
    """Where NLTK finds a complete WordNet, a folder or a .zip; None where it finds none. Touches no network."""
    with LOCK:
        found = _find()
    return found if isinstance(found, str) else None


def wordnet_reader() -> Any:
    """NLTK's reader of the English WordNet, loaded; hold `LOCK` while you use it.

    Raises `VerbalizerError`: PD430 where there is no WordNet, PD432 where NLTK cannot read it.
    """
    from nltk.corpus import wordnet
    from nltk.corpus.reader.wordnet import WordNetError

    with LOCK:
        try:
            wordnet.ensure_loaded()
        except (LookupError, RuntimeWarning) as error:
            fail(
                "PD430", "WordNet is not on this machine", help=GET_IT, note=_refusal(error) or "", origin="verbalizer"
            )
        except (OSError, EOFError, ValueError, AssertionError, StopIteration, BadZipFile, WordNetError) as error:
            where = find_wordnet() or "an incomplete folder corpora/wordnet of NLTK's data"
            fail("PD432", f"NLTK cannot read WordNet: {error}", help=f"remove it and {GET_IT}", note=f"it is {where}",
                 origin="verbalizer")  # fmt: skip
    return wordnet


def _find() -> str | LookupError | RuntimeWarning:
    """Where WordNet is, or the error that says why it is not found."""
    import nltk.data

    why: LookupError | RuntimeWarning = LookupError("incomplete")
    for resource in ("corpora/wordnet", "corpora/wordnet.zip/wordnet/"):
        try:
            pointer = nltk.data.find(resource)
            for name in FILES:
                pointer.join(name)
        except (LookupError, RuntimeWarning) as error:
            why = error
        except OSError:  # the folder, or the archive, lacks a file
            continue
        else:
            return str(getattr(pointer, "path", None) or pointer.zipfile.filename)
    return why


def refused() -> str | None:
    """Why NLTK refuses a folder that might hold WordNet; None where it refuses none."""
    with LOCK:
        found = _find()
    return None if isinstance(found, str) else _refusal(found)


def _refusal(error: LookupError | RuntimeWarning) -> str | None:
    """NLTK ≥ 3.10 reads nothing from folders that other accounts can write to."""
    if isinstance(error, RuntimeWarning):  # the same, where the user has made warnings errors
        return str(error)
    folders = [Path(where) for where in getattr(error, "_nltk_refused_writable", ())]
    if not folders:
        return None
    shown = ", ".join(os.fspath(folder) for folder in folders)
    return f"NLTK refuses {shown}, for other accounts can write there; chmod go-w makes it readable"
