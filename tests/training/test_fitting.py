"""What a verbalizer takes from rows, end to end in the classifier on tiny models."""

from __future__ import annotations

import copy
import itertools
import pickle
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import tiny
from scipy.special import log_softmax, softmax
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from promptdsl import LanguageModel, PromptClassifier, PromptDSLError
from promptdsl.models.backbone import Backbone
from promptdsl.models.loading import as_language_model
from promptdsl.models.prompt_model import PromptModel
from promptdsl.models.vocabulary import label_word_tokens
from promptdsl.verbalizers import cluster
from promptdsl.verbalizers.calibration import fit_class_bias

TEMPLATE = '<"placeholder":"text_a"> It was <"mask"> .'
TEXTS = ["A stirring film", "the plot is dull", "I would see it again", "No.", "of the year", "a mess", "so so", "end"]
LABELS = ["yes", "no", "yes", "no", "yes", "no", "no", "yes"]
OTHERS = ["the end of it", "was it good", "I see", "not again", "a film"]
WORDS = "no: the, a; yes: of, in"
# A verbalizer for each thing that is fitted.
KINDS = {
    "bias": WORDS,
    "soft": 'no: the, <"soft":"a">; yes: <"soft":"of">',
    "learned": f'{WORDS}\n<"pool":"learned">',
    "support": f'{WORDS}\n<"calibrate":"support">',
    "batch": f'{WORDS}\n<"calibrate":"batch">',
    "cluster": 'no: <"cluster":2>; yes: <"cluster":1>',
    "prototype": f'{WORDS}\n<"prototype":8>',
    "auto": 'no: <"auto":2>; yes: <"auto":2>',
    "refine": f'{WORDS}\n<"refine":["duplicates","frequency"]>',
    "mixed": 'no: the, a; yes: of, <"soft":"in">\n<"cluster":1>\n<"calibrate":"contextual">',
}


@lru_cache
def lm(name: str = "bert") -> LanguageModel:
    return as_language_model(tiny(name))


def made(verbalizer: str, template: str = TEMPLATE, **options: Any) -> PromptClassifier:
    return PromptClassifier(template, verbalizer, lm(), **options)


@pytest.mark.parametrize("kind", KINDS)
def test_fitted_classifiers_agree_with_themselves(kind: str) -> None:
    """Fitted again, in a clone, in a copy, from a pickle: the same numbers, and other ones than from other rows."""
    classifier = made(KINDS[kind], random_state=3).fit(TEXTS, LABELS)
    first = classifier.predict_proba(OTHERS)
    np.testing.assert_allclose(first.sum(1), 1, atol=1e-6)
    classifier.fit(TEXTS, ["no", *LABELS[1:-1], "no"])
    assert np.abs(classifier.predict_proba(OTHERS) - first).max() > 1e-4
    for again in (classifier.fit(TEXTS, LABELS), clone(classifier).fit(TEXTS, LABELS)):
        np.testing.assert_array_equal(again.predict_proba(OTHERS), first)
    copied, pickled = copy.deepcopy(classifier), pickle.loads(pickle.dumps(classifier))
    for again in (copied, pickled):
        np.testing.assert_allclose(again.predict_proba(OTHERS), first, atol=1e-7)
        np.testing.assert_array_equal(again.fit(TEXTS, LABELS).predict_proba(OTHERS), first)


def test_a_copy_shares_the_language_model_and_a_pickle_holds_it_once() -> None:
    classifier = made(WORDS).fit(TEXTS, LABELS)
    theirs = copy.deepcopy(classifier).prompt_model_.backbone.output_weight
    assert theirs.data_ptr() == lm().model.get_output_embeddings().weight.data_ptr()
    weights = sum(p.numel() * p.element_size() for p in lm().model.parameters())
    assert weights < len(pickle.dumps(classifier)) < 1.6 * weights
    tuned = made(WORDS, tune="full", epochs=1, learning_rate=1e-2).fit(TEXTS, LABELS)
    again = pickle.loads(pickle.dumps(tuned))
    np.testing.assert_array_equal(again.predict_proba(OTHERS), tuned.predict_proba(OTHERS))
    np.testing.assert_array_equal(copy.deepcopy(tuned).predict_proba(OTHERS), tuned.predict_proba(OTHERS))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tune", ["prompt", "full"])
def test_what_one_classifier_fits_another_does_not_see(kind: str, tune: str) -> None:
    before = [p.clone() for p in lm().model.parameters()]
    other = made(KINDS[kind], random_state=1).fit(TEXTS[:6], LABELS[:6])
    plain = made(WORDS)
    expected, zero_shot = other.predict_proba(OTHERS), plain.predict_proba(OTHERS)
    fitted = made(KINDS[kind], tune=tune, epochs=2, learning_rate=1e-2, random_state=1).fit(TEXTS, LABELS)
    assert np.abs(fitted.predict_proba(OTHERS) - expected).max() > 1e-6
    np.testing.assert_array_equal(other.predict_proba(OTHERS), expected)
    np.testing.assert_array_equal(plain.predict_proba(OTHERS), zero_shot)
    assert all(torch.equal(a, b) for a, b in zip(before, lm().model.parameters(), strict=True))
    moved = any(
        not torch.equal(a, b) for a, b in zip(before, fitted.prompt_model_.backbone.lm.parameters(), strict=True)
    )
    assert moved == (tune == "full")


NEEDING = {
    '<"cluster":2>': '"cluster" learns from rows, and none were given yet\n  = help: call fit(rows, labels)',
    '<"refine":["frequency"]>': (
        '"refine" learns from rows, and none were given yet\n  = help: call fit(rows); unlabelled rows will do'
    ),
    '<"calibrate":"batch">\n<"prototype":4>': (
        '"calibrate", "prototype" learn from rows, and none were given yet\n  = help: call fit(rows, labels)'
    ),
}


@pytest.mark.parametrize("line", NEEDING)
def test_before_fit_it_is_said_what_is_missing(line: str) -> None:
    classifier = made(f"{WORDS}\n{line}")
    with pytest.raises(PromptDSLError) as caught:
        classifier.predict(OTHERS)
    assert str(caught.value) == f"PD713 {NEEDING[line]}"
    with pytest.raises(PromptDSLError) as again:
        classifier.predict_proba(OTHERS)
    assert str(again.value) == str(caught.value)


def test_without_labels_words_are_refined_and_calibrated_and_no_more() -> None:
    without = made(KINDS["support"]).fit(OTHERS)
    assert without.bias_.tolist() == [0, 0]
    seen = PromptModel(lm(), TEMPLATE, WORDS).observe(OTHERS).words.double()
    prior = seen.log_softmax(1).exp().mean(0).log()
    np.testing.assert_allclose(without.prompt_model_.head.prior, prior, atol=1e-6)
    with pytest.raises(PromptDSLError) as caught:
        made(f'{WORDS}\n<"cluster":1>\n<"auto":1>').fit(OTHERS)
    assert str(caught.value) == (
        'PD714 "auto", "cluster" cannot be learnt without labels\n  = help: give one label for each row: '
        "fit(rows, labels)"
    )
    with pytest.raises(PromptDSLError) as caught:
        made(WORDS).fit(OTHERS)
    assert str(caught.value) == (
        "PD714 nothing of this template and verbalizer learns from rows without labels\n"
        "  = help: give labels too, or predict without fit"
    )
    with pytest.raises(PromptDSLError) as caught:
        made(WORDS, tune="full").fit(OTHERS)
    assert str(caught.value) == ("PD714 nothing can be trained without labels\n  = help: give one for each row")


@pytest.mark.parametrize("kind", ["support", "batch"])
def test_support_rows_calibrate_and_labelled_rows_give_the_bias_on_top(kind: str) -> None:
    """By hand from the word scores: prior of the support rows, pooled, then the likeliest bias on the labelled rows."""
    model = PromptModel(lm(), TEMPLATE, WORDS)
    scores, support, new = (model.observe(rows).words.double().numpy() for rows in (TEXTS, OTHERS, OTHERS[:2]))
    prior = np.log(softmax(support, axis=1).mean(0)) if kind == "support" else np.zeros(4)

    def classes(words: Any) -> Any:
        w = words - prior
        return log_softmax(np.stack([w[:, :2].mean(1), w[:, 2:].mean(1)], 1), axis=1)

    of_classes = classes(support).mean(0) if kind == "batch" else np.zeros(2)
    numbers = [0 if label == "no" else 1 for label in LABELS]
    bias = fit_class_bias(classes(scores) - of_classes, numbers)
    expected = log_softmax(classes(new) - of_classes + bias, axis=1)
    classifier = made(KINDS[kind]).fit(TEXTS, LABELS, support=OTHERS)
    np.testing.assert_allclose(classifier.predict_log_proba(OTHERS[:2]), expected, atol=1e-5)
    np.testing.assert_allclose(classifier.bias_, bias, atol=1e-5)
    by_itself = made(KINDS[kind]).fit(TEXTS, LABELS)
    assert np.abs(by_itself.predict_log_proba(OTHERS[:2]) - expected).max() > 1e-4


def test_prototypes_alone_are_those_of_the_mask_states() -> None:
    states, new = (torch.tensor(PromptModel(lm(), TEMPLATE, WORDS).mask_states(rows)) for rows in (TEXTS, OTHERS))
    labels = torch.tensor([0 if label == "no" else 1 for label in LABELS])
    found = cluster.cluster_prototypes(states, labels, [2, 1], seed=4)
    expected = log_softmax(cluster.similarity(new, found).numpy() / cluster.TEMPERATURE, axis=1)
    classifier = made(KINDS["cluster"], random_state=4).fit(TEXTS, LABELS)
    np.testing.assert_allclose(classifier.predict_log_proba(OTHERS), expected, atol=1e-5)
    assert classifier.bias_.tolist() == [0, 0]


@pytest.mark.parametrize("kind", ["cluster", "prototype", "auto"])
def test_a_class_without_rows_is_named_and_the_classifier_stays_as_it_was(kind: str) -> None:
    classifier = made(KINDS[kind]).fit(TEXTS, LABELS)
    before = classifier.predict_proba(OTHERS), str(classifier.verbalizer_)
    with pytest.raises(PromptDSLError) as caught:
        classifier.fit(TEXTS, ["no"] * len(TEXTS))
    (diagnostic,) = {(d.code, d.message) for d in caught.value.diagnostics}
    assert diagnostic == ("PD707", "no labelled row for yes")
    np.testing.assert_array_equal(classifier.predict_proba(OTHERS), before[0])
    assert str(classifier.verbalizer_) == before[1]


@pytest.mark.parametrize("kind", KINDS)
def test_one_row_of_each_class_is_enough(kind: str) -> None:
    classifier = made(KINDS[kind]).fit(TEXTS[:2], LABELS[:2])
    assert np.isfinite(classifier.predict_log_proba(OTHERS)).all()
    if kind == "cluster":
        assert classifier.predict(TEXTS[:2]).tolist() == LABELS[:2]


@pytest.mark.parametrize("kind", KINDS)
def test_a_language_model_that_gives_no_numbers_is_refused_and_changes_nothing(kind: str) -> None:
    """Its weights turn to NaN after a first fit."""
    model, tokenizer = copy.deepcopy(tiny("bert"))
    wrong = as_language_model((copy.deepcopy(model), tokenizer))
    with torch.no_grad():
        wrong.model.bert.embeddings.word_embeddings.weight.fill_(float("nan"))
    classifier = PromptClassifier(TEMPLATE, KINDS[kind], as_language_model((model, tokenizer))).fit(TEXTS, LABELS)
    before = classifier.predict_proba(OTHERS)
    fitted = classifier.prompt_model_
    with pytest.raises(PromptDSLError) as caught:
        classifier.set_params(model=wrong).fit(TEXTS, LABELS)
    assert caught.value.code == "PD460" and "NaN" in str(caught.value)
    assert classifier.prompt_model_ is fitted
    np.testing.assert_array_equal(classifier.predict_proba(OTHERS), before)


def test_predictions_that_are_no_numbers_are_refused() -> None:
    model, tokenizer = copy.deepcopy(tiny("bert"))
    with torch.no_grad():
        model.bert.embeddings.word_embeddings.weight.fill_(float("nan"))
    with pytest.raises(PromptDSLError) as caught:
        PromptClassifier(TEMPLATE, WORDS, as_language_model((model, tokenizer))).predict(OTHERS)
    assert str(caught.value) == (
        "PD460 5 of 5 rows of class scores hold NaN, the first is row 0\n"
        "  = help: load the language model in float32; half precision overflows on some models"
    )


def test_grid_search_chooses_between_verbalizer_strings() -> None:
    grid = {"verbalizer": [KINDS[kind] for kind in ("bias", "soft", "cluster", "mixed")]}
    search = GridSearchCV(made(WORDS), grid, cv=2).fit(TEXTS, LABELS)
    by_hand = []
    for verbalizer in grid["verbalizer"]:
        scores = []
        for train, test in StratifiedKFold(2).split(TEXTS, LABELS):
            fitted = made(verbalizer).fit([TEXTS[i] for i in train], [LABELS[i] for i in train])
            scores.append(fitted.score([TEXTS[i] for i in test], [LABELS[i] for i in test]))
        by_hand.append(np.mean(scores))
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], by_hand)
    assert search.best_params_["verbalizer"] == grid["verbalizer"][int(np.argmax(by_hand))]


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_searched_words_are_those_of_a_search_through_the_whole_vocabulary(name: str) -> None:
    """PETAL's ratio by hand: s · Σ_own (log p − log(1 − p)) + Σ_others (log(1 − p) − log p), s = others / own."""
    model, tokenizer = tiny(name)
    causal = tokenizer.mask_token_id is None
    rows, labels = TEXTS[:6], [*LABELS[:4], "no", "no"]
    log_p = []
    for text in rows:
        ids = tokenizer(f"{text} It was" if causal else f"{text} It was [MASK] .", return_tensors="pt")["input_ids"]
        place = -1 if causal else int((ids[0] == tokenizer.mask_token_id).nonzero()[0, 0])
        with torch.no_grad():
            log_p.append(model(ids).logits[0, place].double().log_softmax(-1).numpy())
    p = np.stack(log_p)
    usable = [
        i for i in range(p.shape[1])
        if (w := tokenizer.decode([i]).strip()).isalpha() and len(w) >= 2
        and tokenizer(" " + w, add_special_tokens=False)["input_ids"] == [i]
    ]  # fmt: skip
    program = PromptModel(lm(name), TEMPLATE, "no: the; yes: of").program
    assert np.flatnonzero(label_word_tokens(program)).tolist() == usable
    ratio = p - np.log1p(-np.exp(p))
    scores = []
    for c in ("no", "yes"):
        own = np.array([label == c for label in labels])
        scores.append((~own).sum() / own.sum() * ratio[own].sum(0) - ratio[~own].sum(0))
    expected = [sorted(usable, key=lambda i, s=s: -s[i])[:2] for s in scores]
    assert not set(expected[0]) & set(expected[1])
    text = '<"auto":2,"method":"llr"> '
    classifier = PromptClassifier(TEMPLATE, f"no: {text}; yes: {text}", lm(name)).fit(rows, labels)
    found = [[item.text for item in words.items] for words in classifier.verbalizer_.classes]
    assert found == [[tokenizer.decode([i]).strip() for i in best] for best in expected]
    wanted = [s[i] for s, best in zip(scores, expected, strict=True) for i in best]
    np.testing.assert_allclose([t.score for t in classifier.verbalizer_.audit()], wanted, rtol=1e-4)
    assert str(classifier.verbalizer) == f"no: {text}; yes: {text}"  # what was given stays


def test_a_search_for_the_likeliest_assignment_tries_them_all() -> None:
    """LM-BFF: the pair of tokens under which most rows are right, of equals the one with the least cross-entropy."""
    rows, labels = TEXTS[:6], LABELS[:6]
    model = PromptModel(lm(), TEMPLATE, "no: the; yes: of")
    p = model.vocabulary_log_proba(rows).double().numpy()
    usable = np.flatnonzero(label_word_tokens(model.program))
    y = np.array([0 if label == "no" else 1 for label in labels])
    tops = [usable[np.argsort(-p[y == c][:, usable].sum(0), kind="stable")[:12]].tolist() for c in (0, 1)]

    def value(pair: tuple[int, int]) -> tuple[float, float]:
        both = p[:, pair]
        return float((both.argmax(1) == y).mean()), float(log_softmax(both, axis=1)[np.arange(6), y].mean())

    best = max((pair for pair in itertools.product(*tops) if pair[0] != pair[1]), key=value)
    text = '<"auto":1,"method":"likelihood","candidates":12>'
    classifier = made(f"no: {text}; yes: {text}").fit(rows, labels)
    found = [words.items[0].text for words in classifier.verbalizer_.classes]
    assert found == [model.program.text.word(int(i)) for i in best]


def test_neighbours_are_the_nearest_of_the_models_own_tokens() -> None:
    """With as many as there are and groups enough, all of them by falling cosine with the seeds."""
    found = made('no: the; yes: <"neighbors":"of in","groups":10000,"limit":20>').verbalizer_
    program = PromptModel(lm(), TEMPLATE, "no: the; yes: of").program
    usable = np.flatnonzero(label_word_tokens(program))
    weight = tiny("bert")[0].get_input_embeddings().weight.detach().double().numpy()
    mean = weight[usable].mean(0)
    centred = weight - mean
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    seeds = [program.text.encode([" " + s])[0][0] for s in ("of", "in")]
    cosines = (unit @ unit[seeds].T).max(1)
    expected = sorted(usable, key=lambda i: -cosines[i])[:20]
    words = [item.text for item in found.classes[1].items]
    assert set(words[:2]) == {"of", "in"} and words[2:] == [program.text.word(int(i)) for i in expected[2:]]
    with pytest.raises(PromptDSLError, match="PD458"):
        made('no: the; yes: <"neighbors":"zzzqqq">').predict(OTHERS)


def test_words_of_a_file_that_has_changed_are_read_again(tmp_path: Path) -> None:
    file = tmp_path / "words.tsv"
    verbalizer = f'no: the; yes: <"words":{str(file)!r}>'.replace("'", '"')
    file.write_text("yes\tof\t1.0\n", encoding="utf-8")
    first = made(verbalizer)
    before = first.predict_proba(OTHERS)
    np.testing.assert_array_equal(before, made("no: the; yes: of").predict_proba(OTHERS))
    file.write_text("yes\tin\t1.0\nyes\tof\t0.5\n", encoding="utf-8")
    np.testing.assert_array_equal(
        made(verbalizer).predict_proba(OTHERS), made("no: the; yes: in, of").predict_proba(OTHERS)
    )


@pytest.mark.parametrize(
    "text",
    [
        "no: the; yes: of",
        'no: <"soft":"the">; yes: <"soft":"of">',
        'no: the, <"cluster":1>; yes: of, <"cluster":1>',
        'no: the, a; yes: of, in\n<"pool":"weighted">\n<"calibrate":"batch">',
    ],
)
def test_the_language_model_reads_each_row_once(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Whatever is learnt on top, training works on what was observed."""
    read: list[int] = []
    states = Backbone.states
    monkeypatch.setattr(Backbone, "states", lambda s, ids, *a, **k: read.append(len(ids)) or states(s, ids, *a, **k))
    texts, labels = ["the film", "of it", "in the end", "a plot"], ["no", "yes", "no", "yes"]
    lm = as_language_model(tiny("bert"))
    PromptClassifier(TEMPLATE, text, lm).fit(texts, labels)
    assert sum(read) == len(texts)
    read.clear()
    PromptClassifier(TEMPLATE, text, lm).fit(texts, labels, support=texts[:3])
    assert sum(read) == len(texts) + (3 if "weighted" in text else 0)
