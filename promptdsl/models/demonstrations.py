"""Which solved examples a query gets: evenly from the classes, or the fitted rows nearest to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from promptdsl.encoding.compiler import TokenProgram
from promptdsl.encoding.demos import Demonstration
from promptdsl.errors import fail

__all__ = ["DemoStore", "choose"]

States = NDArray[np.floating]
SIMILAR = 0.5  # the share of the fitted rows, the most similar ones, that several draws are from
CHUNK = 256  # queries whose similarities are held at a time


def choose(
    labels: Sequence[str],
    k: int,
    queries: int | States,
    *,
    select: str = "class",
    states: States | None = None,
    seed: int = 0,
    draw: int = 0,
    draws: int = 1,
    exclude: Sequence[int | None] | None = None,
) -> list[list[int]]:
    """Indices of the fitted rows that solve each query's examples, in the order in which they stand.

    With "class" every query of a draw gets the same examples, as evenly from the classes as k and their rows allow:
    one of each class in a random order, then again. With "nearest" a query gets the k rows whose states are most
    similar to its own by cosine, the most similar first; where several draws are averaged, k at random of the more
    similar half (LM-BFF: Gao et al. 2021, section 6.2). What a query gets does not depend on the queries beside it.

    Args:
        labels: one label a fitted row.
        k: examples a query, ≥ 1; all rows where there are fewer.
        queries: how many queries there are; for "nearest" their states: (queries, hidden).
        select: "class" or "nearest".
        states: (rows, hidden) states of the fitted rows, for "nearest".
        seed, draw: the same pair gives the same examples; `draw` counts from 0.
        draws: how many draws are averaged.
        exclude: for each query the fitted row that it is itself, which is not among its examples; None for no row.

    Raises:
        TrainingError: PD711 where there are no rows, PD712 for "nearest" without states.
    """
    if not len(labels):
        fail("PD711", "there are no fitted rows to take solved examples from", help="give fit labelled rows")
    count = queries if isinstance(queries, int) else len(queries)
    without = [None] * count if exclude is None else exclude
    if select == "class":
        usual = _evenly(labels, k, np.random.default_rng([seed, draw]), None)
        others = {own: _evenly(labels, k, np.random.default_rng([seed, draw]), own) for own in usual if own in without}
        return [list(usual if own is None else others.get(own, usual)) for own in without]
    if states is None or isinstance(queries, int):
        fail("PD712", "the nearest examples are found by the states at the mask, and there are none",
             help='give the states of rows and queries, or write "select":"class" in the tag')  # fmt: skip
    ranked = _ranked(queries, states, without)
    return [_nearest(ranks, k, np.random.default_rng([seed, draw]) if draws > 1 else None) for ranks in ranked]


def _evenly(labels: Sequence[str], k: int, random: np.random.Generator, own: int | None) -> list[int]:
    """k rows, one of each class in turn, without row `own`; what is drawn does not depend on `own`."""
    classes = sorted(set(labels))
    rows = {c: random.permutation([i for i, label in enumerate(labels) if label == c]).tolist() for c in classes}
    waiting = {c: [i for i in drawn if i != own] for c, drawn in rows.items()}
    chosen: list[int] = []
    while len(chosen) < k and any(waiting.values()):
        chosen += [waiting[classes[c]].pop(0) for c in random.permutation(len(classes)) if waiting[classes[c]]]
    return chosen[:k]


def _ranked(queries: States, states: States, without: Sequence[int | None]) -> list[NDArray[np.intp]]:
    """For each query the rows, the most similar first; of equally similar ones the earlier first.

    Cosines are compared to nine digits, so that the last bits of a matrix product do not decide.
    """
    rows = _unit(states)
    ranked: list[NDArray[np.intp]] = []
    for start in range(0, len(queries), CHUNK):
        cosines = np.round(_unit(queries[start : start + CHUNK]) @ rows.T, 9)
        for line, order in enumerate(np.argsort(-cosines, axis=1, kind="stable"), start):
            own = without[line]
            ranked.append(order if own is None else order[order != own])
    return ranked


def _unit(states: States) -> NDArray[np.float64]:
    """Rows of length 1; zeros stay zeros."""
    wide = states.astype(np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.asarray(wide / np.where(length > 0, length, 1.0))


def _nearest(ranks: NDArray[np.intp], k: int, random: np.random.Generator | None) -> list[int]:
    """k of the ranked rows, the nearest first: the first k, or k drawn from the more similar half."""
    taken = min(k, len(ranks))
    if random is None:
        return [int(i) for i in ranks[:taken]]
    pool = max(taken, int(np.ceil(SIMILAR * len(ranks))))
    places = np.sort(random.permutation(pool)[:taken])
    return [int(i) for i in ranks[places]]


@dataclass(frozen=True, slots=True)
class DemoStore:
    """The fitted rows as solved examples, and how a template's demos tag chooses from them.

    Attributes:
        demonstrations: one a fitted row.
        k, select, draws: what the tag says.
        seed: the seed of everything that is drawn.
        states: (rows, hidden) states at the first mask of the fitted rows, for "nearest".
    """

    demonstrations: tuple[Demonstration, ...] = field(repr=False)
    k: int
    select: str = "class"
    draws: int = 1
    seed: int = 0
    states: States | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(
        cls, program: TokenProgram, made: Sequence[Demonstration], *, seed: int = 0, states: States | None = None
    ) -> DemoStore:
        """The store of a program's demos tag. Raises PD711 without demonstrations, PD712 if states are missing."""
        demos = program.demos
        assert demos is not None, "the template has no demos tag"
        store = cls(tuple(made), demos.count, str(demos.piece["select"]), int(str(demos.piece["draws"])), seed, states)
        store.pick(0 if states is None else states[:0])  # whatever is missing is missed now
        return store

    @property
    def needs_states(self) -> bool:
        """Whether choosing takes the states of the fitted rows and of the queries."""
        return self.select == "nearest"

    @property
    def labels(self) -> tuple[str, ...]:
        """The label of each demonstration."""
        return tuple(d.label for d in self.demonstrations)

    def pick(
        self, queries: int | States, draw: int = 0, *, exclude: Sequence[int | None] | None = None
    ) -> list[list[Demonstration]]:
        """For each query its examples in one draw; see `choose`."""
        chosen = choose(
            self.labels,
            self.k,
            queries,
            select=self.select,
            states=self.states,
            seed=self.seed,
            draw=draw,
            draws=self.draws,
            exclude=exclude,
        )
        return [[self.demonstrations[i] for i in row] for row in chosen]

    def __str__(self) -> str:
        how = "evenly from the classes" if self.select == "class" else "the nearest"
        times = f", {self.draws} draws" if self.draws > 1 else ""
        return f"{self.k} solved examples of {len(self.demonstrations)} rows, {how}{times}"
