"""Rows with any number of labels: what `fit` reads and learns, against scipy and scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from families import tiny
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.special import expit
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import KFold, cross_val_score
from sklearn.preprocessing import MultiLabelBinarizer

from promptdsl import LanguageModel, PromptClassifier, PromptDSLError, PromptModel
from promptdsl.models.loading import as_language_model
from promptdsl.training.targets import Targets
from promptdsl.verbalizers.cluster import TEMPERATURE, cluster_prototypes, similarity

TEMPLATE = '<"placeholder":"text_a"> It was <"mask">.'
VERBALIZER = "pos: the, of; neg: a; mid: was"
TEXTS = ["A stirring film", "the plot is dull", "I would see it again", "No.", "of the year", "a mess", "so", "the end"]
LABELS = [["pos"], ["neg"], ["pos", "mid"], [], ["mid"], ["neg", "mid"], ["mid"], ["pos", "neg", "mid"]]
# The same by hand: mid, neg, pos.
TABLE = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 1], [0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 1, 1]])


@pytest.fixture(scope="module")
def lm() -> LanguageModel:
    return as_language_model(tiny("bert"))


def classifier(lm: LanguageModel, verbalizer: Any = VERBALIZER, **options: Any) -> PromptClassifier:
    return PromptClassifier(TEMPLATE, verbalizer, lm, multi_label=True, **options)


FORMS: dict[str, Any] = {
    "lists": LABELS,
    "tuples": [tuple(v) for v in LABELS],
    "sets": [set(v) for v in LABELS],
    "an array of lists": np.array([*LABELS, None], object)[:-1],
    "numbers": TABLE,
    "booleans": TABLE.astype(bool),
    "floats": TABLE.astype(np.float32),
    "rows of a table": TABLE.tolist(),
    "a sparse table": csr_matrix(TABLE),
    "a frame": pd.DataFrame(TABLE),
    "a named frame": pd.DataFrame({"pos": TABLE[:, 2], "mid": TABLE[:, 0] > 0, "neg": TABLE[:, 1]}, index=range(3, 11)),
    "a column of lists": pd.Series(LABELS, index=range(3, 11)),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_labels_says_the_same(form: str) -> None:
    """The columns stand in the verbalizer's order: pos, neg, mid."""
    found = Targets.of(FORMS[form], ["pos", "neg", "mid"], 8, multi_label=True)
    assert found.tensor is not None and found.tensor.tolist() == TABLE[:, [2, 1, 0]].tolist()
    assert found.labels.tolist() == ["pos", "neg", "mid"]


def test_labels_that_are_numbers() -> None:
    given = Targets.of([[10], [], [2, 10]], ["10", "2"], 3, multi_label=True)
    assert given.tensor is not None and given.tensor.tolist() == [[1, 0], [0, 0], [1, 1]]
    assert given.labels.tolist() == [10, 2]
    as_columns = Targets.of([[1, 0], [0, 1]], ["10", "2"], 2, multi_label=True)  # sorted as texts: "10", "2"
    assert as_columns.tensor is not None and as_columns.tensor.tolist() == [[1, 0], [0, 1]]


def test_where_0_and_1_are_labels_lists_hold_labels_and_arrays_are_tables() -> None:
    rows = [[0, 1], [1]]
    lists = Targets.of(rows, ["1", "0"], 2, multi_label=True)
    assert lists.tensor is not None and lists.tensor.tolist() == [[1, 1], [1, 0]]
    for table in ([[0, 1], [1, 1]], np.array([[0, 1], [1, 1]])):  # a label does not stand twice in a list
        found = Targets.of(table, ["1", "0"], 2, multi_label=True)
        assert found.tensor is not None and found.tensor.tolist() == [[1, 0], [1, 1]]


def test_no_row_with_a_label() -> None:
    found = Targets.of([[], []], ["a", "b"], 2, multi_label=True)
    assert found.tensor is not None and found.tensor.tolist() == [[0, 0], [0, 0]]


BROKEN = np.array([[0, 1, np.nan], [0, 0, 1]])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([["pos"], ["good"]], 'row 1 has the label "good"'),
        ([["pos"], "neg"], "row 1 has 'neg' where a list of labels is expected"),
        ([["pos"], None], "row 1 has None where"),
        ([["pos"], float("nan")], "row 1 has nan where"),
        ([["pos"], ["neg", None]], 'row 1 has the label "None"'),
        ([["pos"]], "2 rows and 1 labels"),
        (np.zeros((3, 3)), "2 rows and 3 labels"),
        (np.zeros((2, 4)), "row 0 has 4 columns, and there are 3 classes"),
        ([[0, 1, 1], [0, 1]], "row 1 has 2 columns, and there are 3 classes"),
        (BROKEN, "row 0, column 2 holds nan, which is neither 0 nor 1"),
        (BROKEN.tolist(), "row 0, column 2 holds nan"),
        (pd.DataFrame(BROKEN), "row 0, column 2 holds nan"),
        (pd.DataFrame(BROKEN).astype("Int64"), "row 0, column 2 holds <NA>"),
        (np.array([[0, 1, 2], [0, 0, 1]]), "row 0, column 2 holds 2"),
        ([[0, 1, 0.5], [0, 0, 1]], "row 0, column 2 holds 0.5"),
        ([[0, 1, 2], [0, 0, 1]], 'row 0 has the label "0"'),
        (pd.DataFrame([[0, 1, 1]] * 2, columns=["pos", "neg", "so"]), "the columns pos, neg, so are not the classes"),
        (pd.DataFrame({"pos": ["x", "y"], "neg": [0, 1], "mid": [0, 1]}), "row 0, column 0 holds x"),
        ("pos", "labels cannot be read from str"),
        (5, "labels cannot be read from int"),
    ],
    ids=str,
)
def test_labels_that_cannot_be_meant(y: Any, message: str) -> None:
    with pytest.raises(PromptDSLError) as caught:
        Targets.of(y, ["pos", "neg", "mid"], 2, multi_label=True)
    assert caught.value.code == "PD701"
    assert message in str(caught.value)


def test_zero_shot_is_a_sigmoid_of_the_odds_against_chance(lm: LanguageModel) -> None:
    """p(class) · classes is 1 for a class that is as likely as chance has it; its odds are even."""
    one = PromptClassifier(TEMPLATE, VERBALIZER, lm)
    several = classifier(lm)
    expected = 3 * one.predict_proba(TEXTS)
    expected = expected / (1 + expected)
    np.testing.assert_allclose(several.predict_proba(TEXTS), expected, atol=1e-6)
    np.testing.assert_array_equal(several.predict(TEXTS), expected >= 0.5)
    assert several.classes_.tolist() == one.classes_.tolist() == ["mid", "neg", "pos"]
    assert len(np.unique(several.predict(TEXTS))) == 2


def likeliest(log_p: np.ndarray, table: np.ndarray) -> np.ndarray:
    """(log scale, biases) by a general-purpose minimiser without gradients."""
    odds = log_p + np.log(log_p.shape[1])

    def loss(v: Any) -> float:
        z = np.exp(v[0]) * odds + v[1:]
        return float((np.logaddexp(0, z) - table * z).sum() + 0.05 * v[0] ** 2 + 0.005 * (v[1:] ** 2).sum())

    options = {"xatol": 1e-8, "fatol": 1e-12, "maxiter": 20_000, "maxfev": 20_000}
    return minimize(loss, np.zeros(1 + odds.shape[1]), method="Nelder-Mead", options=options).x  # type: ignore[no-any-return]


def test_fit_learns_the_likeliest_scale_and_biases(lm: LanguageModel) -> None:
    log_p = PromptClassifier(TEMPLATE, VERBALIZER, lm).predict_log_proba(TEXTS)
    found = likeliest(log_p, TABLE)
    several = classifier(lm).fit(TEXTS, LABELS)
    assert several.scale_ == pytest.approx(np.exp(found[0]), abs=2e-3)
    np.testing.assert_allclose(several.bias_, found[1:], atol=2e-3)
    expected = expit(np.exp(found[0]) * (log_p + np.log(3)) + found[1:])
    np.testing.assert_allclose(several.predict_proba(TEXTS), expected, atol=1e-3)


@pytest.mark.parametrize(
    "y", [LABELS, TABLE, pd.DataFrame(TABLE), csr_matrix(TABLE)], ids=["lists", "array", "frame", "sparse"]
)
def test_score_is_the_share_of_rows_that_are_right_in_all(lm: LanguageModel, y: Any) -> None:
    several = classifier(lm).fit(TEXTS, y)
    found = several.predict(TEXTS)
    assert found.shape == TABLE.shape and found.dtype == np.int64
    by_hand = np.mean([all(a == b) for a, b in zip(found, TABLE, strict=True)])
    assert several.score(TEXTS, y) == by_hand == accuracy_score(TABLE, found)
    assert 0 <= f1_score(TABLE, found, average="macro", zero_division=0) <= 1
    weights = np.arange(8)
    assert several.score(TEXTS, y, weights) == accuracy_score(TABLE, found, sample_weight=weights)


def test_numbered_classes_keep_their_kind_and_order(lm: LanguageModel) -> None:
    """After labels that are whole numbers the columns stand in the order of the numbers, also for `score`."""
    numbers = [[{"pos": 10, "neg": 2, "mid": 3}[y] for y in row] for row in LABELS]
    several = classifier(lm, {"10": ["the", "of"], "2": ["a"], "3": ["was"]}).fit(TEXTS, numbers)
    assert several.classes_.tolist() == [2, 3, 10]
    named = classifier(lm).fit(TEXTS, LABELS)
    np.testing.assert_allclose(several.predict_proba(TEXTS), named.predict_proba(TEXTS)[:, [1, 0, 2]], atol=1e-6)
    table = MultiLabelBinarizer(classes=[2, 3, 10]).fit_transform(numbers)
    assert several.score(TEXTS, numbers) == several.score(TEXTS, table) == named.score(TEXTS, LABELS)


def test_cross_validation(lm: LanguageModel) -> None:
    scores = cross_val_score(classifier(lm), TEXTS, TABLE, cv=KFold(2), error_score="raise")
    by_hand = []
    for train, test in (range(4, 8), range(4)), (range(4), range(4, 8)):
        fitted = classifier(lm).fit([TEXTS[i] for i in train], TABLE[list(train)])
        by_hand.append(accuracy_score(TABLE[list(test)], fitted.predict([TEXTS[i] for i in test])))
    assert scores.tolist() == by_hand


def test_prototypes_come_from_each_row_of_a_class(lm: LanguageModel) -> None:
    """A row with two labels is a row of both classes, one with none of neither; the odds are as for words."""
    verbalizer = 'pos:<"cluster":1>; neg:<"cluster":1>; mid:<"cluster":2>'
    several = classifier(lm, verbalizer).fit(TEXTS, LABELS)
    states = PromptModel(lm, TEMPLATE, verbalizer).observe(TEXTS).states
    pairs = [(row, ["pos", "neg", "mid"].index(label)) for row, labels in enumerate(LABELS) for label in labels]
    numbers = torch.tensor([label for _, label in pairs])
    clusters = cluster_prototypes(states[[row for row, _ in pairs]], numbers, [1, 1, 2])
    log_p = (similarity(states, clusters) / TEMPERATURE).log_softmax(-1).double().numpy()
    np.testing.assert_allclose(several.predict_proba(TEXTS), expit(log_p + np.log(3))[:, [2, 1, 0]], atol=1e-5)
    assert several.bias_.tolist() == [0, 0, 0] and several.scale_ == 1


@pytest.mark.parametrize(
    "verbalizer",
    [
        'pos: the, of, <"soft":"of">; neg: a, <"soft":"a">; mid: was, <"soft":"was">',
        'pos: the, of; neg: a, in; mid: was, to\n<"pool":"learned">',
        'pos:<"prototype":8>; neg:<"prototype":8>; mid:<"prototype":8>',
        'pos:<"auto":2>; neg:<"auto":2>; mid:<"auto":2>',
        'pos: the, of; neg: a; mid: was\n<"cluster":1>',
        'pos: the, of; neg: a; mid: was\n<"calibrate":"batch">',
    ],
    ids=["soft", "learned", "prototype", "auto", "words and cluster", "batch"],
)
def test_what_learns_from_labels_fits_better_than_chance(lm: LanguageModel, verbalizer: str) -> None:
    """The summed binary cross-entropy of the fitted rows is below that of p = 1/2 for every class."""
    several = classifier(lm, verbalizer).fit(TEXTS, LABELS)
    p = several.predict_proba(TEXTS)
    assert p.min() >= 0 and p.max() <= 1
    loss = -(TABLE * np.log(p) + (1 - TABLE) * np.log1p(-p)).mean()
    assert loss < np.log(2)


def test_tuning_the_whole_model_reaches_rows_with_no_label_and_with_all(lm: LanguageModel) -> None:
    options = {"tune": "full", "learning_rate": 3e-3, "epochs": 100, "random_state": 5}
    assert classifier(lm, **options).fit(TEXTS, LABELS).score(TEXTS, TABLE) == 1.0


def test_the_scale_is_not_there_without_several_labels(lm: LanguageModel) -> None:
    assert not hasattr(classifier(lm), "scale_")
    assert not hasattr(PromptClassifier(TEMPLATE, VERBALIZER, lm).fit(TEXTS[:2], ["pos", "neg"]), "scale_")


def test_what_cannot_be_learnt_is_refused(lm: LanguageModel) -> None:
    shown = '<"demos":2>' + TEMPLATE
    with pytest.raises(PromptDSLError, match="PD715"):
        PromptClassifier(shown, VERBALIZER, lm, multi_label=True).fit(TEXTS, LABELS)
    clusters = classifier(lm, 'pos:<"cluster":1>; neg:<"cluster":1>; mid:<"cluster":1>')
    with pytest.raises(PromptDSLError, match="PD707 no row has a label"):
        clusters.fit(TEXTS, [[]] * 8)
    with pytest.raises(PromptDSLError, match="PD707 no labelled row for mid"):
        clusters.fit(TEXTS, [["pos", "neg"]] * 8)
    with pytest.raises(PromptDSLError, match="PD714"):
        classifier(lm).score(TEXTS, None)
