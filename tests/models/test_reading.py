"""What is observed at the masks, against plain transformers on whole inputs, one row and one word at a time."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch
from families import FAMILIES, tiny
from torch import Tensor

from promptdsl import LanguageModel
from promptdsl.models.loading import as_language_model
from promptdsl.models.prompt_model import PromptModel

TEXTS = ["A stirring, funny film", "the plot is dull", "I would see it again, said the man in the hat", "No."]
TEMPLATE = '<"placeholder":"text_a"> It was <"mask"> .'
NAMES = [f.name for f in FAMILIES]
CAUSAL = [f.name for f in FAMILIES if f.kind == "causal"]
LONG = ["a terrible mess", "a wonderful film"]


@lru_cache
def lm(name: str) -> LanguageModel:
    return as_language_model(tiny(name))


@lru_cache
def short(name: str) -> tuple[str, ...]:
    """Four words that this family writes as one token after a blank."""
    text = lm(name).text
    words = ["the", "a", "and", "was", "of", "to", "in", *(text.word(i) for i in range(text.vocab_size))]
    unknown = text.unk_id
    return tuple(w for w in words if w.isalpha() and [i != unknown for i in text.encode([" " + w])[0]] == [True])[:4]


def ids_of(name: str, text: str, *, at_start: bool = False) -> list[int]:
    return list(lm(name).text.encode([text], at_start=at_start)[0])


def whole(name: str, text: str, at_mask: Sequence[int]) -> tuple[list[int], int]:
    """The ids of an input with these tokens at the mask, and the mask's place; on a causal LM it ends behind them."""
    specials = lm(name).text.specials
    start = [*specials.before, *ids_of(name, text, at_start=True), *ids_of(name, " It was")]
    if lm(name).family == "causal":
        return [*start, *at_mask], len(start)
    return [*start, *at_mask, *ids_of(name, " ."), *specials.after], len(start)


@torch.no_grad()
def read(name: str, text: str, at_mask: Sequence[int]) -> tuple[Tensor, Tensor, int]:
    """States and log-probabilities of every place of one input without padding, and the mask's place."""
    model, _ = tiny(name)
    ids, place = whole(name, text, at_mask)
    body = model.base_model(torch.tensor([ids]), return_dict=True).last_hidden_state[0]
    return body, model(torch.tensor([ids])).logits[0].double().log_softmax(-1), place


@pytest.mark.parametrize("name", NAMES)
def test_states_features_and_log_probabilities_are_the_models_own(name: str) -> None:
    words = short(name)
    soft = f'no: {words[0]}, <"soft":"{words[1]}">; yes: {words[2]}\n<"cluster":1>'
    model = PromptModel(lm(name), TEMPLATE, soft)
    seen = model.observe(TEXTS, batch_size=3, normalised=True)
    rest = [lm(name).text.mask_id] if lm(name).family == "masked" else []
    tokens = [ids_of(name, " " + w)[0] for w in words[:3]]
    everything = model.vocabulary_log_proba(TEXTS, batch_size=3)
    some = model.vocabulary_log_proba(TEXTS, torch.tensor(tokens))
    log_p = []
    for row, text in enumerate(TEXTS):
        states, all_log_p, place = read(name, text, rest)
        place -= lm(name).family == "causal"
        log_p.append(all_log_p[place])
        np.testing.assert_allclose(seen.states[row], states[place], atol=2e-5)
        np.testing.assert_allclose(seen.words[row], all_log_p[place, [tokens[0], tokens[2]]], atol=2e-5)
        np.testing.assert_allclose(everything[row], all_log_p[place], atol=1e-4)
    assert seen.states.shape == (4, states.shape[1])
    np.testing.assert_allclose(some, everything[:, tokens], atol=1e-4)
    np.testing.assert_allclose(model.vocabulary_prior(TEXTS), torch.stack(log_p).mean(0), atol=1e-4)
    # A feature times a row of the output matrix is a logit: differences of logits are those of log-probabilities.
    rows, bias = model.backbone.output_rows([[t] for t in tokens])
    logits = seen.features @ rows.T + bias
    if model.backbone.cap is not None:
        logits = model.backbone.cap * torch.tanh(logits / model.backbone.cap)
    expected = torch.stack(log_p)[:, tokens]
    np.testing.assert_allclose(logits - logits[:, :1], expected - expected[:, :1], atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("others", [(), LONG])
def test_a_soft_word_that_has_not_learnt_scores_what_its_word_scores(name: str, others: Sequence[str]) -> None:
    """With words of one token logits do; beside words of several tokens log-probabilities are needed."""
    one, two, three, _ = short(name)
    beside = [", " + other for other in others] or ["", ""]
    soft = f'no: {one}, <"soft":"{two}">{beside[0]}; yes: {three}{beside[1]}'
    hard = f"no: {one}, {two}{beside[0]}; yes: {three}{beside[1]}"
    found, expected = (PromptModel(lm(name), TEMPLATE, v) for v in (soft, hard))
    assert found.verbalizer.normalised == bool(others)
    np.testing.assert_allclose(found.predict_log_proba(TEXTS), expected.predict_log_proba(TEXTS), atol=1e-4)
    assert np.ptp(expected.predict_log_proba(TEXTS)[:, 0]) > 1e-3


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama"])
def test_observations_stand_in_the_order_of_the_rows(name: str) -> None:
    one, two, three, _ = short(name)
    model = PromptModel(lm(name), TEMPLATE, f'no: {one}, <"soft":"{two}">, {LONG[0]}; yes: {three}')
    rows = [f"{t} {'again ' * (i % 5)}" for i, t in enumerate(TEXTS * 3)]
    alone = model.observe(rows, batch_size=1)
    together = model.observe(rows, batch_size=64)
    for name_of in ("words", "states", "features", "normaliser"):
        np.testing.assert_allclose(getattr(together, name_of), getattr(alone, name_of), atol=1e-4)
    assert float((alone.states[0] - alone.states[1]).abs().max()) > 1e-2
    nothing = model.observe([])
    assert [len(x) for x in (nothing, nothing.states)] == [0, 0]


@lru_cache
def brute(name: str, mode: str, word: str) -> tuple[float, ...]:
    """A word's score on each text, as its mode says, from forward passes of its own."""
    tokens = ids_of(name, " " + word)
    causal, mask = lm(name).family == "causal", lm(name).text.mask_id
    found = []
    for text in TEXTS:
        if causal:
            _, log_p, place = read(name, text, tokens)
            terms = [log_p[place - 1 + i, t].item() for i, t in enumerate(tokens)]
        elif mode == "joint":
            _, log_p, place = read(name, text, [mask] * len(tokens))
            terms = [log_p[place + i, t].item() for i, t in enumerate(tokens)]
        elif mode == "sequential":
            terms = []
            for i, t in enumerate(tokens):
                _, log_p, place = read(name, text, [*tokens[:i], *[mask] * (len(tokens) - i)])
                terms.append(log_p[place + i, t].item())
        else:
            _, log_p, place = read(name, text, [mask])
            terms = [log_p[place, t].item() for t in tokens]
        total = sum(terms) if causal else sum(terms) / len(terms)
        by_mode = {"first": terms[0], "max": max(terms), "mean": sum(terms) / len(terms)}
        found.append(by_mode.get(mode, total))
    return tuple(found)


@pytest.mark.parametrize("mode", ["joint", "sequential", "first", "mean", "max"])
@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2", "llama"])
def test_tokens_of_a_word_are_scored_as_the_step_says(name: str, mode: str) -> None:
    one, two, *_ = short(name)
    classes = {"no": [one, LONG[0], "a terrible film"], "yes": [LONG[1], two]}
    text = "\n".join(f"{label}: {', '.join(words)}" for label, words in classes.items())
    found = PromptModel(lm(name), TEMPLATE, f'{text}\n<"tokens":"{mode}">').predict_log_proba(TEXTS)
    scores = np.array([np.mean([brute(name, mode, w) for w in words], axis=0) for words in classes.values()]).T
    np.testing.assert_allclose(found, torch.tensor(scores).log_softmax(-1), atol=2e-4)


@pytest.mark.parametrize("name", CAUSAL)
def test_the_tree_of_a_model_gives_what_its_plan_gives(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also beside a soft word and prototypes, which look at states that the tree does not give."""
    one, two, three, four = short(name)
    text = f'no: {one}, {LONG[0]}, a terrible film, <"soft":"{two}">; yes: {three}, {LONG[1]}, {four}\n<"cluster":1>'
    with_tree = PromptModel(lm(name), TEMPLATE, text)
    assert with_tree.reader.tree is not None and len(with_tree.layouts) == 1
    monkeypatch.setattr("promptdsl.models.reading._tree", lambda *_: None)
    plain = PromptModel(lm(name), TEMPLATE, text)
    assert plain.reader.tree is None and len(plain.layouts) > 2
    found, expected = with_tree.observe(TEXTS, batch_size=3), plain.observe(TEXTS, batch_size=3)
    for name_of in ("words", "states", "features", "normaliser"):
        np.testing.assert_allclose(getattr(found, name_of), getattr(expected, name_of), atol=1e-4)
    assert expected.normaliser.abs().min() > 0


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_half_precision_is_read_in_half_and_judged_in_single(name: str) -> None:
    """The language model is bfloat16; scores, states and all that is fitted are float32."""
    model, tokenizer = tiny(name)
    half: Any = copy.deepcopy(model).bfloat16()
    one, two, three, _ = short(name)
    text = f'no: {one}, <"soft":"{two}">; yes: {three}\n<"cluster":1>'
    found = PromptModel((half, tokenizer), TEMPLATE, text)
    seen = found.observe(TEXTS)
    kinds = {v.dtype for v in (seen.words, seen.states, seen.features, *found.head.state_dict().values())}
    assert kinds == {torch.float32}
    exact = PromptModel(lm(name), TEMPLATE, text).observe(TEXTS)
    assert float((seen.words - exact.words).abs().max()) < 0.05 * float(exact.words.abs().max())


def test_a_model_that_moves_leaves_the_others_where_they_are() -> None:
    """`half`, `to` and their like change one PromptModel, not what shares its language model."""
    first = PromptModel(lm("bert"), TEMPLATE, "no: the; yes: of")
    other = first.rebound(first.verbalizer.verbalizer)
    before, tensors = other.predict_log_proba(TEXTS), [p.clone() for p in lm("bert").model.parameters()]
    first.to(torch.float64)
    np.testing.assert_allclose(first.predict_log_proba(TEXTS), before, atol=1e-5)
    np.testing.assert_array_equal(other.predict_log_proba(TEXTS), before)
    assert {p.dtype for p in first.parameters()} == {torch.float64} and other.backbone.lm.dtype == torch.float32
    for now, then in zip(lm("bert").model.parameters(), tensors, strict=True):
        assert torch.equal(now, then)
