"""HTML as values: elements of elements and text, in which text is always escaped."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Any

from promptdsl.errors import printable

__all__ = ["Markup", "image", "page", "tag"]


@dataclass(frozen=True, slots=True)
class Markup:
    """HTML that is finished; anything else that goes into an element is text."""

    html: str

    def __str__(self) -> str:
        return self.html


def tag(name: str, /, *content: Any, **attributes: Any) -> Markup:
    """An element. Of attributes `class_` is `class`; None leaves one out."""
    given = {k.rstrip("_").replace("_", "-"): v for k, v in attributes.items() if v is not None}
    opening = "".join(f' {key}="{_text(str(value))}"' for key, value in given.items())
    inner = "".join(str(part) if isinstance(part, Markup) else _text(str(part)) for part in content)
    return Markup(f"<{name}{opening}>{inner}" + ("" if name in ("img", "meta", "br") else f"</{name}>"))


def _text(text: str) -> str:
    """Escaped, and what no document may hold (control characters, half surrogates) as it is spelled in code."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(escape("".join(c if c == "\u00a0" else printable(c, 12) for c in line)) for line in lines)


def image(data: bytes, alt: str) -> Markup:
    """An SVG picture in the page itself. In an image nothing is run and nothing fetched."""
    return tag("img", src=f"data:image/svg+xml;base64,{b64encode(data).decode()}", alt=alt)


def page(title: str, *content: Any) -> str:
    """A whole document with its style, which needs no other file and runs no script."""
    style = Markup(f"<style>{(resources.files(__package__) / 'report.css').read_text('utf-8')}</style>")
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        style,
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', tag('main', *content)), lang='en')}\n"
