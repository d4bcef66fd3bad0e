"""What of a language model learns: nothing, its biases, everything, or PEFT's adapters, against PEFT's own models."""

from __future__ import annotations

import copy
import hashlib
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from families import FAMILIES, tiny
from torch import Tensor

from promptdsl import PromptClassifier, PromptDSLError
from promptdsl.models.backbone import Backbone
from promptdsl.models.loading import as_language_model
from promptdsl.models.prompt_model import PromptModel

TEXTS = ["A stirring, funny film", "the plot is dull", "I would see it again and again, said the man in the hat", "No."]
LABELS = ["yes", "no", "yes", "no"]
NUMBERS = torch.tensor([1, 0, 1, 0])
HARD = '<"placeholder":"text_a"> It was <"mask"> .'
SOFT = '<"placeholder":"text_a"> <"soft":"It was"> <"mask"> .'
CANDIDATES = ("the", "a", "and", "of", "to", "in", "it", "b", "c")
NAMES = [f.name for f in FAMILIES if f.kind in ("masked", "causal")]


def words_of(name: str) -> dict[str, list[str]]:
    """Label words that this family's tokenizer writes as one token after a blank."""
    view = as_language_model(tiny(name)).text
    single = [w for w in CANDIDATES if len(view.encode([" " + w])[0]) == 1]
    return {"no": single[:1], "yes": single[1:3]}


def own(name: str) -> tuple[Any, Any]:
    """A model of the family that no other test has."""
    model, tokenizer = tiny(name)
    return copy.deepcopy(model), tokenizer


def fingerprint(model: Any) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Everything of a model that could change: parameters, buffers, whether they learn, modules."""
    digest = hashlib.sha256()
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        digest.update(f"{name} {tensor.requires_grad} {tensor.dtype} {tensor.grad is None}".encode())
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest(), tuple((n, type(m).__name__) for n, m in model.named_modules())


# --- frozen -----------------------------------------------------------------------------------------------------------

TRAINED = {
    "soft": ('<"soft":3> <"placeholder":"text_a"> <"mask">', {}),
    "encoder": ('<"soft":2,"encoder":"lstm"> <"placeholder":"text_a"> <"mask">', {}),
    "prefix": ('<"prefix":3><"placeholder":"text_a"> It was <"mask">', {}),
    "both": ('<"prefix":2,"encoder":"mlp"><"soft":2> <"placeholder":"text_a"> <"mask">', {}),
    "soft label words": (HARD, {"no": '<"soft":"the">', "yes": '<"soft":"a">'}),
    "prototypes": (HARD, {"no": '<"prototype":4>', "yes": '<"prototype":4>'}),
}


@pytest.mark.parametrize("what", TRAINED)
@pytest.mark.parametrize("name", ["bert", "albert", "gpt2"])
def test_a_frozen_model_is_the_same_after_fit(name: str, what: str) -> None:
    template, words = TRAINED[what]
    pair = own(name)
    before = fingerprint(pair[0])
    shown = "\n".join(f"{label}: {item}" for label, item in words.items()) or words_of(name)
    classifier = PromptClassifier(template, shown, pair, steps=3, prompt_learning_rate=0.1)
    classifier.fit(TEXTS, LABELS)
    classifier.predict_proba(TEXTS)
    assert fingerprint(pair[0]) == before
    inside = dict(classifier.prompt_model_.backbone.lm.named_parameters())
    assert all(
        torch.equal(inside[n], p) and inside[n].data_ptr() == p.data_ptr() for n, p in pair[0].named_parameters()
    )


@pytest.mark.parametrize("template", [SOFT, '<"prefix":3><"placeholder":"text_a"> It was <"mask">'])
@pytest.mark.parametrize("name", ["bert", "gpt2", "llama"])
def test_nothing_of_a_frozen_model_gets_a_gradient(name: str, template: str) -> None:
    pair = own(name)
    model = PromptModel(pair, template, words_of(name)).train()
    (batch,) = model.batches(TEXTS)
    model(**batch.tensors(), labels=NUMBERS).loss.backward()
    assert all(p.grad is None and not p.requires_grad for p in model.backbone.lm.parameters())
    assert all(p.grad is None and p.requires_grad for p in pair[0].parameters())
    assert all(p.grad is not None and bool(p.grad.any()) for p in model.parameter_groups()["prompt"])
    assert model.parameter_groups()["lm"] == []


@pytest.mark.parametrize(("tune", "random"), [("prompt", False), ("full", True), ("bitfit", True)])
def test_dropout_is_off_where_the_model_is_frozen(tune: str, random: bool) -> None:
    pair = own("bert")
    assert pair[0].config.hidden_dropout_prob == 0.1
    model = PromptModel(pair, SOFT, words_of("bert"), tune=tune)
    (batch,) = model.batches(TEXTS)
    torch.manual_seed(0)
    with torch.no_grad():
        calm = model.eval()(**batch.tensors()).logits
        first, second = (model.train()(**batch.tensors()).logits for _ in range(2))
    assert torch.equal(first, calm) is not random
    assert torch.equal(first, second) is not random


# --- biases, everything -----------------------------------------------------------------------------------------------


def changed(classifier: PromptClassifier, model: Any) -> set[str]:
    """Names of the parameters that `fit` changed."""
    inside = dict(classifier.prompt_model_.backbone.lm.named_parameters())
    return {n for n, p in model.named_parameters() if not torch.equal(inside[n], p)}


@pytest.mark.parametrize("template", [HARD, SOFT])
@pytest.mark.parametrize("name", ["bert", "albert", "electra", "modernbert", "distilbert", "gpt2", "opt", "qwen2"])
def test_bitfit_changes_biases_and_nothing_else(name: str, template: str) -> None:
    pair = own(name)
    before = fingerprint(pair[0])
    classifier = PromptClassifier(template, words_of(name), pair, tune="bitfit", steps=3, learning_rate=0.01)
    classifier.fit(TEXTS, LABELS)
    biases = {n for n, _ in pair[0].named_parameters() if n.endswith("bias")}
    assert changed(classifier, pair[0]) == biases
    assert fingerprint(pair[0]) == before
    count = sum(p.numel() for n, p in pair[0].named_parameters() if n in biases)
    soft = classifier.prompt_model_.prompt.soft
    prompt = 0 if soft is None else soft.start.numel()
    assert classifier.trained_parameters_ - classifier.prompt_model_.head.learnt == count + prompt


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_full_tuning_changes_a_copy(name: str) -> None:
    pair = own(name)
    before = fingerprint(pair[0])
    classifier = PromptClassifier(SOFT, words_of(name), pair, tune="full", steps=3).fit(TEXTS, LABELS)
    assert {"word_embeddings", "wte"} & {n.split(".")[-2] for n in changed(classifier, pair[0])}
    assert changed(classifier, pair[0]) == {n for n, _ in pair[0].named_parameters()}
    assert fingerprint(pair[0]) == before
    words = pair[1](" It was", add_special_tokens=False)["input_ids"]
    started = pair[0].get_input_embeddings().weight[words]
    assert (classifier.prompt_model_.prompt.soft() != started).all(1).all()


def test_a_model_without_biases_has_none_to_train() -> None:
    with pytest.raises(PromptDSLError) as caught:
        PromptModel(tiny("llama"), HARD, words_of("llama"), tune="bitfit")
    assert caught.value.code == "PD542"
    assert "LlamaForCausalLM" in str(caught.value) and 'tune="full"' in str(caught.value)


# --- PEFT -------------------------------------------------------------------------------------------------------------


def lora(name: str, **more: Any) -> Any:
    from peft import LoraConfig

    targets = {"bert": ["query", "value"], "albert": ["query", "value"], "gpt2": ["c_attn"]}
    given = {"target_modules": targets.get(name, ["q_proj", "v_proj"]), "fan_in_fan_out": name == "gpt2"}
    return LoraConfig(r=4, lora_dropout=0.1, **given | more)


def ia3(name: str) -> Any:
    from peft import IA3Config

    targets, feed = {
        "bert": (["key", "value", "intermediate.dense"], ["intermediate.dense"]),
        "gpt2": (["c_attn", "mlp.c_proj"], ["mlp.c_proj"]),
    }.get(name, (["k_proj", "v_proj", "down_proj"], ["down_proj"]))
    return IA3Config(target_modules=targets, feedforward_modules=feed, fan_in_fan_out=name == "gpt2")


def all_biases(name: str) -> Any:
    return lora(name, bias="all")


def everywhere(name: str) -> Any:
    return lora(name, target_modules="all-linear")


def with_embeddings(name: str) -> Any:
    return lora(name, target_modules=["query", "word_embeddings"])


CONFIGS = [(name, make) for name in ("bert", "gpt2", "llama") for make in (lora, ia3, all_biases)]
CONFIGS += [("albert", lora), ("llama", everywhere), ("bert", with_embeddings)]


def shaken(model: PromptModel) -> PromptModel:
    """The same with other values in all that learns."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model


def peft_logits(model: PromptModel, peft: Any) -> Tensor:
    """(rows, vocabulary): what PEFT's model says at the masks, soft tokens put in by hand."""
    (batch,) = model.batches(TEXTS)
    rows = peft.get_input_embeddings()(batch.input_ids)
    if batch.soft is not None:
        rows = torch.where((batch.soft >= 0)[..., None], model.prompt.soft()[batch.soft], rows)
    logits = peft(inputs_embeds=rows, attention_mask=batch.attention_mask).logits
    found = logits[torch.arange(len(logits)), batch.reads[:, 0]]
    return found[torch.tensor(np.argsort(batch.rows))]


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # which PEFT still asks for
@pytest.mark.filterwarnings("ignore:Model with .tie_word_embeddings=True.:UserWarning")
@pytest.mark.parametrize("template", [HARD, SOFT])
@pytest.mark.parametrize(("name", "make"), CONFIGS)
@torch.no_grad()
def test_adapters_are_those_of_pefts_own_model(name: str, make: Any, template: str) -> None:
    from peft import get_peft_model

    pair = own(name)
    before = fingerprint(pair[0])
    model = shaken(PromptModel(pair, template, words_of(name), tune=make(name)))
    peft = get_peft_model(copy.deepcopy(pair[0]), make(name)).eval()
    plain = peft_logits(model, peft)
    peft.base_model.model.load_state_dict(model.backbone.lm.state_dict())  # strict: the same names
    learning = {n for n, p in peft.base_model.model.named_parameters() if p.requires_grad}
    assert {n for n, p in model.backbone.lm.named_parameters() if p.requires_grad} == learning
    logits = peft_logits(model, peft)
    ids = [[w.parts[0][0] for w, o in zip(b.words, b.owners, strict=True) if o == c]
           for b in [model.verbalizer] for c in range(2)]  # fmt: skip
    log_p = logits.log_softmax(-1)
    expected = torch.stack([log_p[:, i].mean(1) for i in ids], 1).log_softmax(1)
    np.testing.assert_allclose(model.predict_log_proba(TEXTS), expected, atol=5e-6)
    assert (logits - plain).abs().max() > 0.01
    assert fingerprint(pair[0]) == before


@pytest.mark.parametrize("template", [HARD, SOFT])
@pytest.mark.parametrize("make", [lora, ia3, all_biases])
def test_adapters_are_trained_and_the_callers_model_is_not(make: Any, template: str) -> None:
    pair, config = own("bert"), make("bert")
    before, written = fingerprint(pair[0]), repr(config)
    classifier = PromptClassifier(template, words_of("bert"), pair, tune=config, steps=6, learning_rate=0.02)
    probabilities = classifier.fit(TEXTS, LABELS).predict_proba(TEXTS)
    inside = dict(classifier.prompt_model_.backbone.lm.named_parameters())
    moved = {n.replace(".base_layer", "") for n, p in inside.items() if not _same(n, p, pair[0])}
    biases = {n for n, _ in pair[0].named_parameters() if n.endswith("bias")}
    assert moved == (biases if make is all_biases else set())
    adapters = [p for n, p in inside.items() if "lora_B" in n or "ia3_l" in n]
    assert adapters and all(bool((p != (1 if make is ia3 else 0)).any()) for p in adapters)
    assert (fingerprint(pair[0]), repr(config)) == (before, written)
    assert np.array_equal(pickle.loads(pickle.dumps(classifier)).predict_proba(TEXTS), probabilities)
    again = PromptClassifier(template, words_of("bert"), pair, tune=make("bert"), steps=6, learning_rate=0.02)
    assert np.array_equal(again.fit(TEXTS, LABELS).predict_proba(TEXTS), probabilities)


def _same(name: str, parameter: Tensor, model: Any) -> bool:
    """Whether a parameter of the view is the caller's, bit for bit; an adapter has none to compare with."""
    theirs = dict(model.named_parameters()).get(name.replace(".base_layer", ""))
    return theirs is None or torch.equal(theirs, parameter)


def test_adapters_start_from_the_seed_and_nobodys_random_state_moves() -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    lm = as_language_model(tiny("bert"))
    states = [Backbone(lm, tune=lora("bert"), seed=seed).lm.state_dict() for seed in (1, 1, 2)]
    names = [n for n in states[0] if "lora_A" in n]
    assert names and all(torch.equal(states[0][n], states[1][n]) for n in names)
    assert not any(torch.equal(states[0][n], states[2][n]) for n in names)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("config", ["PromptTuningConfig", "PrefixTuningConfig", "PromptEncoderConfig"])
def test_prompts_of_peft_are_refused(config: str) -> None:
    import peft

    tune = getattr(peft, config)(num_virtual_tokens=5, task_type="CAUSAL_LM")
    for build in (
        lambda: PromptModel(tiny("gpt2"), HARD, words_of("gpt2"), tune=tune),
        lambda: PromptClassifier(HARD, words_of("gpt2"), tiny("gpt2"), tune=tune).fit(TEXTS, LABELS),
    ):
        with pytest.raises(PromptDSLError, match=rf"PD540 {config}.*") as caught:
            build()
        assert '<"soft":20>' in str(caught.value)


@pytest.mark.parametrize("targets", [["qeury"], [], None])
def test_adapters_that_do_not_fit_are_refused(targets: Any) -> None:
    pair = own("distilbert")
    before = fingerprint(pair[0])
    with pytest.raises(PromptDSLError) as caught:
        PromptModel(pair, HARD, words_of("distilbert"), tune=lora("bert", target_modules=targets or ["x"]))
    assert caught.value.code == "PD541"
    assert "target_modules" in str(caught.value)
    assert fingerprint(pair[0]) == before


@pytest.mark.parametrize("tune", ["lora", None, 3, {"r": 4}])
def test_what_is_no_way_to_tune_is_refused(tune: Any) -> None:
    with pytest.raises(PromptDSLError, match='PD516 tune is "prompt", "full", "bitfit"'):
        PromptModel(tiny("bert"), HARD, words_of("bert"), tune=tune)


def test_adapters_that_start_from_the_weights_change_a_copy() -> None:
    """OLoRA takes what it starts from off the weights; the caller's are not its to write to."""
    from peft import LoraConfig

    model, tokenizer = tiny("bert")
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    config = LoraConfig(target_modules=["query"], r=2, init_lora_weights="olora")
    made = PromptModel((model, tokenizer), '<"placeholder":"text_a"> <"mask">', "x: the; y: a", tune=config)
    assert all(torch.equal(before[name], p) for name, p in model.named_parameters())
    layer = made.backbone.lm.bert.encoder.layer[0].attention.self
    assert not torch.equal(layer.query.base_layer.weight, before["bert.encoder.layer.0.attention.self.query.weight"])
    theirs = model.bert.encoder.layer[0].attention.self.key.weight
    assert layer.key.weight.data_ptr() == theirs.data_ptr()  # what nothing changes is shared


# --- whether a soft prompt learns -------------------------------------------------------------------------------------

EIGHT = ["great food", "so dull", "a lovely room", "cold and rude", "we loved it", "never again", "superb", "a mess"]
TURNED = ["good", "bad", "bad", "good", "good", "bad", "bad", "good"]  # half of them against what the text says


@pytest.mark.parametrize("name", ["pocket-mlm", "pocket-clm"])
def test_a_soft_prompt_fits_eight_rows(name: str) -> None:
    """By default five vectors before a frozen model say of eight rows whatever one wants, which biases cannot."""
    words = "bad: bad; good: good"
    hard = PromptClassifier('<"placeholder":"text_a"> <"mask">', words, name).fit(EIGHT, TURNED)
    assert hard.score(EIGHT, TURNED) < 1
    soft = PromptClassifier('<"soft":5> <"placeholder":"text_a"> <"mask">', words, name)
    assert soft.fit(EIGHT, TURNED).score(EIGHT, TURNED) == 1
