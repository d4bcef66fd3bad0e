"""`promptdsl audit`: where every label word comes from, and what was decided about it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from promptdsl.cli.options import (
    BatchSize,
    JsonFlag,
    LabelColumn,
    MaxLength,
    Model,
    Seed,
    Shots,
    Support,
    TextColumns,
    Train,
    VerbalizerText,
    verbalizer_of,
)
from promptdsl.cli.terminal import write

__all__ = ["command"]


def command(
    verbalizer: VerbalizerText,
    template: Annotated[
        str | None,
        typer.Option("--template", metavar="TEXT|@FILE", help="The template; without it no language model is asked."),
    ] = None,
    model: Model = "pocket-mlm",
    train: Train = None,
    shots: Shots = None,
    support: Support = None,
    seed: Seed = 0,
    label_column: LabelColumn = "label",
    text_column: TextColumns = None,
    max_length: MaxLength = None,
    batch_size: BatchSize = 64,
    as_json: JsonFlag = False,
) -> None:
    """Show each label word, whether it is kept, by which number, and where it comes from.

    With a template the verbalizer is fitted first, as for `predict`: words are found, refined and looked up as the
    verbalizer says.

    \b
    promptdsl audit --verbalizer 'positive: good, <"wordnet":"good">; negative: bad, <"wordnet":"bad">'
    promptdsl audit --verbalizer @topics.verbalizer --template @topics.template --support rows.csv
    """
    if shots is not None and train is None:
        raise typer.BadParameter("--shots draws from the rows of --train", param_hint="--shots")
    if template is None:
        if train is not None or support is not None:
            raise typer.BadParameter("rows are read through a template", param_hint="--template")
        found = verbalizer_of(verbalizer).audit()
    else:
        from promptdsl.cli.classify import Request, audit_of

        columns = tuple(text_column or ())
        request = Request(
            template, verbalizer, model, train, shots, support, seed, label_column, columns, max_length, batch_size
        )
        found = audit_of(request)
    write(json.dumps(found.records(), ensure_ascii=False) if as_json else str(found))
