"""Items of a verbalizer become label words, each with the trace of where it comes from and what was decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from promptdsl.errors import Diagnostic, PromptDSLError, VerbalizerError, fail, raise_all
from promptdsl.knowledge.related import Related
from promptdsl.knowledge.wordlists import read_word_list, words_of
from promptdsl.knowledge.wordnet import related
from promptdsl.language.audit import Decision, Trace
from promptdsl.language.findings import MOST_ERRORS, quoted
from promptdsl.language.nodes import NOWHERE, Item, LabelledWords, Tag, Word, gives, scalar

if TYPE_CHECKING:
    from promptdsl.language.verbalizer import Verbalizer

__all__ = ["KNOWLEDGE", "Maker", "decide", "replace_items"]

Maker = Callable[[LabelledWords, Tag], Sequence[Related]]
Verdict = tuple[bool, float | None]


def replace_items(verbalizer: Verbalizer, makers: Mapping[str, Maker]) -> Verbalizer:
    """The verbalizer with each item whose kind `makers` has replaced by the words that its maker gives.

    What else a class has stands first, as it stood; the new words follow in the order of their items, each once.

    Args:
        verbalizer: its classes may hold items of other kinds, which stay.
        makers: kind of an item → function of the class and the item; its words, the best first.

    Raises:
        VerbalizerError: what a maker raises, with its place; PD423 for a class that would have no words.
    """
    if not any(isinstance(item, Tag) and item.kind in makers for words in verbalizer.classes for item in words.items):
        return verbalizer
    found: list[Diagnostic] = []
    traces = list(verbalizer.traces)
    classes = [_replaced(words, makers, verbalizer, traces, found) for words in verbalizer.classes]
    told: dict[tuple[str, str], Diagnostic] = {}  # what is said again and again has its first place
    for diagnostic in found:
        told.setdefault((diagnostic.code, diagnostic.message), diagnostic)
    raise_all(told.values(), VerbalizerError)
    return verbalizer.rewritten(classes=classes, traces=traces)


def _replaced(
    words: LabelledWords,
    makers: Mapping[str, Maker],
    verbalizer: Verbalizer,
    traces: list[Trace],
    found: list[Diagnostic],
) -> LabelledWords:
    """One class with its items replaced. Traces and errors are added to the two lists."""
    tags = [item for item in words.items if isinstance(item, Tag) and item.kind in makers]
    items: list[Item] = [item for item in words.items if not (isinstance(item, Tag) and item.kind in makers)]
    seen = {item.text for item in items if isinstance(item, Word)}
    before = len(found)
    for tag in tags:
        if len(found) >= MOST_ERRORS:
            break
        try:
            made = makers[tag.kind](words, tag)
        except PromptDSLError as error:
            found += (_placed(diagnostic, tag, verbalizer) for diagnostic in error.diagnostics)
            continue
        for new in made:
            if new.word.strip() and new.word not in seen:
                seen.add(new.word)
                items.append(Word(new.word, tag.span))
                traces.append(_trace(words.label, tag, new))
    if tags and len(found) == before and not _has_words(items):
        message = f"the items of the class {quoted(words.label)} give no words"
        advice = "write a word of the class yourself, or ask for more"
        found.append(
            _placed(Diagnostic("PD423", message, label="nothing comes of it", help=advice), tags[0], verbalizer)
        )
    return LabelledWords(words.label, tuple(items), words.label_span)


def _trace(label: str, tag: Tag, new: Related) -> Trace:
    """A score that the maker gives is the first thing that was said about the word."""
    decisions = () if new.score is None else (Decision(tag.kind, True, new.score),)
    return Trace(label, new.word, f"{tag.kind} {scalar(tag.value)}: {new.how}", decisions)


def _placed(diagnostic: Diagnostic, tag: Tag, verbalizer: Verbalizer) -> Diagnostic:
    """The maker's diagnostic at its item, where there is a text to point into."""
    span = None if tag.span == NOWHERE else tag.span
    source = None if span is None else verbalizer.source
    return replace(diagnostic, span=span, source=source, origin="verbalizer")


def _has_words(items: Iterable[Item]) -> bool:
    return any(gives(item) != "vectors" for item in items)


def decide(
    verbalizer: Verbalizer, step: str, verdicts: Mapping[tuple[str, str], tuple[bool, float | None]]
) -> Verbalizer:
    """The verbalizer without the words that `step` does not keep; every judged word's trace says what was decided.

    A judged word stands once in its class from then on.

    Args:
        verbalizer: words without a verdict stay as they are.
        step: its name in the audit: "frequency".
        verdicts: (label, word) → whether it is kept, and the number that decided, if there is one.

    Raises:
        VerbalizerError: PD422 for a class that would lose its last word.
    """
    known = {(trace.label, trace.word): index for index, trace in enumerate(verbalizer.traces) if trace.kept}
    traces = list(verbalizer.traces)
    classes = []
    for words in verbalizer.classes:
        items: list[Item] = []
        judged: set[str] = set()
        for item in words.items:
            verdict = verdicts.get((words.label, item.text)) if isinstance(item, Word) else None
            if isinstance(item, Word) and verdict is not None:
                if item.text in judged:
                    continue
                judged.add(item.text)
                _note(traces, known.get((words.label, item.text)), words.label, item.text, Decision(step, *verdict))
            if verdict is None or verdict[0]:
                items.append(item)
        if _has_words(words.items) and not _has_words(items):
            _last_word(verbalizer, step, words)
        classes.append(LabelledWords(words.label, tuple(items), words.label_span))
    return verbalizer.rewritten(classes=classes, traces=traces)


def _note(traces: list[Trace], index: int | None, label: str, word: str, decision: Decision) -> None:
    """Add a decision to a word's trace; a word that was written has none yet."""
    if index is None:
        traces.append(Trace(label, word, decisions=(decision,)))
    else:
        traces[index] = replace(traces[index], decisions=(*traces[index].decisions, decision))


def _last_word(verbalizer: Verbalizer, step: str, words: LabelledWords) -> None:
    written = next((tag for tag in verbalizer.steps if step == tag.kind or step in _listed(tag)), None)
    span = words.label_span if written is None else written.span
    fail(
        "PD422",
        f"{quoted(step)} leaves no word of the class {quoted(words.label)}",
        span=None if span == NOWHERE else span,
        source=None if span == NOWHERE else verbalizer.source,
        origin="verbalizer",
        label="removes its last word",
        help='keep at least one: <"refine":[…],"keep":1>',
    )


def _listed(tag: Tag) -> tuple[object, ...]:
    return tag.value if isinstance(tag.value, tuple) else ()


def _from_wordnet(words: LabelledWords, tag: Tag) -> Sequence[Related]:
    pos, relations = tag["pos"], tag["relations"]
    assert isinstance(relations, tuple)
    return related(
        str(tag.value),
        depth=_count(tag, "depth"),
        relations=tuple(map(str, relations)),
        pos=None if pos is None else str(pos),
        senses=_count(tag, "senses"),
        limit=_count(tag, "limit"),
        lang=str(tag["lang"]),
    )


def _from_word_list(words: LabelledWords, tag: Tag) -> Sequence[Related]:
    seed = words.label if tag["of"] is None else str(tag["of"])
    return words_of(_word_list(str(tag.value)), seed, limit=_count(tag, "limit"))


def _word_list(path: str) -> Mapping[str, tuple[Related, ...]]:
    """The file's words: read once for all classes, and again when it has changed."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return read_word_list(path)  # which says what is wrong
    return _read_word_list(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=8)
def _read_word_list(path: str, changed: int, size: int) -> Mapping[str, tuple[Related, ...]]:
    return read_word_list(path)


def _count(tag: Tag, key: str) -> int:
    count = tag[key]
    assert isinstance(count, int)
    return count


# Kinds of items whose words need no language model. A new source of knowledge is one entry here and one function.
KNOWLEDGE: Mapping[str, Maker] = MappingProxyType({"wordnet": _from_wordnet, "words": _from_word_list})
