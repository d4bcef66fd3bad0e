"""Adapters of PEFT's against what they were exported from: PEFT loads each, and the logits are the same."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from families import FAMILIES, tiny
from torch import Tensor

from promptdsl import PromptDSLError, PromptModel
from promptdsl.training.export import INPUTS, export_peft, peft_input_ids

# PEFT asks what transformers no longer has, and speaks of weights that are tied on purpose.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`"),
    pytest.mark.filterwarnings("ignore:Model with `tie_word_embeddings=True`"),
]
WORDS, ROW = "x: the; y: a", "a stirring film"
CAUSAL = [f.name for f in FAMILIES if f.kind == "causal"]


def trained(name: str, template: str, **options: Any) -> PromptModel:
    """A model whose prompt is no longer at its start."""
    model = PromptModel(tiny(name), template, WORDS, **options)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model.eval()


@torch.no_grad()
def ours(model: PromptModel) -> Tensor:
    """(length, vocabulary): the logits at every place of one row."""
    (batch,) = model.batches([ROW])
    tensors = batch.tensors()
    tensors.pop("reads")
    return model.backbone.logits(model.prompt.states(**tensors)[0])


@torch.no_grad()
def theirs(name: str, folder: Path, ids: list[int]) -> Tensor:
    """The same of the language model with the adapter that PEFT loads from a folder."""
    from peft import PeftModel

    lm = copy.deepcopy(tiny(name)[0])
    inputs = written(folder)
    if inputs.get("vocabulary", len(lm.get_input_embeddings().weight)) != len(lm.get_input_embeddings().weight):
        lm.resize_token_embeddings(inputs["vocabulary"], mean_resizing=False)
    if inputs.get("untie"):
        lm.config.tie_word_embeddings = False
    made = PeftModel.from_pretrained(lm, folder).eval()
    assert made.peft_config["default"].task_type is not None
    given = torch.tensor([ids])
    return made(input_ids=given, attention_mask=torch.ones_like(given)).logits[0]


def written(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / INPUTS).read_text("utf-8")))


@pytest.mark.parametrize("name", [f.name for f in FAMILIES if f.kind in ("masked", "causal")])
def test_soft_tokens_within_a_template_are_trainable_tokens(name: str, tmp_path: Path) -> None:
    model = trained(name, '<"placeholder":"text_a"> <"soft":2> It was <"soft":1,"encoder":"mlp"> <"mask">')
    assert export_peft(model, tmp_path) == "TRAINABLE_TOKENS"
    inputs = written(tmp_path)
    encoding = model.encode([ROW])[0][0]
    ids = peft_input_ids(encoding, inputs["token_ids"])
    assert len(set(inputs["token_ids"])) == 3 and set(inputs["token_ids"]) <= set(ids)
    found = theirs(name, tmp_path, ids)
    expected = ours(model)
    assert (found[:, : expected.shape[1]] - expected).abs().max() <= 1e-6 * expected.abs().max()


def test_a_vector_of_two_places_is_one_token(tmp_path: Path) -> None:
    model = trained("bert", '<"soft":2,"soft_id":1> <"placeholder":"text_a"> <"soft_id":1> <"mask">')
    export_peft(model, tmp_path)
    inputs = written(tmp_path)
    ids = peft_input_ids(model.encode([ROW])[0][0], inputs["token_ids"])
    assert [ids.count(i) for i in inputs["token_ids"]] == [2, 2]
    expected = ours(model)
    found = theirs("bert", tmp_path, ids)[:, : expected.shape[1]]
    assert (found - expected).abs().max() <= 1e-6 * expected.abs().max()


def test_rows_that_the_tokenizer_leaves_are_taken_first(tmp_path: Path) -> None:
    lm, tokenizer = tiny("gpt2")
    wider = copy.deepcopy(lm)
    wider.resize_token_embeddings(len(tokenizer) + 3, mean_resizing=False)
    for count, first in ((3, len(tokenizer)), (4, len(tokenizer) + 3)):
        model = PromptModel((wider, tokenizer), f'<"placeholder":"text_a"> <"soft":{count}> <"mask">', WORDS)
        export_peft(model, tmp_path)
        assert written(tmp_path)["token_ids"] == list(range(first, first + count))
        assert written(tmp_path)["vocabulary"] == max(len(tokenizer) + 3, first + count)


@pytest.mark.parametrize("name", ["gpt2", "qwen2", "opt"])
def test_soft_tokens_with_nothing_before_them_are_prompt_tuning(name: str, tmp_path: Path) -> None:
    model = trained(name, '<"soft":2,"same":true><"soft":2> <"placeholder":"text_a"> It was <"mask">')
    assert not model.program.before
    assert export_peft(model, tmp_path) == "PROMPT_TUNING"
    encoding = model.encode([ROW])[0][0]
    found, expected = theirs(name, tmp_path, encoding.input_ids[4:].tolist()), ours(model)
    assert written(tmp_path)["soft_tokens"] == 4
    assert (found - expected[-len(found) :]).abs().max() <= 1e-6 * expected.abs().max()
    # The prompt is seen: without it the logits are others.
    plain = tiny(name)[0](input_ids=torch.tensor([encoding.input_ids[4:].tolist()])).logits[0]
    assert (plain - found[-len(plain) :]).abs().max() > 0.01


def test_a_token_of_the_tokenizers_own_stands_before(tmp_path: Path) -> None:
    """BERT's [CLS] and Llama's <s> come first, and PEFT would put its prompt before them."""
    for name in ("bert", "llama"):
        model = trained(name, '<"soft":2> <"placeholder":"text_a"> <"mask">')
        assert model.program.before and export_peft(model, tmp_path / name) == "TRAINABLE_TOKENS"


@pytest.mark.parametrize("name", CAUSAL)
def test_the_prefix_of_a_decoder_is_prefix_tuning(name: str, tmp_path: Path) -> None:
    model = trained(name, '<"prefix":3,"encoder":"mlp","hidden":8><"placeholder":"text_a"> It was <"mask">')
    assert export_peft(model, tmp_path) == "PREFIX_TUNING"
    found = theirs(name, tmp_path, model.encode([ROW])[0][0].input_ids.tolist())
    expected = ours(model)
    assert (found - expected).abs().max() <= 1e-6 * expected.abs().max()
    other = PromptModel(tiny(name), '<"placeholder":"text_a"> It was <"mask">', WORDS)
    assert (ours(other)[-1] - expected[-1]).abs().max() > 0.01


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_adapters_are_themselves(name: str, tmp_path: Path) -> None:
    from peft import LoraConfig

    target = {"bert": ["query", "value"], "gpt2": ["c_attn"]}[name]
    config = LoraConfig(r=2, target_modules=target, fan_in_fan_out=name == "gpt2")
    model = trained(name, '<"placeholder":"text_a"> It was <"mask">', tune=config)
    assert export_peft(model, tmp_path) == "LORA"
    found, expected = theirs(name, tmp_path, model.encode([ROW])[0][0].input_ids.tolist()), ours(model)
    assert (found - expected).abs().max() <= 1e-6 * expected.abs().max()
    assert config.task_type is None  # the user's own is left alone


@pytest.mark.parametrize(
    ("name", "template", "tune", "said"),
    [
        ("bert", '<"prefix":2><"placeholder":"text_a"> <"mask">', "prompt", 'model type "bert"'),
        ("gpt2", '<"prefix":2><"soft":2><"placeholder":"text_a"> <"mask">', "prompt", "soft tokens and a prefix"),
        ("gpt2", '<"placeholder":"text_a"> <"mask">', "prompt", "nothing was trained"),
        ("bert", '<"soft"><"placeholder":"text_a"> <"mask">', "bitfit", '"bitfit"'),
    ],
)
def test_what_peft_cannot_hold(name: str, template: str, tune: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(PromptDSLError, match="PD840") as caught:
        export_peft(PromptModel(tiny(name), template, WORDS, tune=tune), tmp_path / "there")
    assert said in str(caught.value)
    assert not (tmp_path / "there").exists()
