"""A kind of tag in words, rendered from the schema."""

from __future__ import annotations

from promptdsl.language.nodes import scalar
from promptdsl.language.schema import KindSpec

__all__ = ["explain_kind"]


def explain_kind(kind: KindSpec) -> str:
    """The kind's example, what it is, its value, and its attributes with types and defaults."""
    where = " (in a verbalizer)" if kind.gives else ""
    lines = [kind.example, "", f"{kind.name}{where}: {kind.doc}", f"value: {kind.value}"]
    wide = max([12, *map(len, kind.attributes)])
    for name, attribute in kind.attributes.items():
        default = "none" if attribute.default in (None, ()) else scalar(attribute.default)
        lines.append(f"  {name:<{wide}} {attribute.type}; {attribute.doc} (default {default})")
    return "\n".join(lines)
