"""Label words of several tokens: which forward passes score them, and where each of their tokens is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Fill", "Reading", "plan_causal", "plan_masked"]

Fill = tuple[tuple[int, ...], ...]  # the ids at each mask tag, in one forward pass
Parts = tuple[tuple[int, ...], ...]  # the ids of a word at each mask tag


@dataclass(frozen=True, slots=True)
class Reading:
    """One token of one word: read `token` at read number `read` of pass `fill`, with `weight`."""

    word: int
    fill: int
    read: int
    token: int
    weight: float


def plan_masked(
    words: Sequence[Parts], counts: Sequence[int | None], mask_id: int | None
) -> tuple[tuple[Fill, ...], tuple[Reading, ...]]:
    """Passes of a masked LM: one for each shape of word, with as many mask tokens as the word has.

    A part of t tokens at a plain mask counts with the mean of its log-probabilities, so that longer words are not
    worse for being long; at `mask:n`, where every word has n tokens, with their sum (PTR: Han et al. 2021, section 3).
    """
    assert mask_id is not None
    shapes = sorted({tuple(map(len, parts)) for parts in words})
    fills = tuple(tuple((mask_id,) * n for n in shape) for shape in shapes)
    readings: list[Reading] = []
    for number, parts in enumerate(words):
        fill = shapes.index(tuple(map(len, parts)))
        read = 0
        for part, count in zip(parts, counts, strict=True):
            for token in part:
                readings.append(Reading(number, fill, read, token, 1.0 if count else 1 / len(part)))
                read += 1
    return fills, tuple(readings)


def plan_causal(
    words: Sequence[Parts], counts: Sequence[int | None], mask_id: int | None
) -> tuple[tuple[Fill, ...], tuple[Reading, ...]]:
    """Passes of a causal LM: a word is scored by its joint log-probability, Σ log p(token | everything before it).

    A pass holds all of a word's tokens but the last, each of which is read at the place before it; the last is read
    at the end. Words that begin alike share a pass: one that stops earlier is read on the way.
    """
    flat = [[(tag, token) for tag, part in enumerate(parts) for token in part] for parts in words]
    # A context is what stands before the last token, and the tag that the last token belongs to.
    contexts = {(tuple(tokens[:-1]), tokens[-1][0]) for tokens in flat}
    on_the_way = {(c[:n], c[n][0]) for c, _ in contexts for n in range(len(c))}
    kept = sorted(contexts - on_the_way)
    pass_of: dict[tuple[tuple[tuple[int, int], ...], int], int] = {}
    for number, (context, last) in enumerate(kept):
        for read in ((context, last), *((context[:n], context[n][0]) for n in range(len(context)))):
            pass_of.setdefault(read, number)
    readings = tuple(
        Reading(number, pass_of[tuple(tokens[:-1]), tokens[-1][0]], read, token, 1.0)
        for number, tokens in enumerate(flat)
        for read, (_, token) in enumerate(tokens)
    )
    fills = tuple(
        tuple(tuple(token for at, token in context if at == tag) for tag in range(last + 1)) for context, last in kept
    )
    return fills, readings
