"""The deep prefix against attention by hand, the tokens that its keys and values stand for, and PEFT."""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf
from families import FAMILIES, tiny
from torch import Tensor, nn

from promptdsl import PromptDSLError
from promptdsl.encoding.compiler import bind
from promptdsl.models.backbone import Backbone
from promptdsl.models.loading import as_language_model
from promptdsl.models.prefix import Prefix

REFUSED = ["deberta-v2", "t5"]
SERVED = [f.name for f in FAMILIES if f.name not in REFUSED]
CAUSAL = [f.name for f in FAMILIES if f.kind == "causal"]
ROW = '<"placeholder":"text_a"> It was <"mask">'


def backbone_of(name: str, **options: Any) -> Backbone:
    return Backbone(as_language_model(tiny(name)), **options)


def prefix_of(name: str, tag: str, backbone: Backbone | None = None, **options: Any) -> Prefix:
    lm = as_language_model(tiny(name))
    program = bind(tag + ROW, lm.tokenizer, family=lm.family)
    return Prefix(program, backbone or backbone_of(name), **options)


def shaken(prefix: Prefix, seed: int = 3) -> Prefix:
    """The same with random offsets, far from words."""
    noise = torch.randn(prefix.start.shape, generator=torch.Generator().manual_seed(seed))
    prefix.keep(prefix.start + noise)
    return prefix


def lines(side: str) -> tuple[Tensor, Tensor]:
    """Two lines of ids, 7 and 4 long, and their mask."""
    ids, mask = torch.arange(40, 54).view(2, 7), torch.ones(2, 7, dtype=torch.long)
    at = slice(4, 7) if side == "right" else slice(0, 3)
    ids[1, at], mask[1, at] = 0, 0
    return ids, mask


# --- attention by hand ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Anatomy:
    """Where a family keeps its attention: the class, its projections to queries, keys and values, what comes after."""

    module: str
    split: Callable[[Any, Tensor], tuple[Tensor, ...]]
    after: Callable[[Any, Tensor, Tensor], Tensor]
    causal: bool = False
    rotary: bool = False


def named(*names: str) -> Callable[[Any, Tensor], tuple[Tensor, ...]]:
    return lambda m, x: tuple(getattr(m, name)(x) for name in names)


BERT = Anatomy("SelfAttention", named("query", "key", "value"), lambda m, c, x: c)
LLAMA = Anatomy("Attention", named("q_proj", "k_proj", "v_proj"), lambda m, c, x: m.o_proj(c), True, True)
ANATOMY = {
    "bert": BERT,
    "roberta": BERT,
    "electra": BERT,
    "albert": Anatomy("AlbertAttention", BERT.split, lambda m, c, x: m.LayerNorm(x + m.dense(c))),
    "distilbert": Anatomy("SelfAttention", named("q_lin", "k_lin", "v_lin"), lambda m, c, x: m.out_lin(c)),
    "modernbert": Anatomy(
        "ModernBertAttention", lambda m, x: m.Wqkv(x).chunk(3, -1), lambda m, c, x: m.Wo(c), rotary=True
    ),
    "gpt2": Anatomy("GPT2Attention", lambda m, x: m.c_attn(x).chunk(3, -1), lambda m, c, x: m.c_proj(c), True),
    "llama": LLAMA,
    "qwen2": LLAMA,
    "opt": Anatomy("OPTAttention", LLAMA.split, lambda m, c, x: m.out_proj(c), True),
    "gemma2": LLAMA,
}
CAPS = {"gemma2": (50.0, 256**-0.5)}  # the cap of its scores, and what its queries are multiplied with
FIRST = {"roberta": 2}  # RoBERTa numbers positions from its padding index + 1


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


def attention_by_hand(name: str, module: Any, inputs: tuple[Any, dict[str, Any]], before: Any, mask: Tensor) -> Tensor:
    """softmax((q · [prefix keys; keys]) / √d) [prefix values; values], in plain tensors."""
    own, (given, more) = ANATOMY[name], inputs
    hidden = given[0] if given else more["hidden_states"]
    batch, length, _ = hidden.shape
    width = before[0].shape[-1]
    q, k, v = (t.view(batch, length, -1, width).transpose(1, 2) for t in own.split(module, hidden))
    if own.rotary:
        cos, sin = (t[:, None] for t in more["position_embeddings"])
        q, k = turned(q, cos, sin), turned(k, cos, sin)
    keys, values = (torch.cat([p[None].expand(batch, *p.shape), t], 2) for p, t in zip(before, (k, v), strict=True))
    keys, values = (t.repeat_interleave(q.shape[1] // t.shape[1], 1) for t in (keys, values))
    cap, scale = CAPS.get(name, (None, width**-0.5))
    scores = q @ keys.mT * scale
    if cap is not None:
        scores = cap * (scores / cap).tanh()
    n = before[0].shape[1]
    allowed = mask[:, None, None, :].bool().expand(batch, 1, length, length)
    if own.causal:
        allowed = allowed & torch.ones(length, length).tril().bool()
    scores[..., n:] = scores[..., n:].masked_fill(~allowed, -torch.inf)
    context = (scores.softmax(-1) @ values).transpose(1, 2).reshape(batch, length, -1)
    made: Tensor = own.after(module, context, hidden)
    return made


def states_by_hand(name: str, model: Any, pairs: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """Last hidden states of the plain model, with every attention's answer put in by hand."""
    body, layers = model.base_model, iter(pairs)
    modules = [m for m in body.modules() if type(m).__name__.endswith(ANATOMY[name].module)]
    hooks = [
        m.register_forward_hook(
            lambda m, given, more, out: (attention_by_hand(name, m, (given, more), next(layers), mask), *out[1:]),
            with_kwargs=True,
        )
        for m in modules
    ]
    n = pairs[0][0].shape[1]
    positions = (mask.cumsum(1) - 1).clamp(min=0) + n + FIRST.get(name, 0)
    try:
        out = body(input_ids=ids, attention_mask=mask, position_ids=positions)
    finally:
        for hook in hooks:
            hook.remove()
    assert next(layers, None) is None  # every layer was done by hand
    return out.last_hidden_state


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("name", SERVED)
@torch.no_grad()
def test_states_are_those_of_attention_by_hand(name: str, side: str) -> None:
    backbone = backbone_of(name)
    prefix = shaken(prefix_of(name, '<"prefix":5>', backbone))
    ids, mask = lines(side)
    model = tiny(name)[0]
    found = prefix.states(backbone, ids, mask)[mask.bool()]
    expected = states_by_hand(name, model, prefix(), ids, mask)[mask.bool()]
    assert (found - expected).abs().max() < 1e-4
    without = backbone.states(ids, mask)[mask.bool()]
    assert (found - without).abs().max() > 0.1


@pytest.mark.parametrize("name", SERVED)
@torch.no_grad()
def test_padding_and_batching_change_nothing(name: str) -> None:
    """Each line alone, without padding, and given as vectors, has the states that it has in a batch."""
    backbone = backbone_of(name)
    prefix = shaken(prefix_of(name, '<"prefix":3>', backbone))
    for side in ("right", "left"):
        ids, mask = lines(side)
        found = prefix.states(backbone, ids, mask)
        for line in range(2):
            real = mask[line].bool()
            alone = backbone.embed(ids[line : line + 1, real])
            single = prefix.states(backbone, None, torch.ones(1, int(real.sum()), dtype=torch.long), None, alone)
            assert (found[line, real] - single[0]).abs().max() < 1e-4


@torch.no_grad()
def test_segments_reach_the_model() -> None:
    backbone, (model, _) = backbone_of("bert"), tiny("bert")
    prefix = shaken(prefix_of("bert", '<"prefix":3>', backbone))
    ids, mask = lines("right")
    segments = torch.tensor([[0, 0, 0, 1, 1, 1, 1]] * 2)
    cache = tf.DynamicCache()
    for layer, (keys, values) in enumerate(prefix()):
        cache.update(keys.expand(2, -1, -1, -1), values.expand(2, -1, -1, -1), layer)
    wide = torch.cat([torch.ones(2, 3, dtype=torch.long), mask], 1)
    expected = model.bert(input_ids=ids, token_type_ids=segments, attention_mask=wide, past_key_values=cache)
    found = prefix.states(backbone, ids, mask, segments)
    assert (found - expected.last_hidden_state)[mask.bool()].abs().max() < 1e-4
    assert (found - prefix.states(backbone, ids, mask)).abs().max() > 1e-2


# --- models that take none --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REFUSED)
def test_a_family_that_would_drop_the_prefix_is_refused(name: str) -> None:
    with pytest.raises(PromptDSLError) as caught:
        prefix_of(name, '<"prefix":5>')
    assert caught.value.code == "PD530"
    assert type(tiny(name)[0]).__name__ in str(caught.value) and '<"soft":20>' in str(caught.value)


@torch.no_grad()
def test_a_layer_that_drops_its_prefix_is_found_on_trial() -> None:
    """BERT whose last layer fills the cache and does not read it: the prefix goes the other way, to the same states."""

    class Forgetful(tf.models.bert.modeling_bert.BertSelfAttention):
        def forward(self, hidden_states: Tensor, attention_mask: Any = None, past_key_values: Any = None, **more: Any):
            if past_key_values is not None:
                own = [t(hidden_states).view(*hidden_states.shape[:2], 4, 8) for t in (self.key, self.value)]
                past_key_values.update(own[0].transpose(1, 2), own[1].transpose(1, 2), self.layer_idx)
            own_mask = None if attention_mask is None else attention_mask[..., -hidden_states.shape[1] :]
            return super().forward(hidden_states, own_mask, None, **more)

    model, tokenizer = tiny("bert")
    model = copy.deepcopy(model)
    model.bert.encoder.layer[1].attention.self.__class__ = Forgetful
    backbone = Backbone(as_language_model((model, tokenizer)))
    prefix = shaken(prefix_of("bert", '<"prefix":5>', backbone))
    ids, mask = lines("left")
    expected = states_by_hand("bert", tiny("bert")[0], prefix(), ids, mask)[mask.bool()]
    assert (prefix.states(backbone, ids, mask)[mask.bool()] - expected).abs().max() < 1e-4


def test_a_model_that_weighs_the_prefix_unlike_tokens_is_refused() -> None:
    """GPT-2 whose first layer sharpens its scores where something is in the cache."""

    class Sharp(tf.models.gpt2.modeling_gpt2.GPT2Attention):
        def forward(self, hidden_states: Tensor, past_key_values: Any = None, **more: Any) -> Any:
            filled = past_key_values is not None and past_key_values.get_seq_length(self.layer_idx) > 0
            self.scaling = 2 * 8**-0.5 if filled else 8**-0.5
            return super().forward(hidden_states, past_key_values, **more)

    model, tokenizer = tiny("gpt2")
    model = copy.deepcopy(model)
    model.transformer.h[0].attn.__class__ = Sharp
    with pytest.raises(PromptDSLError, match="PD530"):
        prefix_of("gpt2", '<"prefix":2>', Backbone(as_language_model((model, tokenizer))))


def test_a_prefix_that_leaves_no_position_is_refused() -> None:
    for name in ("bert", "roberta", "gpt2"):  # RoBERTa's 130 positions are 128, for it never uses the first two
        assert len(prefix_of(name, '<"prefix":127>').start) == 127
        with pytest.raises(PromptDSLError, match=r"PD531 a prefix of 128 .* the model has 128"):
            prefix_of(name, '<"prefix":128>')


def test_a_refused_or_served_model_stays_as_it_was() -> None:
    """The caller's model, and passes without a prefix through the same view, bit for bit."""
    ids, mask = lines("right")
    for name in ("albert", "modernbert", "bert"):
        model = tiny(name)[0]
        backbone = backbone_of(name)
        with torch.no_grad():
            before = backbone.states(ids, mask)
            prefix_of(name, '<"prefix":5>', backbone)
            assert torch.equal(backbone.states(ids, mask), before)
        assert model.config._attn_implementation == "sdpa"


@torch.no_grad()
def test_eager_models_are_served_by_their_own_attention() -> None:
    model, tokenizer = tiny("albert")
    eager = copy.deepcopy(model)
    eager.set_attn_implementation("eager")
    backbone = Backbone(as_language_model((eager, tokenizer)))
    prefix = shaken(prefix_of("albert", '<"prefix":5>', backbone))
    ids, mask = lines("left")
    found = prefix.states(backbone, ids, mask)[mask.bool()]
    assert (found - states_by_hand("albert", model, prefix(), ids, mask)[mask.bool()]).abs().max() < 1e-4


# --- what the prefix starts from --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CAUSAL)
@torch.no_grad()
def test_a_prefix_from_a_text_reads_like_the_text(name: str) -> None:
    """On a causal LM an untrained prefix is the text itself, standing in front."""
    backbone, (_, tokenizer) = backbone_of(name), tiny(name)
    text = tokenizer("a film review", add_special_tokens=False)["input_ids"]
    prefix = prefix_of(name, f'<"prefix":{len(text)},"init":"text:a film review">', backbone)
    ids = torch.arange(30, 36)[None]
    whole = torch.cat([torch.tensor([text]), ids], 1)
    expected = backbone.states(whole, torch.ones_like(whole))[:, len(text) :]
    assert (prefix.states(backbone, ids, torch.ones_like(ids)) - expected).abs().max() < 1e-4


@torch.no_grad()
def test_a_window_hides_a_prefix_as_it_hides_tokens() -> None:
    """Gemma 2 with a window of 4 in its first layer: the identity of the test above holds beyond the window."""
    model, tokenizer = tiny("gemma2")
    config = copy.deepcopy(model.config)
    config.sliding_window = 4
    narrow = tf.Gemma2ForCausalLM(config).eval()
    narrow.load_state_dict(model.state_dict())
    backbone = Backbone(as_language_model((narrow, tokenizer)))
    text = tokenizer("a film review", add_special_tokens=False)["input_ids"]
    prefix = prefix_of("gemma2", f'<"prefix":{len(text)},"init":"text:a film review">', backbone)
    whole = torch.tensor([[*text, *range(30, 40)]])
    expected = backbone.states(whole, torch.ones_like(whole))[:, len(text) :]
    found = prefix.states(backbone, whole[:, len(text) :], torch.ones(1, 10, dtype=torch.long))
    assert (found - expected).abs().max() < 1e-4
    assert (expected - backbone_of("gemma2").states(whole, torch.ones_like(whole))[:, len(text) :]).abs().max() > 0.01


@torch.no_grad()
def test_an_encoders_window_sees_the_whole_prefix() -> None:
    """ModernBERT with windows of 8 in both layers: the last token hears the prefix, and no token as far away."""
    model, tokenizer = tiny("modernbert")
    config = copy.deepcopy(model.config)
    config.layer_types, config.local_attention = ["sliding_attention"] * 2, 8
    local = tf.ModernBertForMaskedLM(config).eval()
    local.load_state_dict(model.state_dict(), strict=False)
    backbone = Backbone(as_language_model((local, tokenizer)))
    prefix = prefix_of("modernbert", '<"prefix":2>', backbone)
    ids = torch.arange(30, 50)[None]
    states = [p.states(backbone, ids, torch.ones_like(ids))[0, -1] for p in (prefix, shaken(copy.deepcopy(prefix)))]
    assert (states[0] - states[1]).abs().max() > 0.1
    far = [backbone.states(torch.cat([torch.tensor([[n]]), ids], 1), torch.ones(1, 21))[0, -1] for n in (5, 6)]
    assert torch.equal(far[0], far[1])


LABEL_WORDS = [[70, 71], [], [80]]


@torch.no_grad()
def test_a_decoders_prefix_starts_at_the_cache_of_the_label_words() -> None:
    filled = tiny("llama")[0](torch.tensor([[70, 71, 80]]), use_cache=True).past_key_values.layers
    pairs = prefix_of("llama", '<"prefix":4,"init":"labels">', label_words=LABEL_WORDS)()
    for (keys, values), layer in zip(pairs, filled, strict=True):
        assert torch.allclose(keys[:, :3], layer.keys[0], atol=1e-5)
        assert torch.allclose(values[:, :3], layer.values[0], atol=1e-5)
    assert (pairs[0][0][:, 3] - pairs[0][0][:, 2]).abs().max() > 0.1  # a sampled word, for want of a fourth


@pytest.mark.parametrize("name", ["bert", "distilbert"])
@torch.no_grad()
def test_an_encoders_prefix_starts_at_its_projections_of_the_label_words(name: str) -> None:
    body, seen = tiny(name)[0].base_model, []
    ends = (".key", ".value", ".k_lin", ".v_lin")
    projections = [module for path, module in body.named_modules() if path.endswith(ends)]
    hooks = [m.register_forward_hook(lambda m, given, out: seen.append(out[0])) for m in projections]
    body(torch.tensor([[70, 71, 80]]))
    for hook in hooks:
        hook.remove()
    pairs = prefix_of(name, '<"prefix":3,"init":"labels">', label_words=LABEL_WORDS)()
    found = [tensor.transpose(0, 1).flatten(1) for pair in pairs for tensor in pair]
    assert len(found) == len(seen) == 4
    assert all(torch.allclose(f, s, atol=1e-5) for f, s in zip(found, seen, strict=True))


def test_drawn_keys_and_values_have_the_mean_and_spread_of_words() -> None:
    for name in ("bert", "llama"):
        words = prefix_of(name, '<"prefix":100>').start
        drawn = prefix_of(name, '<"prefix":100,"init":"normal">').start
        error = words.std(0) * (2 / 100) ** 0.5  # of the difference of two means of a hundred
        assert ((words.mean(0) - drawn.mean(0)).abs() / error).mean() < 1.2  # 0.8 is expected
        assert 0.9 < (drawn.std(0) / words.std(0)).mean() < 1.1


def test_the_seed_decides_and_nobodys_random_state_moves() -> None:
    torch.manual_seed(11)
    np.random.seed(11)
    before, there = torch.get_rng_state(), np.random.get_state()[1].copy()
    for tag in ('<"prefix":5>', '<"prefix":5,"init":"normal">', '<"prefix":5,"encoder":"mlp","hidden":8>'):
        first, same, other = (prefix_of("bert", tag, seed=seed).state_dict() for seed in (1, 1, 2))
        assert all(torch.equal(first[k], same[k]) for k in first)
        drawn = {"start", "learned.vectors", "learned.layers.0.weight"} & first.keys()
        assert not any(torch.equal(first[k], other[k]) for k in drawn)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], there)


# --- what is trained --------------------------------------------------------------------------------------------------


def fingerprint(backbone: Backbone) -> str:
    digest = hashlib.sha256()
    for tensor in (*backbone.lm.parameters(), *backbone.lm.buffers()):
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()


def loss_of(prefix: Prefix, backbone: Backbone) -> Tensor:
    ids, mask = lines("right")
    states = prefix.states(backbone, ids, mask)
    return nn.functional.cross_entropy(backbone.logits(states[:, 2]), torch.tensor([100, 200]))


@pytest.mark.parametrize("encoder", ["", ',"encoder":"mlp","hidden":16'])
@pytest.mark.parametrize("name", SERVED)
def test_training_moves_the_prefix_alone(name: str, encoder: str) -> None:
    backbone = backbone_of(name)
    before = fingerprint(backbone)
    prefix = prefix_of(name, f'<"prefix":4{encoder}>', backbone)
    optimizer = torch.optim.Adam(prefix.parameters(), lr=0.05)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = loss_of(prefix, backbone)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.5
    assert all(p.grad is not None and bool(p.grad.any()) for p in prefix.parameters())
    assert all(p.grad is None for p in backbone.lm.parameters())
    assert fingerprint(backbone) == before


def test_parameters_are_as_few_as_the_papers_say() -> None:
    """2 · layers · kv width for each position; or a vector each, and two linear maps (Li & Liang's P' and MLP)."""
    for name, kv in (("bert", 32), ("llama", 16)):  # Llama has 2 heads of 8 for its keys and values
        plain = prefix_of(name, '<"prefix":6>')
        assert sum(p.numel() for p in plain.parameters()) == 6 * 2 * 2 * kv
        network = prefix_of(name, '<"prefix":6,"encoder":"mlp","hidden":10>')
        expected = 6 * 32 + (32 + 1) * 10 + (10 + 1) * 2 * 2 * kv
        assert sum(p.numel() for p in network.parameters()) == expected


@pytest.mark.parametrize("name", ["albert", "llama"])
def test_baking_keeps_every_bit_and_drops_the_network(name: str) -> None:
    backbone = backbone_of(name)
    plain = prefix_of(name, '<"prefix":4>', backbone)
    prefix = prefix_of(name, '<"prefix":4,"encoder":"mlp","dropout":0.5>', backbone)
    assert torch.equal(prefix.table(), plain.table())  # training starts at the words
    for _ in range(3):
        optimizer = torch.optim.SGD(prefix.parameters(), lr=0.1)
        optimizer.zero_grad()
        loss_of(prefix.eval(), backbone).backward()
        optimizer.step()
    with torch.no_grad():
        trained, learned = loss_of(prefix, backbone), sum(p.numel() for p in prefix.parameters())
        assert not torch.equal(prefix.table(), plain.table())
        for _ in range(2):
            prefix.bake()
            assert torch.equal(loss_of(prefix, backbone), trained)
            assert sum(p.numel() for p in prefix.parameters()) == plain.start.numel() < learned
    loss_of(prefix, backbone).backward()  # and it can be trained on
    assert all(bool(p.grad.any()) for p in prefix.parameters())


def test_dropout_is_for_training() -> None:
    prefix = prefix_of("bert", '<"prefix":50,"dropout":0.25>')
    whole = torch.cat([t.flatten() for pair in prefix.eval()() for t in pair])
    torch.manual_seed(0)
    dropped = torch.cat([t.flatten() for pair in prefix.train()() for t in pair])
    kept = dropped != 0
    assert 0.72 < kept.float().mean() < 0.78  # 6,400 numbers: 0.75 ± 0.0054
    assert torch.allclose(dropped[kept], whole[kept] / 0.75)


@pytest.mark.parametrize("name", ["bert", "albert", "llama"])
@torch.no_grad()
def test_a_bfloat16_model_takes_a_float32_prefix(name: str) -> None:
    half = backbone_of(name, dtype=torch.bfloat16)
    prefix = prefix_of(name, '<"prefix":5>', half)
    assert {t.dtype for t in prefix.state_dict().values()} == {torch.float32}
    ids, mask = lines("right")
    found = prefix.states(half, ids, mask)
    assert found.dtype == torch.bfloat16
    exact = prefix.states(backbone_of(name), ids, mask)
    assert (found.float() - exact)[mask.bool()].abs().mean() < 0.05 * exact.abs().mean()


@torch.no_grad()
def test_threads_do_not_mix_their_prefixes() -> None:
    backbone = backbone_of("albert")
    prefixes = [shaken(prefix_of("albert", '<"prefix":5>', backbone), seed) for seed in range(4)]
    ids, mask = lines("right")
    expected = [p.states(backbone, ids, mask) for p in prefixes]
    wrong: list[int] = []

    def work(number: int) -> None:
        with torch.no_grad():
            for _ in range(40):
                if not torch.equal(prefixes[number].states(backbone, ids, mask), expected[number]):
                    wrong.append(number)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []
    assert not torch.equal(expected[0], expected[1])


# --- PEFT -------------------------------------------------------------------------------------------------------------


@contextmanager
def peft_prefix(model: Any, pairs: Any) -> Iterator[Any]:
    """PEFT's model with the same keys and values: each row of its table is a token's, layer by layer."""
    from peft import PrefixTuningConfig, get_peft_model

    heads, n, width = pairs[0][0].shape
    config = PrefixTuningConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=n, num_layers=len(pairs), num_attention_heads=heads,
        token_dim=heads * width,
    )  # fmt: skip
    made = get_peft_model(copy.deepcopy(model), config)
    rows = [torch.cat([t[:, i].flatten() for pair in pairs for t in pair]) for i in range(n)]
    with torch.no_grad():
        made.prompt_encoder["default"].embedding.weight.copy_(torch.stack(rows))
    yield made.eval()


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # which PEFT still asks for
@pytest.mark.parametrize("name", ["gpt2", "llama"])
@torch.no_grad()
def test_logits_are_those_of_peft(name: str) -> None:
    backbone, (model, _) = backbone_of(name), tiny(name)
    prefix = shaken(prefix_of(name, '<"prefix":5>', backbone))
    ids, mask = lines("right")
    with peft_prefix(model, prefix()) as other:
        expected = other(input_ids=ids, attention_mask=mask).logits[mask.bool()]
    found = backbone.logits(prefix.states(backbone, ids, mask)[mask.bool()])
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
