"""A study as one HTML page: the question, the answer, the table, the pictures, and all that it takes to do it again."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from promptdsl.comparison.page import Markup, image, page, tag
from promptdsl.comparison.summary import Line
from promptdsl.comparison.tables import COLUMNS, cells
from promptdsl.comparison.values import DONE, FAILED, NO_SENSE
from promptdsl.errors import printable

if TYPE_CHECKING:
    from promptdsl.comparison.study import Study

__all__ = ["ALTERNATIVES", "html_report"]

PACKAGES = ("promptdsl", "torch", "transformers", "tokenizers", "numpy", "scikit-learn")
SHOWN = 200  # failed cells that are listed

# Picture → what it shows, for those who do not see it.
ALTERNATIVES = {
    "curves": "Learning curves: mean accuracy of each arm against labelled rows of each class; the numbers are the "
    "table's.",
    "cost": "Accuracy of each arm against its trained parameters, and against the seconds that fitting took.",
    "templates": "Accuracy of every cell, template by template, at each number of labelled rows.",
}


def html_report(
    study: Study, lines: Sequence[Line], pictures: Mapping[str, bytes], *, source: str = "", folder: str = "study"
) -> str:
    """The page.

    Args:
        study: finished or not.
        lines: `study.lines()`.
        pictures: name → SVG; without any the page says why.
        source: the study file that it was made from, if there is one.
        folder: where the study is, as people call it.
    """
    title = f"{len(study.spec.arms)} ways to classify with {study.spec.model['name']}"
    return page(
        printable(title, 120),
        tag("h1", printable(title, 120)),
        *_summary(study, lines),
        *_results(study, lines),
        *_drawn(pictures),
        *_strings(study),
        *_not_run(study),
        *_provenance(study, source, folder),
    )


def _summary(study: Study, lines: Sequence[Line]) -> list[Markup]:
    """The question in a sentence, and what came out in another."""
    spec = study.spec
    shots = _series([str(k) for k in spec.shots], "or")
    against = f", against {_series(spec.baselines, 'and')}" if spec.baselines else ""
    texts = f"{_counted(len(spec.templates), 'template')} with {_counted(len(spec.verbalizers), 'verbalizer')}"
    question = f"Which of {texts} is right most often with {shots} labelled rows of each class{against}?"
    found = [tag("p", question, class_="question")]
    best = _best(lines, spec.shots)
    if best is not None:
        found.append(tag("p", *_answer(best, spec.baseline, len(study.truth))))
    if study.pending:
        found.append(tag("p", f"{len(study.pending)} of {len(spec.cells)} cells are not finished.", class_="note"))
    return found


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" + "s" * (count != 1)


def _series(words: Sequence[str], last: str) -> str:
    return " ".join([", ".join(words[:-1]), last, words[-1]]) if len(words) > 1 else "".join(words)


def _best(lines: Sequence[Line], shots: Sequence[int]) -> Line | None:
    """The most accurate line at the most shots that anything is done at."""
    for count in sorted(shots, reverse=True):
        done = [line for line in lines if line.shots == count and line.accuracy is not None]
        if done:
            return max(done, key=lambda line: line.accuracy or 0)
    return None


def _answer(best: Line, baseline: str, rows: int) -> list[Any]:
    numbers = f"{best.accuracy:.3f}, 95 % interval {best.low:.3f} to {best.high:.3f}"
    found: list[Any] = [f"At {best.shots} shots the highest mean accuracy is that of ", tag("b", best.arm),
                        f": {numbers}, on {rows} test rows."]  # fmt: skip
    if best.difference is not None and best.p_holm is not None:
        low, high = f"{best.difference_low:+.3f}", f"{best.difference_high:+.3f}"
        found += [f" That is {best.difference:+.3f} ({low} to {high}) beside ", tag("b", baseline),
                  f", p = {best.p_holm:.4f} after Holm’s correction."]  # fmt: skip
    return [*found, " The highest of many is, on new rows, likely to be lower."]


def _results(study: Study, lines: Sequence[Line]) -> list[Markup]:
    """The table, a body for each arm."""
    best = _best(lines, study.spec.shots)
    headings = [tag("th", name, scope="col") for name in COLUMNS]
    bodies = []
    for arm in study.spec.arms:
        own = [line for line in lines if line.arm == arm.name]
        rows = [
            _row(line, row, first=i == 0, of=len(own), best=line is best)
            for i, (line, row) in enumerate(zip(own, cells(own), strict=True))
        ]
        bodies.append(tag("tbody", *rows))
    what = (
        "Means over seeds. Intervals are over seeds and test rows; differences are paired, on the same seeds and rows, "
    )
    note = f"{what}to {study.spec.baseline}. p is two-sided, and corrected for all comparisons of the table (Holm). "
    note += "sd is over seeds. Trained: how many numbers were learnt. Dev rows: labelled rows that settings were "
    note += "chosen on, beside those trained on."
    return [
        tag("h2", "Results"),
        tag("div", tag("table", tag("thead", tag("tr", *headings)), *bodies), class_="wide"),
        tag("p", note, class_="note"),
    ]


def _row(line: Line, row: Sequence[str], *, first: bool, of: int, best: bool) -> Markup:
    """A line; the arm's name stands once. Without numbers the reason stands in their place."""
    name = [tag("th", row[0], scope="rowgroup", rowspan=of)] if first else []
    if line.accuracy is None:
        reason = line.status + (f": {line.why}" if line.why else "")
        kind = "left why failed" if line.status == FAILED else "left why"
        return tag("tr", *name, tag("td", row[1]), tag("td", reason, colspan=len(row) - 2, class_=kind), class_="none")
    body = [tag("td", cell) for cell in row[1:-1]]
    return tag("tr", *name, *body, tag("td", row[-1], class_="left"), class_="best" if best else None)


def _drawn(pictures: Mapping[str, bytes]) -> list[Markup]:
    if not pictures:
        missing = tag(
            "p", "Pictures take matplotlib, which was not installed: ", tag("code", 'pip install "promptdsl[plots]"')
        )
        return [tag("h2", "Pictures"), missing]
    return [tag("h2", "Pictures"), *(tag("figure", image(data, ALTERNATIVES[n])) for n, data in pictures.items())]


def _strings(study: Study) -> list[Markup]:
    """Templates and verbalizers as they were given, and the settings."""
    spec = study.spec
    found = [tag("h2", "Templates")]
    for name, text in spec.templates.items():
        found += [tag("h3", printable(name, 160)), tag("pre", tag("code", text))]
        found += [tag("p", "Settings ", tag("code", _settings(tried)), class_="note")
                  for tried in spec.settings.get(name, []) if tried]  # fmt: skip
    found.append(tag("h2", "Verbalizers"))
    for name, text in spec.verbalizers.items():
        found += [tag("h3", printable(name, 160)), tag("pre", tag("code", text))]
    own = [name for name in spec.baselines if any(spec.settings.get(name, []))]
    if own:
        found.append(tag("h2", "Settings of baselines"))
        found += [tag("p", f"{name} ", tag("code", _settings(spec.settings[name][0]))) for name in own]
    return found


def _settings(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, ensure_ascii=False, default=repr)


def _not_run(study: Study) -> list[Markup]:
    """Cells without numbers: those that failed one by one, those that make no sense together."""
    others = [r for r in study.results if r.status not in (DONE, NO_SENSE)]
    senseless = [r for r in study.results if r.status == NO_SENSE]
    if not others and not senseless:
        return []
    found = [tag("h2", "Cells without a result")]
    if others:
        rows = []
        for r in others[:SHOWN]:
            what = tag("td", f"{r.status}: {r.why}" if r.status != FAILED else r.why, class_="left why failed")
            rows.append(tag("tr", tag("th", r.arm, scope="row"), tag("td", r.shots), tag("td", _seed(r.seed)), what))
        heads = [tag("th", name, scope="col") for name in ("arm", "shots", "seed", "code and message")]
        table = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows))
        found.append(tag("div", table, class_="wide"))
        if len(others) > SHOWN:
            found.append(tag("p", f"… and {len(others) - SHOWN} more", class_="note"))
    reasons: dict[str, dict[str, None]] = {}
    for r in senseless:
        reasons.setdefault(r.why, {})[f"{r.arm} at {r.shots} shots"] = None
    for why, places in reasons.items():
        found.append(tag("p", f"Cells that make no sense ({why}): {'; '.join(places)}."))
    return found


def _seed(seed: int | None) -> str:
    return "–" if seed is None else str(seed)


def _provenance(study: Study, source: str, folder: str) -> list[Markup]:
    """Model, data, seeds, versions, and how to draw it again."""
    spec = study.spec
    seen = {r.shots: r.train_rows for r in study.results}
    facts = {
        "Language model": f"{spec.model['name']}, weights {spec.model['weights']}",
        "Seeds": ", ".join(map(str, spec.seeds)),
        "Training rows": ", ".join(f"{count} at {shots} shots" for shots, count in sorted(seen.items())),
        "Test rows": f"{len(study.truth)}, drawn with {spec.random_state} where not all are used",
        "Classes": ", ".join(f"{label} ({study.truth.count(label)})" for label in sorted(set(study.truth))),
        "Rows without labels": str(spec.support) if spec.support else "",
        "Settings chosen on": spec.dev if any(len(tried) > 1 for tried in spec.settings.values()) else "",
        **{f"SHA-256 of {part} rows": checksum for part, checksum in spec.data.items() if checksum},
        "This page written with": ", ".join(f"{name} {number}" for name, number in _versions().items()),
    }
    items = [part for name, value in facts.items() if value for part in (tag("dt", name), tag("dd", value))]
    again = f"from promptdsl import Study\n\nstudy = Study.load({folder!r})\nprint(study)\n"
    again += 'study.plot().savefig("study.png")'
    found = [
        tag("h2", "How it was made"),
        tag("dl", *items),
        tag("h3", "To draw it again"),
        tag("pre", tag("code", again)),
    ]
    if source:
        found += [tag("h3", "The study file"), tag("pre", tag("code", source))]
    return found


def _versions() -> dict[str, str]:
    """Of what was installed when the page was written."""
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # a plain checkout
            continue
    return found
