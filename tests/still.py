"""A tiny masked language model without dropout, so that a training step has nothing random in it."""

from __future__ import annotations

from typing import Any

import torch
import transformers as tf
from families import wordpiece

TEMPLATE = '<"placeholder":"text_a"> It was <"mask"> .'


def still() -> tuple[Any, Any]:
    """(model, tokenizer), the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        config = tf.BertConfig(
            vocab_size=len(wordpiece()), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
            intermediate_size=48, max_position_embeddings=64, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        )  # fmt: skip
        return tf.BertForMaskedLM(config).eval(), wordpiece()
