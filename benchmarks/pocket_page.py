"""The page that `pocket.py` writes: its figures as Markdown."""

from __future__ import annotations

from typing import Any

import numpy as np

HEAD = """\
# The embedded language models, measured

    python benchmarks/pocket.py --data DATA --corpora CORPORA --teacher TEACHER

writes this page in ten to fifteen minutes of one core. DATA holds the labelled sets as
`<name>/{{train,dev,test}}.jsonl`, CORPORA the `*.txt.xz` of the recipe, TEACHER the folder of minilm-mlm, the masked
language model that pocket-mlm was made from. Everything runs in float32; prompts have at most {length} tokens, the
text is cut.
"""

ZERO = """\
## Zero-shot

Accuracy on test (SST-2 {sst2:,} rows, TREC {trec:,}, AG News {ag_news:,} rows sampled with seed 0). A class's score is
the mean log-probability of its words at the mask, for the causal model as the next token after the prompt; *centred*
subtracts each word's mean over {support} unlabelled train rows. *Untuned*: the first template and the first words of
the grids in `pocket.py`, the same for both masked models. *Chosen on dev*: the pair of template and words with the
best centred accuracy on at most 1,000 dev rows, chosen for each model and task. Test has no part in any choice: the
checkpoints that ship were preferred to earlier ones for their held-out loss and their accuracy on dev.

| task | model | untuned, plain | untuned, centred | chosen, plain | chosen, centred | the same on dev |
| --- | --- | --- | --- | --- | --- | --- |
"""

FEW = """\
## {shots}-shot, the language model frozen

{shots} labelled train rows a class, mean ± standard deviation over seeds {seeds}; template and words
as chosen on dev for zero-shot. *Bias*: one number a class added to the centred class scores, fitted by logistic loss
(L2 0.01). *States*: logistic regression (C = 0.1) on the standardised states at the mask, without label words.

| task | model | bias | states |
| --- | --- | --- | --- |
"""

HELD_OUT = """\
## Held-out text

Documents that the pocket models were not trained on (index % 100 = 7), the first 60 words of 40 of each corpus. Masked
models: one word masked at a time, whole, six words a text; pseudo-perplexity is exp of the mean nats. A word of several
pieces has all its pieces masked and their losses summed, so *per word* compares models with different vocabularies;
*per piece* and *words of one piece* do not quite. Causal model: every token, per token and per blank-separated word.
The two kinds are not comparable with each other. The teacher was tuned on the same corpora without this hold-out. Where
many words are split in the smaller vocabulary (nltk_misc: Shakespeare, Genesis), pocket-mlm is behind it per word.

"""


def spread(values: list[float]) -> str:
    """Mean ± standard deviation (n - 1)."""
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def report(figures: dict[str, Any], settings: dict[str, Any]) -> str:
    """The whole page; `figures` is model → {held_out, tasks}, `settings` what the texts above name."""
    models = list(figures)
    tasks = list(figures[models[0]]["tasks"])
    rows = {task: figures[models[0]]["tasks"][task]["test_rows"] for task in tasks}
    text = HEAD.format(**settings) + "\n" + ZERO.format(**rows, **settings)
    for task in tasks:
        for name in models:
            r = figures[name]["tasks"][task]
            cells = [r[kind][how] for kind in ("untuned", "chosen") for how in ("plain", "centred")]
            text += f"| {task} | {name} | " + " | ".join(f"{cell:.3f}" for cell in [*cells, r["dev"]]) + " |\n"
    text += "\n" + FEW.format(**settings)
    for task in tasks:
        for name in models:
            r = figures[name]["tasks"][task]
            text += f"| {task} | {name} | {spread(r['bias'])} | {spread(r['states'])} |\n"
    text += "\n" + HELD_OUT + held_out_table(figures)
    text += "\nEach cell: perplexity (nats); the last row is from the mean of the nats.\n\n## What dev chose\n\n"
    for name in models:
        for task in tasks:
            chosen = figures[name]["tasks"][task]["chosen"]
            words = "; ".join(f"{label}: {', '.join(w.split())}" for label, w in chosen["words"].items())
            text += f"- {name}, {task}: `{chosen['template']}` with `{words}`\n"
    return text


def held_out_table(figures: dict[str, Any]) -> str:
    """A row for each corpus and one for their mean, columns for each model's kinds of loss."""
    titles = {"nats_per_word": "per word", "nats_per_piece": "per piece", "nats_per_token": "per token"}
    first = next(iter(figures.values()))["held_out"]
    columns = [(name, kind) for name in figures for kind in next(iter(figures[name]["held_out"].values()))]
    text = "| corpus | " + " | ".join(f"{name}, {titles.get(kind, 'words of one piece')}" for name, kind in columns)
    text += " |\n" + "| --- " * (len(columns) + 1) + "|\n"
    for corpus in [*first, "mean"]:
        over = list(first) if corpus == "mean" else [corpus]
        means = [float(np.mean([figures[name]["held_out"][c][kind] for c in over])) for name, kind in columns]
        text += f"| {corpus} | " + " | ".join(f"{np.exp(nats):.1f} ({nats:.3f})" for nats in means) + " |\n"
    return text
