"""OpenPrompt's `post_processing` lambdas → named filters, by a closed list of forms. Nothing is ever evaluated.

`ast.parse` reads the text into a tree; the functions below only look at its shape. What the list does not know gives
None, and the importer says so.
"""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Callable

__all__ = ["filters_of"]

LONGEST = 1000  # characters of a lambda; bounds the depth of its tree
MOST_DROPPED = 8  # `s[:-n]` becomes n filters up to here

_NAMED_TEXTS = {
    name: getattr(string, name) for name in ("punctuation", "whitespace", "digits", "ascii_letters", "ascii_lowercase")
}
_METHODS = {
    "lower": "lower",
    "upper": "upper",
    "title": "title",
    "capitalize": "sentence_case",  # Python's lowers the rest; our `capitalize` leaves it
    "strip": "strip",
    "lstrip": "lstrip",
    "rstrip": "rstrip",
}
_CUTTERS = ("strip", "lstrip", "rstrip")
_ODD_ESCAPE = re.compile(r"\\[^\n\\'\"abfnrtvxuUN0-7]")  # Python would warn about it

Filters = list[str]


def filters_of(code: str) -> Filters | None:
    """The filters, in order, that do what `lambda x: …` (or `str.lower`) says; None for any other form."""
    if len(code) > LONGEST or _ODD_ESCAPE.search(code):
        return None
    try:
        tree = ast.parse(
            f"({code})", mode="eval"
        ).body  # in brackets a line may end anywhere, as in OpenPrompt's braces
        if isinstance(tree, ast.Attribute) and isinstance(tree.value, ast.Name) and tree.value.id == "str":
            return _method(tree.attr, [])
        if not isinstance(tree, ast.Lambda) or not _one_parameter(tree.args):
            return None
        return _text_filters(tree.body, tree.args.args[0].arg)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _one_parameter(given: ast.arguments) -> bool:
    others = (given.posonlyargs, given.kwonlyargs, given.defaults, given.vararg, given.kwarg)
    return len(given.args) == 1 and not any(others)


def _text_filters(node: ast.expr, name: str) -> Filters | None:
    """`node` as filters on the parameter `name`: constants around a core that is one expression, or a case change."""
    parts = _parts(node)
    before = parts.pop(0) if parts and isinstance(parts[0], str) else ""
    after = parts.pop() if parts and isinstance(parts[-1], str) else ""
    core = [p for p in parts if not isinstance(p, str)]
    if len(core) != len(parts) or not 1 <= len(core) <= 2:
        return None
    found = _case_change(core[0], core[1], name) if len(core) == 2 else _single(core[0], name)
    if found is None:
        return None
    return [*found, *([f"prepend:{before}"] if before else []), *([f"append:{after}"] if after else [])]


def _parts(node: ast.expr) -> list[str | ast.expr]:
    """A sum or an f-string as its parts, neighbouring constants made one."""
    flat: list[str | ast.expr] = []
    waiting = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add):
            waiting += [part.right, part.left]
        elif isinstance(part, ast.JoinedStr):
            waiting += reversed(part.values)
        elif isinstance(part, ast.FormattedValue) and part.conversion == -1 and part.format_spec is None:
            waiting.append(part.value)
        else:
            text = _constant(part)
            if text is None:
                flat.append(part)
            elif flat and isinstance(flat[-1], str):
                flat[-1] += text
            elif text:
                flat.append(text)
    return flat


def _constant(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "string":
        return _NAMED_TEXTS.get(node.attr)
    return None


def _case_change(first: ast.expr, rest: ast.expr, name: str) -> Filters | None:
    """`s[:1].lower() + s[1:]` and its relatives: the first character's case."""
    if not isinstance(first, ast.Call) or first.args or first.keywords or not isinstance(first.func, ast.Attribute):
        return None
    change = {"lower": "uncapitalize", "upper": "capitalize"}.get(first.func.attr)
    head = first.func.value
    if change is None or not isinstance(head, ast.Subscript) or not isinstance(rest, ast.Subscript):
        return None
    if not _is_head(head.slice) or _bounds(rest.slice) != (1, None) or ast.dump(head.value) != ast.dump(rest.value):
        return None
    inner = _text_filters(head.value, name)
    return None if inner is None else [*inner, change]


def _is_head(index: ast.expr) -> bool:
    return _integer(index) == 0 or _bounds(index) in ((None, 1), (0, 1))


def _bounds(index: ast.expr) -> tuple[int | None, int | None] | None:
    """Start and stop of a slice with whole numbers and no step."""
    if not isinstance(index, ast.Slice) or index.step is not None:
        return None
    ends = [None if e is None else _integer(e) for e in (index.lower, index.upper)]
    if any(w is not None and e is None for w, e in zip((index.lower, index.upper), ends, strict=True)):
        return None
    return ends[0], ends[1]


def _integer(node: ast.expr) -> int | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _integer(node.operand)
        return None if value is None else -value
    return node.value if isinstance(node, ast.Constant) and type(node.value) is int else None


def _single(node: ast.expr, name: str) -> Filters | None:
    """One expression that is the parameter, a slice or a method of a text, or a list made text."""
    if isinstance(node, ast.Name):
        return [] if node.id == name else None
    if isinstance(node, ast.Subscript):
        return _after(node.value, _slice(node.slice), name)
    if not isinstance(node, ast.Call) or node.keywords:
        return None
    if isinstance(node.func, ast.Name):  # str(x)
        return _text_filters(node.args[0], name) if node.func.id == "str" and len(node.args) == 1 else None
    if not isinstance(node.func, ast.Attribute):
        return None
    separator = _constant(node.func.value)
    if separator is not None:
        return _joined(separator, node.args[0], name) if node.func.attr == "join" and len(node.args) == 1 else None
    return _after(node.func.value, _method(node.func.attr, node.args), name)


def _after(inner: ast.expr, then: Filters | None, name: str) -> Filters | None:
    if then is None:
        return None
    found = _text_filters(inner, name)
    return None if found is None else [*found, *then]


def _slice(index: ast.expr) -> Filters | None:
    bounds = _bounds(index)
    if bounds is None:
        return None
    start, stop = bounds[0] or 0, bounds[1] or 0
    if bounds[1] == 0 or not 0 <= start <= MOST_DROPPED or not 0 <= -stop <= MOST_DROPPED:
        return None
    return ["drop_first"] * start + ["drop_last"] * -stop


def _method(name: str, arguments: list[ast.expr]) -> Filters | None:
    filter_name = _METHODS.get(name)
    if filter_name is None or len(arguments) > (name in _CUTTERS):
        return None
    if not arguments or (isinstance(arguments[0], ast.Constant) and arguments[0].value is None):
        return [filter_name]
    parts = _parts(arguments[0])
    if not parts:
        return []  # s.strip("") cuts nothing
    if len(parts) > 1 or not isinstance(parts[0], str):
        return None
    if name == "rstrip" and set(parts[0]) == set(string.punctuation):
        return ["rstrip_punctuation"]
    return [f"{filter_name}:{parts[0]}"]


def _joined(separator: str, listed: ast.expr, name: str) -> Filters | None:
    """`"sep".join(…)` over the parameter itself, `map(str, x)`, or a comprehension that the table below knows."""
    if _is_name(listed, name) or _is_call(listed, "map", "str", name):
        return [f"join:{separator}"]
    if not isinstance(listed, (ast.ListComp, ast.GeneratorExp)) or len(listed.generators) != 1:
        return None
    loop = listed.generators[0]
    if loop.ifs or loop.is_async:
        return None
    item = [p if isinstance(p, str) else _without_str(p) for p in _parts(listed.elt)]
    found = next((f for f, fits in _ITEMS.items() if fits(item, loop, name)), None)
    return None if found is None else [f"{found}:{separator}"]


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_call(node: ast.expr, function: str, *names: str) -> bool:
    """Whether `node` is `function(name, …)`."""
    return (
        isinstance(node, ast.Call)
        and _is_name(node.func, function)
        and not node.keywords
        and len(node.args) == len(names)
        and all(map(_is_name, node.args, names))
    )


def _without_str(node: ast.expr) -> ast.expr:
    """`x` of `str(x)`: the filters write every item as text anyway."""
    return node.args[0] if isinstance(node, ast.Call) and len(node.args) == 1 and _is_name(node.func, "str") else node


Item = list[str | ast.expr]


def _is_item(item: Item, loop: ast.comprehension, name: str) -> bool:
    """`i for i in x`."""
    return (
        len(item) == 1
        and isinstance(loop.target, ast.Name)
        and not isinstance(item[0], str)
        and _is_name(item[0], loop.target.id)
        and (_is_name(loop.iter, name) or _is_call(loop.iter, "map", "str", name))
    )


def _is_enumerated(item: Item, loop: ast.comprehension, name: str) -> bool:
    """`f"{i}:{c}" for i, c in enumerate(x)`."""
    if not isinstance(loop.target, ast.Tuple) or not _is_call(loop.iter, "enumerate", name) or len(item) != 3:
        return False
    pair = [t.id for t in loop.target.elts if isinstance(t, ast.Name)]
    shown = [p if isinstance(p, str) else p.id if isinstance(p, ast.Name) else None for p in item]
    return len(pair) == 2 and pair[0] != pair[1] and shown == [pair[0], ":", pair[1]] and not isinstance(item[0], str)


def _is_choice(item: Item, loop: ast.comprehension, name: str) -> bool:
    """`"(" + i["label"] + ") " + i["text"] for i in x`."""
    if not isinstance(loop.target, ast.Name) or not _is_name(loop.iter, name) or len(item) != 4:
        return False
    return (
        (item[0], item[2]) == ("(", ") ")
        and _is_key(item[1], loop.target.id, "label")
        and _is_key(item[3], loop.target.id, "text")
    )


def _is_key(part: str | ast.expr, name: str, key: str) -> bool:
    return isinstance(part, ast.Subscript) and _is_name(part.value, name) and _constant(part.slice) == key


# What stands for each item of a list → the filter that says the same.
_ITEMS: dict[str, Callable[[Item, ast.comprehension, str], bool]] = {
    "join": _is_item,
    "enumerate": _is_enumerated,
    "choices": _is_choice,
}
