"""pocket-mlm: the teacher with a smaller vocabulary, tuned on as a masked language model."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy, kl_div, log_softmax
from transformers import AutoModelForMaskedLM, BertConfig, BertForMaskedLM

from .text import Mixture, Tokens

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNK, CLS, SEP, MASK = range(5)
LABEL_WORDS = tuple(
    """
abbreviation abbreviated acronym initials numeric numerical quantity definition description entity
athlete mediocre diplomacy spam advertisement promotional entailment contradiction contradictory neutral implied
surprise surprised disgust disgusted disgusting gratitude grateful annoyed annoying optimistic optimism pessimistic
sarcastic sarcasm ironic offensive hateful toxic polite rude urgent informative subjective objective factual opinion
complaint praise refund delivery billing politics political sports finance financial economics technology software
health medical legal education travel weather entertainment celebrity lifestyle cooking recipe gaming astronomy
biology chemistry physics mathematics geography philosophy religion crime accident investment merger takeover
delightful wonderful superb dreadful horrible pathetic tedious hilarious charming touching disappointing
pointless worthless masterpiece flawless overrated underrated refreshing engaging boring dull unwatchable""".split()  # noqa: SIM905 - a hundred words read better in lines
)


def choose_pieces(vocabulary: dict[str, int], counts: np.ndarray[Any, Any], size: int, rare: float) -> list[str]:
    """The `size` pieces to keep: specials, label words, characters in use, then the commonest, in the old order.

    `counts` (old vocabulary,) are the expected occurrences per token of the mixture; a character outside ASCII is
    kept, alone and as `##`, where it makes up at least `rare` of the tokens itself.
    """
    kept = set(SPECIALS) | {word for word in LABEL_WORDS if word in vocabulary}
    for piece, index in vocabulary.items():
        bare = piece.removeprefix("##")
        if len(bare) == 1 and (bare.isascii() or counts[index] >= rare):
            kept.update(p for p in (bare, "##" + bare) if p in vocabulary)
    by_count = sorted(vocabulary, key=lambda piece: (-counts[vocabulary[piece]], vocabulary[piece]))
    for piece in by_count:
        if len(kept) >= size:
            break
        if not piece.startswith("[unused"):
            kept.add(piece)
    rest = sorted(kept - set(SPECIALS), key=vocabulary.__getitem__)
    return [*SPECIALS, *rest]


def cut_tokenizer(tokenizer: dict[str, Any], pieces: list[str]) -> dict[str, Any]:
    """The teacher's tokenizer.json with the kept pieces only, without its truncation and padding."""
    cut = copy.deepcopy(tokenizer)
    new = {piece: index for index, piece in enumerate(pieces)}
    cut["truncation"] = cut["padding"] = None
    cut["model"]["vocab"] = new
    for entry in cut["added_tokens"]:
        entry["id"] = new[entry["content"]]
    cut["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
        ],
        "pair": [
            {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
            {"Sequence": {"id": "B", "type_id": 1}},
            {"SpecialToken": {"id": "[SEP]", "type_id": 1}},
        ],
        "special_tokens": {t: {"id": t, "ids": [new[t]], "tokens": [t]} for t in ("[CLS]", "[SEP]")},
    }
    return cut


def cut_model(teacher: BertForMaskedLM, kept: Sequence[int]) -> BertForMaskedLM:
    """A copy of the teacher whose embeddings, tied decoder and decoder bias have only the kept rows."""
    config = BertConfig(
        **{**teacher.config.to_dict(), "vocab_size": len(kept), "pad_token_id": PAD, "dtype": "float32"}
    )
    student = BertForMaskedLM(config)
    student.set_attn_implementation("eager")  # on short windows faster than the fused kernel, by a fifth of a step
    weights = teacher.state_dict()
    rows = torch.tensor(list(kept))
    table = weights["bert.embeddings.word_embeddings.weight"][rows]
    for name in ("bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"):
        weights[name] = table
    for name in ("cls.predictions.bias", "cls.predictions.decoder.bias"):
        if name in weights:
            weights[name] = weights[name][rows]
    student.load_state_dict(weights)
    student.tie_weights()
    return student.float()


class WordSplitter:
    """Rewrites words of the teacher's pieces in the kept pieces (WordPiece: longest match first)."""

    def __init__(self, old: dict[str, int], pieces: list[str]) -> None:
        self.pieces = {piece: index for index, piece in enumerate(pieces)}
        self.names = [""] * (max(old.values()) + 1)
        for piece, index in old.items():
            self.names[index] = piece
        self.same = np.array([self.pieces.get(name, -1) for name in self.names])
        self.continues = np.array([name.startswith("##") for name in self.names])
        self.known: dict[tuple[int, ...], list[int]] = {}

    def words(self, ids: Tokens) -> list[tuple[list[int], list[int], bool]]:
        """Each whole word of a stream of the teacher's ids: its old ids, its new ids, whether the pieces are equal."""
        starts = np.flatnonzero(~self.continues[ids])
        result = []
        for begin, end in zip(starts, [*starts[1:], len(ids)], strict=True):
            word = tuple(int(i) for i in ids[begin:end])
            new = [int(self.same[i]) for i in word]
            equal = min(new) >= 0
            result.append((list(word), new if equal else self.split(word), equal))
        return result

    def split(self, word: tuple[int, ...]) -> list[int]:
        """The new ids of a word with a piece that was not kept; `[UNK]` where a character was not kept."""
        if word not in self.known:
            text = "".join(self.names[i].removeprefix("##") for i in word)
            found: list[int] = []
            begin = 0
            while begin < len(text):
                for end in range(len(text), begin, -1):
                    index = self.pieces.get(("##" if begin else "") + text[begin:end], -1)
                    if index >= 0:
                        break
                else:
                    found = [UNK]
                    break
                found.append(index)
                begin = end
            self.known[word] = found
        return self.known[word]


@dataclass(frozen=True, slots=True)
class MaskedRow:
    """One window in both vocabularies. `places` are masked positions and `targets` their ids, in the new one;
    `pairs` are (masked position, old position) of words with equal pieces, where the teacher can be asked."""

    new: list[int]
    old: list[int]
    places: list[int]
    targets: list[int]
    pairs: list[tuple[int, int]]


def mask_words(
    words: list[tuple[list[int], list[int], bool]],
    rng: np.random.Generator,
    length: int,
    rate: float,
    specials: list[int],
) -> MaskedRow:
    """Masks whole words, about `rate` of them and at least one, in the words that fit `length`.

    `specials` are the teacher's ids of `[CLS]`, `[SEP]` and `[MASK]`.
    """
    fitting = []
    used = 2
    for word in words:
        if used + len(word[1]) > length:
            break
        used += len(word[1])
        fitting.append(word)
    chosen = rng.random(len(fitting)) < rate
    if not chosen.any() and fitting:
        chosen[rng.integers(len(fitting))] = True
    new, old = [CLS], [specials[0]]
    places: list[int] = []
    targets: list[int] = []
    pairs: list[tuple[int, int]] = []
    for (old_ids, new_ids, equal), masked in zip(fitting, chosen, strict=True):
        hidden = masked and UNK not in new_ids
        if hidden:
            places += range(len(new), len(new) + len(new_ids))
            targets += new_ids
            if equal:
                pairs += [(len(new) + i, len(old) + i) for i in range(len(old_ids))]
        new += [MASK] * len(new_ids) if hidden else new_ids
        old += [specials[2]] * len(old_ids) if hidden else old_ids
    return MaskedRow([*new, SEP], [*old, specials[1]], places, targets, pairs)


class MaskedBatches:
    """Batches for a step number: rows of a seeded pool, sorted by length, cut at a number of padded tokens."""

    def __init__(self, folder: Path, split: str, splitter: WordSplitter, seed: int, tokens: int, rate: float) -> None:
        self.mixture = Mixture(folder, split, 96)
        self.splitter, self.seed, self.tokens, self.rate = splitter, seed, tokens, rate
        old = {name: index for index, name in enumerate(splitter.names)}
        self.specials = [old["[CLS]"], old["[SEP]"], old["[MASK]"]]
        self.ends = np.array([name in {".", "!", "?"} for name in splitter.names])
        self.pool_size = 16
        self.pool_number = -1
        self.pool: list[list[MaskedRow]] = []

    def row(self, rng: np.random.Generator) -> MaskedRow:
        """One window: mostly up to 94 tokens, some longer ones so that far positions stay in use."""
        length = int(rng.choice([48, 96, 192, 384], p=[0.1, 0.8, 0.08, 0.02]))
        while True:
            ids, _ = self.mixture.draw(rng).piece(rng, length, self.ends, at_start=0.25)
            row = mask_words(self.splitter.words(ids), rng, length, self.rate, self.specials)
            if row.places:
                return row

    def batch(self, step: int) -> list[MaskedRow]:
        """The rows of one step."""
        number, place = divmod(step, self.pool_size)
        if number != self.pool_number:
            rng = np.random.default_rng([self.seed, number])
            rows: list[MaskedRow] = []
            total = 0
            while total < self.pool_size * self.tokens:
                rows.append(self.row(rng))
                total += len(rows[-1].new)
            rows.sort(key=lambda row: len(row.new))
            cuts = np.searchsorted(
                np.cumsum([len(row.new) for row in rows]), np.arange(1, self.pool_size) * self.tokens
            )
            edges = [0, *(int(cut) for cut in cuts), len(rows)]
            groups = [rows[a:b] for a, b in itertools.pairwise(edges)]
            self.pool = [groups[i] for i in rng.permutation(self.pool_size)]
            self.pool_number = number
        return self.pool[place]


def padded(rows: list[list[int]], fill: int) -> tuple[torch.Tensor, torch.Tensor | None]:
    """(batch, length) ids padded with `fill`, and their attention mask, or None where nothing was padded."""
    width = max(map(len, rows))
    ids = torch.tensor([row + [fill] * (width - len(row)) for row in rows])
    sizes = torch.tensor([len(row) for row in rows])
    mask = torch.arange(width)[None] < sizes[:, None]
    return ids, None if bool(mask.all()) else mask.long()


def logits_at(model: BertForMaskedLM, ids: torch.Tensor, mask: torch.Tensor | None, flat: torch.Tensor) -> torch.Tensor:
    """(places, vocabulary) logits at flat positions of a batch; the LM head runs there only."""
    states = model.bert(input_ids=ids, attention_mask=mask).last_hidden_state
    logits: torch.Tensor = model.cls(states.flatten(0, 1)[flat])
    return logits


def masked_loss(
    student: BertForMaskedLM, teacher: BertForMaskedLM | None, kept: torch.Tensor, rows: list[MaskedRow], soft: float
) -> tuple[torch.Tensor, int, dict[str, float]]:
    """The loss of a batch: (1 - soft) · cross-entropy + soft · KL(teacher ‖ student) where both read the same piece.

    The teacher's logits are restricted to `kept` (its ids of the kept pieces) and normalised there. Where a masked
    word has other pieces in the two vocabularies, and without a teacher, the cross-entropy stands alone.
    """
    ids, mask = padded([row.new for row in rows], PAD)
    width = ids.shape[1]
    flat = torch.tensor([i * width + place for i, row in enumerate(rows) for place in row.places])
    targets = torch.tensor([target for row in rows for target in row.targets])
    with torch.autocast("cpu", torch.bfloat16):
        logits = logits_at(student, ids, mask, flat).float()
    hard = cross_entropy(logits, targets, reduction="none")
    count = int(sum(len(row.new) for row in rows))
    pairs = [(i * width + new, i, old) for i, row in enumerate(rows) for new, old in row.pairs]
    if teacher is None or not pairs:
        return hard.mean(), count, {"hard": hard.mean().item()}
    old_ids, old_mask = padded([row.old for row in rows], 0)
    where = torch.tensor([i * old_ids.shape[1] + old for _, i, old in pairs])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        asked = logits_at(teacher, old_ids, old_mask, where)[:, kept].float()
    both = torch.searchsorted(flat, torch.tensor([new for new, _, _ in pairs]))
    divergence = kl_div(
        log_softmax(logits[both], dim=-1), log_softmax(asked, dim=-1), log_target=True, reduction="none"
    ).sum(-1)
    weights = torch.ones_like(hard)
    weights[both] = 1.0 - soft
    loss = ((weights * hard).sum() + soft * divergence.sum()) / len(hard)
    return loss, count, {"hard": hard.mean().item(), "kl": divergence.mean().item()}


def load_teacher(folder: Path) -> BertForMaskedLM:
    """The teacher in float32, frozen."""
    teacher: BertForMaskedLM = AutoModelForMaskedLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    return teacher.eval().requires_grad_(False)


def load_splitter(teacher: Path, work: Path) -> tuple[WordSplitter, list[int]]:
    """The splitter for the pieces chosen by `prepare`, and the teacher's id of each kept piece."""
    old = json.loads((teacher / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    new = json.loads((work / "mlm-tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    pieces = sorted(new, key=new.__getitem__)
    return WordSplitter(old, pieces), [old[piece] for piece in pieces]
