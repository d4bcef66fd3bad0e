"""`promptdsl predict`: labels and probabilities for the rows of a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptdsl.cli.grid import print_grid
from promptdsl.cli.options import (
    Artefact,
    BatchSize,
    Data,
    Format,
    JsonFlag,
    LabelColumn,
    MaxLength,
    ModelOrNone,
    Seed,
    Shots,
    Support,
    TemplateOrNone,
    TextColumns,
    Train,
    VerbalizerOrNone,
    required,
)
from promptdsl.cli.terminal import write
from promptdsl.errors import printable  # fmt: skip

if TYPE_CHECKING:
    from promptdsl.cli.predictions import Prediction
    from promptdsl.encoding.tables import Table

__all__ = ["command"]

EXCERPT = 60  # characters of a row's text in the table


def command(
    data: Data,
    template: TemplateOrNone = None,
    verbalizer: VerbalizerOrNone = None,
    artefact: Artefact = None,
    model: ModelOrNone = None,
    output: Annotated[
        str | None, typer.Option("--output", metavar="FILE", help="Write to a .csv or .jsonl file instead.")
    ] = None,
    train: Train = None,
    shots: Shots = None,
    support: Support = None,
    seed: Seed = 0,
    label_column: LabelColumn = "label",
    text_column: TextColumns = None,
    max_length: MaxLength = None,
    batch_size: BatchSize = 64,
    file_format: Format = None,
    as_json: JsonFlag = False,
) -> None:
    """Predict the label of each row of a file, in order. In a pipe the output is CSV, or JSON lines with --json.

    Labels in the file are not needed; where it has them they are written beside the predicted ones.

    \b
    promptdsl predict --template '<"placeholder":"text_a"> It was <"mask">.' \\
        --verbalizer 'negative: bad; positive: good' --data reviews.csv --output predicted.csv
    """
    strings = required(template, verbalizer, artefact, train, support, max_length)
    if shots is not None and train is None:
        raise typer.BadParameter("--shots draws from the rows of --train", param_hint="--shots")
    import numpy as np

    from promptdsl.cli.classify import MODEL, Request, fitted, from_artefact, log_probabilities
    from promptdsl.cli.predictions import Prediction, as_csv, as_jsonl, check_output, write_predictions

    if output is not None:
        check_output(output)
    columns = tuple(text_column or ())
    known = None if artefact is None else from_artefact(artefact, model, batch_size)
    name = model or MODEL
    request = Request(*strings, name, train, shots, support, seed, label_column, columns, max_length, batch_size, known)
    table = request.table(data, file_format)
    classifier = fitted(request)
    chances = np.exp(log_probabilities(classifier, table))
    classes = classifier.classes_.tolist()
    given = _given(table, label_column)
    found = [
        Prediction(row, classes[int(p.argmax())], dict(zip(classes, p.tolist(), strict=True)), given[row])
        for row, p in enumerate(chances)
    ]
    if output is not None:
        write_predictions(output, found)
        write(f"{len(found)} predictions in {printable(output)}", sys.stderr)
    elif sys.stdout.isatty() and not as_json:
        _print_table(found, _texts(request.read_template.columns, table))
    else:
        for line in (as_jsonl if as_json else as_csv)(found).splitlines():
            write(line)


def _given(table: Table, column: str) -> list[str | None]:
    """The labels that the file has, as texts; None where it has none."""
    values = table.rows.columns.get(column, [None] * len(table.rows))
    return [str(v) if isinstance(v, (str, int)) and v != "" else None for v in values]


def _texts(read: Sequence[str], table: Table) -> Sequence[Any]:
    """What stands in the first column that the template reads, to recognise the rows by."""
    known = [c for c in read if c in table.rows.columns]
    return table.rows.columns[known[0]] if known else [""] * len(table.rows)


def _print_table(found: Sequence[Prediction], texts: Sequence[Any]) -> None:
    lines = []
    for p, text in zip(found, texts, strict=True):
        shown = printable(str(text), EXCERPT)
        lines.append([str(p.row), p.label, f"{p.probabilities[p.label]:.3f}", shown])
    print_grid(["row", "label", "probability", "text"], lines, right=(0, 2))
