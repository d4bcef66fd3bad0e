"""The pages that `hard_vs_soft.py` writes: its figures as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from promptdsl.comparison import Study

__all__ = ["page"]

HEAD = """\
# Hard against soft, measured

    python benchmarks/hard_vs_soft.py --data DATA --model {model}

writes this page, and goes on where it was stopped. DATA holds the labelled sets as `<name>/{{train,dev,test}}.jsonl`.
The language model is {model} in float32, frozen: its parameters and buffers had the same SHA-256 before and after all
runs. Every arm of a set has the same verbalizer, the same training rows (16 or 64 a class, seeds {seeds}) and the same
{rows} test rows (drawn with seed 0; a smaller test split is whole). Inputs have at most {length} positions.

*hard* is the template whose words did best zero-shot on dev, with a bias for each class fitted on the shots. *mixed*
is the same template with its words as soft tokens, which start from them. *soft* has no words of its own: ten soft
tokens that start from label words. How they are trained was chosen on few-shot dev rows, once for all sets and shots:
{settings}. Training has at most {steps} steps.

Accuracy in %, mean over seeds with the 95 % interval of a bootstrap over seeds and test rows; the difference to *hard*
by the same bootstrap, paired; p is two-sided, corrected after Holm over all comparisons of a set.
"""


def page(studies: Mapping[str, Study], tried: Mapping[str, Study], facts: Mapping[str, Any]) -> str:
    """The figures of all sets as Markdown.

    Args:
        studies: set → its study.
        tried: set → the study of candidates on few-shot dev rows.
        facts: what `HEAD` names.
    """
    parts = [HEAD.format(**facts), verdict(studies)]
    for name, study in studies.items():
        parts += [f"## {name}\n", figures(study), strings(study)]
    parts += [choice(tried)]
    return "\n".join(parts)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def figures(study: Study) -> str:
    """All arms of a set."""
    rows = [
        [
            line.arm.partition("/")[0],
            str(line.shots),
            _percent(line.accuracy),
            f"{_percent(line.low)} to {_percent(line.high)}",
            _percent(line.sd),
            "" if line.difference is None else f"{100 * line.difference:+.1f}",
            "" if line.difference is None else f"{_signed(line.difference_low)} to {_signed(line.difference_high)}",
            "" if line.p_holm is None else f"{line.p_holm:.4f}",
            f"{line.trained_parameters or 0:,.0f}",
        ]
        for line in study.lines()
    ]
    head = ["arm", "shots", "accuracy", "95 %", "sd", "to hard", "95 %", "p", "trained numbers"]
    return table(head, rows)


def verdict(studies: Mapping[str, Study]) -> str:
    """Who is better than hard, and whether that is more than chance."""
    rows = []
    for name, study in studies.items():
        for line in study.lines():
            if line.difference is None or not line.template:
                continue
            sure = "" if line.p_holm is None or line.p_holm >= 0.05 else ", significant"
            side = "better" if line.difference > 0 else "worse" if line.difference < 0 else "equal"
            rows.append([name, str(line.shots), line.template, f"{100 * line.difference:+.1f}", side + sure])
    return "## Against the hard template\n\n" + table(["set", "shots", "arm", "points", ""], rows)


def strings(study: Study) -> str:
    """The strings of a set."""
    lines = [f"- {name}: `{template}`" for name, template in study.spec.templates.items()]
    lines += [f"- verbalizer: `{'; '.join(v.splitlines())}`" for v in study.spec.verbalizers.values()]
    return "\n".join(lines) + "\n"


def choice(tried: Mapping[str, Study]) -> str:
    """What the learning rates were chosen by."""
    found = {name: {line.template: line.accuracy for line in study.lines()} for name, study in tried.items()}
    names = list(next(iter(found.values()), {}))
    rows = [
        [name, *(_percent(by_name.get(name)) for by_name in found.values()), _percent(_mean(found, name))]
        for name in names
    ]
    text = (
        "## What the learning rates were chosen by\n\nAccuracy in % on 16 rows a class of dev (drawn with seed 0), "
        "mean over the seeds, trained on 16 rows a class. Of an arm's rates within half a point of its best mean the "
        "smallest was taken.\n"
    )
    return "\n".join([text, table(["arm and rate", *found, "mean"], rows)])


def _mean(found: Mapping[str, Mapping[str, float | None]], name: str) -> float:
    values = [by_name.get(name) or 0.0 for by_name in found.values()]
    return sum(values) / len(values)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{100 * value:+.1f}"
