"""Measures verbalizers against each other: label words made from knowledge, and abstract ones made from 16 shots.

    python benchmarks/verbalizers.py --data DATA [--model pocket-mlm] [--split test] [--out verbalizers.md]

DATA holds the labelled sets as `<name>/{train,dev,test}.jsonl` (fields text_a, label). For each set one template is
chosen on dev, with the manual verbalizer of one word a class under `<"calibrate":"batch">`; everything else then
uses it. Test is scored once, on at most 2,000 rows drawn with seed 0. Support rows are unlabelled train rows.

The first part is zero-shot: a manual word a class, the same words expanded with WordNet, and refined, each with the
same calibrations; differences with a paired bootstrap interval. The second part is 16-shot.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.preprocessing import StandardScaler
from verbalizers_page import page

from promptdsl import LanguageModel, PromptModel, load
from promptdsl.training.few_shot import few_shot_indices
from promptdsl.training.fitting import fit_verbalizer

Ints = npt.NDArray[np.int64]

SEEDS = (13, 21, 42, 87, 100)
SHOTS = 16
SUPPORT = 200
MOST = 2000  # rows that are scored
DEV = 1000
MAX_LENGTH = 128
DRAWS = 10_000  # of the bootstrap


@dataclass(frozen=True)
class Task:
    """A labelled set: templates to choose from, and for each label its words, the first of which stands alone."""

    name: str
    templates: tuple[str, ...]
    words: dict[str, str]

    def text(self, items: Callable[[list[str]], Sequence[str]], *steps: str) -> str:
        """A verbalizer whose classes have what `items` makes of their words."""
        return "\n".join(
            [*(f"{label}: {', '.join(items(words.split()))}" for label, words in self.words.items()), *steps]
        )


TEXT = '<"placeholder":"text_a">'
TASKS = (
    Task(
        "sst2",
        (
            f'{TEXT} It was <"mask">.',
            f'{TEXT} A <"mask"> movie.',
            f'{TEXT} This movie is <"mask">.',
            f'<"mask">! {TEXT}',
        ),
        {"negative": "bad terrible awful boring", "positive": "good great excellent wonderful"},
    ),
    Task(
        "ag_news",
        (
            f'{TEXT} This topic is about <"mask">.',
            f'{TEXT} This is <"mask"> news.',
            f'<"mask"> news: {TEXT}',
            f'[ Topic: <"mask"> ] {TEXT}',
        ),
        {
            "World": "politics government war world",
            "Sports": "sports football game team",
            "Business": "business money market economy",
            "Sci/Tech": "technology software computer science",
        },
    ),
    Task(
        "trec",
        (
            f'{TEXT} This is about <"mask">.',
            f'{TEXT} It is about a <"mask">.',
            f'{TEXT} The answer is a <"mask">.',
            f'<"mask">: {TEXT}',
        ),
        {
            "abbreviation": "letters short word words",
            "entity": "thing object animal food",
            "description": "definition meaning reason description",
            "human": "person name man people",
            "location": "place city country location",
            "number": "number amount date year",
        },
    ),
    Task(
        "dbpedia14",
        (
            f'{TEXT} It is a <"mask">.',
            f'{TEXT} This is about a <"mask">.',
            f'{TEXT} This article is about a <"mask">.',
            f'[ Category: <"mask"> ] {TEXT}',
        ),
        {
            "Company": "company",
            "EducationalInstitution": "school",
            "Artist": "artist",
            "Athlete": "athlete",
            "OfficeHolder": "politician",
            "MeanOfTransportation": "vehicle",
            "Building": "building",
            "NaturalPlace": "mountain",
            "Village": "village",
            "Animal": "animal",
            "Plant": "plant",
            "Album": "album",
            "Film": "film",
            "WrittenWork": "book",
        },
    ),
)
CALIBRATIONS = ("none", "contextual", "pmi", "support", "batch")
CHOOSING = '<"calibrate":"batch">'
RELATIVES = (
    '"depth":2,"senses":5,"limit":300,'
    '"relations":["synonym","similar","hyponym","derivation","hypernym","also","part","topic"]'
)


def _one(words: list[str]) -> list[str]:
    return words[:1]


def _expanded(words: list[str]) -> list[str]:
    return [words[0], f'<"wordnet":"{words[0]}",{RELATIVES}>']


def _soft(words: list[str]) -> list[str]:
    return [f'<"soft":"{word}">' for word in words]


# What label words are made of, and the steps behind them.
Items = Callable[[list[str]], Sequence[str]]
ZERO: dict[str, tuple[Items, tuple[str, ...]]] = {
    "one word": (_one, ()),
    "WordNet": (_expanded, ('<"refine":["single"]>',)),
    "WordNet, KPT": (_expanded, ('<"refine":["single","duplicates","frequency","relevance"]>',)),
    "WordNet, agreement": (_expanded, ('<"refine":["single","agreement"]>', '<"pool":"weighted">')),
}
BATCH = '<"calibrate":"batch">'
FEW: dict[str, tuple[Items, tuple[str, ...]]] = {
    "words + bias": (list, ()),
    "one word + bias": (_one, ()),
    "WordNet, agreement + bias": (_expanded, (*ZERO["WordNet, agreement"][1], BATCH)),
    "words, learned weights": (list, ('<"pool":"learned">',)),
    "cluster 1": (lambda _: ['<"cluster":1>'], ()),
    "cluster 3": (lambda _: ['<"cluster":3>'], ()),
    "words and cluster 1": (lambda words: [*words, '<"cluster":1>'], ()),
    "prototype": (lambda _: ['<"prototype":64>'], ()),
    "words and prototype": (lambda words: [*words, '<"prototype":64>'], ()),
    "soft": (_soft, ()),
    "soft and cluster 1": (lambda words: [*_soft(words), '<"cluster":1>'], ()),
    "auto 5": (lambda _: ['<"auto":5>'], ()),
    "auto 5, llr": (lambda _: ['<"auto":5,"method":"llr">'], ()),
}
REGRESSION = "logistic regression on the states"


@dataclass
class Rows:
    """Texts and labels of a split."""

    texts: list[str]
    labels: list[str]

    def at(self, indices: Sequence[int]) -> Rows:
        """Some of the rows."""
        return Rows([self.texts[i] for i in indices], [self.labels[i] for i in indices])


def read(folder: Path, split: str, limit: int | None = None) -> Rows:
    """A split of a labelled set; with `limit`, that many rows, drawn with seed 0."""
    lines = (folder / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    if limit is not None and limit < len(lines):
        lines = random.Random(0).sample(lines, limit)
    rows = [json.loads(line) for line in lines]
    return Rows([row["text_a"] for row in rows], [row["label"] for row in rows])


@dataclass
class Study:
    """One labelled set with its chosen template, and what was measured."""

    task: Task
    lm: LanguageModel
    template: str
    train: Rows
    scored: Rows
    dev: dict[str, float]
    zero: dict[tuple[str, str], Ints] = field(default_factory=dict)
    words: dict[str, int] = field(default_factory=dict)
    shot: dict[str, list[float]] = field(default_factory=dict)

    def model(self, verbalizer: str) -> PromptModel:
        """The chosen template with a verbalizer."""
        return PromptModel(self.lm, self.template, verbalizer, max_length=MAX_LENGTH)

    def support(self) -> list[str]:
        """Unlabelled train rows."""
        return random.Random(0).sample(self.train.texts, min(SUPPORT, len(self.train.texts)))


def numbers(model: PromptModel, rows: Rows) -> Ints:
    """The rows' labels as class numbers."""
    place = {label: i for i, label in enumerate(model.labels)}
    return np.array([place[label] for label in rows.labels])


def fitted(model: PromptModel, support: Sequence[str]) -> PromptModel:
    """The model with what it takes from unlabelled rows."""
    return fit_verbalizer(model, list(support), None) if model.unfitted else model


def choose(task: Task, lm: LanguageModel, folder: Path) -> tuple[str, dict[str, float]]:
    """The template with the best dev accuracy of the manual verbalizer, and the accuracy of each."""
    dev, train = read(folder, "dev", DEV), read(folder, "train")
    support = random.Random(0).sample(train.texts, min(SUPPORT, len(train.texts)))
    found: dict[str, float] = {}
    for template in task.templates:
        model = PromptModel(lm, template, task.text(lambda words: words[:1], CHOOSING), max_length=MAX_LENGTH)
        predicted = fitted(model, support).predict_log_proba(dev.texts).argmax(1)
        found[template] = accuracy_score(numbers(model, dev), predicted)
    return max(found, key=lambda t: found[t]), found


def zero_shot(study: Study) -> None:
    """Predictions of each kind of label words under each calibration; the scored rows are read once a kind."""
    support = study.support()
    for name, (items, steps) in ZERO.items():
        seen = None
        for calibration in CALIBRATIONS:
            last = () if calibration == "none" else (f'<"calibrate":"{calibration}">',)
            model = fitted(study.model(study.task.text(items, *steps, *last)), support)
            seen = seen or model.observe(study.scored.texts)
            with torch.no_grad():
                study.zero[name, calibration] = model.head(seen).argmax(1).numpy()
        study.words[name] = len(model.verbalizer.words)
        print(study.task.name, name, study.words[name], flush=True)


def few_shot(study: Study) -> None:
    """Accuracy of each verbalizer, fitted on the same shots, for each seed."""
    for name, (items, steps) in FEW.items():
        model = study.model(study.task.text(items, *steps))
        wanted, seen, words = numbers(model, study.scored), None, None
        for seed in SEEDS:
            shots = study.train.at(few_shot_indices(study.train.labels, SHOTS, seed=seed))
            found = fit_verbalizer(model, shots.texts, torch.tensor(numbers(model, shots)), seed=seed)
            # Words that were found or refined on the shots are others for each seed; all else is read once.
            if seen is None or found.verbalizer.words != words:
                seen, words = found.observe(study.scored.texts), found.verbalizer.words
            with torch.no_grad():
                study.shot.setdefault(name, []).append(float((found.head(seen).argmax(1).numpy() == wanted).mean()))
        print(study.task.name, name, np.mean(study.shot[name]).round(3), flush=True)


def regression(study: Study) -> None:
    """Logistic regression on the standardised mask states of the same shots (scikit-learn, C = 1)."""
    model = study.model(study.task.text(lambda _: ['<"cluster":1>']))
    scored, wanted = model.mask_states(study.scored.texts), numbers(model, study.scored)
    for seed in SEEDS:
        shots = study.train.at(few_shot_indices(study.train.labels, SHOTS, seed=seed))
        states = model.mask_states(shots.texts)
        scaler = StandardScaler().fit(states)
        found = LogisticRegression(max_iter=5000).fit(scaler.transform(states), numbers(model, shots))
        study.shot.setdefault(REGRESSION, []).append(float(found.score(scaler.transform(scored), wanted)))


def bootstrap(wanted: Ints, one: Ints, other: Ints, classes: int) -> tuple[list[float], list[float]]:
    """95 % paired bootstrap intervals of `other` − `one`: of accuracy and of macro-F1."""
    draws = np.random.default_rng(0).multinomial(len(wanted), np.full(len(wanted), 1 / len(wanted)), DRAWS)

    def f1(predicted: Ints) -> npt.NDArray[np.float64]:
        truth, guess = np.eye(classes)[wanted], np.eye(classes)[predicted]
        hits, true, said = draws @ (truth * guess), draws @ truth, draws @ guess
        return (2 * hits / np.maximum(true + said, 1)).mean(1)

    accuracy = draws @ ((other == wanted).astype(float) - (one == wanted)) / len(wanted)
    return [np.percentile(d, (2.5, 97.5)).tolist() for d in (accuracy, f1(other) - f1(one))]


def summary(study: Study) -> dict[str, Any]:
    """A study's figures as plain data."""
    model = study.model(study.task.text(_one))
    wanted, classes = numbers(model, study.scored), len(model.labels)
    figures = {
        f"{name} | {calibration}": {
            "accuracy": accuracy_score(wanted, predicted),
            "f1": f1_score(wanted, predicted, average="macro"),
        }
        for (name, calibration), predicted in study.zero.items()
    }
    gains = {
        f"{name} | {calibration}": bootstrap(wanted, study.zero["one word", calibration], predicted, classes)
        for (name, calibration), predicted in study.zero.items()
        if name != "one word"
    }
    return {
        "task": study.task.name,
        "rows": len(wanted),
        "template": study.template,
        "dev": study.dev,
        "words": study.words,
        "zero": figures,
        "gains": gains,
        "shot": study.shot,
    }


def measure(task: Task, lm: LanguageModel, data: Path, split: str) -> dict[str, Any]:
    """Everything about one labelled set."""
    folder = data / task.name
    template, dev = choose(task, lm, folder)
    study = Study(task, lm, template, read(folder, "train"), read(folder, split, MOST), dev)
    print(task.name, template, flush=True)
    zero_shot(study)
    regression(study)
    few_shot(study)
    return summary(study)


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder of the labelled sets")
    parser.add_argument("--read", type=Path, nargs="*", default=[], help="JSON of earlier runs, which come first")
    parser.add_argument("--model", default="pocket-mlm")
    parser.add_argument("--split", default="test", choices=("dev", "test"))
    parser.add_argument("--tasks", nargs="*", default=[task.name for task in TASKS])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("verbalizers.md"))
    parser.add_argument("--json", type=Path, help="where the figures go as JSON")
    options = parser.parse_args()
    results = [result for path in options.read for result in json.loads(path.read_text("utf-8"))]
    if options.data:
        lm = load(options.model)
        results += [measure(t, lm, options.data, options.split) for t in TASKS if t.name in options.tasks]
    place = {task.name: number for number, task in enumerate(TASKS)}
    results.sort(key=lambda result: place[result["task"]])
    if options.json:
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    text = page(results, options.model, options.split)
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
