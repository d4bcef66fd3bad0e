"""Soft tokens against hard templates, plain transformers with vectors put in by hand, autograd, and PEFT."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from families import FAMILIES, tiny
from sklearn.base import clone
from torch import Tensor

from promptdsl import PromptClassifier, PromptDSLError
from promptdsl.encoding.compiler import bind
from promptdsl.models import soft_tokens
from promptdsl.models.backbone import Backbone
from promptdsl.models.batching import PromptBatch
from promptdsl.models.loading import as_language_model
from promptdsl.models.prompt_model import PromptModel
from promptdsl.models.soft_tokens import SoftTokens
from promptdsl.training.fitting import fit_verbalizer

TEXTS = ["A stirring, funny film", "the plot is dull", "I would see it again and again, said the man in the hat", "No."]
NAMES = [f.name for f in FAMILIES if f.kind in ("masked", "causal")]
SOFT = '<"placeholder":"text_a"> <"soft":"It was"> <"mask"> .'
CANDIDATES = ("the", "a", "and", "of", "to", "in", "it", "b", "c")


def words_of(name: str) -> dict[str, list[str]]:
    """Label words that this family's tokenizer writes as one token after a blank."""
    view = as_language_model(tiny(name)).text
    single = [w for w in CANDIDATES if len(view.encode([" " + w])[0]) == 1]
    return {"no": single[:1], "yes": single[1:3]}


def model_of(name: str, template: str = SOFT, words: Any = None, **options: Any) -> PromptModel:
    return PromptModel(tiny(name), template, words or words_of(name), **options)


def moved(model: PromptModel, seed: int = 3) -> PromptModel:
    """The same with random vectors, as large as the words' own."""
    soft = model.prompt.soft
    assert soft is not None
    noise = torch.randn(soft.start.shape, generator=torch.Generator().manual_seed(seed))
    soft.keep(soft.start + soft.scale * noise)
    model.prompt.trained()
    return model


def soft_of(name: str, template: str, label_words: Any = (), **options: Any) -> SoftTokens:
    lm = as_language_model(tiny(name))
    return SoftTokens(bind(template, lm.tokenizer, family=lm.family), Backbone(lm), label_words, **options)


def vectors_of(name: str) -> Tensor:
    """(vocabulary, width): what the plain model puts at each token's place."""
    model = tiny(name)[0]
    with torch.no_grad():
        made: Tensor = model.get_input_embeddings()(torch.arange(model.config.vocab_size))
    return made


def pieces_of(model: PromptModel, text: str) -> tuple[list[int], list[int]]:
    """The ids of a row of SOFT before its soft tokens, and from the mask on."""
    view, before = model.program.text, list(model.program.before)
    start = before + view.encode([text], at_start=True)[0]
    if model.program.family == "causal":
        return start, []
    return start, [int(view.mask_id or 0), *view.encode([" ."])[0], *model.program.after]


def by_hand(name: str, model: PromptModel, text: str, vectors: Tensor, adapted: Any = None) -> Tensor:
    """(vocabulary,) log-probabilities at the mask of a row of SOFT: vectors between ids, nothing padded."""
    plain = adapted or tiny(name)[0]
    start, end = pieces_of(model, text)
    embed = plain.get_input_embeddings()
    rows = [embed(torch.tensor(ids, dtype=torch.long)) for ids in (start, end)]
    whole = torch.cat([rows[0], vectors, rows[1]])[None]
    logits: Tensor = plain(inputs_embeds=whole, attention_mask=torch.ones(1, whole.shape[1], dtype=torch.long)).logits
    return logits[0, len(start) + len(vectors) - (not end)].log_softmax(-1)


def classes(model: PromptModel, log_p: Tensor) -> Tensor:
    """Class log-probabilities from the vocabulary's: the mean of a class's words, normalised."""
    ids = [[w.parts[0][0] for w, owner in zip(bound.words, bound.owners, strict=True) if owner == c]
           for bound in [model.verbalizer] for c in range(len(model.labels))]  # fmt: skip
    return torch.stack([log_p[i].mean() for i in ids]).log_softmax(-1)


# --- where vectors stand ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_soft_tokens_that_start_as_words_read_like_the_hard_template(name: str) -> None:
    soft, hard = model_of(name), model_of(name, '<"placeholder":"text_a"> It was <"mask"> .')
    np.testing.assert_allclose(soft.predict_log_proba(TEXTS), hard.predict_log_proba(TEXTS), atol=5e-6)
    assert np.abs(moved(soft).predict_log_proba(TEXTS) - hard.predict_log_proba(TEXTS)).max() > 0.01


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_any_vectors_are_those_of_a_plain_forward_pass(name: str) -> None:
    model = moved(model_of(name))
    table = model.prompt.soft()  # type: ignore[misc]
    assert table.shape[1] == {"albert": 16, "electra": 16}.get(name, 32)  # the embeddings' width, not the hidden one
    expected = torch.stack([classes(model, by_hand(name, model, text, table)) for text in TEXTS])
    np.testing.assert_allclose(model.predict_log_proba(TEXTS), expected, atol=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_batched_with_padding_is_one_by_one(name: str) -> None:
    model = moved(model_of(name))
    alone = np.concatenate([model.predict_log_proba([text], batch_size=1) for text in TEXTS])
    np.testing.assert_allclose(model.predict_log_proba(TEXTS), alone, atol=2e-5)


def padded_left(batch: PromptBatch) -> dict[str, Tensor]:
    """The batch's tensors with every line pushed to the right end."""
    tensors = batch.tensors()
    shifts = (batch.input_ids.shape[1] - batch.attention_mask.sum(1)).tolist()
    assert any(shifts)
    lines = ("input_ids", "attention_mask", "token_type_ids", "soft")
    made = {k: torch.stack([row.roll(n) for row, n in zip(tensors[k], shifts, strict=True)]) for k in lines}
    return made | {"reads": tensors["reads"] + torch.tensor(shifts)[:, None]}


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_padding_on_the_left_changes_nothing(name: str) -> None:
    """Absolute positions, RoBERTa's and OPT's offset, rotary and relative ones."""
    model = moved(model_of(name))
    (batch,) = model.batches(TEXTS)
    right, left = model(**batch.tensors()).logits, model(**padded_left(batch)).logits
    assert (left - right).abs().max() < 2e-5


# Where PEFT finds the embeddings, and the head as it is without PEFT, whose copy of a tied one forgets the bias.
PEFT_TABLES = {
    "bert": ("word_embeddings", "cls"),
    "albert": ("word_embeddings", "predictions"),
    "gpt2": ("wte", "lm_head"),
}


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # which PEFT still asks for
@pytest.mark.parametrize("name", PEFT_TABLES)
@torch.no_grad()
def test_logits_are_those_of_trainable_tokens_in_peft(name: str) -> None:
    """PEFT's TRAINABLE_TOKENS replaces rows of the vocabulary: here rows that nothing else uses."""
    from peft import TrainableTokensConfig, get_peft_model

    plain, tokenizer = (copy.deepcopy(part) for part in tiny(name))
    plain = plain.double()
    model = moved(PromptModel((plain, tokenizer), SOFT, words_of(name)))
    table = model.prompt.soft()  # type: ignore[misc]
    unused = list(range(300, 300 + len(table)))
    where, head = PEFT_TABLES[name]
    config = TrainableTokensConfig(token_indices=unused, target_modules=[where])
    peft = get_peft_model(copy.deepcopy(plain), config)
    (delta,) = {id(p): p for n, p in peft.named_parameters() if "trainable_tokens_delta" in n}.values()
    delta.copy_(table)
    expected = []
    for text in TEXTS:
        start, end = pieces_of(model, text)
        assert not {*start, *end} & set(unused)
        ids = torch.tensor([[*start, *unused, *end]])
        states = peft(input_ids=ids, output_hidden_states=True).hidden_states[-1][0]
        at = len(start) + len(unused) - (not end)
        expected.append(classes(model, getattr(plain, head)(states[at]).log_softmax(-1)))
    np.testing.assert_allclose(model.predict_log_proba(TEXTS), torch.stack(expected), atol=1e-6)


@torch.no_grad()
def test_solved_examples_have_the_same_vectors() -> None:
    """Put on the vectors of other words, soft slots in examples and query read like a hard template of those words."""
    labels = torch.tensor([0, 1, 0, 1])

    def fitted(words: str) -> PromptModel:
        template = f'<"demos":2> <"placeholder":"text_a"> {words} <"mask"> .'
        return fit_verbalizer(PromptModel(tiny("bert"), template, words_of("bert")), TEXTS, labels)

    soft, hard = fitted('<"soft":"It was">'), fitted("of the")
    ids = tiny("bert")[1](" of the", add_special_tokens=False)["input_ids"]
    soft.prompt.soft.keep(vectors_of("bert")[ids])  # type: ignore[union-attr]
    (batch,) = soft.batches(TEXTS)
    assert ((batch.soft == 0).sum(1) == 3).all()  # two examples and the query
    np.testing.assert_allclose(soft.predict_log_proba(TEXTS), hard.predict_log_proba(TEXTS), atol=1e-6)


# --- who shares a vector ----------------------------------------------------------------------------------------------

SHARED = {
    '<"soft":2,"soft_id":1> <"placeholder":"text_a"> <"soft","soft_id":1> <"mask"> .': ([0, 1], [0, 1], 2),
    '<"soft":2,"same":true> <"placeholder":"text_a"> <"soft"> <"mask"> .': ([0, 0], [1], 2),
    '<"soft","duplicate":2> <"placeholder":"text_a"> <"soft":1,"soft_id":4> <"mask"> .': ([0, 1], [2], 3),
    '<"soft":2,"soft_id":7,"same":true> <"placeholder":"text_a"> <"soft_id":7> <"mask"> .': ([0, 0], [0, 0], 1),
}


@pytest.mark.parametrize("template", SHARED)
@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_gradients_add_up_over_the_places_of_a_vector(name: str, template: str) -> None:
    model = moved(model_of(name, template))
    soft, (front, back, count) = model.prompt.soft, SHARED[template]
    assert soft is not None and len(soft.start) == count
    (batch,) = model.batches(TEXTS[:1])
    labels = torch.tensor([1])
    loss = model(**batch.tensors(), labels=labels).loss
    loss.backward()

    view, plain = model.program.text, tiny(name)[0]
    leaf = soft().detach()[[*front, *back]].requires_grad_()  # each place a vector of its own
    before, text = list(model.program.before), view.encode([" " + TEXTS[0]])[0]
    end = [int(view.mask_id or 0), *view.encode([" ."])[0], *model.program.after] if name == "bert" else []
    ids = [torch.tensor(part, dtype=torch.long) for part in (before, text, end)]
    rows = [plain.get_input_embeddings()(part).detach() for part in ids]
    whole = torch.cat([rows[0], leaf[: len(front)], rows[1], leaf[len(front) :], rows[2]])
    at = len(whole) - len(end) - (not end)
    expected = -classes(model, plain(inputs_embeds=whole[None]).logits[0, at].log_softmax(-1))[1]
    expected.backward()
    wanted = torch.zeros_like(soft.start).index_add_(0, torch.tensor([*front, *back]), leaf.grad)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    assert soft.offsets.grad is not None and wanted.abs().max() > 1e-4
    assert torch.allclose(soft.offsets.grad, vectors_of(name).std() * wanted, rtol=1e-3, atol=1e-7)
    for parameter in plain.parameters():
        parameter.grad = None


# --- what vectors start from ------------------------------------------------------------------------------------------


def rows_found(name: str, table: Tensor) -> list[int]:
    """Which token each vector is, exactly."""
    vectors, found = vectors_of(name), []
    for row in table:
        (token,) = (vectors == row).all(1).nonzero().flatten().tolist()
        found.append(token)
    return found


def words_of_bert() -> list[int]:
    """Ids of whole words of letters, two at least, in the vocabulary's order."""
    vocabulary = tiny("bert")[1].get_vocab()
    return sorted(i for word, i in vocabulary.items() if len(word) > 1 and word.isalpha())


def test_sampled_vectors_are_common_words_without_replacement() -> None:
    words = words_of_bert()
    assert len(words) > 100
    whole = soft_of("bert", f'<"soft":{len(words)}> <"mask">').start
    assert sorted(rows_found("bert", whole)) == words  # each once
    assert rows_found("bert", whole) != words
    more = rows_found("bert", soft_of("bert", f'<"soft":{len(words) + 1}> <"mask">').start)
    assert set(more) < set(words)  # with replacement, where it takes more than there are


def test_only_the_commonest_words_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soft_tokens, "COMMONEST", 40)
    found = rows_found("bert", soft_of("bert", '<"soft":40> <"mask">').start)
    assert sorted(found) == words_of_bert()[:40]


def test_the_seed_decides_and_nobodys_random_state_moves() -> None:
    torch.manual_seed(11)
    np.random.seed(11)
    before, there = torch.get_rng_state(), np.random.get_state()[1].copy()
    for tag in ('"soft":5', '"soft":5,"init":"normal"', '"soft":5,"encoder":"lstm"', '"soft":5,"encoder":"mlp"'):
        first, same, other = (soft_of("bert", f'<{tag}> <"mask">', seed=s).state_dict() for s in (1, 1, 2))
        assert all(torch.equal(first[k], same[k]) for k in first)
        assert any(not torch.equal(first[k], other[k]) for k in first)
        if "encoder" in tag:
            assert any(not torch.equal(first[k], other[k]) for k in first if k.startswith("encoders"))
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], there)


@pytest.mark.parametrize("name", ["bert", "albert", "gemma2"])
def test_drawn_vectors_have_the_mean_and_spread_of_those_that_enter_the_model(name: str) -> None:
    """Gemma multiplies its embeddings with the root of their width, and so must be what stands beside them."""
    vectors, drawn = vectors_of(name), soft_of(name, '<"soft":1000,"init":"normal"> <"mask">').start
    error = vectors.std(0) * (1 / 1000) ** 0.5
    assert ((drawn.mean(0) - vectors.mean(0)).abs() / error).mean() < 1.2  # 0.8 is expected
    assert (drawn.std(0) / vectors.std(0)).mean() == pytest.approx(1, abs=0.02)
    assert soft_of(name, '<"soft":2> <"mask">').scale == pytest.approx(vectors.std().item(), rel=1e-5)


@pytest.mark.parametrize("name", ["bert", "gemma2"])
def test_vectors_start_from_label_words_then_from_sampled_ones(name: str) -> None:
    vectors, words = vectors_of(name), [[70, 71, 75], [], [80]]
    found = soft_of(name, '<"soft":4,"init":"labels"> <"mask">', words).start
    assert torch.allclose(found[0], vectors[[70, 71, 75]].mean(0), atol=1e-6)
    assert torch.equal(found[1], vectors[80])
    assert len(set(rows_found(name, found[2:]))) == 2
    cut = soft_of(name, '<"soft":1,"init":"labels"> <"mask">', words).start
    assert torch.equal(cut[0], found[0])


def test_a_model_gives_its_label_words_to_the_vectors() -> None:
    ids = [tiny("bert")[1](word, add_special_tokens=False)["input_ids"] for word in ("the", "in the end", "of")]
    assert len(ids[1]) > 1  # several tokens, and their mean
    model = model_of(
        "bert", '<"soft":3,"init":"labels"> <"placeholder":"text_a"> <"mask">', "n: the, in the end; y: of"
    )
    expected = torch.stack([vectors_of("bert")[i].mean(0) for i in ids])
    assert torch.allclose(model.prompt.soft.start, expected, atol=1e-6)  # type: ignore[union-attr]


def test_vectors_start_from_a_text_that_is_cut_or_filled_up() -> None:
    text = tiny("bert")[1]("the film of the year", add_special_tokens=False)["input_ids"]
    for count in (2, len(text), len(text) + 3):
        found = soft_of("bert", f'<"soft":{count},"init":"text:the film of the year"> <"mask">').start
        assert len(found) == count and rows_found("bert", found)[: len(text)] == text[:count]
        assert set(rows_found("bert", found)[len(text) :]) <= set(words_of_bert())


def test_words_of_a_length_are_filled_up() -> None:
    found = rows_found("gpt2", soft_of("gpt2", '<"soft":"It was","length":6> <"mask">').start)
    ids = tiny("gpt2")[1](" It was", add_special_tokens=False)["input_ids"]
    assert found[: len(ids)] == ids and len(found) == 6


@pytest.mark.parametrize(("tag", "asks"), [('"soft":"It was"', False), ('"soft":"It was","length":9', True),
                                          ('"soft":2,"init":"text:It was"', True)])  # fmt: skip
def test_only_words_predict_before_they_are_trained(tag: str, asks: bool) -> None:
    model = model_of("bert", f'<"placeholder":"text_a"> <{tag}> <"mask">')
    if not asks:
        assert model.predict_log_proba(TEXTS).shape == (4, 2)
        return
    with pytest.raises(PromptDSLError, match="PD713"):
        model.predict_log_proba(TEXTS)


# --- what vectors go through ------------------------------------------------------------------------------------------

THROUGH = '<"soft":2,"encoder":"{0}"> <"soft":"of"> <"placeholder":"text_a"> <"soft":3,"encoder":"{0}"> <"mask">'


def stirred(soft: SoftTokens) -> SoftTokens:
    """The same with offsets and a last layer that are not zero any more."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in soft.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return soft


def dense(x: Tensor, layer: dict[str, Tensor], name: str) -> Tensor:
    return x @ layer[f"{name}.weight"].T + layer[f"{name}.bias"]


def lstm_by_hand(x: Tensor, layer: dict[str, Tensor]) -> Tensor:
    """Two layers, each forwards and backwards over the sequence: gates i, f, g, o (Hochreiter & Schmidhuber 1997)."""
    for number in range(2):
        sides = []
        for end, order in (("", range(len(x))), ("_reverse", range(len(x) - 1, -1, -1))):
            w_x, w_h, b_x, b_h = (
                layer[f"lstm.{kind}_l{number}{end}"] for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            state = memory = torch.zeros(w_h.shape[1])
            out: list[Tensor] = [state] * len(x)
            for t in order:
                i, f, g, o = (w_x @ x[t] + b_x + w_h @ state + b_h).chunk(4)
                memory = f.sigmoid() * memory + i.sigmoid() * g.tanh()
                state = o.sigmoid() * memory.tanh()
                out[t] = state
            sides.append(torch.stack(out))
        x = torch.cat(sides, 1)
    return x


@pytest.mark.parametrize("name", ["bert", "albert"])
@pytest.mark.parametrize("encoder", ["mlp", "lstm"])
@torch.no_grad()
def test_encoders_by_hand(name: str, encoder: str) -> None:
    """All tags of an encoder are one sequence; a tag without one is left alone."""
    soft = soft_of(name, THROUGH.format(encoder))
    assert torch.equal(soft(), soft.start)  # training begins at the vectors as they were initialised
    layer = stirred(soft).encoders[encoder].state_dict()
    std = vectors_of(name).std()
    given = soft.start / std + soft.offsets
    through = given[[0, 1, 3, 4, 5]]
    read = lstm_by_hand(through, layer) if encoder == "lstm" else through
    made = through + dense(dense(read, layer, "layers.0").relu(), layer, "layers.2")
    expected = std * torch.cat([made[:2], given[2:3], made[2:]])
    assert (soft() - expected).abs().max() < 1e-5
    assert (soft() - soft.start).abs().max() > 0.05


@pytest.mark.parametrize("encoder", ["mlp", "lstm"])
@torch.no_grad()
def test_baking_keeps_every_bit(encoder: str) -> None:
    model = model_of("gpt2", THROUGH.format(encoder))
    soft = model.prompt.soft
    assert soft is not None
    stirred(soft)
    model.prompt.trained()
    before, scores = soft().clone(), model.predict_log_proba(TEXTS)
    for _ in range(2):
        model.prompt.bake()
        assert torch.equal(soft(), before)
        assert np.array_equal(model.predict_log_proba(TEXTS), scores)
        assert [n for n, _ in soft.named_parameters()] == ["offsets"]


@pytest.mark.parametrize("encoder", ["mlp", "lstm"])
def test_what_goes_through_an_encoder_is_learned_with_it(encoder: str) -> None:
    model = model_of("bert", THROUGH.format(encoder))
    (batch,) = model.batches(TEXTS)
    optimizer = torch.optim.SGD(model.prompt.parameters(), lr=0.1)
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = model(**batch.tensors(), labels=torch.tensor([0, 1, 0, 1])).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(p.grad is not None and bool(p.grad.any()) for p in model.prompt.parameters())


# --- copies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["pickle", "deepcopy"])
@pytest.mark.parametrize("template", [SOFT, THROUGH.format("lstm")])
def test_copies_predict_the_same_and_have_vectors_of_their_own(template: str, how: str) -> None:
    model = model_of("bert", template)
    stirred(model.prompt.soft)  # type: ignore[arg-type]
    model.prompt.trained()
    expected = model.predict_log_proba(TEXTS)
    made = copy.deepcopy(model) if how == "deepcopy" else pickle.loads(pickle.dumps(model))
    assert np.array_equal(made.predict_log_proba(TEXTS), expected)
    with torch.no_grad():
        made.prompt.soft.offsets.add_(1)
    assert not np.array_equal(made.predict_log_proba(TEXTS), expected)
    assert np.array_equal(model.predict_log_proba(TEXTS), expected)


def test_a_clone_of_a_fitted_classifier_is_unfitted_and_learns_the_same() -> None:
    template = '<"soft":2> <"placeholder":"text_a"> <"mask">'
    classifier = PromptClassifier(template, words_of("bert"), tiny("bert"), steps=3)
    labels = ["no", "yes", "no", "yes"]
    first = classifier.fit(TEXTS, labels).predict_proba(TEXTS)
    again = clone(classifier)
    with pytest.raises(PromptDSLError, match="PD713"):
        again.predict_proba(TEXTS)
    assert np.array_equal(again.fit(TEXTS, labels).predict_proba(TEXTS), first)
    assert np.array_equal(pickle.loads(pickle.dumps(classifier)).predict_proba(TEXTS), first)
    other = clone(classifier).set_params(random_state=1).fit(TEXTS, labels)
    assert not np.array_equal(other.predict_proba(TEXTS), first)
