"""Abstract label words as modules: what they keep, and how they refuse rows that they cannot learn from."""

from __future__ import annotations

import pytest
import torch
from toy_words import bound

from promptdsl.errors import TrainingError, VerbalizerError
from promptdsl.verbalizers import cluster
from promptdsl.verbalizers.abstract import ABSTRACT, AbstractSource

STATES = torch.tensor([[0.0, 0.0, 1.0], [0.2, 2.0, 0.0], [3.0, 0.2, 0.1], [3.0, 0.1, 0.7]])
LABELS = torch.tensor([0, 0, 1, 1])


def source_of(text: str) -> AbstractSource:
    (abstract,) = bound(text).abstract
    return ABSTRACT[abstract.kind](abstract.tags, ("no", "yes"))


@pytest.mark.parametrize("text", ['<"cluster":9>', '<"cluster":1,"score":"mean">', '<"prototype":3,"epochs":200>'])
def test_what_is_kept_gives_the_same_scores_whatever_the_caller_does_to_the_states(text: str) -> None:
    source = source_of(f"no: {text}; yes: {text}")
    states = STATES.clone()
    source.fit(states, LABELS, 0)
    before = source(STATES)
    states.fill_(7.0)
    source.double().float()
    torch.testing.assert_close(source(STATES), before)
    assert not list(source.parameters()) and source.state_dict()
    assert before.argmax(1).tolist() == LABELS.tolist()


def test_more_prototypes_than_rows_make_each_row_one() -> None:
    source = source_of('no: <"cluster":9>; yes: <"cluster":9>')
    source.fit(STATES, LABELS, 0)
    assert source.get_buffer("owner").tolist() == [0, 0, 1, 1]
    best = source(STATES).max(1).values * cluster.TEMPERATURE
    torch.testing.assert_close(best, torch.ones(4), atol=1e-5, rtol=0)  # each row is its own nearest prototype


def test_each_class_says_how_many_prototypes_it_has() -> None:
    source = source_of('no: <"cluster":1>; yes: <"cluster":2>')
    source.fit(STATES, LABELS, 0)
    assert source.get_buffer("owner").tolist() == [0, 1, 1]


@pytest.mark.parametrize("text", ['<"cluster":2>', '<"prototype":4>'])
def test_a_class_without_rows_is_named_and_states_must_be_numbers(text: str) -> None:
    source = source_of(f"no: {text}; yes: {text}")
    with pytest.raises(TrainingError) as caught:
        source.fit(STATES[:2], LABELS[:2], 0)
    assert str(caught.value) == "PD707 no labelled row for yes\n  = help: give at least one row of each class"
    wrong = STATES.clone()
    wrong[2, 1] = float("nan")
    with pytest.raises(VerbalizerError) as refused:
        source.fit(wrong, LABELS, 0)
    assert str(refused.value).startswith("PD460 1 of 4 rows of mask states hold NaN or infinity, the first is row 2\n")


def test_the_options_of_a_tag_are_those_that_train() -> None:
    """No epoch leaves the first draw of the seed; the tag's own number of epochs moves it."""
    few, many, again = (source_of(f'no: {t}; yes: {t}') for t in (
        '<"prototype":3,"epochs":1>', '<"prototype":3,"epochs":9>', '<"prototype":3,"epochs":9>'))  # fmt: skip
    for source in (few, many, again):
        source.fit(STATES, LABELS, 5)
    assert few.get_buffer("projection").shape == (3, 3)
    assert not torch.equal(few.get_buffer("prototypes"), many.get_buffer("prototypes"))
    assert torch.equal(again.get_buffer("prototypes"), many.get_buffer("prototypes"))
    again.fit(STATES, LABELS, 6)
    assert not torch.equal(again.get_buffer("prototypes"), many.get_buffer("prototypes"))
