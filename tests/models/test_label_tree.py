"""Label trees against plain transformers: each word behind each prompt by itself, nothing shared, nothing packed."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as tf
from families import FAMILIES, tiny
from torch import Tensor

from promptdsl import load
from promptdsl.models import label_tree
from promptdsl.models.backbone import Backbone
from promptdsl.models.label_tree import LabelTree, tree_scores, tree_supported
from promptdsl.models.loading import as_language_model
from promptdsl.verbalizers.multi_token import plan, word_scores

CAUSAL = [f.name for f in FAMILIES if f.kind == "causal"]
PROMPTS = [[5, 17, 200, 31, 8, 90, 44], [61, 7], [300, 301, 302, 303], [9]]


def some_words(number: int, vocabulary: int) -> list[tuple[int, ...]]:
    """Words of one to five tokens, many of which begin alike, some of them beginnings of others."""
    draw = random.Random(number)
    few = [draw.randrange(5, vocabulary) for _ in range(6)]
    words = [tuple(draw.choice(few) for _ in range(draw.randint(1, 5))) for _ in range(number)]
    return [*words, (few[0],), (few[0], few[1]), (few[0], few[1], few[2]), (few[0],)]


def one_by_one(model: Any, prompts: Sequence[Sequence[int]], words: Sequence[tuple[int, ...]]) -> Tensor:
    """(prompts, terms): log p of each token of each word, from a forward pass of its own."""
    rows = []
    for prompt in prompts:
        terms: list[Tensor] = []
        for word in words:
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([[*prompt, *word]])).logits[0].float()
            log_p = logits.log_softmax(-1)
            terms += [log_p[len(prompt) - 1 + i, token] for i, token in enumerate(word)]
        rows.append(torch.stack(terms))
    return torch.stack(rows)


def batch(prompts: Sequence[Sequence[int]]) -> dict[str, Tensor]:
    longest = max(map(len, prompts)) + 2  # some padding behind every prompt
    return {
        "input_ids": torch.tensor([[*p, *[1] * (longest - len(p))] for p in prompts]),
        "attention_mask": torch.tensor([[1] * len(p) + [0] * (longest - len(p)) for p in prompts]),
        "reads": torch.tensor([[len(p) - 1] for p in prompts]),
    }


def backbone_of(model: Any, tokenizer: Any) -> Backbone:
    return Backbone(as_language_model((model, tokenizer)))


@torch.no_grad()
def scores(backbone: Backbone, words: Sequence[tuple[int, ...]], *, packed: bool) -> Tensor:
    return tree_scores(backbone, LabelTree.of(words), **batch(PROMPTS), packed=packed)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("name", CAUSAL)
def test_terms_equal_plain_transformers(name: str, attention: str, packed: bool) -> None:
    if (name, attention) == ("gemma2", "sdpa"):
        pytest.skip("transformers has no sdpa for Gemma 2, whose attention is squashed")
    model, tokenizer = copy.deepcopy(tiny(name))
    model.set_attn_implementation(attention)
    backbone = backbone_of(model, tokenizer)
    assert tree_supported(backbone)
    words = some_words(30, 600)
    found = scores(backbone, words, packed=packed)
    torch.testing.assert_close(found, one_by_one(model, PROMPTS, words), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", CAUSAL)
def test_hundreds_of_nodes_in_many_chunks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_tree, "NODES", 50)
    monkeypatch.setattr(label_tree, "LOGITS", 20_000)
    model, tokenizer = tiny(name)
    words = some_words(500, 600)
    tree = LabelTree.of(words)
    chunks = tree.chunks(50)
    assert len(tree.parents) > 200 and len(chunks) > 4
    assert sorted(n for c in chunks for n in c.nodes[c.known :].tolist()) == list(range(1, len(tree.parents)))
    assert any(c.known for c in chunks) and max(len(c.nodes) for c in chunks) <= 50
    found = scores(backbone_of(model, tokenizer), words, packed=True)
    some = sorted({0, 1, 250, *range(len(words) - 30, len(words))})
    starts = [sum(map(len, words[:i])) for i in range(len(words))]
    terms = [starts[i] + j for i in some for j in range(len(words[i]))]
    expected = one_by_one(model, PROMPTS[:2], [words[i] for i in some])
    torch.testing.assert_close(found[:2, terms], expected, atol=1e-4, rtol=0)


def test_words_of_one_token_need_the_prompt_alone() -> None:
    model, tokenizer = tiny("llama")
    words = [(5,), (9,), (5,)]
    tree = LabelTree.of(words)
    assert (len(tree.parents), tree.depth, tree.chunks(10)) == (1, 0, ())
    for packed in (True, False):
        found = scores(backbone_of(model, tokenizer), words, packed=packed)
        torch.testing.assert_close(found, one_by_one(model, PROMPTS, words), atol=1e-4, rtol=0)


@pytest.mark.parametrize("mode", ["joint", "mean", "max"])
def test_terms_stand_in_the_order_of_a_plans_readings(mode: str) -> None:
    """So that a plan's own weights and maxima make words of them."""
    model, tokenizer = tiny("gpt2")
    words = some_words(20, 600)
    planned = plan([(w,) for w in words], [None], None, mode)
    found = word_scores(planned, len(words), scores(backbone_of(model, tokenizer), words, packed=True))
    terms = one_by_one(model, PROMPTS, words)
    own = terms.split([len(w) for w in words], dim=1)
    expected = [{"joint": t.sum(1), "mean": t.mean(1), "max": t.amax(1)}[mode] for t in own]
    torch.testing.assert_close(found, torch.stack(expected, 1), atol=3e-4, rtol=0)


def test_the_tree_by_hand() -> None:
    """5, 5 6, 5 6 7 and 8 9: nodes are the prompt, 5, 5 6 and 8."""
    tree = LabelTree.of([(5,), (5, 6), (5, 6, 7), (8, 9)])
    assert tree.tokens.tolist() == [-1, 5, 6, 8]
    assert tree.parents.tolist() == [-1, 0, 1, 0]
    assert tree.depths.tolist() == [0, 1, 2, 1]
    assert tree.edge_tokens.tolist() == [5, 8, 6, 7, 9]
    assert tree.edge_starts.tolist() == [0, 2, 3, 4, 5]
    assert tree.terms.tolist() == [0, 0, 2, 0, 2, 3, 1, 4]
    (chunk,) = tree.chunks(10)
    assert chunk.visible.int().tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    _, second, third = tree.chunks(1)  # 5 6 cannot go without 5
    assert (second.nodes.tolist(), second.known, third.nodes.tolist()) == ([1, 2], 1, [3])


SMALL: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}


def _bloom(v: int) -> Any:
    return tf.BloomForCausalLM(tf.BloomConfig(vocab_size=v, hidden_size=32, n_layer=2, n_head=4))


def _falcon(v: int) -> Any:
    return tf.FalconForCausalLM(tf.FalconConfig(vocab_size=v, alibi=True, new_decoder_architecture=False, **SMALL))


def _gpt_neo(v: int) -> Any:
    layers: dict[str, Any] = {"num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]]}
    return tf.GPTNeoForCausalLM(tf.GPTNeoConfig(vocab_size=v, hidden_size=32, window_size=16, **layers))


def _mistral(v: int, window: int = 3) -> Any:
    more = {"num_key_value_heads": 2, "intermediate_size": 48, "head_dim": 8, "sliding_window": window}
    return tf.MistralForCausalLM(tf.MistralConfig(vocab_size=v, **SMALL, **more))


def _gemma2(v: int, window: int) -> Any:
    more = {"num_key_value_heads": 2, "intermediate_size": 48, "head_dim": 8, "sliding_window": window}
    return tf.Gemma2ForCausalLM(tf.Gemma2Config(vocab_size=v, **SMALL, **more))


def with_weights(make: Callable[..., Any], *options: int) -> Backbone:
    """A model whose scores depend on what stands where."""
    torch.manual_seed(0)
    model = make(len(tiny("gpt2")[1]), *options).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.2)
    return backbone_of(model, tiny("gpt2")[1])


@pytest.mark.parametrize("make", [_bloom, _falcon, _gpt_neo, _mistral])
def test_a_model_that_cannot_is_found_out_and_read_line_by_line(make: Callable[..., Any]) -> None:
    """ALiBi without positions and with them, masks of the model's own, and a window of three tokens."""
    backbone = with_weights(make)
    assert not tree_supported(backbone)
    words = some_words(12, 600)
    found = scores(backbone, words, packed=False)
    torch.testing.assert_close(found, one_by_one(backbone.lm, PROMPTS, words), atol=1e-4, rtol=0)


def test_a_state_space_has_no_keys_and_values() -> None:
    config = tf.MambaConfig(vocab_size=len(tiny("gpt2")[1]), hidden_size=32, num_hidden_layers=2, state_size=4)
    assert not tree_supported(backbone_of(tf.MambaForCausalLM(config).eval(), tiny("gpt2")[1]))


def test_half_precision_is_no_reason_to_fall_back() -> None:
    """The tolerance of the trial allows for the dtype's own rounding."""
    model, tokenizer = copy.deepcopy(tiny("llama"))
    assert tree_supported(backbone_of(model.to(torch.bfloat16), tokenizer))


@pytest.mark.parametrize("make", [_gemma2, _mistral])
def test_prompts_longer_than_the_attention_window_are_read_line_by_line(make: Callable[..., Any]) -> None:
    """Nine positions and four of a word are more than a window of ten, where short prompts are not."""
    backbone = with_weights(make, 10)
    assert tree_supported(backbone)
    words = some_words(12, 600)
    torch.testing.assert_close(
        scores(backbone, words, packed=True), one_by_one(backbone.lm, PROMPTS, words), atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("name", ["pocket-clm", "stories260K", "tinystories-656K"])
def test_trained_models(name: str, request: pytest.FixtureRequest) -> None:
    where: str | Path = name if name == "pocket-clm" else request.getfixturevalue("shared") / "models" / name
    lm = load(where, dtype="float32")
    backbone = Backbone(lm)
    assert tree_supported(backbone)
    texts = ["Once upon a time there was a dog who", "The film was", "I"]
    prompts = [[*lm.text.encode([text], at_start=True)[0]] for text in texts]
    phrases = [" very happy", " very", " very sad and tired", " running home", " happy", " big red balloons", " go"]
    words = [tuple(ids) for ids in lm.text.encode(phrases)]
    assert max(map(len, words)) > 2
    with torch.no_grad():
        found = tree_scores(backbone, LabelTree.of(words), **batch(prompts))
    torch.testing.assert_close(found, one_by_one(lm.model, prompts, words), atol=1e-4, rtol=0)


def test_the_callers_model_keeps_nothing() -> None:
    model, tokenizer = tiny("llama")
    before = {k: v.clone() for k, v in model.state_dict().items()}, str(model.config)
    backbone = backbone_of(model, tokenizer)
    state = torch.random.get_rng_state()
    assert tree_supported(backbone)
    once = scores(backbone, some_words(12, 600), packed=True)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.testing.assert_close(scores(backbone, some_words(12, 600), packed=True), once, atol=0, rtol=0)
    assert str(model.config) == before[1]
    assert all(torch.equal(v, before[0][k]) for k, v in model.state_dict().items())
