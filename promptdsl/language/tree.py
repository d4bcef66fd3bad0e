"""Prints the trees of both languages, one node a line."""

from __future__ import annotations

from collections.abc import Iterable

from promptdsl.language.nodes import Item, LabelledWords, Piece, Tag, scalar

__all__ = ["template_tree", "verbalizer_tree"]


def template_tree(pieces: Iterable[Piece]) -> str:
    """Fixed text in quotes; tags by their kind, attributes below them."""
    lines = ["template"]
    for piece in pieces:
        lines += _tag(piece, 1) if isinstance(piece, Tag) else [f"  {scalar(piece.text)}"]
    return "\n".join(lines)


def verbalizer_tree(classes: Iterable[LabelledWords], steps: Iterable[Tag]) -> str:
    """Classes with their items below them, then the steps."""
    lines = ["verbalizer"]
    for words in classes:
        lines.append(f"  {scalar(words.label)}")
        for item in words.items:
            lines += _item(item)
    for step in steps:
        lines += _tag(step, 1)
    return "\n".join(lines)


def _item(item: Item) -> list[str]:
    return _tag(item, 2) if isinstance(item, Tag) else [f"    {scalar(item.text)}"]


def _tag(tag: Tag, depth: int) -> list[str]:
    indent = "  " * depth
    head = f"{indent}{tag.kind}" if tag.value is None else f"{indent}{tag.kind} {scalar(tag.value)}"
    return [head, *(f"{indent}  {a.key} {scalar(a.value)}" for a in tag.attributes)]
