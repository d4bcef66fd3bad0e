"""The embedded models as files: they load by transformers alone, are as small as promised, and have learnt English."""

from __future__ import annotations

import json
import logging
import random
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

POCKET = Path(__file__).resolve().parents[2] / "promptdsl" / "pocket"

SENTENCES = (
    "It is one of the best films that I have ever seen.",
    "The company said it will report its results for the first quarter of the year.",
    "The city is located in the north of the country, on the coast of the sea.",
    "What is the name of the first president of the United States?",
)


@pytest.mark.parametrize(("name", "limit"), [("mlm", 32_000_000), ("clm", 16_000_000)])
def test_weights_are_fp16_and_within_their_size(name: str, limit: int) -> None:
    path = POCKET / name / "model.safetensors"
    assert 1_000_000 < path.stat().st_size <= limit
    with safe_open(path, "pt") as weights:
        kinds = {weights.get_tensor(key).dtype for key in weights.keys()}  # noqa: SIM118 - not a mapping
    assert kinds == {torch.float16}


@pytest.mark.parametrize(("name", "loader"), [("mlm", AutoModelForMaskedLM), ("clm", AutoModelForCausalLM)])
def test_every_weight_is_found_finite_and_nothing_is_warned_of(name, loader, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        model, info = loader.from_pretrained(POCKET / name, dtype=torch.float32, output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(POCKET / name)
    assert not any(info.values()), info
    assert caplog.records == []
    assert all(bool(value.isfinite().all()) for value in model.parameters())
    assert tokenizer.is_fast
    assert tokenizer.model_max_length == 512
    assert len(tokenizer) == model.config.vocab_size
    assert tokenizer.pad_token_id == model.config.pad_token_id == 0


def test_masked_tokenizer_adds_cls_and_sep_and_segments() -> None:
    tokenizer = AutoTokenizer.from_pretrained(POCKET / "mlm")
    pair = tokenizer("A Good film!", "really")
    assert tokenizer.convert_ids_to_tokens(pair["input_ids"]) == [
        *("[CLS]", "a", "good", "film", "!", "[SEP]"),
        *("really", "[SEP]"),
    ]
    assert pair["token_type_ids"] == [0, 0, 0, 0, 0, 0, 1, 1]
    assert tokenizer.mask_token == "[MASK]"


def test_causal_tokenizer_puts_bos_first_and_gives_the_text_back() -> None:
    tokenizer = AutoTokenizer.from_pretrained(POCKET / "clm")
    config = json.loads((POCKET / "clm" / "config.json").read_text())
    text = 'Don\'t panic — “naïve” 東京 costs £5, it said.\n "Next"'
    ids = tokenizer(text)["input_ids"]
    assert ids[0] == tokenizer.bos_token_id == config["bos_token_id"]
    assert tokenizer.eos_token_id == config["eos_token_id"]
    assert ids.count(tokenizer.bos_token_id) == 1
    assert tokenizer.decode(ids[1:]) == text


def test_masked_model_fills_in_plain_english() -> None:
    tokenizer = AutoTokenizer.from_pretrained(POCKET / "mlm")
    model = AutoModelForMaskedLM.from_pretrained(POCKET / "mlm", dtype=torch.float32).eval()
    expected = {
        "It is one of the best films that I have ever [MASK].": "seen",
        "The company said it will [MASK] its results for the first quarter.": "report",
        "He was born in New [MASK] City.": "york",
        "She plays the main character in this [MASK].": "film",
    }
    found = []
    for text, word in expected.items():
        inputs = tokenizer(text, return_tensors="pt")
        place = inputs["input_ids"][0].tolist().index(tokenizer.mask_token_id)
        with torch.inference_mode():
            top = model(**inputs).logits[0, place].topk(10).indices
        found.append(word in tokenizer.convert_ids_to_tokens(top))
    assert sum(found) >= 3, found


def test_causal_model_prefers_sentences_to_their_shuffled_words() -> None:
    tokenizer = AutoTokenizer.from_pretrained(POCKET / "clm")
    model = AutoModelForCausalLM.from_pretrained(POCKET / "clm", dtype=torch.float32).eval()
    rng = random.Random(0)

    def loss(text: str) -> float:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            return float(model(input_ids=ids, labels=ids).loss)

    for sentence in SENTENCES:
        words = sentence.split()
        shuffled = [" ".join(rng.sample(words, len(words))) for _ in range(5)]
        assert loss(sentence) + 1.0 < min(map(loss, shuffled)), sentence
