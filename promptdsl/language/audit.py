"""Where each label word comes from, and what was decided about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from promptdsl.errors import printable, width
from promptdsl.language.nodes import Item, LabelledWords

__all__ = ["WRITTEN", "Audit", "Decision", "Trace", "audit_of"]

WRITTEN = "written"
MOST_LINES = 20  # of one class in `str()`; iteration and `records` give everything


@dataclass(frozen=True, slots=True)
class Decision:
    """What one step (a refinement, say) decided about a label word, and the number that it went by, if there is one."""

    step: str
    kept: bool
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """The way of one label word of a class.

    `origin` is "written", or names the item and how that came to the word: `wordnet "good": similar of good.a.01`.
    `decisions` stand in the order in which they were taken.
    """

    label: str
    word: str
    origin: str = WRITTEN
    decisions: tuple[Decision, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether the word stands for its class: every step kept it."""
        return all(decision.kept for decision in self.decisions)

    @property
    def removed_by(self) -> str | None:
        """The step that removed the word; None if it is kept."""
        return next((decision.step for decision in self.decisions if not decision.kept), None)

    @property
    def score(self) -> float | None:
        """The number that decided: of the step that removed the word, else of the last step that had one."""
        if not self.kept:
            return next(decision.score for decision in self.decisions if not decision.kept)
        return next((d.score for d in reversed(self.decisions) if d.score is not None), None)


@dataclass(frozen=True, slots=True)
class Audit(Sequence[Trace]):
    """The traces of a verbalizer's label words, class after class, in each class the kept ones first.

    `str()` is a table with at most 20 lines for a class; iteration, indices and `records()` give all of them.
    """

    traces: tuple[Trace, ...]

    @overload
    def __getitem__(self, index: int) -> Trace: ...
    @overload
    def __getitem__(self, index: slice) -> Audit: ...
    def __getitem__(self, index: int | slice) -> Trace | Audit:
        return Audit(self.traces[index]) if isinstance(index, slice) else self.traces[index]

    def __len__(self) -> int:
        return len(self.traces)

    def __iter__(self) -> Iterator[Trace]:
        return iter(self.traces)

    def records(self) -> list[dict[str, Any]]:
        """One plain mapping for each trace, all with the same keys, as `pandas.DataFrame` takes them.

        The keys are label, word, kept, removed_by, score and origin, and for each step its score: `frequency_score`.
        """
        steps = dict.fromkeys(decision.step for trace in self.traces for decision in trace.decisions)
        return [_record(trace, steps) for trace in self.traces]

    def __str__(self) -> str:
        by_class: dict[str, list[Trace]] = {}
        for trace in self.traces:
            by_class.setdefault(trace.label, []).append(trace)
        rows: list[tuple[str, ...]] = [("label", "word", "kept", "score", "origin")]
        for label, traces in by_class.items():
            rows += map(_row, traces[:MOST_LINES])
            rest = traces[MOST_LINES:]
            if rest:
                kept = sum(trace.kept for trace in rest)
                more = f"… and {len(rest):,} more: {kept:,} kept, {len(rest) - kept:,} removed"
                rows.append((printable(label, 40), more))
        return _aligned(rows)


def audit_of(classes: Iterable[LabelledWords], traces: Iterable[Trace]) -> Audit:
    """The audit of classes: a word without a trace was written, and so were the items that are not words yet."""
    kept: dict[tuple[str, str], Trace] = {}
    removed: dict[str, list[Trace]] = {}
    for trace in traces:
        if trace.kept:
            kept[trace.label, trace.word] = trace
        else:
            removed.setdefault(trace.label, []).append(trace)
    found: list[Trace] = []
    for words in classes:
        shown = (Trace(words.label, _shown(item), _origin(item)) for item in words.items)
        found += (kept.get((trace.label, trace.word)) or trace for trace in shown)
        found += removed.get(words.label, ())
    return Audit(tuple(found))


def _shown(item: Item) -> str:
    text = getattr(item, "text", None)
    return str(item) if text is None else str(text)


def _origin(item: Item) -> str:
    """A word of the row was written nowhere in the verbalizer."""
    return "each row" if getattr(item, "kind", None) == "meta" else WRITTEN


def _record(trace: Trace, steps: Iterable[str]) -> dict[str, Any]:
    record: dict[str, Any] = {
        "label": trace.label,
        "word": trace.word,
        "kept": trace.kept,
        "removed_by": trace.removed_by,
        "score": trace.score,
        "origin": trace.origin,
    }
    scores = {decision.step: decision.score for decision in trace.decisions}
    return record | {f"{step}_score": scores.get(step) for step in steps}


def _row(trace: Trace) -> tuple[str, ...]:
    kept = "yes" if trace.kept else f"no: {trace.removed_by}"
    score = "" if trace.score is None else f"{trace.score:.4g}"
    return printable(trace.label, 40), printable(trace.word, 40), kept, score, printable(trace.origin, 100)


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    """Columns two blanks apart. Short rows, which only count what is left out, do not widen them."""
    full = [row for row in rows if len(row) == len(rows[0])]
    widths = [max(width(row[column]) for row in full) for column in range(len(rows[0]))]
    padded = (
        "  ".join(cell + " " * max(0, wide - width(cell)) for cell, wide in zip(row, widths, strict=False))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in padded)
