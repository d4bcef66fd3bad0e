"""Measures the embedded language models beside a teacher: held-out perplexity, zero-shot and 16-shot accuracy.

    python benchmarks/pocket.py --data DATA --corpora CORPORA --teacher TEACHER

Plain transformers code; nothing of promptdsl is imported, so that the figures do not depend on it. Templates and label
words are chosen on dev, by centred accuracy, from the small grids below; test is scored once with the choice. Writes
`pocket.md` beside this file (`--out`) and the same figures as JSON with `--json`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import lzma
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pocket_page import report, spread
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

Floats = npt.NDArray[np.float64]
Words = dict[str, str]

SEEDS = (13, 21, 42, 87, 100)
SHOTS = 16
MAX_LENGTH = 128
SUPPORT = 200


@dataclass(frozen=True)
class Task:
    """A labelled set with its grids; the first template and words of each are the ones that nobody tuned.

    `words` maps a label to its words, blank-separated. A causal model reads the part of a template before the mask.
    """

    name: str
    templates: tuple[str, ...]
    causal_templates: tuple[str, ...]
    words: tuple[Words, ...]


TASKS = (
    Task(
        "sst2",
        ("{text} It was {mask}.", "{text} . A {mask} movie.", "{text} . This movie is {mask} .", "{mask} ! {text}"),
        (
            "{text} It was {mask}.",
            "{text} . it was {mask}",
            "{text} . this movie is {mask}",
            "{text} , and it is {mask}",
        ),
        (
            {"negative": "bad terrible awful boring", "positive": "good great excellent wonderful"},
            {"negative": "bad", "positive": "good"},
            {"negative": "terrible", "positive": "great"},
            {"negative": "bad terrible awful stupid worst", "positive": "good great best amazing fun"},
            {"negative": "bad boring dull", "positive": "funny entertaining great"},
        ),
    ),
    Task(
        "ag_news",
        (
            "{text} This topic is about {mask}.",
            "{text} This is {mask} news.",
            "{mask} news: {text}",
            "[ Topic: {mask} ] {text}",
        ),
        (
            "{text} This topic is about {mask}.",
            "{text} This is about {mask}.",
            "{text} Topic: {mask}",
            "{text} This story is about the {mask}",
        ),
        (
            {
                "World": "politics government war world",
                "Sports": "sports football game team",
                "Business": "business money market economy",
                "Sci/Tech": "technology software computer science",
            },
            {"World": "politics", "Sports": "sports", "Business": "business", "Sci/Tech": "technology"},
            {
                "World": "world international war military countries",
                "Sports": "sports game games team",
                "Business": "business economy companies trade market",
                "Sci/Tech": "technology computer computers software",
            },
        ),
    ),
    Task(
        "trec",
        (
            "{text} This is about {mask}.",
            "{text} It is about a {mask}.",
            "{text} The answer is a {mask}.",
            "{text} What {mask} ?",
            "{mask} : {text}",
        ),
        (
            "{text} This is about {mask}.",
            "{text} It is about a {mask}.",
            "{text} The answer is a {mask}",
            "{text} What {mask}",
            "{text} The {mask}",
        ),
        (
            {
                "abbreviation": "letters short word words",
                "entity": "thing object animal food",
                "description": "definition meaning reason description",
                "human": "person name man people",
                "location": "place city country location",
                "number": "number amount date year",
            },
            {
                "abbreviation": "letters",
                "entity": "thing",
                "description": "reason",
                "human": "person",
                "location": "place",
                "number": "number",
            },
            {
                "abbreviation": "letters words short",
                "entity": "thing things something color",
                "description": "meaning reason something things",
                "human": "who someone man person name",
                "location": "city country places place",
                "number": "number numbers time years year",
            },
        ),
    ),
)


@dataclass
class Rows:
    """Texts and labels of a split."""

    texts: list[str]
    labels: list[str]


def read(folder: Path, split: str, limit: int | None = None) -> Rows:
    """A split of a labelled set; with `limit`, that many rows, sampled with seed 0."""
    lines = (folder / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    if limit is not None and limit < len(lines):
        lines = random.Random(0).sample(lines, limit)
    rows = [json.loads(line) for line in lines]
    return Rows([row["text_a"] for row in rows], [row["label"] for row in rows])


class LanguageModel:
    """A masked or causal LM in float32 that says the log-probabilities of words at the mask of a prompt."""

    def __init__(self, name: str, folder: Path, causal: bool) -> None:
        self.name, self.causal = name, causal
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        loader = AutoModelForCausalLM if causal else AutoModelForMaskedLM
        self.lm = loader.from_pretrained(folder, dtype=torch.float32).eval()
        self.first = [self.tokenizer.bos_token_id if causal else self.tokenizer.cls_token_id]

    def ids(self, text: str) -> list[int]:
        """The tokens of a text without specials."""
        return list(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]) if text else []

    def word(self, word: str) -> int | None:
        """The one token of a label word, or None where it takes several."""
        ids = self.ids(f" {word}" if self.causal else word)
        return ids[0] if len(ids) == 1 else None

    def prompt(self, template: str, text: str) -> tuple[list[int], int]:
        """The prompt's ids and the position whose state is read; the text is cut to what fits MAX_LENGTH."""
        before, after = template.split("{mask}")
        head, _, tail = before.partition("{text}")
        lead, end = ("", "") if "{text}" in before else tuple(after.split("{text}"))
        left = self.first + self.ids(head.rstrip())
        if self.causal:
            middle = self.ids(tail.rstrip())
            body = self.ids(text)[: MAX_LENGTH - len(left) - len(middle)]
            ids = left + body + middle
            return ids, len(ids) - 1
        mask = [self.tokenizer.mask_token_id]
        if "{text}" in before:
            pieces = [left, None, self.ids(tail), mask, self.ids(after)]
        else:
            pieces = [left, mask, self.ids(lead), None, self.ids(end)]
        room = MAX_LENGTH - 1 - sum(len(piece) for piece in pieces if piece is not None)
        body = self.ids(text)[:room]
        ids = [i for piece in pieces for i in (body if piece is None else piece)]
        return [*ids, self.tokenizer.sep_token_id], ids.index(mask[0])

    @torch.inference_mode()
    def states(self, prompts: Sequence[tuple[list[int], int]]) -> torch.Tensor:
        """(rows, hidden) final states at the positions read, batched by length."""
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i][0]))
        result: list[torch.Tensor] = [torch.empty(0)] * len(prompts)
        for start in range(0, len(order), 64):
            chosen = order[start : start + 64]
            width = max(len(prompts[i][0]) for i in chosen)
            ids = torch.full((len(chosen), width), self.tokenizer.pad_token_id)
            mask = torch.zeros_like(ids)
            for row, i in enumerate(chosen):
                ids[row, : len(prompts[i][0])] = torch.tensor(prompts[i][0])
                mask[row, : len(prompts[i][0])] = 1
            hidden = self.lm.base_model(input_ids=ids, attention_mask=mask).last_hidden_state
            for row, i in enumerate(chosen):
                result[i] = hidden[row, prompts[i][1]]
        return torch.stack(result)

    @torch.inference_mode()
    def log_probabilities(self, states: torch.Tensor, chunk: int = 512) -> torch.Tensor:
        """(rows, vocabulary) log-probabilities of states."""
        head = self.lm.lm_head if self.causal else self.lm.cls
        return torch.cat([head(part).log_softmax(-1) for part in states.split(chunk)])

    def read_words(self, template: str, texts: list[str], words: list[int]) -> tuple[Floats, Floats]:
        """(rows, words) log-probabilities at the mask, and the (rows, hidden) states there."""
        states = self.states([self.prompt(template, text) for text in texts])
        chosen = torch.cat([self.log_probabilities(part)[:, words] for part in states.split(512)])
        return chosen.double().numpy(), states.double().numpy()


@dataclass
class Prompted:
    """One template's word log-probabilities and states for the splits in use."""

    words: dict[str, Floats] = field(default_factory=dict)
    states: dict[str, Floats] = field(default_factory=dict)


def class_scores(
    model: LanguageModel,
    columns: dict[int, int],
    words: Words,
    labels: list[str],
    scores: Floats,
    support: Floats | None,
) -> Floats:
    """(rows, classes) mean log-probability of each class's one-token words, centred by the support rows' means."""
    if support is not None:
        scores = scores - support.mean(0)
    parts = []
    for label in labels:
        ids = [model.word(word) for word in words[label].split()]
        parts.append(scores[:, [columns[i] for i in ids if i is not None]].mean(1))
    return np.stack(parts, axis=1)


def accuracy(scores: Floats, labels: list[str], truth: list[str]) -> float:
    """The share of rows whose best class is the label."""
    return float(np.mean([labels[i] == t for i, t in zip(scores.argmax(1), truth, strict=True)]))


def fit_bias(scores: Floats, truth: npt.NDArray[np.int64], strength: float = 0.01) -> Floats:
    """A bias per class that maximises the likelihood of a few labelled rows (L2 `strength`), by Newton's steps."""
    bias = np.zeros(scores.shape[1])
    hot = np.eye(scores.shape[1])[truth]
    for _ in range(50):
        logits = scores + bias
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        gradient = (p - hot).mean(0) + strength * bias
        hessian = (np.diag(p.mean(0)) - p.T @ p / len(p)) + strength * np.eye(len(bias))
        step = np.linalg.solve(hessian, gradient)
        bias -= step * min(1.0, 2.0 / max(np.abs(step).max(), 1e-9))
    return bias


def few_shot_rows(labels: list[str], truth: list[str], seed: int) -> list[int]:
    """SHOTS row indices of each class, drawn with a seed."""
    rng = random.Random(seed)
    return [i for label in labels for i in rng.sample([j for j, t in enumerate(truth) if t == label], SHOTS)]


def measure(model: LanguageModel, task: Task, data: Path, ag_rows: int) -> dict[str, Any]:
    """Zero-shot and 16-shot figures of one model on one task."""
    folder = data / task.name
    dev, test = read(folder, "dev", 1000), read(folder, "test", ag_rows if task.name == "ag_news" else None)
    train = read(folder, "train")
    labels = sorted(set(train.labels))
    support = random.Random(0).sample(train.texts, SUPPORT)
    shots = {seed: few_shot_rows(labels, train.labels, seed) for seed in SEEDS}
    shot_rows = sorted({i for rows in shots.values() for i in rows})
    ids = sorted(
        {i for words in task.words for w in " ".join(words.values()).split() if (i := model.word(w)) is not None}
    )
    columns = {i: n for n, i in enumerate(ids)}
    templates = task.causal_templates if model.causal else task.templates
    grid = []
    for number, template in enumerate(templates):
        got = {s: model.read_words(template, t, ids)[0] for s, t in (("dev", dev.texts), ("support", support))}
        for which, words in enumerate(task.words):
            scores = class_scores(model, columns, words, labels, got["dev"], got["support"])
            grid.append((accuracy(scores, labels, dev.labels), -number, -which))
    best, number, which = max(grid)
    result: dict[str, Any] = {"dev": best, "test_rows": len(test.texts)}
    for kind, template, words in (
        ("untuned", templates[0], task.words[0]),
        ("chosen", templates[-number], task.words[-which]),
    ):
        on_test, test_states = model.read_words(template, test.texts, ids)
        on_support, _ = model.read_words(template, support, ids)
        centred = class_scores(model, columns, words, labels, on_test, on_support)
        result[kind] = {
            "template": template,
            "words": {
                label: " ".join(w for w in words[label].split() if model.word(w) is not None) for label in labels
            },
            "plain": accuracy(class_scores(model, columns, words, labels, on_test, None), labels, test.labels),
            "centred": accuracy(centred, labels, test.labels),
        }
    on_shots, shot_states = model.read_words(templates[-number], [train.texts[i] for i in shot_rows], ids)
    shot_scores = class_scores(model, columns, task.words[-which], labels, on_shots, on_support)
    by_bias, by_states = [], []
    for seed in SEEDS:
        chosen = [shot_rows.index(i) for i in shots[seed]]
        truth = np.array([labels.index(train.labels[i]) for i in shots[seed]])
        by_bias.append(accuracy(centred + fit_bias(shot_scores[chosen], truth), labels, test.labels))
        scaler = StandardScaler().fit(shot_states[chosen])
        head = LogisticRegression(C=0.1, max_iter=1000).fit(scaler.transform(shot_states[chosen]), truth)
        by_states.append(accuracy(head.predict_log_proba(scaler.transform(test_states)), labels, test.labels))
    result["bias"], result["states"] = by_bias, by_states
    return result


HELD_OUT = ("imdb_unsup", "wiki_en", "reuters_train", "nltk_misc")


def held_out_texts(corpora: Path, name: str, words: int, limit: int) -> list[str]:
    """The first `words` words of the first `limit` held-out documents of a corpus (index % 100 == 7)."""
    texts: list[str] = []
    with lzma.open(corpora / f"{name}.txt.xz", "rt", encoding="utf-8") as lines:
        for index, line in enumerate(lines):
            if index % 100 == 7 and len(line.split()) >= 8:
                texts.append(" ".join(line.split()[:words]))
            if len(texts) == limit:
                break
    return texts


def masked_loss(model: LanguageModel, texts: list[str]) -> dict[str, float]:
    """Nats per word, each sampled word masked alone and whole, six a text, all its pieces at once (seed 0).

    `one` is the same over the words that are one piece for this model.
    """
    rng = random.Random(0)
    rows: list[tuple[list[int], list[int], list[int]]] = []
    pre = model.tokenizer.backend_tokenizer
    for text in texts:
        words = [w for w, _ in pre.pre_tokenizer.pre_tokenize_str(pre.normalizer.normalize_str(text))]
        pieces = [model.ids(word) for word in words]
        for place in rng.sample(range(len(words)), min(6, len(words))):
            mask = [model.tokenizer.mask_token_id] * len(pieces[place])
            before = [i for piece in pieces[:place] for i in piece]
            after = [i for piece in pieces[place + 1 :] for i in piece]
            ids = [*model.first, *before, *mask, *after, model.tokenizer.sep_token_id]
            start = 1 + len(before)
            rows.append((ids, list(range(start, start + len(mask))), pieces[place]))
    reads = [(ids, place) for ids, places, _ in rows for place in places]
    logs = model.log_probabilities(model.states(reads))
    targets = torch.tensor([t for _, _, pieces in rows for t in pieces])
    each = -logs[torch.arange(len(targets)), targets].double().numpy()
    edges = np.cumsum([0, *(len(p) for _, _, p in rows)])
    sums = np.array([each[a:b].sum() for a, b in itertools.pairwise(edges)])
    single = np.array([len(p) == 1 for _, _, p in rows])
    return {
        "nats_per_word": float(sums.mean()),
        "nats_per_piece": float(each.mean()),
        "one": float(sums[single].mean()),
    }


@torch.inference_mode()
def causal_loss(model: LanguageModel, texts: list[str]) -> dict[str, float]:
    """Nats per token and per whitespace word, after the begin token, each text alone."""
    nats, tokens, words = 0.0, 0, 0
    for text in texts:
        ids = torch.tensor([model.first + model.ids(text)])
        logs = model.lm(input_ids=ids).logits[0, :-1].log_softmax(-1)
        nats -= float(logs[torch.arange(ids.shape[1] - 1), ids[0, 1:]].sum())
        tokens += ids.shape[1] - 1
        words += len(text.split())
    return {"nats_per_token": nats / tokens, "nats_per_word": nats / words}


def main() -> None:
    """Measures every model and writes the page."""
    here = Path(__file__).resolve().parent
    pocket = here.parent / "promptdsl" / "pocket"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--mlm", type=Path, default=pocket / "mlm")
    parser.add_argument("--clm", type=Path, default=pocket / "clm")
    parser.add_argument("--out", type=Path, default=here / "pocket.md")
    parser.add_argument("--json", type=Path, help="where to write what was measured")
    parser.add_argument("--reuse", type=Path, nargs="*", default=[], help="such files, for models not measured now")
    parser.add_argument("--models", nargs="*", default=["pocket-mlm", "pocket-clm", "minilm-mlm"])
    parser.add_argument("--ag-rows", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    folders = {"pocket-mlm": (args.mlm, False), "pocket-clm": (args.clm, True), "minilm-mlm": (args.teacher, False)}
    figures: dict[str, Any] = {name: {} for name in folders}
    for path in args.reuse:
        figures.update(json.loads(path.read_text(encoding="utf-8")))
    for name in args.models:
        model = LanguageModel(name, *folders[name])
        loss = causal_loss if model.causal else masked_loss
        held_out = {corpus: loss(model, held_out_texts(args.corpora, corpus, 60, 40)) for corpus in HELD_OUT}
        tasks = {task.name: measure(model, task, args.data, args.ag_rows) for task in TASKS}
        figures[name] = {"held_out": held_out, "tasks": tasks}
        for which, r in tasks.items():
            print(
                f"{name} {which}: untuned {r['untuned']['plain']:.3f} / {r['untuned']['centred']:.3f}, chosen"
                f" {r['chosen']['plain']:.3f} / {r['chosen']['centred']:.3f}, dev {r['dev']:.3f},"
                f" bias {spread(r['bias'])}, states {spread(r['states'])}",
                flush=True,
            )
    if args.json:
        measured = {name: figures[name] for name in args.models}
        args.json.write_text(json.dumps(measured, indent=1), encoding="utf-8")
    if all(figures.values()):
        args.out.write_text(
            report(
                figures,
                {
                    "length": MAX_LENGTH,
                    "support": SUPPORT,
                    "shots": SHOTS,
                    "seeds": ", ".join(map(str, SEEDS)),
                },
            ),
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
