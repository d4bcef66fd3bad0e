"""Real language models against plain transformers on real rows. Skips where the shared data are absent."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from promptdsl import PromptClassifier, load
from promptdsl.models.prompt_model import PromptModel

WORDS = {"negative": ["bad", "terrible"], "positive": ["good", "great"]}


def rows(folder: Path) -> list[str]:
    with (folder / "data" / "sst2" / "dev.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line)["text_a"] for line in itertools.islice(lines, 40)]


def test_scores_equal_the_full_vocabulary_forward_of_a_real_masked_model(shared: Path) -> None:
    folder = shared / "models" / "minilm-mlm"
    model = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    ids = [[tokenizer.convert_tokens_to_ids(w) for w in words] for words in WORDS.values()]
    expected = []
    for text in rows(shared):
        inputs = tokenizer(f"{text} It was [MASK].", return_tensors="pt", padding=False, truncation=False)
        with torch.no_grad():
            log_p = model(**inputs).logits[0].log_softmax(-1)
        (place,) = (inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero().flatten()
        expected.append(torch.stack([log_p[place, i].mean() for i in ids]).softmax(-1).tolist())
    prompt = PromptModel(load(folder, dtype="float32"), '<"placeholder":"text_a"> It was <"mask">.', WORDS)
    np.testing.assert_allclose(np.exp(prompt.predict_log_proba(rows(shared))), expected, atol=1e-5)


def test_a_trained_causal_model_scores_words_by_their_joint_probability(shared: Path) -> None:
    """A phrase of several tokens on a Llama-shaped model, by plain forward passes."""
    lm = load(shared / "models" / "tinystories-656K")
    words = {"sad": ["very sad", "sad"], "happy": ["very happy", "happy"]}
    prompt = PromptModel(lm, '<"placeholder":"text_a"> She was <"mask">.', words)
    texts = ["Lily lost her red ball and cried.", "Lily got a big cake and laughed."]
    expected = []
    for text in texts:
        start = [*prompt.program.before, *lm.text.encode([text], at_start=True)[0], *lm.text.encode([" She was"])[0]]
        classes = []
        for items in words.values():
            scores = []
            for item in items:
                tail = lm.text.encode([f" {item}"])[0]
                with torch.no_grad():
                    log_p = lm.model(torch.tensor([start + tail])).logits[0].double().log_softmax(-1)
                scores.append(sum(log_p[len(start) - 1 + i, t].item() for i, t in enumerate(tail)))
            classes.append(float(np.mean(scores)))
        expected.append(torch.tensor(classes).softmax(-1).tolist())
    found = PromptClassifier('<"placeholder":"text_a"> She was <"mask">.', words, lm).predict_proba(texts)[:, ::-1]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found[0, 0] > found[1, 0]  # and the sad story is the sadder one
