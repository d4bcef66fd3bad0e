"""A tiny BERT in a folder, as the commands take it by `--model`, and its scores by plain transformers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from families import tiny
from numpy.typing import NDArray

TEMPLATE = '<"placeholder":"text_a"> It was <"mask">.'
VERBALIZER = "pos: good; neg: bad"
TEXTS = ["A stirring film", "the plot is dull", "I would see it again", "no", "a mess", "the end of it all"]


def save_bert(folder: Path) -> str:
    """Save the tiny BERT and its tokenizer; the folder's path."""
    model, tokenizer = tiny("bert")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def by_hand(texts: list[str], words: list[str]) -> NDArray[np.float64]:
    """Probabilities of the words at the mask among themselves, one text at a time through the whole vocabulary."""
    model, tokenizer = tiny("bert")
    found = []
    for text in texts:
        inputs = tokenizer(f"{text} It was [MASK].", return_tensors="pt")
        place = inputs["input_ids"][0].tolist().index(tokenizer.mask_token_id)
        with torch.no_grad():
            logits = model(**inputs).logits[0, place].double()
        ids = [tokenizer.convert_tokens_to_ids(tokenizer.tokenize(w)) for w in words]
        # A word's score is the mean over its tokens only where it has one token; the tests use such words.
        assert all(len(i) == 1 for i in ids), ids
        found.append(logits[[i[0] for i in ids]].softmax(-1).numpy())
    return np.array(found)
