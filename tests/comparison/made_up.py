"""Studies with results that are written by hand, so that every number of a picture is known."""

from __future__ import annotations

from promptdsl.comparison.spec import StudySpec
from promptdsl.comparison.study import Study
from promptdsl.comparison.values import CellResult

TEMPLATE = '<"placeholder":"text_a"> It was <"mask">.'
TRUTH = tuple("ab" * 5)  # ten test rows


def study(templates: list[str], verbalizers: list[str], right: dict[tuple[str, int, int | None], int | str]) -> Study:
    """A study at 0 and 4 shots with seeds 1 and 2, against "majority".

    Args:
        templates, verbalizers: names.
        right: (arm, shots, seed) → how many of the ten test rows are right, or why there is no result.
    """
    spec = StudySpec(
        templates={name: f"{TEMPLATE} {i}" for i, name in enumerate(templates)},
        verbalizers={name: f"a: good; b: bad, word{i}" for i, name in enumerate(verbalizers)},
        baselines=("majority",),
        settings={},
        model={"name": "pocket-mlm", "weights": "0f" * 16},
        data={"train": "1e" * 32, "test": "2d" * 32, "dev": ""},
        shots=(0, 4),
        seeds=(1, 2),
        baseline=f"{templates[0]}/{verbalizers[0]}",
    )
    return Study(spec, TRUTH, tuple(_result(*cell, value) for cell, value in right.items()))


def _result(arm: str, shots: int, seed: int | None, value: int | str) -> CellResult:
    if isinstance(value, str):
        status = "failed" if value.startswith("PD") else "no sense"
        return CellResult(arm, shots, seed, status, value)
    predicted = tuple("ab".index(label) if i < value else 1 - "ab".index(label) for i, label in enumerate(TRUTH))
    return CellResult(
        arm, shots, seed, labels=("a", "b"), predicted=predicted, accuracy=value / 10, macro_f1=value / 10,
        trained_parameters=100 * shots, fit_seconds=0.25 * shots, predict_seconds=0.5, train_rows=2 * shots,
    )  # fmt: skip


NO_SHOTS = "it is learnt from labelled rows, and there are no shots"
DIVERGED = "PD703 the loss is <not> a number"


def example(soft: str = "soft", hard: str = "hard", words: str = "words") -> Study:
    """Two templates and a baseline; one makes no sense at 0 shots, and one cell of it failed."""
    one, two = f"{hard}/{words}", f"{soft}/{words}"
    return study(
        [hard, soft],
        [words],
        {
            (one, 0, None): 5,
            (two, 0, None): NO_SHOTS,
            ("majority", 0, None): NO_SHOTS,
            (one, 4, 1): 6,
            (two, 4, 1): 9,
            ("majority", 4, 1): 5,
            (one, 4, 2): 8,
            (two, 4, 2): DIVERGED,
            ("majority", 4, 2): 5,
        },
    )
