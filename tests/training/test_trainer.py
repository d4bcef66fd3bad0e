"""Training through transformers.Trainer against a loop written out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf
from families import wordpiece

from promptdsl.errors import TrainingError
from promptdsl.models.prompt_model import PromptModel
from promptdsl.training.trainer import TrainingSettings, train

TEMPLATE, WORDS = '<"placeholder":"text_a"> It was <"mask"> .', "x: the; y: a"
TEXTS, LABELS = ["a stirring film", "the plot is dull", "no", "of the year"], [0, 1, 1, 0]


def still() -> tuple[Any, Any]:
    """A model without dropout, so that a training step has nothing random in it."""
    torch.manual_seed(3)
    config = tf.BertConfig(
        vocab_size=len(wordpiece()), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=64, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return tf.BertForMaskedLM(config).eval(), wordpiece()


def test_training_equals_a_loop_by_hand() -> None:
    """Full batches, AdamW, linear decay: five steps on the same loss, taken from the whole-vocabulary logits."""
    settings = TrainingSettings(learning_rate=1e-3, epochs=5, batch_size=4, weight_decay=0.0, warmup=0.0, seed=1)
    trained = train(PromptModel(still(), TEMPLATE, WORDS, tune="full"), TEXTS, LABELS, settings)

    model, tokenizer = still()
    inputs = tokenizer([f"{t} It was [MASK] ." for t in TEXTS], padding=True, return_tensors="pt")
    places = (inputs["input_ids"] == tokenizer.mask_token_id).nonzero()
    ids = [tokenizer.convert_tokens_to_ids(w) for w in ("the", "a")]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    for step in range(5):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * (1 - step / 5)
        logits = model(**inputs).logits[places[:, 0], places[:, 1]][:, ids]
        torch.nn.functional.cross_entropy(logits, torch.tensor(LABELS)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    by_hand = dict(model.named_parameters())
    found = dict(trained.backbone.lm.named_parameters())
    assert found.keys() == by_hand.keys()
    for name, parameter in found.items():
        torch.testing.assert_close(parameter, by_hand[name], atol=1e-5, rtol=1e-4)


def test_words_of_several_tokens_are_trained_in_several_passes() -> None:
    """The loss that is trained is the cross-entropy of the probabilities that are predicted."""
    words = {"x": ["the film", "the"], "y": ["a"]}
    model = PromptModel(still(), TEMPLATE, words, tune="full")
    assert len(model.layouts) == 2
    before = -np.log(np.exp(model.predict_log_proba(TEXTS))[range(4), LABELS]).mean()
    train(model, TEXTS, LABELS, TrainingSettings(learning_rate=3e-3, epochs=30, batch_size=4))
    found = model.predict_log_proba(TEXTS)
    assert -found[range(4), LABELS].mean() < before / 4
    assert found.argmax(1).tolist() == LABELS


def test_a_frozen_model_has_nothing_to_train() -> None:
    with pytest.raises(TrainingError, match="PD704"):
        train(PromptModel(still(), TEMPLATE, WORDS), TEXTS, LABELS, TrainingSettings(epochs=1))


def test_a_loss_that_is_no_number_stops_with_a_code() -> None:
    model, tokenizer = still()
    with torch.no_grad():
        model.bert.embeddings.word_embeddings.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match="PD703"):
        train(PromptModel((model, tokenizer), TEMPLATE, WORDS, tune="full"), TEXTS, LABELS, TrainingSettings(epochs=1))
