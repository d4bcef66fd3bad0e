"""The demo prints what the estimator itself measures on the samples."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np

from promptdsl import PromptClassifier
from promptdsl.cli.demo_runs import sample
from promptdsl.cli.demo_tasks import SEEDS, SHOTS, TASKS
from promptdsl.training.few_shot import few_shot_indices


def test_the_demo_s_accuracies_are_the_estimator_s() -> None:
    ran = subprocess.run([sys.executable, "-m", "promptdsl", "demo"], capture_output=True, text=True, check=True)
    assert "\x1b" not in ran.stdout
    table = re.findall(r"^(\w+) +(\d) +(pocket-\w+) +(\d\.\d\d) +(\d\.\d\d) ± (\d\.\d\d)$", ran.stdout, re.MULTILINE)
    assert len(table) == 4
    task = TASKS[1]
    shown = next(row for row in table if row[0] == task.sample and row[2] == "pocket-clm")
    train, test = sample(task.sample, "train"), sample(task.sample, "test")
    classifier = PromptClassifier(task.template, task.verbalizer, "pocket-clm")
    zero_shot = classifier.score(list(test.texts), list(test.labels))
    few = []
    for seed in SEEDS:
        rows = few_shot_indices(train.labels, SHOTS, seed=seed)
        classifier.fit([train.texts[i] for i in rows], [train.labels[i] for i in rows])
        few.append(classifier.score(list(test.texts), list(test.labels)))
    expected = [zero_shot, np.mean(few), np.std(few, ddof=1)]
    np.testing.assert_allclose([float(v) for v in shown[3:]], expected, atol=0.0051)
    assert all(sentence in ran.stdout for sentence in task.sentences)
    prototypes = PromptClassifier(task.template, "\n".join(f'{c}: <"cluster":1>' for c in classifier.classes_))
    rows = few_shot_indices(train.labels, SHOTS, seed=SEEDS[0])
    prototypes.fit([train.texts[i] for i in rows], [train.labels[i] for i in rows])
    (shown_right,) = re.findall(rf"^  {task.sample}: (\d\.\d\d) right", ran.stdout, re.MULTILINE)
    assert abs(float(shown_right) - prototypes.score(list(test.texts), list(test.labels))) <= 0.0051
    for prototype in prototypes.prototype_words(6):
        assert f"{prototype.label:10}  {', '.join(word for word, _ in prototype.words)}" in ran.stdout


def test_the_sentences_of_the_demo_are_in_no_sample() -> None:
    for task in TASKS:
        texts = {*sample(task.sample, "train").texts, *sample(task.sample, "test").texts}
        assert len(texts) == 200 and not texts & set(task.sentences)
