"""The options that `show`, `predict`, `evaluate` and `audit` have in common, and what is made of them."""

from __future__ import annotations

from typing import Annotated

import typer

from promptdsl.cli.inputs import template_from, verbalizer_from
from promptdsl.language.template import Template
from promptdsl.language.verbalizer import Verbalizer

__all__ = [
    "BatchSize", "Data", "Format", "JsonFlag", "LabelColumn", "MaxLength", "Model", "Seed", "Shots", "Support",
    "TemplateText", "TextColumns", "Train", "VerbalizerText", "template_of", "verbalizer_of",
]  # fmt: skip

TemplateText = Annotated[str, typer.Option("--template", metavar="TEXT|@FILE", help="The template.")]
VerbalizerText = Annotated[str, typer.Option("--verbalizer", metavar="TEXT|@FILE", help="The verbalizer.")]
Model = Annotated[str, typer.Option("--model", metavar="NAME", help="pocket-mlm, pocket-clm, a folder or a hub name.")]
Data = Annotated[
    str, typer.Option("--data", metavar="FILE", help="CSV, TSV, JSONL, JSON or Parquet, by its name; - is stdin.")
]
Format = Annotated[
    str | None, typer.Option("--format", metavar="csv|tsv|jsonl|json|parquet", help="What kind of file --data is.")
]
TextColumns = Annotated[
    list[str] | None,
    typer.Option("--text-column", metavar="NAME", help="The column that is text_a; given twice, also text_b."),
]
LabelColumn = Annotated[str, typer.Option("--label-column", metavar="NAME", help="The column of the labels.")]
Train = Annotated[
    str | None, typer.Option("--train", metavar="FILE", help="Labelled rows to fit on first; none: zero-shot.")
]
Shots = Annotated[
    int | None, typer.Option("--shots", min=1, help="Fit on so many rows of each class, drawn from --train.")
]
Support = Annotated[
    str | None,
    typer.Option("--support", metavar="FILE", help="Rows, labels not needed, to refine and calibrate label words on."),
]
Seed = Annotated[int, typer.Option("--seed", help="The seed of that draw.")]
MaxLength = Annotated[
    int | None, typer.Option("--max-length", min=1, help="The most positions of an input; the model's own by default.")
]
BatchSize = Annotated[int, typer.Option("--batch-size", min=1, help="Rows of a forward pass, at most.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def template_of(text: str) -> Template:
    """The template that an option gives: `@FILE`, the name of a file that exists, or the template itself."""
    return Template.from_file(text[1:]) if text.startswith("@") else template_from(text)


def verbalizer_of(text: str) -> Verbalizer:
    """The verbalizer that an option gives: `@FILE`, the name of a file that exists, or the verbalizer itself."""
    return Verbalizer.from_file(text[1:]) if text.startswith("@") else verbalizer_from(text)
