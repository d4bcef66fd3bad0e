"""Names, folders and pairs become language models; what is not one is refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from families import FAMILIES, tiny

from promptdsl import PromptClassifier, PromptDSLError, load
from promptdsl.models.loading import as_language_model


def save(folder: Path, name: str, *, headless: bool = False) -> Path:
    model, tokenizer = tiny(name)
    (model.base_model if headless else model).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_a_saved_model_is_recognised_and_scores_as_before(family: object, tmp_path: Path) -> None:
    name, kind = str(family), next(f.kind for f in FAMILIES if f.name == str(family))
    loaded = load(save(tmp_path, name))
    assert loaded.family == kind == as_language_model(tiny(name)).family
    texts, words = ["A stirring, funny film", "no"], "x: b; y: c"
    template = '<"placeholder":"text_a"> It was <"mask"> .'
    before = PromptClassifier(template, words, tiny(name)).predict_proba(texts)
    after = PromptClassifier(template, words, str(tmp_path)).predict_proba(texts)
    assert abs(before - after).max() < 1e-6


@pytest.mark.parametrize(("name", "positions"), [("bert", 128), ("roberta", 128), ("gpt2", 128), ("opt", 128)])
def test_the_longest_input_is_what_the_model_takes(name: str, positions: int) -> None:
    lm = as_language_model(tiny(name))
    assert lm.max_positions == positions
    scores = PromptClassifier('<"placeholder":"text_a"> It was <"mask"> .', "x: b; y: c", lm).predict_proba(
        ["a film " * 300]
    )
    assert scores.shape == (1, 2) and abs(scores.sum() - 1) < 1e-9


def test_embedded_models_load_by_name_without_a_network() -> None:
    assert load("pocket-mlm").family == "masked"
    assert load("pocket-clm").family == "causal"
    assert next(load("pocket-mlm").model.parameters()).dtype == torch.float32
    assert next(load("pocket-mlm", dtype="bfloat16").model.parameters()).dtype == torch.bfloat16
    assert "masked" in str(load("pocket-mlm"))


def test_weights_without_a_head_are_refused_instead_of_made_up(tmp_path: Path) -> None:
    save(tmp_path, "bert", headless=True)
    config = json.loads((tmp_path / "config.json").read_text())
    with pytest.raises(PromptDSLError) as caught:
        load(tmp_path)
    assert caught.value.code in ("PD513", "PD518")
    (tmp_path / "config.json").write_text(json.dumps(config | {"architectures": ["BertForMaskedLM"]}))
    with pytest.raises(PromptDSLError, match="PD518"):
        load(tmp_path)


def test_damaged_and_missing_files_are_coded_errors(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(PromptDSLError, match="PD512"):
        load(tmp_path / "empty")
    folder = save(tmp_path / "cut", "bert")
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(PromptDSLError, match="PD512"):
        load(folder)
    (folder / "config.json").write_text("{not json")
    with pytest.raises(PromptDSLError, match="PD512"):
        load(folder, dtype="float32")


def test_pickled_weights_are_never_read(tmp_path: Path) -> None:
    folder = save(tmp_path, "bert")
    (folder / "model.safetensors").unlink()
    torch.save(tiny("bert")[0].state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(PromptDSLError, match="PD512"):
        load(folder)


def test_a_hub_name_without_a_network_says_so() -> None:
    with pytest.raises(PromptDSLError) as caught:
        load("some-organisation/some-model")
    assert caught.value.code == "PD512" and "network" in str(caught.value)


def test_a_device_that_is_not_there_is_refused() -> None:
    template, words = '<"placeholder":"text_a"> It was <"mask"> .', "x: the; y: a"
    for device in ("cuda:97", "no such device"):
        with pytest.raises(PromptDSLError, match="PD514"):
            PromptClassifier(template, words, "pocket-mlm", device=device).predict(["a"])
        with pytest.raises(PromptDSLError, match="PD514"):
            PromptClassifier(template, words, tiny("bert"), device=device).predict(["a"])


def test_a_tokenizer_that_is_none_is_refused() -> None:
    with pytest.raises(PromptDSLError, match="PD501"):
        as_language_model((tiny("bert")[0], "bert-base-uncased"))


@pytest.mark.parametrize("bad", [5, None, ("only one",), [1, 2, 3], ("a model", "a tokenizer")])
def test_what_is_no_model_is_refused(bad: object) -> None:
    with pytest.raises(PromptDSLError, match="PD511"):
        as_language_model(bad)
