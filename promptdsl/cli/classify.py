"""What `predict`, `evaluate` and `audit` share: a classifier from options, fitted on one file, scoring another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptdsl.classifier import PromptClassifier
from promptdsl.cli.options import template_of, verbalizer_of
from promptdsl.cli.progress import progress
from promptdsl.encoding.rows import ABSENT, Rows, column_texts
from promptdsl.encoding.tables import Table, lines_named, read_table
from promptdsl.errors import Diagnostic, TrainingError, fail, printable
from promptdsl.language.audit import Audit
from promptdsl.language.template import Template
from promptdsl.training.few_shot import few_shot_indices

__all__ = ["MODEL", "Request", "audit_of", "fitted", "from_artefact", "labels_of", "log_probabilities"]

MODEL = "pocket-mlm"  # where none is named
ROWS_MISSING = ("PD713", "PD714")  # rows, or labels, that are needed and were not given
CHUNK = 256  # rows between two steps of the progress bar


@dataclass(frozen=True, slots=True)
class Request:
    """What the options say; `classifier` is there already where it comes from an artefact."""

    template: str
    verbalizer: str
    model: str
    train: str | None = None
    shots: int | None = None
    support: str | None = None
    seed: int = 0
    label_column: str = "label"
    text_columns: tuple[str, ...] = ()
    max_length: int | None = None
    batch_size: int = 64
    classifier: PromptClassifier | None = None

    @property
    def read_template(self) -> Template:
        """The template that rows are read through."""
        return template_of(self.template) if self.classifier is None else Template(self.classifier.template, limit=None)

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of the verbalizer."""
        return verbalizer_of(self.verbalizer).labels

    def table(self, path: str, kind: str | None = None) -> Table:
        """A data file, its text columns named, with all columns that the template reads."""
        table = read_table(path, kind=kind).with_texts(self.text_columns)
        for tag in self.read_template.tags:
            reads = tag.kind in ("placeholder", "meta") and tag["missing"] == "error"
            if reads and len(table.rows) and tag.value not in table.rows.columns:
                fail("PD814", f'the template reads the column "{printable(str(tag.value), 40)}", '
                     f"and {table.name} has {', '.join(printable(c, 40) for c in table.rows.columns)}",
                     help="name the text's column: --text-column NAME", origin="file")  # fmt: skip
        return table

    def support_rows(self) -> Rows | None:
        """The rows of --support, whose texts can be read."""
        if self.support is None:
            return None
        table = self.table(self.support)
        if not len(table.rows):
            fail("PD819", f"{table.name} has no rows to refine or calibrate on", origin="file",
                 help="leave --support out, or give rows")  # fmt: skip
        with lines_named(table):
            for tag in self.read_template.tags:
                if tag.kind in ("placeholder", "meta"):
                    column_texts(table.rows, tag)
        return table.rows


@contextmanager
def _options_named() -> Iterator[None]:
    """Errors about rows and labels that were not given say which options give them."""
    try:
        yield
    except TrainingError as error:
        if error.code not in ROWS_MISSING:
            raise
        raise TrainingError(*(replace(d, help=_option_for(d)) for d in error.diagnostics)) from None


def _option_for(missing: Diagnostic) -> str:
    if missing.code == "PD713" and "unlabelled" in missing.help:
        return "give rows, labels not needed: --support FILE"
    return "give labelled rows: --train FILE"


def from_artefact(folder: str, model: str | None, batch_size: int) -> PromptClassifier:
    """The classifier that `fit` wrote to a folder."""
    classifier = PromptClassifier.from_pretrained(folder, model)
    classifier.batch_size = batch_size
    return classifier


def fitted(request: Request, **options: Any) -> PromptClassifier:
    """The classifier that the options describe, fitted if there are rows to fit on.

    Args:
        request: the options that commands have in common.
        options: other arguments of PromptClassifier.
    """
    if request.classifier is not None:
        return request.classifier
    with _options_named():
        return _fitted(request, request.support_rows(), options)


def _fitted(request: Request, support: Rows | None, options: dict[str, Any]) -> PromptClassifier:
    watch = options.pop("callbacks", ())
    classifier = PromptClassifier(
        template_of(request.template),
        verbalizer_of(request.verbalizer),
        request.model,
        max_length=request.max_length,
        batch_size=request.batch_size,
        random_state=request.seed,
        **options,
    )
    classifier._callbacks = tuple(watch)
    if request.train is None:
        return classifier if support is None else classifier.fit(support)
    table = request.table(request.train)
    labels = labels_of(table, request.label_column, classifier.classes_.tolist())
    if not labels:
        fail("PD819", f"{table.name} has no rows to fit on", help="leave --train out for zero-shot", origin="file")
    chosen = (
        list(range(len(labels)))
        if request.shots is None
        else few_shot_indices(labels, request.shots, seed=request.seed)
    )
    if len(chosen) == len(labels):
        with lines_named(table):
            return classifier.fit(table.rows, labels, support=support)
    rows = Rows({name: [values[i] for i in chosen] for name, values in table.rows.columns.items()}, len(chosen))
    lines = tuple(table.lines[i] for i in chosen) if table.lines else ()
    with lines_named(Table(table.name, rows, lines)):
        return classifier.fit(rows, [labels[i] for i in chosen], support=support)


def audit_of(request: Request) -> Audit:
    """The audit of the verbalizer, fitted. Raises TrainingError PD713 where it needs rows."""
    classifier = fitted(request)
    with _options_named():
        classifier.predict_log_proba([])  # no rows, but all that predicting needs
    return classifier.verbalizer_.audit()


def labels_of(table: Table, column: str, known: Sequence[str]) -> list[str]:
    """The labels of a table's rows as texts. Raises FileError PD818 for one that is missing or not `known`."""
    labels = []
    for row, value in enumerate(table.column(column)):
        if value is None or value is ABSENT or value == "" or value != value:  # noqa: PLR0124 - NaN
            fail("PD818", f'{table.place(row)}: no label in the column "{printable(column, 40)}"', origin="file",
                 help="label this row, or take it out")  # fmt: skip
        if str(value) not in known:
            fail("PD818", f'{table.place(row)}: the verbalizer has no label "{printable(str(value), 40)}"',
                 help=f"its labels are {', '.join(printable(k, 40) for k in known[:20])}", origin="file")  # fmt: skip
        labels.append(str(value))
    return labels


def log_probabilities(classifier: PromptClassifier, table: Table) -> NDArray[np.float64]:
    """Class log-probabilities of a table's rows, (rows, classes), with a progress bar."""
    rows = table.rows
    parts = [np.zeros((0, len(classifier.classes_)))]
    with _options_named(), lines_named(table), progress(table.name, len(rows)) as advance:
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            parts.append(classifier.predict_log_proba(part))
            advance(len(part))
    return np.concatenate(parts)
