"""What prototypes stand for, against plain transformers and scikit-learn's clusters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from families import tiny

from promptdsl import PromptClassifier, PromptDSLError
from promptdsl.models.loading import as_language_model

TEMPLATE = '<"placeholder":"text_a"> It was <"mask"> .'
TEXTS = ["A stirring film", "the plot is dull", "I would see it again", "No.", "of the year", "in the end"]
LABELS = ["yes", "no", "yes", "no", "yes", "no"]


def seen(texts: list[str]) -> torch.Tensor:
    """Mask states of texts by plain transformers."""
    model, tokenizer = tiny("bert")
    states = []
    for text in texts:
        given = tokenizer(f"{text} It was [MASK] .", return_tensors="pt")
        at = (given["input_ids"][0] == tokenizer.mask_token_id).nonzero()[0, 0]
        with torch.no_grad():
            states.append(model.bert(**given).last_hidden_state[0, at])
    return torch.stack(states)


def expected(middle: torch.Tensor, everywhere: torch.Tensor, k: int) -> list[tuple[str, float]]:
    """Words by p log (p / q), among those of letters that are one token."""
    model, tokenizer = tiny("bert")
    with torch.no_grad():
        p, q = (model.cls(s[None, None])[0, 0].log_softmax(-1).double() for s in (middle, everywhere))
    parts = (p.exp() * (p - q)).tolist()
    vocabulary = tokenizer.get_vocab()
    words = [w for w in vocabulary if w.isalpha() and len(w) > 1]
    best = sorted(words, key=lambda w: -parts[vocabulary[w]])[:k]
    return [(w, parts[vocabulary[w]]) for w in best]


@pytest.mark.parametrize("tag", ['<"cluster":1>', '<"prototype":8>'])
def test_one_prototype_stands_for_the_mean_of_its_class(tag: str) -> None:
    clf = PromptClassifier(TEMPLATE, f"no: {tag}; yes: {tag}", as_language_model(tiny("bert"))).fit(TEXTS, LABELS)
    states = seen(TEXTS)
    for prototype, label in zip(clf.prototype_words(4), ("no", "yes"), strict=True):
        mine = states[[i for i, y in enumerate(LABELS) if y == label]].mean(0)
        wanted = expected(mine, states.mean(0), 4)
        assert prototype.label == label and prototype.kind in tag
        np.testing.assert_allclose([v for _, v in prototype.words], [v for _, v in wanted], atol=1e-6)
        assert {w for w, _ in prototype.words} == {w for w, _ in wanted}
        assert str(prototype) == f"{label} ({prototype.kind}): " + ", ".join(w for w, _ in prototype.words)


def test_as_many_prototypes_as_rows_stand_for_a_row_each() -> None:
    clf = PromptClassifier(TEMPLATE, 'no: <"cluster":9>; yes: <"cluster":1>', as_language_model(tiny("bert")))
    clf.fit(TEXTS, LABELS)
    states = seen(TEXTS)
    rows = [expected(states[i], states.mean(0), 3) for i in (1, 3, 5)]
    found = [p.words for p in clf.prototype_words(3) if p.label == "no"]
    assert sorted(words[0][1] for words in found) == pytest.approx(sorted(r[0][1] for r in rows), abs=1e-6)


def test_words_alone_have_no_prototypes_and_nothing_is_named_before_fit() -> None:
    lm = as_language_model(tiny("bert"))
    assert PromptClassifier(TEMPLATE, "no: the; yes: of", lm).prototype_words() == []
    with pytest.raises(PromptDSLError, match="PD713"):
        PromptClassifier(TEMPLATE, 'no: <"cluster":1>; yes: <"cluster":1>', lm).prototype_words()
    with pytest.raises(PromptDSLError, match="PD505"):
        PromptClassifier(TEMPLATE, "no: the; yes: of", lm).prototype_words(0)
