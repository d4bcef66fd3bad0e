"""Priors of calibration by hand: what plain transformers says where the fields say nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pytest
import torch
from families import tiny
from scipy.special import log_softmax, logsumexp

from promptdsl import LanguageModel, PromptClassifier
from promptdsl.errors import PromptDSLError
from promptdsl.models.loading import as_language_model
from promptdsl.models.prompt_model import PromptModel

WORDS = ["the", "a", "of"]
VERBALIZER = "no: the, a; yes: of"
TEMPLATE = '<"placeholder":"text_a"> It was <"mask"> .'


@lru_cache
def lm(name: str) -> LanguageModel:
    return as_language_model(tiny(name))


def log_p(name: str, text: str, *, nth: int = 0) -> np.ndarray:
    """Log-probabilities of the three words at the n-th mask of a whole string, or behind it on a causal LM."""
    model, tokenizer = tiny(name)
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    causal = tokenizer.mask_token_id is None
    place = ids.shape[1] - 1 if causal else (ids[0] == tokenizer.mask_token_id).nonzero()[nth, 0]
    with torch.no_grad():
        found = model(ids).logits[0, place].double().log_softmax(-1)
    words = [tokenizer(" " + w, add_special_tokens=False)["input_ids"][0] for w in WORDS]
    return np.asarray(found[words])


def shares(name: str, texts: Sequence[str], *, nth: int = 0) -> np.ndarray:
    """log of the mean over the texts of each word's share among the words."""
    alone = np.stack([log_softmax(log_p(name, text, nth=nth)) for text in texts])
    return np.asarray(logsumexp(alone, axis=0) - np.log(len(texts)))


def prior(name: str, template: str, kind: str) -> np.ndarray:
    model = PromptModel(lm(name), template, f'{VERBALIZER}\n<"calibrate":"{kind}">')
    assert not model.unfitted
    return model.head.prior.double().numpy()


STRINGS = {  # template → what it is with "N/A", "" and the mask token in its fields, and the number of its own mask
    TEMPLATE: (["N/A It was {m} .", " It was {m} .", "{m} It was {m} ."], [0, 0, 1]),
    '<"placeholder":"text_a"> and <"meta":"b","filters":["join:;"]>: <"mask">': (
        ["N/A and N/A: {m}", " and: {m}", "{m} and {m}: {m}"],
        [0, 0, 2],
    ),
    'Is it <"mask"> ? <"placeholder":"text_a","filters":["lower"]> <"placeholder":"text_b">': (
        ["Is it {m} ? N/A N/A", "Is it {m} ?", "Is it {m} ? {m} {m}"],
        [0, 0, 0],
    ),
}


@pytest.mark.parametrize("template", STRINGS)
def test_content_free_priors_of_a_masked_model(template: str) -> None:
    strings, places = STRINGS[template]
    written = [s.format(m="[MASK]") for s in strings]
    alone = [log_softmax(log_p("bert", s, nth=n)) for s, n in zip(written, places, strict=True)]
    expected = logsumexp(alone, axis=0) - np.log(3)
    np.testing.assert_allclose(prior("bert", template, "contextual"), expected, atol=1e-5)


def test_content_free_priors_of_a_causal_model() -> None:
    """It has no mask token: the text "[MASK]" stands in the field."""
    expected = shares("gpt2", ["N/A It was", " It was", "[MASK] It was"])
    np.testing.assert_allclose(prior("gpt2", TEMPLATE, "contextual"), expected, atol=1e-5)


@pytest.mark.parametrize(("name", "text"), [("bert", " It was [MASK] ."), ("gpt2", " It was")])
def test_pmi_subtracts_what_the_empty_input_says(name: str, text: str) -> None:
    found, expected = prior(name, TEMPLATE, "pmi"), log_p(name, text)
    np.testing.assert_allclose(found - found[0], expected - expected[0], atol=1e-5)


@pytest.mark.parametrize("kind", ["contextual", "pmi"])
def test_priors_are_subtracted_before_the_words_are_pooled(kind: str) -> None:
    """Zhao et al.: p(word) / p(word without content), whatever was fitted."""
    template = f'{VERBALIZER}\n<"calibrate":"{kind}">'
    inputs = {"contextual": STRINGS[TEMPLATE][0], "pmi": [" It was {m} ."]}[kind]
    nothing = [log_p("bert", s.format(m="[MASK]"), nth=-1) for s in inputs]
    nth = {"contextual": logsumexp(log_softmax(nothing, axis=1), axis=0), "pmi": nothing[0]}[kind]
    scores = log_p("bert", "a dull film It was [MASK] .") - nth
    expected = log_softmax([scores[:2].mean(), scores[2]])
    found = PromptModel(lm("bert"), TEMPLATE, template).predict_log_proba(["a dull film"])
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_calibration_below_solved_examples_is_that_of_every_draw() -> None:
    template = '<"demos":1,"draws":2,"separator":" ### "><"placeholder":"text_a"> It was <"mask"> .'
    classifier = PromptClassifier(template, f'{VERBALIZER}\n<"calibrate":"contextual">', lm("bert"), random_state=1)
    model = classifier.fit(["a dull film", "of the year"], ["no", "yes"]).prompt_model_
    solved = {"no": "a dull film It was the . ### ", "yes": "of the year It was of . ### "}
    assert model.demos is not None
    drawn = [solved[model.demos.pick(1, draw)[0][0].label] for draw in range(2)]
    texts = [d + s.format(m="[MASK]") for d in drawn for s in STRINGS[TEMPLATE][0]]
    alone = [log_softmax(log_p("bert", t, nth=-1)) for t in texts]
    np.testing.assert_allclose(model.head.prior, logsumexp(alone, axis=0) - np.log(6), atol=1e-5)


def test_behind_nothing_a_causal_model_says_nothing() -> None:
    """GPT-2 begins texts with no token of its own: the empty input is left out, or refused where it is the only one."""
    template = '<"placeholder":"text_a"><"mask">'
    bare = lm("gpt2").text
    assert not bare.specials.before
    words = [bare.encode([w])[0] for w in ("x", "y")]
    assert [len(w) for w in words] == [1, 1]
    model, tokenizer = tiny("gpt2")
    with torch.no_grad():
        logits = [model(torch.tensor([tokenizer(t)["input_ids"]])).logits[0, -1].double() for t in ("N/A", "[MASK]")]
    alone = [log_softmax(np.asarray(one[[w[0] for w in words]])) for one in logits]
    found = PromptModel(lm("gpt2"), template, 'no: x; yes: y\n<"calibrate":"contextual">')
    np.testing.assert_allclose(found.head.prior, logsumexp(alone, axis=0) - np.log(2), atol=1e-5)
    with pytest.raises(PromptDSLError) as caught:
        PromptModel(lm("gpt2"), template, 'no: x; yes: y\n<"calibrate":"pmi">')
    assert str(caught.value) == (
        "PD465 an input without content has nothing before the mask, where a causal LM reads it\n"
        '  = help: begin the template with fixed text, or calibrate with "contextual" or "support"'
    )


def test_inputs_without_content_are_cut_to_the_length() -> None:
    _, tokenizer = tiny("bert")
    alone = len(tokenizer(" It was [MASK] .")["input_ids"])
    fill = len(tokenizer("N/A", add_special_tokens=False)["input_ids"])
    assert fill == 3
    for room in range(4):
        model = PromptModel(lm("bert"), TEMPLATE, VERBALIZER, max_length=alone + room)
        (draw,) = model.inputs.content_free(("N/A", "", None))
        assert [len(e) for row in draw for e in row] == [alone + min(room, 3), alone, alone + min(room, 1)]
