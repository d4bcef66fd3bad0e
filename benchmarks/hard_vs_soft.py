"""Measures hard against soft templates: the same words, the same rows, a frozen language model.

    python benchmarks/hard_vs_soft.py --data DATA [--folder FOLDER] [--model pocket-mlm] [--out hard_vs_soft.md]

DATA holds the labelled sets as `<name>/{train,dev,test}.jsonl` (fields text_a, label). Every finished cell is in
FOLDER: the command goes on where it was stopped. First each arm's learning rate is chosen, once for all sets and
shots: trained on 16 rows a class, scored on 16 rows a class of dev. Test has no part in it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hard_vs_soft_page import page

from promptdsl import LanguageModel, TrainingSettings, compare, load
from promptdsl.comparison import Study
from promptdsl.training.few_shot import few_shot_indices

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


SETTINGS = TrainingSettings(epochs=10, max_steps=200, batch_size=8)
CANDIDATES = {"mixed": (0.05, 0.1, 0.2), "soft": (0.25, 0.5, 1.0, 2.0)}
CHOOSING_SHOTS = 16
SHARED = {"settings": SETTINGS, "max_length": MAX_LENGTH}


def candidates(data: Path, folder: Path, task: Task, lm: LanguageModel, only: Sequence[str] = ()) -> Study:
    """All arms with all rates, on few-shot rows of dev."""
    texts = templates(task)
    tried = {f"{arm} {rate:g}": (arm, rate) for arm in CANDIDATES for rate in CANDIDATES[arm] if arm in (only or texts)}
    dev = rows(data, task, "dev")
    few = few_shot_indices([r["label"] for r in dev], CHOOSING_SHOTS, seed=0)
    return compare(
        {name: texts[arm] for name, (arm, _) in tried.items()},
        {"manual": task.verbalizer},
        (rows(data, task, "train"), [dev[i] for i in few]),
        lm,
        shots=(CHOOSING_SHOTS,),
        seeds=SEEDS,
        settings={name: SHARED | {"prompt_learning_rate": rate} for name, (_, rate) in tried.items()},
        baselines=(),
        folder=folder / "choosing" / task.name,
        progress=lambda result: print(f"{task.name}, choosing: {result}", flush=True),
    )


def chosen(studies: Mapping[str, Study]) -> dict[str, float]:
    """For each arm the smallest rate whose mean dev accuracy over the sets is within half a point of the best."""
    found: dict[str, dict[float, float]] = {arm: {} for arm in CANDIDATES}
    for arm, rates in CANDIDATES.items():
        for rate in rates:
            lines = [line for study in studies.values() for line in study.lines() if line.template == f"{arm} {rate:g}"]
            found[arm][rate] = sum(line.accuracy or 0.0 for line in lines) / len(lines)
    best = {arm: max(means.values()) for arm, means in found.items()}
    return {arm: min(r for r, mean in means.items() if mean >= best[arm] - 0.005) for arm, means in found.items()}


def compared(data: Path, folder: Path, task: Task, lm: LanguageModel, rates: Mapping[str, float]) -> Study:
    """All arms of a set, on test."""
    arms = templates(task)
    return compare(
        arms,
        {"manual": task.verbalizer},
        (rows(data, task, "train"), rows(data, task, "test")),
        lm,
        shots=SHOTS,
        seeds=SEEDS,
        settings={arm: SHARED | {"prompt_learning_rate": rates.get(arm, 0.0)} for arm in arms},
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
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    lm = load(given.model)
    before = fingerprint(lm)
    tasks = [task for task in TASKS if task.name in given.sets]
    tried = {task.name: candidates(given.data, given.folder, task, lm) for task in tasks}
    rates = chosen(tried)
    studies = {task.name: compared(given.data, given.folder, task, lm, rates) for task in tasks}
    if fingerprint(lm) != before:
        raise SystemExit("the frozen language model was changed")
    if given.out is not None:
        given.out.write_text(page(studies, tried, facts(given.model, rates)), encoding="utf-8")


def facts(model: str, rates: Mapping[str, float]) -> dict[str, Any]:
    """What the page says of how it was made."""
    chosen_rates = ", ".join(f"{rate:g} for {arm}" for arm, rate in rates.items())
    settings = f"{SETTINGS.epochs} epochs in batches of {SETTINGS.batch_size}, learning rate {chosen_rates}"
    seeds = ", ".join(map(str, SEEDS))
    return {
        "model": model, "seeds": seeds, "rows": ROWS, "length": MAX_LENGTH,
        "settings": settings, "steps": SETTINGS.max_steps,
    }  # fmt: skip


if __name__ == "__main__":
    main()
