"""A private view of a Hugging Face tokenizer in which no text can reach a special or added entry."""

from __future__ import annotations

import itertools
import json
import secrets
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from promptdsl.errors import fail

__all__ = ["Specials", "TextTokenizer", "text_tokenizer"]

# How `special` tags are spelt, and which token stands in where a tokenizer lacks the first.
ROLES = {
    "cls": ("cls_token", "bos_token"),
    "bos": ("bos_token", "cls_token"),
    "sep": ("sep_token", "eos_token"),
    "eos": ("eos_token", "sep_token"),
}


@dataclass(frozen=True, slots=True)
class Specials:
    """The ids that a tokenizer itself puts around one text."""

    before: tuple[int, ...]
    after: tuple[int, ...]


class TextTokenizer:
    """Text → ids with constant settings: no special tokens, no truncation, no padding, no shared state.

    Two copies of the caller's fast tokenizer are kept. `start` treats the beginning of a text as the tokenizer
    itself does (a dummy prefix of sentencepiece, say); `inner` adds nothing, so that a piece in the middle of a
    template gets a leading space only where one was written. In both, special and added entries are out of reach.
    """

    def __init__(self, tokenizer: Any) -> None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if not isinstance(backend, Tokenizer):
            fail(
                "PD501",
                f"{type(tokenizer).__name__} is not a fast tokenizer",
                help="load it with AutoTokenizer.from_pretrained, which gives a fast one for every supported model",
            )
        written = json.loads(backend.to_str())
        vocabulary = tokenizer.get_vocab()
        sentinels = _sentinels(vocabulary)
        self.sentinels: tuple[int, ...] = tuple(vocabulary[name] for name in sentinels)
        added = {a["id"] for a in written["added_tokens"]}
        self.special_ids = frozenset(tokenizer.all_special_ids) | added | set(self.sentinels)
        self.unk_id: int | None = tokenizer.unk_token_id
        self.mask_id: int | None = tokenizer.mask_token_id
        self.pad_id: int = _padding_id(tokenizer)
        self.has_token_types = "token_type_ids" in tokenizer.model_input_names
        self.length_limit = int(tokenizer.model_max_length) if tokenizer.model_max_length < 10**6 else None
        self.vocab_size = len(tokenizer)
        self._names: dict[str, str | None] = {
            str(r): getattr(tokenizer, r, None) for names in ROLES.values() for r in names
        }
        self._names["mask_token"] = tokenizer.mask_token
        self._ids = {t: i for t, i in vocabulary.items() if i in self.special_ids}
        self._tokens: dict[int, str] = {i: t for t, i in vocabulary.items()}
        _make_inert(written, tokenizer.unk_token, sentinels)
        self._start = Tokenizer.from_str(json.dumps(written))
        self._inner = Tokenizer.from_str(json.dumps(_without_dummy_prefix(written)))
        self.specials = _probe(backend)

    def encode(self, texts: list[str], *, at_start: bool = False) -> list[list[int]]:
        """Ids of each text, whole batch at once; `at_start` keeps what the tokenizer does to the start of a text."""
        return [
            e.ids for e in (self._start if at_start else self._inner).encode_batch_fast(texts, add_special_tokens=False)
        ]

    def special(self, name: str) -> tuple[int, str] | None:
        """(id, token) of a special token by role ("cls", "<cls>") or by its own text; None if there is none."""
        role = name[1:-1] if name.startswith("<") and name.endswith(">") else name
        if name not in self._ids:
            name = next((t for t in map(self._names.get, ROLES.get(role.lower(), ())) if t), "")
        return (self._ids[name], name) if name in self._ids else None

    def token(self, token_id: int) -> str:
        """The vocabulary's text of an id, as the tokenizer writes it."""
        return self._tokens.get(token_id, f"[{token_id}]")

    def word(self, token_id: int) -> str:
        """Readable text of one id without blanks around it; special tokens, and all-blank ones, as they are written."""
        if token_id in self.special_ids:
            return self.token(token_id)
        return str(self._start.decode([token_id], skip_special_tokens=False)).strip() or self.token(token_id)


def _padding_id(tokenizer: Any) -> int:
    """Any id does for padding, since the attention mask hides it; the tokenizer's own reads best."""
    for candidate in (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id):
        if candidate is not None:
            return int(candidate)
    return 0


def _sentinels(vocabulary: Mapping[str, int]) -> list[str]:
    """The names of T5's sentinels `<extra_id_0>`, `<extra_id_1>` …; mT5 writes them as pieces of its vocabulary."""
    names = ([f"{blank}<extra_id_{number}>" for blank in ("", "▁")] for number in itertools.count())
    found = (next((name for name in spelt if name in vocabulary), None) for spelt in names)
    return [name for name in itertools.takewhile(lambda name: name is not None, found) if name is not None]


def _make_inert(written: dict[str, Any], unk: str | None, sentinels: Sequence[str]) -> None:
    """Take special and added entries out of the text's reach, in a tokenizer's JSON; ids stay what they are.

    The added-token matcher goes, and so does every way through the model's own vocabulary (a Unigram model would
    still find `</s>`, a word-level model `[MASK]`): their entries are renamed to what no text can guess.
    """
    names = {*(a["content"] for a in written["added_tokens"]), *sentinels} - {unk, written["model"].get("unk_token")}
    written.update(added_tokens=[], post_processor=None, truncation=None, padding=None)
    model = written["model"]
    secret = f" {secrets.token_hex(16)} "
    renamed = {name: f"{secret}{index}" for index, name in enumerate(sorted(names))}
    if isinstance(model["vocab"], dict):
        model["vocab"] = {renamed.get(t, t): i for t, i in model["vocab"].items()}
    else:
        unk_piece = model["vocab"][model["unk_id"]][0] if model.get("unk_id") is not None else None
        model["vocab"] = [[p if p == unk_piece else renamed.get(p, p), score] for p, score in model["vocab"]]
    if "merges" in model:
        pairs = [m if isinstance(m, list) else m.split(" ", 1) for m in model["merges"]]
        model["merges"] = [m for m in pairs if not names & {m[0], m[1], m[0] + m[1]}]


def _without_dummy_prefix(written: dict[str, Any]) -> dict[str, Any]:
    """The tokenizer's JSON without the blank that it would add before a text that has none."""
    normalizers = _flat(written.get("normalizer"), "normalizers")
    pre_tokenizers = _flat(written.get("pre_tokenizer"), "pretokenizers")
    normalizers = [n for n in normalizers if n["type"] != "Prepend"]
    kinds = [p["type"] for p in pre_tokenizers]
    if kinds[:2] == ["WhitespaceSplit", "Metaspace"]:
        # Splitting at blanks and then marking every word would mark a word that had no blank before it.
        # Runs of blanks become one, the last goes, and the mark stands where a blank stood.
        normalizers += [
            {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
            {"type": "Strip", "strip_left": False, "strip_right": True},
        ]
        pre_tokenizers = pre_tokenizers[1:]
    changed: dict[str, dict[str, Any]] = {
        "Metaspace": {"prepend_scheme": "never"},
        "ByteLevel": {"add_prefix_space": False},
    }
    pre_tokenizers = [p | changed.get(p["type"], {}) for p in pre_tokenizers]
    return written | {
        "normalizer": _sequence(normalizers, "normalizers"),
        "pre_tokenizer": _sequence(pre_tokenizers, "pretokenizers"),
    }


def _flat(step: dict[str, Any] | None, key: str) -> list[dict[str, Any]]:
    if step is None:
        return []
    if step["type"] == "Sequence":
        return [inner for part in step[key] for inner in _flat(part, key)]
    return [step]


def _sequence(steps: list[dict[str, Any]], key: str) -> dict[str, Any] | None:
    if len(steps) < 2:
        return steps[0] if steps else None
    return {"type": "Sequence", key: steps}


def _probe(backend: Tokenizer) -> Specials:
    """What the tokenizer adds around a text, learnt from an encoding of one."""
    copy = Tokenizer.from_str(backend.to_str())
    copy.no_truncation()
    copy.no_padding()
    bare = copy.encode("a", add_special_tokens=False).ids
    whole = copy.encode("a", add_special_tokens=True).ids
    for start in range(len(whole) - len(bare) + 1):
        if whole[start : start + len(bare)] == bare:
            return Specials(tuple(whole[:start]), tuple(whole[start + len(bare) :]))
    return Specials((), ())


_views: weakref.WeakKeyDictionary[Any, tuple[str, TextTokenizer]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def text_tokenizer(tokenizer: Any) -> TextTokenizer:
    """The private view of `tokenizer`, made once and made again if tokens were added since."""
    if not hasattr(tokenizer, "all_special_tokens"):
        fail("PD501", f"{type(tokenizer).__name__} is not a tokenizer", help="give a transformers tokenizer")
    state = f"{len(tokenizer)} {tokenizer.all_special_tokens} {tokenizer.model_max_length}"
    with _lock:
        known = _views.get(tokenizer)
        if known is None or known[0] != state:
            known = _views[tokenizer] = (state, TextTokenizer(tokenizer))
        return known[1]
