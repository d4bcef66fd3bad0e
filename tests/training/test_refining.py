"""Refinements end to end: what stays of the label words, and what the audit says of each decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from families import tiny

from promptdsl import PromptClassifier, PromptDSLError, Verbalizer
from promptdsl.models.loading import as_language_model
from promptdsl.models.prompt_model import PromptModel
from promptdsl.training.refining import Statistics, refined
from promptdsl.verbalizers.agreement import agreement

TEMPLATE = '<"placeholder":"text_a"> It was <"mask"> .'
TEXTS = ["A stirring film", "the plot is dull", "I would see it again", "No.", "of the year"]
LM = as_language_model(tiny("bert"))


def words(verbalizer: Verbalizer) -> list[list[str]]:
    return [[getattr(item, "text", str(item)) for item in c.items] for c in verbalizer.classes]


def fitted(text: str, rows: Sequence[str] = TEXTS) -> Verbalizer:
    return PromptClassifier(TEMPLATE, text, LM).fit(rows).verbalizer_


class _Saying:
    """Makes a PromptModel say what a test wants of its words and of the vocabulary."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, scores: Any, vocabulary: Any) -> None:
        table, prior = torch.tensor(scores, dtype=torch.float32), torch.tensor(vocabulary, dtype=torch.float32)
        seen = PromptModel.observe

        def observe(model: PromptModel, rows: Any, **options: Any) -> Any:
            found = seen(model, rows, **options)
            assert options["normalised"]
            return type(found)(table, found.states, found.features, found.normaliser)

        monkeypatch.setattr(PromptModel, "observe", observe)
        monkeypatch.setattr(PromptModel, "vocabulary_prior", lambda *_, **__: prior)


def test_frequency_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ten tokens the lower half ends at −6: what is expected less often goes, but never a class's first word."""
    vocabulary = [-10.0, -9.0, -8.0, -7.0, -6.5, -6.0, -3.0, -2.0, -2.0, -1.0]
    scores = [[-7.0, -5.0, -9.0, -4.0, -6.0], [-9.0, -5.0, -1.0, -8.0, -6.0]]  # means −8, −5, −5, −6, −6
    model = PromptModel(LM, TEMPLATE, 'no: the, a; yes: of, in, to\n<"refine":["frequency"],"fraction":0.5,"keep":1>')
    _Saying(monkeypatch, scores, vocabulary)
    same = refined(model, TEXTS[:2], 8)
    assert words(same.verbalizer.verbalizer) == [["the", "a"], ["of", "in", "to"]]
    rarer = [[-7.0, -9.0, -9.0, -4.0, -6.1], [-9.0, -5.0, -1.0, -8.0, -6.1]]
    _Saying(monkeypatch, rarer, vocabulary)
    found = refined(model, TEXTS[:2], 8).verbalizer.verbalizer
    assert words(found) == [["the"], ["of", "in"]] and found.steps == ()
    told = {(t.label, t.word): (t.kept, t.removed_by, t.score) for t in found.audit()}
    assert told == {
        ("no", "the"): (True, None, -8.0),
        ("no", "a"): (False, "frequency", -7.0),
        ("yes", "of"): (True, None, -5.0),
        ("yes", "in"): (True, None, -6.0),
        ("yes", "to"): (False, "frequency", pytest.approx(-6.1)),
    }
    keep = PromptModel(LM, TEMPLATE, 'no: the, a; yes: of, in, to\n<"refine":["frequency"],"fraction":0.5,"keep":2>')
    assert words(refined(keep, TEXTS[:2], 8).verbalizer.verbalizer) == [["the", "a"], ["of", "in"]]


def test_relevance_looks_at_what_frequency_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """`to` follows `the` although it is of `yes`; `in` would go too, but is gone already; all others stay."""
    rows = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])  # what moves `the`, and what moves `of`
    moves = {"the": (1, 0), "a": (1, 0.1), "of": (0, 1), "in": (1, 0), "to": (1, 0.1), "was": (0.1, 1)}
    scores = np.stack([rows @ np.array(m) for m in moves.values()], 1) - 3.0
    scores[:, 3] -= 5  # `in` is rare
    model = PromptModel(
        LM, TEMPLATE, 'no: the, a; yes: of, in, to, was\n<"refine":["frequency","relevance"],"fraction":0.5,"keep":2>'
    )
    _Saying(monkeypatch, scores, [-9.0] * 5 + [-4.0] * 5)
    found = refined(model, ["x"] * 4, 8).verbalizer.verbalizer
    assert words(found) == [["the", "a"], ["of", "was"]]
    assert [(t.word, t.removed_by) for t in found.audit() if not t.kept] == [("in", "frequency"), ("to", "relevance")]
    steps = [d.step for t in found.audit() for d in t.decisions if t.word == "a"]
    assert steps == ["frequency", "relevance"]


def test_statistics_on_a_language_model_are_its_own_log_probabilities() -> None:
    """`frequency` keeps what the plain model expects at least as often as the middle of its vocabulary."""
    model, tokenizer = tiny("bert")
    log_p = []
    for text in TEXTS:
        ids = tokenizer(f"{text} It was [MASK] .", return_tensors="pt")["input_ids"]
        place = (ids[0] == tokenizer.mask_token_id).nonzero()[0, 0]
        with torch.no_grad():
            log_p.append(model(ids).logits[0, place].double().log_softmax(-1).numpy())
    prior = np.mean(log_p, axis=0)
    some = ["the", "a", "of", "in", "to", "and", "it", "was"]
    numbers = tokenizer.convert_tokens_to_ids(some)
    stay = [prior[i] >= np.sort(prior)[int(0.5 * len(prior))] for i in numbers]
    stay[0] = stay[4] = True  # the first word of each class
    found = fitted(
        f'no: {", ".join(some[:4])}; yes: {", ".join(some[4:])}\n<"refine":["frequency"],"fraction":0.5,"keep":1>'
    )
    assert [w for c in words(found) for w in c] == [w for w, s in zip(some, stay, strict=True) if s]
    assert 2 <= sum(stay) <= 8
    scores = {t.word: t.score for t in found.audit()}
    np.testing.assert_allclose([scores[w] for w in some], prior[numbers], atol=1e-4)


def test_refinements_without_rows_come_where_they_are_written() -> None:
    """After `frequency` as before it; a phrase may stand first, and what the tokenizer cannot write goes."""
    text = 'no: dull film, the, a terrible mess, of, The; yes: good, of, 漢, good\n<"refine":{}>'
    names = '["writable","single","duplicates"]'
    early = PromptClassifier(TEMPLATE, text.replace("{}", names), LM)  # these need no rows
    assert words(early.verbalizer_) == [["dull film", "the"], ["good"]]
    told = [(t.word, t.removed_by) for t in early.verbalizer_.audit() if not t.kept]
    assert told == [("a terrible mess", "single"), ("of", "duplicates"), ("The", "duplicates"),
                    ("漢", "writable"), ("of", "duplicates")]  # fmt: skip
    late = '["writable","frequency","single","duplicates"],"fraction":0.0'
    assert words(fitted(text.replace("{}", late))) == [["dull film", "the"], ["good"]]


@pytest.mark.parametrize("names", ['["duplicates"]', '["frequency"]', '["relevance","duplicates"]'])
def test_a_word_that_stands_twice_stays_once(names: str) -> None:
    text = f'no: the, the, a; yes: of\n<"refine":{names},"fraction":0.0,"keep":3>'
    found = PromptClassifier(TEMPLATE, text, LM)
    verbalizer = found.verbalizer_ if names == '["duplicates"]' else found.fit(TEXTS).verbalizer_
    assert words(verbalizer)[0].count("the") == 1


def test_soft_and_abstract_words_are_left_alone() -> None:
    for text, expected in (
        ('no: the, a; yes: <"soft":"of">', [["the"], ['<"soft":"of">']]),
        ('no: <"soft":"the">; yes: <"soft":"of">', [['<"soft":"the">'], ['<"soft":"of">']]),
    ):
        found = fitted(f'{text}\n<"refine":["frequency","relevance"],"fraction":0.99>')
        assert [c[:1] for c in words(found)] == expected


def test_the_anchor_of_a_class_is_its_first_word() -> None:
    """Classes without words of the vocabulary have none, and are not counted."""
    found = Statistics.of(torch.zeros(1, 4), torch.zeros(9), torch.tensor([4, 1, 4, 1]))
    assert found.owner.tolist() == [1, 0, 1, 0] and found.anchors.tolist() == [1, 0]
    less = found.only(torch.tensor([True, False, True, True]))
    assert less.owner.tolist() == [1, 1, 0] and less.anchors.tolist() == [2, 0]


def test_a_verbalizer_from_class_names_is_text_that_can_be_edited_and_refined() -> None:
    knowledge = {"film": ["movie", "plot", "the", "was"], "food": ["the", "eat", "was", "of"]}
    text = Verbalizer.expand(["film", "food"], knowledge)
    assert text == "film: film, movie, plot\nfood: food, eat, of"  # what both would have stands for neither
    edited = text.replace("eat, ", "a, ") + '\n<"refine":["frequency"],"fraction":0.0>'
    classifier = PromptClassifier(TEMPLATE, edited, LM).fit(TEXTS)
    assert words(classifier.verbalizer_) == [["film", "movie", "plot"], ["food", "a", "of"]]
    assert [t.decisions[0].step for t in classifier.verbalizer_.audit()] == ["frequency"] * 6
    again = PromptClassifier(TEMPLATE, str(classifier.verbalizer_), LM)
    np.testing.assert_allclose(again.predict_proba(TEXTS), classifier.predict_proba(TEXTS), atol=1e-6)


def test_a_weighted_pool_counts_words_by_their_agreement() -> None:
    """Against plain transformers: log-probabilities at the mask, weighed and scaled by what they say of each other."""
    model, tokenizer = tiny("bert")
    names = ["the", "a", "to", "of", "in", "and"]
    ids = [tokenizer(name, add_special_tokens=False)["input_ids"] for name in names]
    assert all(len(i) == 1 for i in ids)

    def log_p(texts: Sequence[str]) -> torch.Tensor:
        rows = []
        for text in texts:
            given = tokenizer(f"{text} It was [MASK] .", return_tensors="pt")
            at = (given["input_ids"][0] == tokenizer.mask_token_id).nonzero()[0, 0]
            with torch.no_grad():
                rows.append(model(**given).logits[0, at].log_softmax(-1)[[i[0] for i in ids]])
        return torch.stack(rows)

    owner = torch.tensor([0, 0, 0, 1, 1, 1])
    known = agreement(log_p(TEXTS), owner, torch.tensor([0, 3]))
    text = 'no: the, a, to; yes: of, in, and\n<"pool":"weighted">'
    clf = PromptClassifier(TEMPLATE, text, LM)
    with pytest.raises(PromptDSLError, match="PD713"):
        clf.predict(TEXTS)
    clf.fit(TEXTS)
    new = ["see the film again", "the year of it"]
    pooled = log_p(new) * known.weights * known.scales[owner]
    expected = torch.stack([pooled[:, :3].sum(1), pooled[:, 3:].sum(1)], 1).softmax(-1)
    np.testing.assert_allclose(clf.predict_proba(new), expected.numpy(), atol=1e-4)


def test_agreement_as_a_refinement_keeps_what_has_a_weight() -> None:
    verbalizer = Verbalizer('no: the, a, film; yes: of, in, year\n<"refine":["agreement"]>')
    model = PromptModel(LM, TEMPLATE, verbalizer)
    seen = model.observe(TEXTS, normalised=True).words
    known = agreement(seen, torch.tensor([0, 0, 0, 1, 1, 1]), torch.tensor([0, 3]))
    found = fitted(str(verbalizer))
    names = ["the", "a", "film", "of", "in", "year"]
    kept = [name for name, weight in zip(names, known.weights.tolist(), strict=True) if weight > 0]
    assert [w for row in words(found) for w in row] == kept and 2 <= len(kept) < 6
    told = {t.word: t.score for t in found.audit()}
    assert [told[n] for n in names] == pytest.approx(known.margins.tolist(), abs=1e-5)
