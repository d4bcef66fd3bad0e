"""`promptdsl fit`: a classifier from labelled rows, written to a folder that `predict` and `evaluate` take."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptdsl.cli.evaluate import print_report, report
from promptdsl.cli.options import (
    BatchSize,
    JsonFlag,
    LabelColumn,
    MaxLength,
    Model,
    Seed,
    Shots,
    Support,
    TemplateText,
    TextColumns,
    VerbalizerText,
)  # fmt: skip
from promptdsl.cli.terminal import write
from promptdsl.errors import fail, printable

if TYPE_CHECKING:
    from promptdsl.classifier import PromptClassifier

__all__ = ["command"]


def command(
    train: Annotated[str, typer.Argument(metavar="TRAIN", help="Labelled rows: CSV, TSV, JSONL, JSON or Parquet.")],
    template: TemplateText,
    verbalizer: VerbalizerText,
    out: Annotated[str, typer.Option("--out", metavar="FOLDER", help="Where the artefact goes.")],
    model: Model = "pocket-mlm",
    test: Annotated[str | None, typer.Option("--test", metavar="FILE", help="Labelled rows to score it on.")] = None,
    tune: Annotated[str, typer.Option("--tune", metavar="prompt|full|bitfit", help="What may learn.")] = "prompt",
    shots: Shots = None,
    seed: Seed = 0,
    support: Support = None,
    epochs: Annotated[int | None, typer.Option("--epochs", help="Passes over the rows.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Updates; instead of --epochs.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", help="The language model's.")] = None,
    prompt_learning_rate: Annotated[
        float | None, typer.Option("--prompt-learning-rate", help="That of soft tokens and prefixes.")
    ] = None,
    verbalizer_learning_rate: Annotated[
        float | None, typer.Option("--verbalizer-learning-rate", help="That of soft label words.")
    ] = None,
    train_batch_size: Annotated[int | None, typer.Option("--train-batch-size", help="Rows of an update.")] = None,
    weight_decay: Annotated[float | None, typer.Option("--weight-decay", help="The language model's.")] = None,
    warmup: Annotated[float | None, typer.Option("--warmup", help="A share of the steps.")] = None,
    schedule: Annotated[str | None, typer.Option("--schedule", metavar="linear|constant|cosine")] = None,
    checkpoints: Annotated[
        str | None, typer.Option("--checkpoints", metavar="FOLDER", help="Local scratch, to go on from if cut short.")
    ] = None,
    label_column: LabelColumn = "label",
    text_column: TextColumns = None,
    max_length: MaxLength = None,
    batch_size: BatchSize = 64,
    as_json: JsonFlag = False,
) -> None:
    """Fit a classifier and write it to a folder: what was learnt, the two strings, the scores; not the language model.

    A template of fixed text learns in a second what its verbalizer has to learn; soft tokens, prefixes and --tune are
    trained, and the folder then has the log too (log.jsonl, log.csv).

    \b
    promptdsl fit train.csv --template '<"placeholder":"text_a"> <"soft":4> <"mask">.' \\
        --verbalizer 'negative: bad; positive: good' --shots 16 --steps 100 --test test.csv --out fitted
    promptdsl predict --artefact fitted --data reviews.csv
    """
    given = {"weight_decay": weight_decay, "warmup": warmup, "schedule": schedule, "checkpoints": checkpoints}
    rates = {
        "learning_rate": learning_rate,
        "prompt_learning_rate": prompt_learning_rate,
        "verbalizer_learning_rate": verbalizer_learning_rate,
        "epochs": epochs,
        "steps": steps,
        "train_batch_size": train_batch_size,
    }
    from promptdsl.cli.classify import Request, fitted, labels_of
    from promptdsl.cli.training_bar import TrainingBar
    from promptdsl.training.settings import TrainingSettings

    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    settings = TrainingSettings(**chosen, output=out)
    columns = tuple(text_column or ())
    request = Request(
        template, verbalizer, model, train, shots, support, seed, label_column, columns, max_length, batch_size
    )
    table = None if test is None else request.table(test)
    if table is not None and not len(table.rows):
        fail("PD819", f"{table.name} has no rows to score on", help="give labelled rows, or no --test", origin="file")
    if table is not None:
        labels_of(table, label_column, request.labels)
    with TrainingBar() as bar:
        classifier = fitted(request, tune=tune, settings=settings, callbacks=[bar], **rates)
    found = {} if table is None else _scores(classifier, table, label_column)
    classifier.save_pretrained(out, metrics={k: found[k] for k in ("accuracy", "macro_f1", "rows") if k in found})
    _say(classifier, out, found, as_json)


def _scores(classifier: PromptClassifier, table: Any, label_column: str) -> dict[str, Any]:
    """What `evaluate` reports."""
    from promptdsl.cli.classify import labels_of, log_probabilities

    classes = [str(label) for label in classifier.classes_.tolist()]
    wanted = labels_of(table, label_column, classes)
    scores = log_probabilities(classifier, table)
    return report(wanted, [classes[i] for i in scores.argmax(axis=1).tolist()], classes)


def _say(classifier: PromptClassifier, out: str, found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        shown = {"artefact": out, "trained_parameters": classifier.trained_parameters_}
        run = classifier.training_
        training = {} if run is None else {"steps": run.steps, "seconds": run.seconds}
        write(json.dumps({**shown, **training, **({"test": found} if found else {})}, ensure_ascii=False))
        return
    write(f"learnt    {classifier.trained_parameters_:,} numbers")
    if classifier.training_ is not None:
        write(f"training  {classifier.training_}")
    if found:
        print_report(found)
    write(f"\n{printable(out, 300)} has it: promptdsl predict --artefact {printable(out, 300)} --data FILE", sys.stderr)
