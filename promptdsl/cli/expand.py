"""`promptdsl expand`: verbalizer text from class names, with the words that knowledge adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from promptdsl.cli.terminal import write
from promptdsl.language.schema import RELATIONS_TAKEN
from promptdsl.language.verbalizer import Verbalizer

__all__ = ["command"]


def command(
    names: Annotated[
        list[str], typer.Argument(metavar="NAMES…", help="Class names; 'label: word, word' gives seed words.")
    ],
    knowledge: Annotated[
        str, typer.Option("--knowledge", metavar="wordnet|FILE", help="WordNet, or a .tsv, .txt or .json word list.")
    ] = "wordnet",
    depth: Annotated[int, typer.Option("--depth", min=1, help="How many relations a word may be away.")] = 1,
    relations: Annotated[
        str, typer.Option("--relations", metavar="NAME,…", help="Which relations lead to words.")
    ] = ",".join(RELATIONS_TAKEN),
    pos: Annotated[str | None, typer.Option("--pos", metavar="n|v|a|r", help="Only this part of speech.")] = None,
    senses: Annotated[int, typer.Option("--senses", min=1, help="How many senses, the commonest first.")] = 3,
    limit: Annotated[int, typer.Option("--limit", min=1, help="The most words of a class.")] = 50,
    lang: Annotated[str, typer.Option("--lang", metavar="CODE", help="The language, as ISO 639-3 names it.")] = "eng",
) -> None:
    """Print a verbalizer made of class names: each class's own words, then those that knowledge gives it alone.

    \b
    promptdsl expand sports politics --limit 10
    promptdsl expand 'positive: good, great' 'negative: bad' --knowledge words.tsv > reviews.verbalizer
    """
    chosen = [name.strip() for name in relations.split(",")]
    write(
        Verbalizer.expand(
            _classes(names),
            knowledge,
            depth=depth,
            relations=chosen,
            pos=pos,
            senses=senses,
            limit=limit,
            lang=lang,
        )
    )


def _classes(names: Sequence[str]) -> Sequence[str] | Mapping[str, list[str]]:
    """Class names as they are; with a colon in the first, the lines of a verbalizer."""
    if ":" not in names[0]:
        return names
    read = Verbalizer("\n".join(names), origin="names")
    return {words.label: [str(getattr(item, "text", item)) for item in words.items] for words in read.classes}
