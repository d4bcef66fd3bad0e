"""PromptClassifier as scikit-learn expects it, and its fit against an independent logistic regression."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from families import tiny
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from promptdsl import LanguageModel, PromptClassifier, PromptDSLError, TrainingSettings, load
from promptdsl.models.loading import as_language_model

TEMPLATE = '<"placeholder":"text_a"> It was <"mask">.'
VERBALIZER = "pos: the, of; neg: a; mid: was"
TEXTS = [
    "A stirring film",
    "the plot is dull",
    "I would see it again",
    "No.",
    "of the year",
    "a mess",
    "so so",
    "the end",
]
LABELS = ["pos", "neg", "pos", "neg", "mid", "neg", "mid", "pos"]


@pytest.fixture(scope="module")
def lm() -> LanguageModel:
    return as_language_model(tiny("bert"))


def test_zero_shot_needs_no_fit_and_sorts_its_classes(lm: LanguageModel) -> None:
    classifier = PromptClassifier(TEMPLATE, VERBALIZER, lm)
    assert classifier.classes_.tolist() == ["mid", "neg", "pos"]
    probabilities = classifier.predict_proba(TEXTS)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-12)
    assert classifier.predict(TEXTS).tolist() == classifier.classes_[probabilities.argmax(1)].tolist()
    from promptdsl import PromptModel

    by_verbalizer = np.exp(PromptModel(lm, TEMPLATE, VERBALIZER).predict_log_proba(TEXTS))  # pos, neg, mid
    np.testing.assert_allclose(probabilities, by_verbalizer[:, [2, 1, 0]], atol=1e-6)


def test_fit_learns_the_likeliest_bias(lm: LanguageModel) -> None:
    """Against a general-purpose minimiser without gradients, on the zero-shot scores."""
    zero_shot = PromptClassifier(TEMPLATE, VERBALIZER, lm).predict_log_proba(TEXTS)
    wanted = np.array([["mid", "neg", "pos"].index(y) for y in LABELS])

    def loss(b: Any) -> float:
        log_p = log_softmax(zero_shot + b, axis=1)
        return float(-log_p[np.arange(len(wanted)), wanted].sum() + 0.005 * (b**2).sum())

    found = minimize(loss, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12, "maxiter": 5000})
    classifier = PromptClassifier(TEMPLATE, VERBALIZER, lm).fit(TEXTS, LABELS)
    np.testing.assert_allclose(classifier.bias_, found.x - found.x.mean(), atol=1e-4)
    np.testing.assert_allclose(classifier.predict_proba(TEXTS), softmax(zero_shot + found.x, axis=1), atol=1e-4)
    assert classifier.score(TEXTS, LABELS) == np.mean(classifier.predict(TEXTS) == np.array(LABELS))


def test_a_class_without_rows_keeps_a_bias_of_zero(lm: LanguageModel) -> None:
    classifier = PromptClassifier(TEMPLATE, VERBALIZER, lm).fit(TEXTS[:4], LABELS[:4])
    assert classifier.bias_[0] == 0.0  # "mid"
    assert classifier.bias_[1] == -classifier.bias_[2] != 0.0


def test_labels_are_matched_by_their_text_and_keep_their_kind(lm: LanguageModel) -> None:
    numbers = [{"pos": 10, "neg": 2, "mid": 3}[y] for y in LABELS]
    classifier = PromptClassifier(TEMPLATE, {"10": ["the", "of"], "2": ["a"], "3": ["was"]}, lm)
    assert classifier.classes_.tolist() == ["10", "2", "3"]
    for y in (numbers, np.array(numbers), pd.Series(numbers, index=range(5, 13))):
        classifier.fit(TEXTS, y)
        assert classifier.classes_.tolist() == [2, 3, 10]
        assert set(classifier.predict(TEXTS)) <= {2, 3, 10}
    named = PromptClassifier(TEMPLATE, VERBALIZER, lm).fit(TEXTS, LABELS)
    np.testing.assert_allclose(classifier.predict_proba(TEXTS)[:, [1, 0, 2]], named.predict_proba(TEXTS), atol=1e-9)


@pytest.mark.parametrize(
    ("texts", "labels", "code"),
    [
        (TEXTS, [*LABELS[:-1], "positive"], "PD701"),
        (TEXTS, LABELS[:-1], "PD701"),
        ([], [], "PD701"),
        ("a text", ["pos"], "PD601"),
        ([*TEXTS[:-1], None], LABELS, "PD604"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(lm: LanguageModel, texts: Any, labels: Any, code: str) -> None:
    classifier = PromptClassifier(TEMPLATE, VERBALIZER, lm).fit(TEXTS, LABELS)
    before = classifier.predict_proba(TEXTS)
    with pytest.raises(PromptDSLError) as caught:
        classifier.fit(texts, labels)
    assert caught.value.code == code
    np.testing.assert_array_equal(classifier.predict_proba(TEXTS), before)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"max_length": "x"}, "PD505"),
        ({"max_length": -1}, "PD505"),
        ({"max_length": 5}, "PD504"),  # the template alone takes 6
        ({"batch_size": 0}, "PD505"),
        ({"tune": "half"}, "PD516"),
        ({"tune": "full", "epochs": 0}, "PD705"),
        ({"tune": "full", "epochs": "2"}, "PD705"),
        ({"tune": "full", "learning_rate": -1}, "PD705"),
        ({"tune": "full", "train_batch_size": True}, "PD705"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(lm: LanguageModel, options: dict[str, Any], code: str) -> None:
    with pytest.raises(PromptDSLError) as caught:
        PromptClassifier(TEMPLATE, VERBALIZER, lm, **options).fit(TEXTS, LABELS)
    assert caught.value.code == code


@pytest.mark.parametrize(("labels", "code"), [("pos", "PD701"), (5, "PD701"), (None, "PD714")])
def test_labels_that_are_no_list_are_refused(lm: LanguageModel, labels: Any, code: str) -> None:
    with pytest.raises(PromptDSLError, match=code):
        PromptClassifier(TEMPLATE, VERBALIZER, lm).fit(TEXTS, labels)


def test_no_words_are_not_the_top_words(lm: LanguageModel) -> None:
    with pytest.raises(PromptDSLError, match="PD505"):
        PromptClassifier(TEMPLATE, VERBALIZER, lm).top_words(TEXTS, 0)


def test_scikit_learn_s_contract(lm: LanguageModel) -> None:
    classifier = PromptClassifier(TEMPLATE, VERBALIZER, lm, max_length=40, random_state=3)
    assert is_classifier(classifier)
    parameters = classifier.get_params()
    assert parameters["template"] is TEMPLATE and parameters["max_length"] == 40 and parameters["model"] is lm
    copy = clone(classifier.fit(TEXTS, LABELS))
    assert copy.get_params() == parameters and not hasattr(copy, "bias_")
    assert copy.set_params(template='<"placeholder":"text_a"> Is it <"mask">?').template.endswith("?")
    piped = Pipeline([("strip", FunctionTransformer(lambda texts: [t.strip() for t in texts])), ("prompt", classifier)])
    piped.fit(TEXTS, LABELS)
    np.testing.assert_array_equal(piped.predict([f" {t} " for t in TEXTS]), classifier.predict(TEXTS))
    assert "PromptClassifier" in repr(classifier)


def test_grid_search_over_strings_uses_one_language_model(lm: LanguageModel) -> None:
    grid = {
        "template": [TEMPLATE, 'Just <"mask">! <"placeholder":"text_a">'],
        "verbalizer": [VERBALIZER, "pos: of; neg: in; mid: to"],
    }
    search = GridSearchCV(PromptClassifier(TEMPLATE, VERBALIZER, lm), grid, cv=2)
    search.fit(TEXTS, LABELS)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_estimator_.prompt_model_.lm is lm
    by_hand = cross_val_score(PromptClassifier(**search.best_params_, model=lm), TEXTS, LABELS, cv=2).mean()
    assert search.best_score_ == pytest.approx(by_hand)


def test_data_frames_and_their_columns(lm: LanguageModel) -> None:
    frame = pd.DataFrame({"title": ["of", "the"], "body": ["a mess", "the end"]})
    template = '<"meta":"title">: <"placeholder":"body"> It was <"mask">.'
    texts = ["of: a mess", "the: the end"]
    np.testing.assert_allclose(
        PromptClassifier(template, VERBALIZER, lm).predict_proba(frame),
        PromptClassifier(TEMPLATE, VERBALIZER, lm).predict_proba(texts),
        atol=1e-6,
    )


def test_tuning_the_whole_model_learns_and_leaves_the_original_alone(lm: LanguageModel) -> None:
    before = [p.clone() for p in lm.model.parameters()]
    state = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    options = {"tune": "full", "learning_rate": 3e-3, "epochs": 100, "random_state": 5}
    tuned = PromptClassifier(TEMPLATE, VERBALIZER, lm, **options).fit(TEXTS, LABELS)
    assert tuned.score(TEXTS, LABELS) == 1.0
    again = PromptClassifier(TEMPLATE, VERBALIZER, lm, **options).fit(TEXTS, LABELS)
    seeded = {**options, "random_state": np.random.RandomState(5), "epochs": 1}
    PromptClassifier(TEMPLATE, VERBALIZER, lm, **seeded).fit(TEXTS, LABELS)
    np.testing.assert_array_equal(tuned.predict_proba(TEXTS), again.predict_proba(TEXTS))
    assert all(torch.equal(a, b) for a, b in zip(before, lm.model.parameters(), strict=True))
    assert torch.equal(state[0], torch.random.get_rng_state()) and (state[1] == np.random.get_state()[1]).all()


def test_a_fit_that_is_refused_loses_nothing(lm: LanguageModel) -> None:
    classifier = PromptClassifier(f'<"soft":3> {TEMPLATE}', VERBALIZER, lm, steps=1).fit(TEXTS, LABELS)
    before, learnt = classifier.predict_proba(TEXTS), classifier.trained_parameters_
    assert learnt - classifier.prompt_model_.head.learnt == 3 * lm.model.config.hidden_size
    with pytest.raises(PromptDSLError, match="PD714"):
        classifier.fit(TEXTS)
    assert classifier.trained_parameters_ == learnt
    np.testing.assert_array_equal(classifier.predict_proba(TEXTS), before)


@pytest.mark.parametrize(
    ("changes", "steps"),
    [({}, 7), ({"epochs": 2}, 4), ({"epochs": 2, "steps": 3}, 3), ({"epochs": 2, "train_batch_size": 2}, 8)],
)
def test_parameters_change_the_settings(lm: LanguageModel, changes: dict[str, int], steps: int) -> None:
    settings = TrainingSettings(steps=7, batch_size=4)
    classifier = PromptClassifier(f'<"soft":1> {TEMPLATE}', VERBALIZER, lm, settings=settings, **changes)
    assert classifier.fit(TEXTS, LABELS).training_.steps == steps


def test_threads_share_one_classifier(lm: LanguageModel) -> None:
    classifier = PromptClassifier(TEMPLATE, VERBALIZER, lm)
    rows = [f"{t} {'film ' * i}" for i, t in enumerate(TEXTS)]
    expected = {n: PromptClassifier(TEMPLATE, VERBALIZER, lm, max_length=n).predict_proba(rows) for n in (9, 12, 20)}
    wrong: list[float] = []

    def work(limit: int) -> None:
        own = clone(classifier).set_params(max_length=limit)
        for _ in range(10):
            wrong.append(float(np.abs(own.predict_proba(rows) - expected[limit]).max()))

    threads = [threading.Thread(target=work, args=(n,)) for n in (9, 12, 20) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrong) == 90 and max(wrong) < 1e-6


def test_names_are_loaded_once_and_unknown_ones_are_refused() -> None:
    assert load("pocket-mlm") is load("pocket-mlm")
    with pytest.raises(PromptDSLError, match="PD512"):
        load("no-such/model-anywhere")
    with pytest.raises(PromptDSLError, match="PD512"):
        load("./no/such/folder")
    with pytest.raises(PromptDSLError, match="PD514"):
        load("pocket-mlm", dtype="float12")
