"""`promptdsl wordnet`: get WordNet, and look words up in it."""

from __future__ import annotations

from typing import Annotated

import typer

from promptdsl.cli.terminal import write

__all__ = ["command"]


def command(
    word: Annotated[
        str | None, typer.Argument(metavar="WORD", help="Show this word's relatives; nothing: get WordNet.")
    ] = None,
    relations: Annotated[
        str, typer.Option("--relations", metavar="NAME,…", help="Which relations lead to relatives.")
    ] = "synonym,similar,hyponym,derivation",
    depth: Annotated[int, typer.Option("--depth", min=1, help="How many relations a relative may be away.")] = 1,
    pos: Annotated[str | None, typer.Option("--pos", metavar="n|v|a|r", help="Only this part of speech.")] = None,
    senses: Annotated[int, typer.Option("--senses", min=1, help="How many senses, the commonest first.")] = 3,
    limit: Annotated[int, typer.Option("--limit", min=1, help="The most words to show.")] = 50,
    lang: Annotated[str, typer.Option("--lang", metavar="CODE", help="The language, as ISO 639-3 names it.")] = "eng",
) -> None:
    """Get WordNet, if it is not there yet, for <"wordnet":"…"> in verbalizers; or show a word's relatives.

    NLTK's own download is tried first, then Debian's packages; nothing is installed outside the folder of NLTK's data.

    \b
    promptdsl wordnet
    promptdsl wordnet good --relations similar,antonym
    """
    if word is None:
        from promptdsl.knowledge.source import install

        write(str(install()))
        return
    from promptdsl.knowledge.wordnet import related

    names = [name.strip() for name in relations.split(",")]
    found = related(word, depth=depth, relations=names, pos=pos, senses=senses, limit=limit, lang=lang)
    width = min(max(len(relative.word) for relative in found), 30)
    for relative in found:
        write(f"{relative.word:<{width}}  {relative.how}")
