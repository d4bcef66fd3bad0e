"""`promptdsl demo`: two strings and two small language models classify real sentences, computed on the spot."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from promptdsl.cli.demo_tasks import MODELS, SEEDS, SHOTS, TASKS, Task
from promptdsl.cli.grid import print_grid
from promptdsl.cli.terminal import paint, write

if TYPE_CHECKING:
    from promptdsl.cli.demo_runs import Outcome

__all__ = ["command"]


def command() -> None:
    """Classify the samples that ship with the package, with both embedded language models. Takes less than a minute.

    \b
    promptdsl demo
    """
    with _one_thread():
        _show_all()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Models this small gain little from a second thread, and threads that wait for a busy core cost minutes."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _show_all() -> None:
    _heading("1. Two strings say what to do")
    for task in TASKS:
        _strings(task)
    _heading(f"2. What {MODELS[0]} sees")
    _sight(TASKS[0])
    _heading(f"3. How often the label is right, on 100 test texts of each task (zero-shot, and {SHOTS} rows a label)")
    _accuracies()
    _heading(f"4. What {MODELS[0]} says to new sentences, after {SHOTS} labelled rows of each label")
    for task in TASKS:
        _predictions(task)
    _heading("5. The same rows and no label words: prototypes, and what they stand for in the model's own words")
    for task in TASKS:
        _prototypes(task)


def _heading(text: str) -> None:
    write("\n" + paint(text, "strong", sys.stdout) + "\n")


def _strings(task: Task) -> None:
    write(f"  {task.sample}")
    write(f"    template    {task.template}")
    for number, line in enumerate(task.verbalizer.splitlines()):
        write(f"    {'' if number else 'verbalizer':10}  {line}")


def _sight(task: Task) -> None:
    from promptdsl.models.show import show

    shown = show(task.template, list(task.sentences[:1]), MODELS[0])
    *_, row = str(shown).split("\n\n")
    write(row)


def _accuracies() -> None:
    from promptdsl.cli.demo_runs import measure, sample

    lines = []
    for task in TASKS:
        labels = sorted(set(sample(task.sample, "test").labels))
        for model in MODELS:
            lines.append([task.sample, str(len(labels)), model, *_shown(measure(task, model))])
    few = f"{SHOTS}-shot, mean ± sd of {len(SEEDS)} draws"
    print_grid(["task", "labels", "model", "zero-shot", few], lines, right=(1, 3, 4))
    write("\nThe samples are few and tidy: for figures on published data sets see benchmarks/pocket.md.")


def _shown(outcome: Outcome) -> list[str]:
    return [f"{outcome.zero_shot:.2f}", f"{outcome.mean:.2f} ± {outcome.deviation:.2f}"]


def _prototypes(task: Task) -> None:
    """A prototype a label instead of its words."""
    from promptdsl.cli.demo_runs import fitted_on_few, sample

    test = sample(task.sample, "test")
    verbalizer = "\n".join(f'{label}: <"cluster":1>' for label in sorted(set(test.labels)))
    classifier = fitted_on_few(task, MODELS[0], verbalizer)
    right = classifier.score(list(test.texts), list(test.labels))
    write(f"  {task.sample}: {right:.2f} right of the test texts")
    for prototype in classifier.prototype_words(6):
        write(f"    {prototype.label:10}  {', '.join(word for word, _ in prototype.words)}")


def _predictions(task: Task) -> None:
    from promptdsl.cli.demo_runs import fitted_on_few

    classifier = fitted_on_few(task, MODELS[0])
    classes = classifier.classes_.tolist()
    chances = classifier.predict_proba(list(task.sentences))
    lines = [
        [classes[int(p.argmax())], *(f"{v:.2f}" for v in p), sentence]
        for sentence, p in zip(task.sentences, chances, strict=True)
    ]
    print_grid(["label", *(f"p({c})" for c in classes), "text"], lines, right=range(1, len(classes) + 1))
    write("")
