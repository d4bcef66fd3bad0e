"""States that are kept: each prompt goes through the language model once, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from families import corpus, tiny

from promptdsl import PromptClassifier
from promptdsl.models.backbone import Backbone
from promptdsl.models.kept_states import KeptStates, keeping
from promptdsl.models.loading import LanguageModel, as_language_model
from promptdsl.models.prompt_model import PromptModel

TEMPLATE = '<"placeholder":"text_a"> It was <"mask">.'
WORDS = ["bad: not; good: good", "bad: never, bad; good: great", 'bad: <"soft":"bad">; good: <"soft":"good">']
ROWS = [text[: 20 + 7 * n] for n, text in enumerate(corpus()[:12])]


@pytest.fixture
def lm() -> LanguageModel:
    return as_language_model(tiny("bert"))


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many lines each forward pass of the body had."""
    lines: list[int] = []
    states = Backbone.states

    def counted(self: Backbone, *args: torch.Tensor | None, **more: torch.Tensor) -> torch.Tensor:
        found = states(self, *args, **more)
        lines.append(len(found))
        return found

    monkeypatch.setattr(Backbone, "states", counted)
    return lines


def test_rows_go_through_the_model_once_whatever_the_verbalizers(lm: LanguageModel, passed: list[int]) -> None:
    alone = [PromptModel(lm, TEMPLATE, words).predict_log_proba(ROWS) for words in WORDS]
    assert sum(passed) == len(WORDS) * len(ROWS)
    passed.clear()
    with keeping(KeptStates()):
        shared = [PromptModel(lm, TEMPLATE, words).predict_log_proba(ROWS, batch_size=5) for words in WORDS]
        again = PromptModel(lm, TEMPLATE, WORDS[0]).predict_log_proba(ROWS[::-1])
    assert sum(passed) == len(ROWS)
    for one, other in zip(alone, shared, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    np.testing.assert_allclose(again[::-1], shared[0], atol=1e-5)


def test_fit_and_predict_share_them(lm: LanguageModel, passed: list[int]) -> None:
    labels = ["good", "bad"] * 3
    with keeping(KeptStates()):
        for words in WORDS:
            PromptClassifier(TEMPLATE, words, lm).fit(ROWS[:6], labels).predict(ROWS)
    assert sum(passed) == len(ROWS)


def test_what_trains_is_read_anew(lm: LanguageModel, passed: list[int]) -> None:
    store = KeptStates()
    with keeping(store):
        for template, tune in (('<"soft":2> <"placeholder":"text_a"> <"mask">', "prompt"), (TEMPLATE, "full")):
            made = PromptClassifier(template, WORDS[0], lm, tune=tune, steps=2)
            made.fit(ROWS[:4], ["good", "bad", "bad", "good"])
            passed.clear()
            first = made.predict_log_proba(ROWS)
            assert sum(passed) == len(ROWS)
            np.testing.assert_array_equal(made.predict_log_proba(ROWS), first)


def test_another_template_and_another_model_do_not_find_them(lm: LanguageModel, passed: list[int]) -> None:
    with keeping(KeptStates()):
        PromptModel(lm, TEMPLATE, WORDS[0]).predict_log_proba(ROWS)
        PromptModel(lm, TEMPLATE.replace("was", "is"), WORDS[0]).predict_log_proba(ROWS)
    assert sum(passed) == 2 * len(ROWS)
    PromptModel(lm, TEMPLATE, WORDS[0]).predict_log_proba(ROWS)
    assert sum(passed) == 3 * len(ROWS)


def test_the_oldest_are_let_go_and_read_again(lm: LanguageModel, passed: list[int]) -> None:
    model = PromptModel(lm, TEMPLATE, WORDS[0])
    with keeping(KeptStates(limit=4 * 32 * 4)):  # four states of 32 float32
        first = model.predict_log_proba(ROWS[:4])
        model.predict_log_proba(ROWS[:4])
        assert sum(passed) == 4
        model.predict_log_proba(ROWS[4:8])
        np.testing.assert_allclose(model.predict_log_proba(ROWS[:4]), first, atol=1e-5)
    assert sum(passed) == 12


def test_the_seconds_of_what_is_not_read_again_are_counted(lm: LanguageModel) -> None:
    store, model = KeptStates(), PromptModel(lm, TEMPLATE, WORDS[0])
    with keeping(store):
        model.predict_log_proba(ROWS)
        assert (store.saved, store.lines) == (0, len(ROWS))
        model.predict_log_proba(ROWS)
        once = store.saved
        model.predict_log_proba(ROWS)
    assert once > 0 and store.saved == pytest.approx(2 * once)
