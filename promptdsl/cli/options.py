"""The options that `show`, `predict`, `evaluate` and `audit` have in common, and what is made of them."""

from __future__ import annotations

from typing import Annotated

import typer

from promptdsl.cli.inputs import template_from, verbalizer_from
from promptdsl.language.template import Template
from promptdsl.language.verbalizer import Verbalizer

__all__ = [
    "Artefact", "BatchSize", "Data", "Format", "JsonFlag", "LabelColumn", "MaxLength", "Model", "ModelOrNone", "Seed",
    "Shots", "Support", "TemplateOrNone", "TemplateText", "TextColumns", "Train", "VerbalizerOrNone",
    "VerbalizerText", "required", "template_of", "verbalizer_of",
]  # fmt: skip

TemplateText = Annotated[str, typer.Option("--template", metavar="TEXT|@FILE", help="The template.")]
TemplateOrNone = Annotated[
    str | None, typer.Option("--template", metavar="TEXT|@FILE", show_default=False, help="The template.")
]
VerbalizerOrNone = Annotated[
    str | None, typer.Option("--verbalizer", metavar="TEXT|@FILE", show_default=False, help="The verbalizer.")
]
Artefact = Annotated[
    str | None,
    typer.Option("--artefact", metavar="FOLDER", help="What `fit` wrote, instead of --template and --verbalizer."),
]
VerbalizerText = Annotated[str, typer.Option("--verbalizer", metavar="TEXT|@FILE", help="The verbalizer.")]
Model = Annotated[str, typer.Option("--model", metavar="NAME", help="pocket-mlm, pocket-clm, a folder or a hub name.")]
ModelOrNone = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME", show_default=False,
                 help="pocket-mlm (the default), pocket-clm, a folder or a hub name; an artefact knows its own."),
]  # fmt: skip
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


def required(template: str | None, verbalizer: str | None, artefact: str | None, *fitting: object) -> tuple[str, str]:
    """The two strings; with an artefact none, which then is all there is.

    Args:
        template, verbalizer, artefact: what the options give.
        fitting: other options that an artefact, which is fitted, does not go with.
    """
    if artefact is None:
        for value, option in ((template, "--template"), (verbalizer, "--verbalizer")):
            if value is None:
                raise typer.BadParameter("give both strings, or --artefact FOLDER", param_hint=option)
    elif any(value is not None for value in (template, verbalizer, *fitting)):
        message = "an artefact has strings, rows and lengths of its own, so that no option gives others"
        raise typer.BadParameter(message, param_hint="--artefact")
    return template or "", verbalizer or ""
