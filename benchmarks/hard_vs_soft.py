"""Measures hard against soft templates: the same words, the same rows, a frozen language model.

    python benchmarks/hard_vs_soft.py --data DATA [--folder FOLDER] [--model pocket-mlm] [--out hard_vs_soft.md]

DATA holds the labelled sets as `<name>/{train,dev,test}.jsonl` (fields text_a, label). Every finished cell is in
FOLDER: the command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hard_vs_soft_page import page

from promptdsl import LanguageModel, TrainingSettings, compare, load
from promptdsl.comparison import Study

SEEDS = (13, 21, 42, 87, 100)
SHOTS = (16, 64)
ROWS = 1000
MAX_LENGTH = 128
TEXT = '<"placeholder":"text_a">'


@dataclass(frozen=True)
class Task:
    """A labelled set: the words of its hard template before and after the mask, and its verbalizer.

    Both are those that did best zero-shot on dev (benchmarks/pocket.md).
    """

    name: str
    before: str
    after: str
    verbalizer: str


TASKS = (
    Task(
        "sst2",
        ". This movie is",
        ".",
        "negative: bad, terrible, awful, stupid, worst; positive: good, great, best, amazing, fun",
    ),
    Task(
        "ag_news",
        "This topic is about",
        ".",
        "Business: business, money, market, economy; Sci/Tech: technology, software, computer, science; "
        "Sports: sports, football, game, team; World: politics, government, war, world",
    ),
    Task(
        "trec",
        "What",
        "?",
        "abbreviation: letters, words, short; description: meaning, reason, something, things; "
        "entity: thing, things, something, color; human: who, someone, man, person, name; "
        "location: city, country, places, place; number: number, numbers, time, years, year",
    ),
)


def templates(task: Task) -> dict[str, str]:
    """The arms: one string each."""
    words, end = task.before, task.after
    return {
        "hard": f'{TEXT} {words} <"mask">{end}',
        "mixed": f'{TEXT} <"soft":"{words}"> <"mask"> <"soft":"{end}">',
        "soft": f'{TEXT} <"soft":10,"init":"labels"> <"mask">.',
    }


def rows(data: Path, task: Task, split: str) -> list[dict[str, str]]:
    """The labelled rows of a split: text_a and label alone."""
    lines = (data / task.name / f"{split}.jsonl").read_text("utf-8").splitlines()
    return [{"text_a": r["text_a"], "label": str(r["label"])} for r in map(json.loads, lines)]


def fingerprint(lm: LanguageModel) -> str:
    """SHA-256 of all parameters and buffers."""
    found = hashlib.sha256()
    for name, tensor in lm.model.state_dict(keep_vars=True).items():
        found.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
    return found.hexdigest()


# Chosen on few-shot dev rows, once for all sets and shots (`--choose`).
SETTINGS = TrainingSettings(epochs=10, max_steps=200, batch_size=8)
RATES = {"mixed": 0.1, "soft": 0.5}


def study(data: Path, folder: Path, task: Task, lm: LanguageModel, only: Sequence[str] = ()) -> Study:
    """All arms of a set; what is finished is not run again."""
    arms = {arm: template for arm, template in templates(task).items() if arm in (only or ("hard", *RATES))}
    shared = {"settings": SETTINGS, "max_length": MAX_LENGTH}
    return compare(
        arms,
        {"manual": task.verbalizer},
        (rows(data, task, "train"), rows(data, task, "test")),
        lm,
        shots=SHOTS,
        seeds=SEEDS,
        settings={arm: shared | {"prompt_learning_rate": RATES.get(arm, 0.0)} for arm in arms},
        baselines=("majority", "tfidf"),
        baseline="hard",
        folder=folder / task.name,
        test_rows=ROWS,
        progress=lambda result: print(f"{task.name}: {result}", flush=True),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--folder", type=Path, default=Path("hard_vs_soft"))
    parser.add_argument("--model", default="pocket-mlm")
    parser.add_argument("--sets", nargs="*", default=[task.name for task in TASKS])
    parser.add_argument("--arms", nargs="*", default=[])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    lm = load(given.model)
    before = fingerprint(lm)
    studies = {t.name: study(given.data, given.folder, t, lm, given.arms) for t in TASKS if t.name in given.sets}
    if fingerprint(lm) != before:
        raise SystemExit("the frozen language model was changed")
    if given.out is not None:
        given.out.write_text(page(studies, facts(given.model)), encoding="utf-8")


def facts(model: str) -> dict[str, Any]:
    """What the page says of how it was made."""
    rates = ", ".join(f"{rate:g} for {arm}" for arm, rate in RATES.items())
    settings = f"{SETTINGS.epochs} epochs in batches of {SETTINGS.batch_size}, learning rate {rates}"
    seeds = ", ".join(map(str, SEEDS))
    return {
        "model": model, "seeds": seeds, "rows": ROWS, "length": MAX_LENGTH,
        "settings": settings, "steps": SETTINGS.max_steps,
    }  # fmt: skip


if __name__ == "__main__":
    main()
