"""Solved examples in the classifier, against whole strings written by hand and plain transformers."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch
from families import tiny
from scipy.special import log_softmax, logsumexp

from promptdsl import LanguageModel, PromptClassifier, PromptDSLError
from promptdsl.models.demonstrations import choose
from promptdsl.models.loading import as_language_model
from promptdsl.models.prompt_model import PromptModel

QUERY = '<"placeholder":"text_a"> It was <"mask"> .'
WORDS = {"no": ["the", "a"], "yes": ["of"]}
VERBALIZER = "no: the, a; yes: of"
TEXTS = ["a stirring film", "the plot is dull", "of the year", "a mess", "so so"]
LABELS = ["yes", "no", "yes", "no", "no"]
NEW = ["the end of it", "was it good", "I see"]


@lru_cache
def lm(name: str = "bert") -> LanguageModel:
    return as_language_model(tiny(name))


def template(k: int, **more: Any) -> str:
    options = "".join(f',"{key}":{value!r}'.replace("'", '"') for key, value in more.items())
    return f'<"demos":{k}{options},"separator":" ### ">{QUERY}'


def solved(rows: Sequence[int]) -> str:
    return "".join(f"{TEXTS[i]} It was {WORDS[LABELS[i]][0]} . ### " for i in rows)


def whole_string(name: str, text: str) -> np.ndarray:
    """Class log-probabilities of a whole string that ends in the query's mask, through plain transformers."""
    model, tokenizer = tiny(name)
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    causal = tokenizer.mask_token_id is None
    place = ids.shape[1] - 1 if causal else (ids[0] == tokenizer.mask_token_id).nonzero()[-1, 0]
    with torch.no_grad():
        log_p = model(ids).logits[0, place].double().log_softmax(-1).numpy()
    of = [[tokenizer(" " + w, add_special_tokens=False)["input_ids"][0] for w in words] for words in WORDS.values()]
    return np.asarray(log_softmax([log_p[ids_of].mean() for ids_of in of]))


def expected(name: str, examples: Sequence[Sequence[int]]) -> np.ndarray:
    """For each new text below its examples."""
    end = " It was" if name == "gpt2" else " It was [MASK] ."
    return np.stack([whole_string(name, solved(rows) + text + end) for rows, text in zip(examples, NEW, strict=True)])


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_examples_stand_solved_before_the_query_and_nothing_is_trained(name: str) -> None:
    before = [p.clone() for p in lm(name).model.parameters()]
    classifier = PromptClassifier(template(3), VERBALIZER, lm(name), random_state=5).fit(TEXTS, LABELS)
    rows = choose(LABELS, 3, len(NEW), seed=5)
    np.testing.assert_allclose(classifier.predict_log_proba(NEW), expected(name, rows), atol=1e-5)
    assert classifier.bias_.tolist() == [0, 0]
    assert all(torch.equal(a, b) for a, b in zip(before, lm(name).model.parameters(), strict=True))
    others = PromptClassifier(template(3), VERBALIZER, lm(name), random_state=6).fit(TEXTS[::-1], LABELS[::-1])
    assert np.abs(others.predict_log_proba(NEW) - classifier.predict_log_proba(NEW)).max() > 1e-4


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_the_nearest_examples_are_those_with_the_nearest_states(name: str) -> None:
    classifier = PromptClassifier(template(2, select="nearest"), VERBALIZER, lm(name)).fit(TEXTS, LABELS)
    plain = PromptModel(lm(name), QUERY, VERBALIZER)
    rows, new = plain.mask_states(TEXTS).astype(float), plain.mask_states(NEW).astype(float)
    cosines = (new / np.linalg.norm(new, axis=1)[:, None]) @ (rows / np.linalg.norm(rows, axis=1)[:, None]).T
    nearest = np.argsort(-cosines, axis=1)[:, :2]
    np.testing.assert_allclose(classifier.predict_log_proba(NEW), expected(name, nearest), atol=1e-5)
    alone = [classifier.predict_log_proba([text])[0] for text in NEW]
    np.testing.assert_allclose(classifier.predict_log_proba(NEW), alone, atol=1e-5)


@pytest.mark.parametrize("select", ["class", "nearest"])
def test_draws_are_averaged_as_probabilities(select: str) -> None:
    classifier = PromptClassifier(template(2, select=select, draws=5), VERBALIZER, lm(), random_state=2)
    classifier.fit(TEXTS, LABELS)
    plain = PromptModel(lm(), QUERY, VERBALIZER)
    given: dict[str, Any] = {"seed": 2, "draws": 5, "select": select, "states": plain.mask_states(TEXTS)}
    queries = len(NEW) if select == "class" else plain.mask_states(NEW)
    draws = [expected("bert", choose(LABELS, 2, queries, draw=draw, **given)) for draw in range(5)]
    np.testing.assert_allclose(classifier.predict_log_proba(NEW), logsumexp(draws, axis=0) - np.log(5), atol=1e-5)
    assert np.ptp(draws, axis=0).max() > 1e-4


def test_a_row_too_long_loses_examples_before_it_is_cut() -> None:
    limit = 90  # a third of it is an example's share
    classifier = PromptClassifier(template(2), VERBALIZER, lm(), max_length=limit).fit(TEXTS, LABELS)
    (both,) = choose(LABELS, 2, 1)
    length = [len(lm().tokenizer(solved(both[:n]), add_special_tokens=False)["input_ids"]) for n in (1, 2)]
    assert length[0] <= 29 and length[1] - length[0] <= 29
    around = len(lm().tokenizer("It was [MASK] .")["input_ids"])
    fits_one = limit - around - length[0]  # tokens of a row beside which one example fits exactly
    rows = ["the", " ".join(["the"] * fits_one), " ".join(["the"] * (fits_one + 1)), " ".join(["the"] * 200)]
    strings = [solved(both) + rows[0], solved(both[:1]) + rows[1], rows[2], " ".join(["the"] * (limit - around))]
    found = classifier.predict_log_proba(rows)
    np.testing.assert_allclose(found, [whole_string("bert", f"{s} It was [MASK] .") for s in strings], atol=1e-5)


def test_words_are_searched_without_examples_and_solve_them_then() -> None:
    text = 'no: <"auto":1>; yes: <"auto":1>'
    searched = PromptClassifier(QUERY, text, lm()).fit(TEXTS, LABELS).verbalizer_
    with_examples = PromptClassifier(template(2), text, lm(), random_state=1).fit(TEXTS, LABELS)
    assert with_examples.verbalizer_ == searched
    by_hand = PromptClassifier(template(2), str(searched), lm(), random_state=1).fit(TEXTS, LABELS)
    np.testing.assert_array_equal(with_examples.predict_proba(NEW), by_hand.predict_proba(NEW))


def test_prototypes_come_from_rows_below_examples_of_others() -> None:
    """No row is an example above itself; the states of new rows are compared with those."""
    classifier = PromptClassifier(template(2), f'{VERBALIZER}\n<"cluster":1>', lm()).fit(TEXTS, LABELS)
    model = classifier.prompt_model_
    own = model.observe(TEXTS, own=range(len(TEXTS)))
    assert model.demos is not None
    for row, encoded in enumerate(model.encode(TEXTS, own=range(len(TEXTS)))):
        assert row not in [d.row for d in encoded[0].demos] and len(encoded[0].demos) == 2
    again = copy.deepcopy(model.head)
    again.abstract[0].fit(own.states, torch.tensor([list(WORDS).index(y) for y in LABELS]), 0)
    torch.testing.assert_close(again(own), model.head(own))
    assert np.isfinite(classifier.predict_log_proba(NEW)).all()


def test_calibration_stands_below_the_examples() -> None:
    """The prior by hand, and the scores less it."""
    text = f'{VERBALIZER}\n<"calibrate":"pmi">'
    classifier = PromptClassifier(template(2), text, lm()).fit(TEXTS, LABELS)
    (rows,) = choose(LABELS, 2, 1)
    model, tokenizer = tiny("bert")
    log_p = []
    for body in ("", NEW[0]):
        ids = tokenizer(f"{solved(rows)}{body} It was [MASK] .", return_tensors="pt")["input_ids"]
        with torch.no_grad():
            at_mask = model(ids).logits[0, (ids[0] == tokenizer.mask_token_id).nonzero()[-1, 0]].double()
        log_p.append(at_mask.log_softmax(-1)[tokenizer.convert_tokens_to_ids(["the", "a", "of"])].numpy())
    left = log_p[1] - log_p[0]
    np.testing.assert_allclose(
        classifier.predict_log_proba(NEW[:1])[0], log_softmax([left[:2].mean(), left[2]]), atol=1e-5
    )


def test_the_likeliest_words_are_those_below_the_examples() -> None:
    classifier = PromptClassifier(template(2), VERBALIZER, lm()).fit(TEXTS, LABELS)
    (rows,) = choose(LABELS, 2, 1)
    model, tokenizer = tiny("bert")
    ids = tokenizer(f"{solved(rows)}{NEW[0]} It was [MASK] .", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        p = model(ids).logits[0, (ids[0] == tokenizer.mask_token_id).nonzero()[-1, 0]].softmax(-1)
    ((found,),) = classifier.top_words(NEW[:1], 3)
    best = p.topk(3)
    assert [word for word, _ in found] == [tokenizer.decode([i]).strip() for i in best.indices.tolist()]
    np.testing.assert_allclose([value for _, value in found], best.values, atol=1e-5)


def test_a_tuned_model_chooses_by_its_own_states() -> None:
    """The states of the fitted rows and of the queries come from one and the same model."""
    tuned = PromptClassifier(
        template(1, select="nearest"), VERBALIZER, lm(), tune="full", epochs=3, learning_rate=1e-2
    ).fit(TEXTS, LABELS)
    model = tuned.prompt_model_
    assert model.demos is not None and model.demos.states is not None
    np.testing.assert_allclose(model.demos.states, model.mask_states(TEXTS), atol=1e-5)
    frozen = PromptModel(lm(), QUERY, VERBALIZER).mask_states(TEXTS)
    assert np.abs(model.demos.states - frozen).max() > 1e-2
    assert np.isfinite(tuned.predict_log_proba(NEW)).all()


def test_without_fitted_rows_there_are_no_examples() -> None:
    with pytest.raises(PromptDSLError) as caught:
        PromptClassifier(template(2), VERBALIZER, lm()).predict(NEW)
    assert str(caught.value) == (
        'PD713 "demos" learns from rows, and none were given yet\n  = help: call fit(rows, labels)'
    )
    with pytest.raises(PromptDSLError, match="PD714"):
        PromptClassifier(template(2), VERBALIZER, lm()).fit(TEXTS)
    with pytest.raises(PromptDSLError, match="PD520"):
        PromptClassifier(template(2), 'no: <"cluster":1>; yes: <"cluster":1>', lm()).fit(TEXTS, LABELS)
