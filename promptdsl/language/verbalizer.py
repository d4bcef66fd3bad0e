"""The public `Verbalizer`: which words stand for which class, parsed and checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from promptdsl.language.audit import Audit, Trace, audit_of
from promptdsl.language.class_names import Knowledge, Names, expand_names
from promptdsl.language.expansion import KNOWLEDGE, replace_items
from promptdsl.language.files import read_text
from promptdsl.language.mappings import classes_from_mapping, classes_from_yaml, refuse
from promptdsl.language.nodes import LabelledWords, Tag
from promptdsl.language.schema import RELATIONS_TAKEN
from promptdsl.language.tree import verbalizer_tree
from promptdsl.language.verbalizer_parser import LONGEST_VERBALIZER, parse_verbalizer

__all__ = ["Verbalizer"]


@dataclass(frozen=True, init=False, repr=False)
class Verbalizer:
    """How the language model's words become labels: classes with their label words, and steps.

    Two verbalizers are equal if they say the same, however it was written. `str()` is the canonical text.

    >>> Verbalizer({"negative": ["bad"], "positive": ["good", "well, made"]})
    Verbalizer('negative: bad\\npositive: good, "well, made"')
    """

    source: str = field(compare=False)
    classes: tuple[LabelledWords, ...]
    steps: tuple[Tag, ...]
    traces: tuple[Trace, ...] = field(default=(), compare=False)  # of words that were not just written
    _rewritten: bool = field(default=False, compare=False)  # the classes say something else than the source

    def __init__(
        self,
        text: str | Mapping[Any, Any] | Verbalizer,
        *,
        origin: str = "verbalizer",
        limit: int | None = LONGEST_VERBALIZER,
    ) -> None:
        """Parse a text (lines, or JSON if it begins with `{`) or read a mapping of labels to lists of words.

        `origin` names it in error messages; `limit` is its largest size in bytes (None: any). Raises `VerbalizerError`
        with all that was found.
        """
        if isinstance(text, Verbalizer):
            self._set(text.source, text.classes, text.steps, text.traces, text._rewritten)
        elif isinstance(text, str):
            self._set(text, *parse_verbalizer(text, origin, limit))
        elif isinstance(text, Mapping):
            classes, steps = classes_from_mapping(text, origin)
            self._set(_unparse(classes, steps), classes, steps)
        else:
            raise refuse(text)

    def _set(
        self,
        source: str,
        classes: Iterable[LabelledWords],
        steps: Iterable[Tag],
        traces: Iterable[Trace] = (),
        rewritten: bool = False,
    ) -> None:
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "classes", tuple(classes))
        object.__setattr__(self, "steps", tuple(steps))
        object.__setattr__(self, "traces", tuple(traces))
        object.__setattr__(self, "_rewritten", rewritten)

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> Verbalizer:
        """The verbalizer in a UTF-8 file; `.yaml` and `.yml` are YAML. Raises `FileError` too."""
        text = read_text(path)
        if Path(path).suffix.lower() not in (".yaml", ".yml"):
            return cls(text, origin=str(path))
        made = cls.__new__(cls)
        classes, steps = classes_from_yaml(text, str(path))
        made._set(_unparse(classes, steps), classes, steps)
        return made

    @classmethod
    def expand(
        cls,
        names: Names,
        knowledge: Knowledge = "wordnet",
        *,
        depth: int = 1,
        relations: Sequence[str] = RELATIONS_TAKEN,
        pos: str | None = None,
        senses: int = 3,
        limit: int = 50,
        lang: str = "eng",
    ) -> str:
        """Verbalizer text from class names: one line per class, its own words first, then what knowledge adds.

        A word that two classes would have stands for neither, except that a class keeps its own words.

        Args:
            names: class names ("Sci/Tech" gives science and technology), or label → seed words. They are the labels.
            knowledge: "wordnet"; a file of words (`.tsv`, `.txt`, `.json`), whose seeds are the names or seed words; or
                a mapping from these to words.
            depth, relations, pos, senses, lang: for WordNet, as in `<"wordnet":"good">`.
            limit: the most words of a class.

        Raises:
            VerbalizerError: PD424 for names or knowledge of another shape, PD43x for what knowledge does not have.
            FileError: PD8 for a file that cannot be read.

        >>> print(Verbalizer.expand(["sports", "world"], {"sports": ["game", "war"], "world": ["war", "globe"]}))
        sports: sports, game
        world: world, globe
        """
        options = {"depth": depth, "relations": relations, "pos": pos, "senses": senses, "lang": lang}
        return expand_names(names, knowledge, limit, **options)

    @classmethod
    def from_classes(cls, classes: Iterable[LabelledWords], steps: Iterable[Tag] = ()) -> Verbalizer:
        """The verbalizer of these nodes, checked as if its text had been written."""
        return cls(_unparse(classes, steps))

    def rewritten(
        self,
        classes: Iterable[LabelledWords] | None = None,
        steps: Iterable[Tag] | None = None,
        traces: Iterable[Trace] | None = None,
    ) -> Verbalizer:
        """This verbalizer with other classes, steps or traces, which are not checked again.

        `source` stays what was written: words that an item gave have the item's place in it.
        """
        made = type(self).__new__(type(self))
        made._set(
            self.source,
            self.classes if classes is None else classes,
            self.steps if steps is None else steps,
            self.traces if traces is None else traces,
            rewritten=True,
        )
        return made

    def expanded(self) -> Verbalizer:
        """This verbalizer with the words that its `wordnet` and `words` items give, in their place.

        Raises `VerbalizerError` with the place of the item: PD43x for knowledge that is not there.
        """
        return replace_items(self, KNOWLEDGE)

    def audit(self) -> Audit:
        """Where every label word comes from and what was decided about it; knowledge items are expanded first."""
        expanded = self.expanded()
        return audit_of(expanded.classes, expanded.traces)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the classes."""
        return tuple(words.label for words in self.classes)

    def tree(self) -> str:
        """Classes, items and steps, one a line."""
        return verbalizer_tree(self.classes, self.steps)

    def __str__(self) -> str:
        return _unparse(self.classes, self.steps)

    def __repr__(self) -> str:
        return f"Verbalizer({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (str(self) if self._rewritten else self.source, self.traces)

    def __copy__(self) -> Verbalizer:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Verbalizer:
        return self


def _unparse(classes: Iterable[LabelledWords], steps: Iterable[Tag]) -> str:
    """Canonical text: one line per class, then one per step."""
    return "\n".join([*map(str, classes), *map(str, steps)])


def _restore(text: str, traces: tuple[Trace, ...] = ()) -> Verbalizer:
    """What is pickled is the text, which is parsed again, and the traces, which stand in no text."""
    parsed = Verbalizer(text, limit=None)
    object.__setattr__(parsed, "traces", traces)
    return parsed
