"""compare(): its cells against classifiers fitted by hand, its splits, what is shown, what is refused."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparison.studies import HARD, PLAIN, TEST, TRAIN, WORDS, study
from families import tiny
from sklearn.metrics import f1_score

from promptdsl import PromptClassifier
from promptdsl.comparison import Study
from promptdsl.comparison.statistics import paired
from promptdsl.errors import FileError, PromptDSLError, TrainingError
from promptdsl.models.loading import as_language_model
from promptdsl.training.few_shot import few_shot_indices

LABELS = [row["label"] for row in TRAIN]
TRUTH = [row["label"] for row in TEST]


def texts(rows: list[dict[str, str]]) -> list[str]:
    return [row["text_a"] for row in rows]


def test_a_cell_is_a_classifier_on_its_shots() -> None:
    found = {(r.shots, r.seed): r for r in study(baselines=()).results}
    lm = as_language_model(tiny("bert"))
    for (shots, seed), result in found.items():
        classifier = PromptClassifier(HARD, WORDS, lm, random_state=seed or 0)
        if shots:
            rows = few_shot_indices(LABELS, shots, seed=seed or 0)
            classifier.fit([TRAIN[i]["text_a"] for i in rows], [LABELS[i] for i in rows])
        predicted = classifier.predict(texts(TEST)).tolist()
        assert [result.labels[n] for n in result.predicted] == predicted
        assert result.accuracy == np.mean([a == b for a, b in zip(predicted, TRUTH, strict=True)])
        assert result.macro_f1 == pytest.approx(f1_score(TRUTH, predicted, average="macro"))
        assert (result.train_rows, result.dev_rows) == (2 * shots, 0)
    assert set(found) == {(0, None), (2, 1), (2, 2), (4, 1), (4, 2)}


def test_the_table_has_means_and_the_paired_test_of_the_cells() -> None:
    made = study(shots=(2,), seeds=(1, 2, 3))
    rows = {row["arm"]: row for row in made.rows(resamples=500, seed=4)}
    table = made.table(resamples=500, seed=4)
    hard = [r for r in made.results if r.arm == "hard/manual"]
    words = [r for r in made.results if r.arm == "tfidf"]
    assert rows["hard/manual"]["accuracy"] == pytest.approx(np.mean([r.accuracy for r in hard]))
    assert rows["hard/manual"]["sd"] == pytest.approx(np.std([r.accuracy for r in hard], ddof=1))
    assert made.spec.baseline == "hard/manual" and rows["hard/manual"]["p"] is None
    right = [
        [[r.labels[n] == t for n, t in zip(r.predicted, TRUTH, strict=True)] for r in arm] for arm in (words, hard)
    ]
    test = paired(*np.array(right, float), resamples=500, seed=4)
    assert rows["tfidf"]["difference"] == pytest.approx(test.difference.mean)
    assert (rows["tfidf"]["p"], rows["tfidf"]["difference_low"]) == (test.p, test.difference.low)
    smaller, larger = sorted([rows["tfidf"]["p"], rows["majority"]["p"]])
    assert sorted([rows["tfidf"]["p_holm"], rows["majority"]["p_holm"]]) == pytest.approx(
        [min(1, 2 * smaller), max(min(1, 2 * smaller), larger)]
    )
    assert table.arm.tolist() == ["hard/manual", "majority", "tfidf"]
    assert table.set_index("arm").accuracy["tfidf"] == rows["tfidf"]["accuracy"]


def test_cells_that_make_no_sense_say_so_and_do_not_count() -> None:
    soft, tuned = f'<"soft":2> {PLAIN}', PLAIN
    made = study(
        templates={"hard": HARD, "soft": soft, "tuned": tuned},
        verbalizers={"manual": WORDS, "cluster": 'bad: <"cluster":1>; good: <"cluster":1>'},
        shots=(0,),
        settings={"tuned": {"tune": "full"}},
        baselines=("majority", "tfidf", "fine-tuning"),
    )
    assert {r.arm: r.status for r in made.results if r.status != "no sense"} == {"hard/manual": "done"}
    assert all(r.why and r.accuracy is None for r in made.results if r.status == "no sense")
    lines = {row["arm"]: row for row in made.rows()}
    assert (lines["soft/manual"]["status"], lines["soft/manual"]["p"]) == ("no sense", None)


def test_a_cell_that_fails_does_not_stop_the_others() -> None:
    """The words of one template do not fit into five positions; its cells say why, with the code."""
    long = '<"placeholder":"text_a"> a b c d e f g h i j k l <"mask">'
    made = study(templates={"hard": HARD, "long": long}, settings={"long": {"max_length": 5}}, shots=(2,))
    by_arm = {r.arm: r for r in made.results if r.seed == 1}
    assert by_arm["long/manual"].status == "failed" and by_arm["long/manual"].why.startswith("PD")
    assert by_arm["hard/manual"].status == by_arm["tfidf"].status == "done"


def test_settings_are_chosen_on_few_shot_rows_that_are_not_trained_on() -> None:
    """Three training steps of no size against twelve: on the dev rows the second is better, and both are counted."""
    choices = [{"steps": 3, "learning_rate": 0.0}, {"steps": 12, "learning_rate": 3e-2}]
    made = study(settings={"tune": "bitfit"}, choose=choices, shots=(4,), seeds=(1,), baselines=())
    (result,) = made.results
    train = few_shot_indices(LABELS, 4, seed=1)
    both = few_shot_indices(LABELS, 8, seed=1)
    dev = [i for i in both if i not in train]
    assert result.dev_rows == len(dev) == 8
    scores = []
    for more in choices:
        classifier = PromptClassifier(
            HARD, WORDS, as_language_model(tiny("bert")), tune="bitfit", random_state=1, **more
        )
        classifier.fit([TRAIN[i]["text_a"] for i in train], [LABELS[i] for i in train])
        log_p = classifier.predict_log_proba([TRAIN[i]["text_a"] for i in dev])
        right = [list(classifier.classes_).index(LABELS[i]) for i in dev]
        scores.append((float((log_p.argmax(1) == right).mean()), float(log_p[range(8), right].mean())))
    best = max(range(2), key=lambda n: scores[n])
    assert scores[0] != scores[1]
    assert result.dev_score == scores[best][0]
    assert result.chosen == {"tune": "bitfit", **choices[best]}


def test_a_large_dev_set_is_warned_of_with_what_it_flatters() -> None:
    """Three settings; 24 rows against four. The largest of three is 0.8463 standard deviations above the mean."""
    choices = [{"max_length": n} for n in (40, 50, 60)]
    spread = np.linspace(0.001, 1, 5000)
    gains = spread**2 / np.hypot(spread, 0.5 / np.sqrt(24)) - spread**2 / np.hypot(spread, 0.5 / np.sqrt(4))
    with pytest.warns(UserWarning, match="PD749 choosing from 3 settings on 24 rows, where 4 are") as caught:
        made = study(choose=choices, dev=TRAIN, shots=(2,), seeds=(1,), baselines=())
    assert f"up to {100 * 0.8463 * gains.max():.1f} points over" in str(caught[0].message)
    assert f"too good by up to {100 * 0.8463 * 0.5 / np.sqrt(24):.1f} points" in str(caught[0].message)
    assert made.results[0].dev_rows == 24


def test_tfidf_is_scikit_learns() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    made = study(shots=(1,), seeds=(3,), baselines=("tfidf",), baseline="tfidf")
    result = next(r for r in made.results if r.arm == "tfidf")
    rows = few_shot_indices(LABELS, 1, seed=3)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit([TRAIN[i]["text_a"] for i in rows])
    model = LogisticRegression().fit(words.transform([TRAIN[i]["text_a"] for i in rows]), [LABELS[i] for i in rows])
    assert [result.labels[n] for n in result.predicted] == model.predict(words.transform(texts(TEST))).tolist()
    assert result.trained_parameters == len(words.vocabulary_) + 1


def test_the_majority_is_the_commonest_class() -> None:
    uneven = [*TRAIN, *({"text_a": f"fine {n}", "label": "good"} for n in range(5))]
    made = study(data=(uneven[8:], TEST), shots=(10,), seeds=(1,), baselines=("majority",))
    result = next(r for r in made.results if r.arm == "majority")
    counts = Counter(row["label"] for row in uneven[8:])
    assert min(counts["bad"], 10) < min(counts["good"], 10)
    assert {result.labels[n] for n in result.predicted} == {"good"} and result.accuracy == 0.5


def test_zero_shots_give_the_unlabelled_support_to_what_takes_it() -> None:
    words = f'{WORDS}\n<"calibrate":"support">'
    without = study(verbalizers={"v": words}, shots=(0,), baselines=())
    given = study(verbalizers={"v": words}, shots=(0,), baselines=(), support=6)
    assert [r.status for r in without.results] == ["no sense"]
    assert [(r.status, r.seed, r.train_rows) for r in given.results] == [("done", 1, 0), ("done", 2, 0)]


def test_data_in_all_its_shapes_is_the_same_data(tmp_path: Path) -> None:
    import pandas as pd

    file = tmp_path / "train.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in TRAIN))
    renamed = pd.DataFrame(TRAIN).rename(columns={"label": "y"})[["text_a", "y"]]
    pairs = ((texts(TRAIN), LABELS), (texts(TEST), TRUTH))
    shapes: list[dict[str, Any]] = [
        {"data": pairs},
        {"data": (TRAIN, TEST)},
        {"data": (file, pd.DataFrame(TEST))},
        {"data": (renamed, ([{"text_a": t} for t in texts(TEST)], TRUTH)), "label_column": "y"},
    ]
    specs = {str(study(shots=(0,), baselines=(), **shape).spec.data) for shape in shapes}
    assert len(specs) == 1


def test_test_rows_are_drawn_once_for_all_arms() -> None:
    made = study(test_rows=7, random_state=3, shots=(0, 2))
    again = study(test_rows=7, random_state=3, shots=(0,))
    assert len(made.truth) == 7 and made.truth == again.truth
    assert {len(r.predicted) for r in made.results if r.status == "done"} == {7}


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"templates": {}}, "PD740"),
        ({"templates": {"a/b": HARD}}, "PD740"),
        ({"templates": [HARD, HARD]}, "PD740"),
        ({"templates": {"a": '<"mask"'}}, "PD101"),
        ({"verbalizers": {"manual": "good: good; good: bad"}}, "PD4"),
        ({"verbalizers": {"manual": "bad: bad; fine: fine"}}, "PD701"),
        ({"shots": (-1,)}, "PD740"),
        ({"shots": ()}, "PD740"),
        ({"seeds": (1.5,)}, "PD740"),
        ({"settings": {"learning_rat": 1}}, "PD740"),
        ({"settings": {"hard": {"random_state": 1}}}, "PD740"),
        ({"settings": {"majority": {"C": 1}}}, "PD740"),
        ({"settings": {"device": object()}}, "PD740"),
        ({"choose": {"none": [{}]}}, "PD740"),
        ({"baselines": ("nothing",)}, "PD740"),
        ({"templates": {"tfidf": HARD}}, "PD740"),
        ({"baseline": "other"}, "PD740"),
        ({"workers": 2}, "PD740"),
        ({"test_rows": 0}, "PD740"),
        ({"data": TRAIN}, "PD741"),
        ({"data": (TRAIN, [])}, "PD741"),
        ({"data": (TRAIN, (["a", "b"], ["good"]))}, "PD741"),
        ({"data": (TRAIN, ["a", "b"])}, "PD741"),
        ({"data": (TRAIN, [{"text_a": "a", "label": None}])}, "PD741"),
        ({"text_columns": ("body",)}, "PD741"),
    ],
)
def test_what_cannot_be_compared_is_refused(more: dict[str, Any], code: str, tmp_path: Path) -> None:
    with pytest.raises(PromptDSLError) as caught:
        study(**{"folder": tmp_path / "study", **more} if "workers" not in more else more)
    assert caught.value.code.startswith(code)
    assert not (tmp_path / "study").exists()


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(FileError, match="PD801"):
        study(data=("nowhere.jsonl", TEST))


def test_one_string_names_itself() -> None:
    made = study(templates=HARD, verbalizers={"bad": ["not"], "good": ["good"]}, shots=(0,), baselines=())
    assert [r.arm for r in made.results] == [f"{HARD}/bad: not\\ngood: good"]


def test_a_study_prints_itself_and_its_long_table_has_every_cell() -> None:
    made = study(shots=(0, 2), seeds=(1,))
    records = made.records()
    assert [(r["arm"], r["shots"]) for r in records] == [(c.arm, c.shots) for c in made.spec.cells]
    assert "predicted" not in records[0] and records[0]["template"] == "hard"
    assert "differences are to hard/manual" in str(made) and "no sense" in str(made)


def test_what_is_not_installed_is_a_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptdsl.comparison.with_setfit.find_spec", lambda name: None)
    made = study(shots=(2,), seeds=(1,), baselines=("setfit",))
    assert {r.arm: r.status for r in made.results} == {"hard/manual": "done", "setfit": "not installed"}


def test_the_same_seeds_give_the_same_study_and_leave_the_callers_random_state() -> None:
    import torch

    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    first = study(
        shots=(2,), baselines=("tfidf", "fine-tuning"), settings={"fine-tuning": {"least_steps": 3, "epochs": 1}}
    )
    assert (np.random.get_state()[1] == before).all() and torch.equal(torch.rand(1), wanted)
    second = study(
        shots=(2,), baselines=("tfidf", "fine-tuning"), settings={"fine-tuning": {"least_steps": 3, "epochs": 1}}
    )
    assert [r.predicted for r in first.results] == [r.predicted for r in second.results]
    assert isinstance(first, Study)


def test_no_frame_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    made = study(shots=(0,), baselines=())
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(TrainingError, match="PD745"):
        made.table()
