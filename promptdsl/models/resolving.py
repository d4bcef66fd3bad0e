"""A verbalizer as written → bound to a template and a language model, with what needs no rows made into words."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from promptdsl.encoding.compiler import TokenProgram
from promptdsl.errors import fail
from promptdsl.knowledge.related import Related
from promptdsl.language.expansion import decide, replace_items
from promptdsl.language.nodes import LabelledWords, Tag
from promptdsl.language.verbalizer import Verbalizer
from promptdsl.models.backbone import Backbone
from promptdsl.models.vocabulary import label_word_tokens, word_ids
from promptdsl.verbalizers.neighbors import vocabulary_groups
from promptdsl.verbalizers.refinement import duplicates
from promptdsl.verbalizers.verbalizer import BoundVerbalizer, bind_words

Verdicts = dict[tuple[str, str], tuple[bool, float | None]]

__all__ = ["Verdicts", "bind_verbalizer", "refinements", "resolve", "verdicts", "with_refinements", "without_rows"]


def bind_verbalizer(verbalizer: Verbalizer, program: TokenProgram, *, lenient: bool = False) -> BoundVerbalizer:
    """Tokenise the label words as they would stand at the program's masks; needs no language model.

    `lenient` leaves out what the tokenizer cannot write also where a person wrote it; else that is an error.
    """
    mask_id = program.text.mask_id if program.family == "masked" else None
    counts, unk = [m.count for m in program.masks], program.text.unk_id
    ids = partial(word_ids, program)
    return bind_words(verbalizer, counts, ids, mask_id=mask_id, unk_id=unk, lenient=lenient)


def resolve(verbalizer: Verbalizer, program: TokenProgram, backbone: Backbone) -> BoundVerbalizer:
    """Expand what knowledge and the vocabulary expand, refine what needs no rows, and bind the words there are then.

    Raises:
        VerbalizerError: PD43x where knowledge fails, PD45x and PD46x for words that cannot be scored or found.
    """
    whole = replace_items(verbalizer.expanded(), {"neighbors": partial(_neighbors, program, backbone)})
    names = refinements(whole)
    bound = bind_verbalizer(whole, program, lenient="writable" in names)
    if bound.unwritable:
        known = dict.fromkeys(bound.unwritable, (False, None))
        bound = dataclasses.replace(bound, verbalizer=decide(bound.verbalizer, "writable", known), unwritable=())
    while names and (found := without_rows(names[0], bound)) is not None:
        kept = with_refinements(decide(bound.verbalizer, names[0], found), names[1:])
        bound, names = bind_verbalizer(kept, program), names[1:]
    return bound


def without_rows(name: str, bound: BoundVerbalizer) -> Verdicts | None:
    """What the refinement of this name decides about the words of a bound verbalizer; None if it needs rows."""
    return _WITHOUT_ROWS[name](bound) if name in _WITHOUT_ROWS else None


def verdicts(bound: BoundVerbalizer, kept: Sequence[bool], scores: Sequence[float | None] | None = None) -> Verdicts:
    """What `decide` takes, from one value for each word. A word that stands twice in its class is kept if one is."""
    found: Verdicts = {}
    for word, keep, score in zip(bound.words, kept, scores or [None] * len(kept), strict=True):
        key = bound.labels[word.label], word.text
        found[key] = (keep or found.get(key, (False, None))[0], score)
    return found


def refinements(verbalizer: Verbalizer) -> tuple[str, ...]:
    """The names in the `refine` step, in order."""
    found = next((step.value for step in verbalizer.steps if step.kind == "refine"), ())
    assert isinstance(found, tuple)
    return tuple(map(str, found))


def with_refinements(verbalizer: Verbalizer, names: Sequence[str]) -> Verbalizer:
    """The verbalizer with these names left in its `refine` step, or without the step."""
    steps = [
        dataclasses.replace(s, value=tuple(names)) if s.kind == "refine" else s
        for s in verbalizer.steps
        if s.kind != "refine" or names
    ]
    return verbalizer.rewritten(steps=steps)


def _neighbors(program: TokenProgram, backbone: Backbone, labelled: LabelledWords, tag: Tag) -> list[Related]:
    """Words around seed words in the language model's own embedding space."""
    text, seeds = program.text, str(tag.value).split()
    mask = program.masks[0]
    ids = text.encode([" " + s if mask.leading_space else s for s in seeds], at_start=mask.at_start)
    known = [found[0] for found in ids if len(found) == 1 and found[0] != text.unk_id]
    if not known:
        message = f'no seed word of "{tag.value}" is one token of this language model'
        fail("PD458", message, help="give commoner seed words, separated by blanks", origin="verbalizer")
    groups, limit = int(str(tag["groups"])), int(str(tag["limit"]))
    found = vocabulary_groups(
        backbone.input_embeddings(), known, label_word_tokens(program), groups=groups, limit=limit
    )
    return [Related(text.word(token), f"group {group + 1}", score) for token, score, group in found]


def _writable(bound: BoundVerbalizer) -> Verdicts:
    return {(bound.labels[w.label], w.text): (True, None) for w in bound.words}


def _single(bound: BoundVerbalizer) -> Verdicts:
    """Words of one token at each mask; a class's first word stays whatever its length."""
    return _judged(bound, [all(len(part) == 1 for part in w.parts) for w in bound.words])


def _duplicates(bound: BoundVerbalizer) -> Verdicts:
    made = {(t.label, t.word) for t in bound.verbalizer.traces if t.origin != "written"}
    named = [(bound.labels[w.label], w.text) for w in bound.words]
    return _judged(bound, duplicates([(label, word, (label, word) not in made) for label, word in named]))


def _judged(bound: BoundVerbalizer, kept: Sequence[bool]) -> Verdicts:
    """Verdicts under which the first word of each class stays."""
    first = {word.label: number for number, word in reversed(list(enumerate(bound.words)))}
    return verdicts(
        bound, [keep or first[word.label] == n for n, (word, keep) in enumerate(zip(bound.words, kept, strict=True))]
    )


# Refinements that look at no row → what they decide: a new one is one entry and one function.
_WITHOUT_ROWS: Mapping[str, Callable[[BoundVerbalizer], Verdicts]] = {
    "writable": _writable,
    "single": _single,
    "duplicates": _duplicates,
}
