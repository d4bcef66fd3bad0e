"""The page that `verbalizers.py` writes: its figures as Markdown."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["page"]

HEAD = """\
# Verbalizers, measured

    python benchmarks/verbalizers.py --data DATA --model {model}

writes this page. DATA holds the labelled sets as `<name>/{{train,dev,test}}.jsonl`. The language model is {model} in
float32, frozen; prompts have at most 128 tokens. For each set the template with the best dev accuracy of the *one
word* verbalizer under `<"calibrate":"batch">` is used for everything; the words, relations and methods were chosen on
dev too. Scored: the {split} split, at most 2,000 rows drawn with seed 0. Support: 200 unlabelled train rows.
"""

ZERO = """\
## Zero-shot: label words made from one

*One word* is the class's name. *WordNet* adds its relatives of one token, up to 300 for each class (two steps, eight
relations). *KPT* refines them by duplicates, frequency and relevance, *agreement* by
`<"refine":["single","agreement"]>` with `<"pool":"weighted">`. Accuracy / macro-F1 in %, under each calibration; in the
second table what the made words gain over the one word under the same calibration, with the 95 % interval of a paired
bootstrap over the rows (10,000 draws).
"""

FEW = """\
## 16 shots

Accuracy in %, mean ± standard deviation over seeds 13, 21, 42, 87, 100; every line is fitted on the same 16 rows a
class. *Words* are the four words a class that `verbalizers.py` lists (DBpedia: one).
"""


def page(results: list[dict[str, Any]], model: str, split: str) -> str:
    """The figures of all sets as Markdown."""
    parts = [HEAD.format(model=model, split=split), templates(results), ZERO, zero(results), gains(results), FEW]
    return "\n".join([*parts, few(results)])


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def templates(results: list[dict[str, Any]]) -> str:
    """Which template each set has, and how the others did on dev."""
    rows = [
        [r["task"], f"`{r['template']}`", ", ".join(f"{100 * a:.1f}" for a in r["dev"].values()), str(r["rows"])]
        for r in results
    ]
    return table(["set", "chosen template", "dev accuracy of all templates", "scored rows"], rows)


def zero(results: list[dict[str, Any]]) -> str:
    """Accuracy and macro-F1 of each kind of words under each calibration."""
    lines = []
    for key in results[0]["zero"]:
        cells = [f"{100 * r['zero'][key]['accuracy']:.1f} / {100 * r['zero'][key]['f1']:.1f}" for r in results]
        lines.append([*key.split(" | "), *cells])
    return table(["label words", "calibration", *(r["task"] for r in results)], lines)


def gains(results: list[dict[str, Any]]) -> str:
    """What made words gain over the one word, with intervals."""
    lines = []
    for key in results[0]["gains"]:
        name, calibration = key.split(" | ")
        cells = []
        for r in results:
            before, after = r["zero"][f"one word | {calibration}"], r["zero"][key]
            parts = []
            for what, (low, high) in zip(("accuracy", "f1"), r["gains"][key], strict=True):
                parts.append(f"{100 * (after[what] - before[what]):+.1f} [{100 * low:.1f}, {100 * high:.1f}]")
            cells.append(" / ".join(parts))
        lines.append([name, calibration, *cells])
    return table(["label words", "calibration", *(r["task"] for r in results)], lines)


def few(results: list[dict[str, Any]]) -> str:
    """Mean and standard deviation over the seeds."""
    lines = []
    for name in results[0]["shot"]:
        cells = [f"{100 * np.mean(r['shot'][name]):.1f} ± {100 * np.std(r['shot'][name]):.1f}" for r in results]
        lines.append([name, *cells])
    return table(["verbalizer", *(r["task"] for r in results)], lines)
