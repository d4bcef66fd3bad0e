"""`promptdsl evaluate`: accuracy, macro-F1 and a confusion table on a labelled file."""

from __future__ import annotations

import json
from dataclasses import asdict
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
)  # fmt: skip
from promptdsl.cli.terminal import write

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from promptdsl.verbalizers.reliability import Reliability

__all__ = ["command", "print_report", "report"]


def command(
    data: Data,
    template: TemplateOrNone = None,
    verbalizer: VerbalizerOrNone = None,
    artefact: Artefact = None,
    model: ModelOrNone = None,
    train: Train = None,
    shots: Shots = None,
    support: Support = None,
    seed: Seed = 0,
    label_column: LabelColumn = "label",
    text_column: TextColumns = None,
    max_length: MaxLength = None,
    batch_size: BatchSize = 64,
    file_format: Format = None,
    calibration: Annotated[
        bool, typer.Option("--calibration", help="Also how far the probabilities can be believed.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare the predictions for a labelled file with its labels: accuracy, macro-F1, confusion table.

    Macro-F1 is the plain mean over the labels that occur in the file or among the predictions. --calibration shows how
    often predictions of each confidence are right, and the expected calibration error.

    \b
    promptdsl evaluate --template '<"placeholder":"text_a"> It was <"mask">.' \\
        --verbalizer 'negative: bad; positive: good' --data test.csv --train train.csv --shots 16 --seed 13
    """
    strings = required(template, verbalizer, artefact, train, support, max_length)
    if shots is not None and train is None:
        raise typer.BadParameter("--shots draws from the rows of --train", param_hint="--shots")
    from promptdsl.cli.classify import MODEL, Request, fitted, from_artefact, labels_of, log_probabilities
    from promptdsl.errors import fail

    columns = tuple(text_column or ())
    known = None if artefact is None else from_artefact(artefact, model, batch_size)
    name = model or MODEL
    request = Request(*strings, name, train, shots, support, seed, label_column, columns, max_length, batch_size, known)
    table = request.table(data, file_format)
    classifier = fitted(request)
    classes = classifier.classes_.tolist()
    wanted = labels_of(table, label_column, classes)
    if not wanted:
        fail("PD819", f"{table.name} has no rows to evaluate on", help="give labelled rows", origin="file")
    scores = log_probabilities(classifier, table)
    found = report(wanted, [classes[i] for i in scores.argmax(axis=1).tolist()], classes)
    diagram = _reliability(scores, [classes.index(label) for label in wanted]) if calibration else None
    if as_json:
        shown = {
            "model": None if known else name,
            "train": train,
            "shots": shots,
            "seed": seed if shots else None,
            **found,
        }
        if artefact is not None:
            shown["artefact"] = artefact
        if diagram is not None:
            bins = [asdict(b) for b in diagram.bins if b.count]
            shown["calibration"] = {"expected_error": diagram.error, "bins": bins}
        write(json.dumps(shown, ensure_ascii=False))
    else:
        print_report(found)
        if diagram is not None:
            write(f"\n{diagram}")


def _reliability(scores: NDArray[np.float64], numbers: Sequence[int]) -> Reliability:
    """Confidence and accuracy of class log-probabilities, (rows, classes), against class numbers."""
    import numpy as np

    from promptdsl.verbalizers.reliability import reliability_bins

    return reliability_bins(np.exp(scores), numbers)


def report(wanted: Sequence[str], predicted: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
    """Measures of predictions against labels.

    Args:
        wanted, predicted: one label a row.
        classes: all labels, in the order of the confusion table.

    Returns:
        rows, accuracy, macro_f1, labels, confusion: (classes, classes) counts, a line for each true label.
    """
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

    seen = sorted({*wanted, *predicted})
    return {
        "rows": len(wanted),
        "accuracy": float(accuracy_score(wanted, predicted)),
        "macro_f1": float(f1_score(wanted, predicted, labels=seen, average="macro", zero_division=0)),
        "labels": list(classes),
        "confusion": confusion_matrix(wanted, predicted, labels=list(classes)).tolist(),
    }


def print_report(found: dict[str, Any]) -> None:
    """The measures of `report`, with the confusion table."""
    write(f"rows      {found['rows']}")
    write(f"accuracy  {found['accuracy']:.3f}")
    write(f"macro-F1  {found['macro_f1']:.3f}\n")
    labels, counts = found["labels"], found["confusion"]
    lines = [[name, *map(str, line)] for name, line in zip(labels, counts, strict=True)]
    print_grid(["true \\ predicted", *labels], lines, right=range(1, len(labels) + 1))
