"""Encoder-decoders of T5's shape against plain transformers: whole inputs and targets by hand, one row at a time."""

from __future__ import annotations

import copy
import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf
from families import SEQ2SEQ, byte_level, sentinels, tiny
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from promptdsl import LanguageModel, PromptClassifier, PromptDSLError, Template, show
from promptdsl.encoding import bind, encode
from promptdsl.encoding.tokenizer import text_tokenizer
from promptdsl.language.linter import lint
from promptdsl.models.loading import as_language_model, load
from promptdsl.models.prompt_model import PromptModel

TEXTS = ["A film", "the plot is dull", "I would see it again and again, said the man in the hat", "No."]
LABELS = ["yes", "no", "yes", "no"]
TEMPLATE = '<"placeholder":"text_a"> It was <"mask"> .'
ONE = {"no": ["bad"], "yes": ["good", "so"]}
SEVERAL = {"no": ["bad film", "terrible", "not so good"], "yes": ["good film", "good time", "funny"]}
NAMES = [f.name for f in SEQ2SEQ]
START = 0  # T5's decoder begins with padding


def named(number: int) -> int:
    found: int = sentinels().convert_tokens_to_ids(f"<extra_id_{number}>")
    return found


def ids_of(text: str) -> list[int]:
    """The tokenizer's own ids; every sentinel that is spelt is one."""
    found: list[int] = sentinels()(text)["input_ids"]
    return found


def word_ids(text: str) -> list[int]:
    return ids_of(text)[:-1]  # without the end


def log_p(name: str, text: str, parts: list[str], *, plain: Any = None, embeds: Any = None) -> float:
    """log p of the words behind their sentinels, the decoder's input written out, one line, nothing padded."""
    target = [START]
    at: list[tuple[int, int]] = []
    for number, part in enumerate(parts):
        target.append(named(number))
        for token in word_ids(part):
            at.append((len(target) - 1, token))
            target.append(token)
    given = {"input_ids": torch.tensor([ids_of(text)])} if embeds is None else {"inputs_embeds": embeds}
    with torch.no_grad():
        out = (plain or tiny(name)[0])(**given, decoder_input_ids=torch.tensor([target]))
    read = out.logits[0].double().log_softmax(-1)
    return float(sum(read[place, token] for place, token in at))


def classes_of(scores: list[list[float]]) -> list[float]:
    """Mean of each class's words, normalised over the classes."""
    return torch.tensor([np.mean(s) for s in scores], dtype=torch.float64).log_softmax(0).tolist()


def brute(name: str, words: dict[str, list[str]], shape: str = "{} It was <extra_id_0> .", **more: Any) -> Any:
    texts = [shape.format(text) for text in TEXTS]
    return np.array([classes_of([[log_p(name, t, [w], **more) for w in own] for own in words.values()]) for t in texts])


def weights_of(model: Any) -> str:
    sums = [hashlib.sha256(p.detach().numpy().tobytes()).hexdigest() for p in model.parameters()]
    return " ".join([*sums, *(str(p.requires_grad) for p in model.parameters())])


@pytest.mark.parametrize("words", [ONE, SEVERAL], ids=["one token", "several tokens"])
@pytest.mark.parametrize("name", NAMES)
def test_scores_are_those_of_the_whole_model_on_inputs_and_targets_by_hand(name: str, words: Any) -> None:
    model = PromptModel(tiny(name), TEMPLATE, words)
    assert model.lm.family == "seq2seq"
    if words is ONE:
        assert all(len(word_ids(w)) == 1 for own in words.values() for w in own)
    expected = brute(name, words)
    assert np.ptp(expected[:, 1] - expected[:, 0]) > 0.01  # rows that all score alike would show nothing
    np.testing.assert_allclose(model.predict_log_proba(TEXTS), expected, atol=2e-4)
    np.testing.assert_allclose(model.predict_log_proba(TEXTS, batch_size=1), expected, atol=2e-4)


@pytest.mark.parametrize("name", ["t5", "t5-untied"])
def test_each_mask_is_a_sentinel_and_earlier_words_stand_before_later_ones(name: str) -> None:
    words = {"a": "terrible + bad mess", "b": "good + wonderful film", "c": "good + a"}
    template = '<"placeholder":"text_a"> It was <"mask"> and <"mask"> , I think .'
    model = PromptModel(tiny(name), template, {label: [text] for label, text in words.items()})
    expected = []
    for text in TEXTS:
        whole = f"{text} It was <extra_id_0> and <extra_id_1> , I think ."
        expected.append(classes_of([[log_p(name, whole, w.split(" + "))] for w in words.values()]))
    np.testing.assert_allclose(model.predict_log_proba(TEXTS), expected, atol=2e-4)


def test_several_positions_are_one_sentinel_and_fields_behind_the_mask_are_read() -> None:
    rows = [{"text_a": t, "b": o} for t, o in zip(TEXTS, reversed(TEXTS), strict=True)]
    model = PromptModel(tiny("t5"), '<"placeholder":"text_a"> <"mask":2> <"placeholder":"b">', "x: a film; y: so good")
    encoded = [row[0] for row in model.encode(rows)]
    whole = [f"{row['text_a']} <extra_id_0> {row['b']}" for row in rows]
    assert [e.input_ids.tolist() for e in encoded] == [ids_of(text) for text in whole]
    expected = [classes_of([[log_p("t5", t, ["a film"])], [log_p("t5", t, ["so good"])]]) for t in whole]
    np.testing.assert_allclose(model.predict_log_proba(rows), expected, atol=2e-4)


def test_words_of_rows_are_scored_likewise() -> None:
    rows = [
        {"text_a": t, "x": x, "y": y} for t, x, y in zip(TEXTS, ["a", "so good", "film", "bad"], TEXTS, strict=True)
    ]
    model = PromptModel(tiny("t5"), TEMPLATE, 'x: <"meta":"x">; y: <"meta":"y">')
    expected = []
    for row in rows:
        whole = f"{row['text_a']} It was <extra_id_0> ."
        expected.append(classes_of([[log_p("t5", whole, [row["x"]])], [log_p("t5", whole, [row["y"]])]]))
    np.testing.assert_allclose(model.predict_log_proba(rows), expected, atol=5e-4)


def test_the_domain_is_encoded_beside_the_row() -> None:
    """score(word | row) − score(word | the row without its text): Holtzman et al. 2021, section 3."""
    rows = [{"text_a": t, "q": "the plot", "x": x} for t, x in zip(TEXTS, ["a", "so good", "film", "bad"], strict=True)]
    template = '<"placeholder":"text_a"> of <"meta":"q"> was <"mask"> .'
    model = PromptModel(tiny("t5"), template, 'x: <"meta":"x">; y: not so good\n<"calibrate":"pmi">')
    expected = []
    for row in rows:
        whole, domain = f"{row['text_a']} of the plot was <extra_id_0> .", "of the plot was <extra_id_0> ."
        scores = [[log_p("t5", whole, [w]) - log_p("t5", domain, [w])] for w in (row["x"], "not so good")]
        expected.append(classes_of(scores))
    np.testing.assert_allclose(model.predict_log_proba(rows), expected, atol=5e-4)


def test_a_row_is_encoded_once_for_all_its_passes() -> None:
    model = PromptModel(tiny("t5"), TEMPLATE, {"no": ["bad film", "not so good", "bad"], "yes": ["good film"]})
    contexts = [word_ids(context) for context in ("bad", "good", "not so")]  # what words go on from
    (batch,) = model.batches(TEXTS[:2])
    assert batch.rows == (1, 0)
    assert batch.input_ids.tolist() == [
        ids_of("the plot is dull It was <extra_id_0> ."),
        [*ids_of("A film It was <extra_id_0> ."), START, START],
    ]
    assert batch.target is not None and batch.target_of is not None
    for lines in (batch.target[:3], batch.target[3:]):
        assert sorted(lines.tolist()) == sorted([named(0), *c] + [START] * (2 - len(c)) for c in contexts)
    assert batch.target_of.tolist() == [0, 0, 0, 1, 1, 1]


def test_masked_and_causal_models_are_given_no_targets() -> None:
    for name in ("bert", "gpt2"):
        (batch,) = PromptModel(tiny(name), TEMPLATE, "a: the; b: of").batches(TEXTS)
        assert "target" not in batch.tensors()


def test_soft_words_are_hard_words_until_they_are_trained() -> None:
    soft = PromptModel(tiny("t5"), '<"placeholder":"text_a"> <"soft":"It was"> <"mask"> .', SEVERAL)
    np.testing.assert_allclose(soft.predict_log_proba(TEXTS), brute("t5", SEVERAL), atol=2e-4)


def test_soft_vectors_go_into_the_encoder() -> None:
    model = PromptModel(tiny("t5-untied"), '<"soft":3> <"placeholder":"text_a"> <"mask"> .', ONE, seed=5)
    model.prompt.trained()
    assert model.prompt.soft is not None
    plain = tiny("t5-untied")[0]
    expected = []
    for text in TEXTS:
        with torch.no_grad():
            words = plain.get_input_embeddings()(torch.tensor(ids_of(f"{text} <extra_id_0> .")))
            embeds = torch.cat([model.prompt.soft(), words])[None]
        scores = [[log_p("t5-untied", "", [w], embeds=embeds) for w in own] for own in ONE.values()]
        expected.append(classes_of(scores))
    np.testing.assert_allclose(model.predict_log_proba(TEXTS), expected, atol=2e-4)


def test_a_prompt_is_trained_and_the_language_model_stays_as_it_was() -> None:
    lm = as_language_model(tiny("t5"))
    before = weights_of(lm.model)
    made = PromptClassifier('<"soft":4> <"placeholder":"text_a"> <"mask"> .', SEVERAL, lm, random_state=1, steps=6)
    made.set_params(prompt_learning_rate=0.05)
    first, again = made.fit(TEXTS, LABELS).predict_proba(TEXTS), made.fit(TEXTS, LABELS).predict_proba(TEXTS)
    np.testing.assert_array_equal(first, again)
    untrained = PromptModel(lm, made.template, SEVERAL, seed=1)
    untrained.prompt.trained()
    soft = made.prompt_model_.prompt.soft
    assert soft is not None and untrained.prompt.soft is not None
    assert not torch.equal(soft(), untrained.prompt.soft())
    truth = [made.classes_.tolist().index(label) for label in LABELS]
    order = [untrained.labels.index(label) for label in made.classes_]
    loss = -np.log(first[range(4), truth]).mean()
    assert loss < -untrained.predict_log_proba(TEXTS)[:, order][range(4), truth].mean()
    assert weights_of(lm.model) == before


def test_the_whole_model_is_trained_in_a_copy() -> None:
    lm = as_language_model(tiny("t5"))
    before = weights_of(lm.model)
    tuned = PromptClassifier(TEMPLATE, SEVERAL, lm, tune="full", learning_rate=1e-3, steps=8, random_state=0)
    tuned.fit(TEXTS, LABELS)
    assert weights_of(lm.model) == before
    copied = copy.deepcopy(lm.model)
    own = dict(tuned.prompt_model_.backbone.lm.named_parameters())
    unmoved = [name for name, p in lm.model.named_parameters() if torch.equal(p, own[name])]
    assert unmoved == []
    copied.load_state_dict({n: p.detach() for n, p in tuned.prompt_model_.backbone.lm.state_dict().items()})
    expected = brute("t5", SEVERAL, plain=copied.eval())  # the trained weights, read by plain transformers
    found = tuned.prompt_model_.predict_log_proba(TEXTS)
    moved = found[:, 1] - found[:, 0] - (expected[:, 1] - expected[:, 0])
    np.testing.assert_allclose(moved, moved[0], atol=2e-3)  # by the bias of the classes, the same for all rows


def test_gradients_reach_the_encoder_as_plain_transformers_have_them() -> None:
    """The loss of one row with one word a class: d/dW of −log softmax(log p) by the whole model."""
    model = PromptModel(tiny("t5"), TEMPLATE, {"no": ["bad mess"], "yes": ["good film"]}, tune="full")
    (batch,) = model.batches(TEXTS[:1])
    loss = model(**batch.tensors(), labels=torch.tensor([1])).loss
    assert loss is not None
    plain = copy.deepcopy(tiny("t5")[0]).requires_grad_()
    scores = []
    for word in ("bad mess", "good film"):
        target = [START, named(0), *word_ids(word)]
        logits = plain(input_ids=torch.tensor([ids_of(f"{TEXTS[0]} It was <extra_id_0> .")]),
                       decoder_input_ids=torch.tensor([target])).logits[0].log_softmax(-1)  # fmt: skip
        scores.append(logits[range(1, len(target) - 1), target[2:]].sum())
    expected = -torch.stack(scores).log_softmax(0)[1]
    assert loss.item() == pytest.approx(expected.item(), abs=1e-4)
    loss.backward()
    expected.backward()
    own = dict(model.backbone.lm.named_parameters())
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(own[name].grad, parameter.grad, atol=2e-4, rtol=2e-3, msg=name)


def test_states_and_words_at_the_first_mask_are_the_decoders() -> None:
    plain, tokenizer = tiny("t5")
    model = PromptModel(
        (plain, tokenizer), '<"placeholder":"text_a"> It was <"mask"> and <"mask"> .', "a: the + a; b: of + a"
    )
    states, best = model.mask_states(TEXTS), model.top_words(TEXTS, 3)
    seen = model.vocabulary_log_proba(TEXTS)
    for row, text in enumerate(TEXTS):
        ids = torch.tensor([ids_of(f"{text} It was <extra_id_0> and <extra_id_1> .")])
        with torch.no_grad():
            out = plain(input_ids=ids, decoder_input_ids=torch.tensor([[START, named(0)]]), output_hidden_states=True)
        expected = out.logits[0, 1].log_softmax(-1)
        np.testing.assert_allclose(states[row], out.decoder_hidden_states[-1][0, 1], atol=1e-4)
        np.testing.assert_allclose(seen[row], expected, atol=1e-4)
        top = expected.exp().topk(3)
        assert [word for word, _ in best[row][0]] == [model.lm.text.word(i) for i in top.indices.tolist()]
        assert [p for _, p in best[row][0]] == pytest.approx(top.values.tolist(), abs=1e-4)
        assert len(best[row]) == 1


def test_calibration_subtracts_what_is_said_without_content() -> None:
    words = {"no": ["terrible"], "yes": ["wonderful"]}
    model = PromptModel(tiny("t5"), TEMPLATE, 'no: terrible\nyes: wonderful\n<"calibrate":"contextual">')
    free = [f"{fill} It was <extra_id_0> .".strip() for fill in ("N/A", "", "[MASK]")]
    prior = np.log(np.mean([np.exp(classes_of([[log_p("t5", t, w)] for w in words.values()])) for t in free], 0))
    expected = torch.tensor(brute("t5", words) - prior).log_softmax(-1)
    np.testing.assert_allclose(model.predict_log_proba(TEXTS), expected, atol=2e-4)


def test_solved_examples_have_their_words_in_the_encoder() -> None:
    template = '<"demos":2,"separator":" "><"placeholder":"text_a"> It was <"mask"> .'
    made = PromptClassifier(template, "no: terrible; yes: wonderful", tiny("t5"), random_state=2).fit(
        TEXTS[:2], LABELS[:2]
    )
    model = made.prompt_model_
    (encoding,) = model.encode(["No."])[0]
    solved = {"yes": "A film It was wonderful .", "no": "the plot is dull It was terrible ."}
    order = [solved[d.label] for d in encoding.demos]
    whole = " ".join([*order, "No. It was <extra_id_0> ."])
    assert sorted(order) == sorted(solved.values())
    assert encoding.input_ids.tolist() == ids_of(whole)
    expected = classes_of([[log_p("t5", whole, ["terrible"])], [log_p("t5", whole, ["wonderful"])]])
    seen = model.observe(["No."], normalised=True).words[0].double().log_softmax(0)
    np.testing.assert_allclose(seen, expected, atol=2e-4)


@pytest.mark.parametrize(
    "verbalizer", ['no: terrible, <"soft":"bad">; yes: <"soft":"good">', 'no: <"cluster":1>; yes: <"cluster":1>']
)
def test_what_looks_at_mask_states_is_fitted(verbalizer: str) -> None:
    made = PromptClassifier(TEMPLATE, verbalizer, tiny("t5"), random_state=0).fit(TEXTS, LABELS)
    assert (made.predict(TEXTS) == LABELS).all()


def test_the_encoder_is_cut_to_fit_and_label_words_take_no_room() -> None:
    text = " ".join(["film"] * 40)
    short = PromptModel(tiny("t5"), TEMPLATE, "a: bad; b: good", max_length=12)
    long = PromptModel(tiny("t5"), TEMPLATE, {"a": ["bad " * 9], "b": ["good"]}, max_length=12)
    expected = ids_of(f"{' '.join(['film'] * 6)} It was <extra_id_0> .")
    assert len(expected) == 12
    for model in (short, long):
        assert {tuple(e.input_ids.tolist()) for e in model.encode([text])[0]} == {tuple(expected)}


SPELT = ["<extra_id_0>", "x <extra_id_0> y", "▁<extra_id_1>", "</s> <pad>", "<extra_id_0><extra_id_0>"]


def test_a_sentinel_that_a_row_spells_is_text() -> None:
    model = PromptModel(tiny("t5"), TEMPLATE, "a: bad; b: good")
    special = set(sentinels().all_special_ids) - {sentinels().unk_token_id}
    for (encoding,) in model.encode(SPELT):
        assert [i for i in encoding.input_ids.tolist() if i in special] == [named(0), 1]
        assert encoding.target.tolist() == [named(0)]


def test_sentinels_among_the_pieces_are_found_and_out_of_reach() -> None:
    """As mT5's vocabulary has them: ordinary pieces with a blank's mark."""
    pieces = ["<pad>", "</s>", "<unk>", "▁", *"<extra_id>01", "▁film", "▁<extra_id_1>", "▁<extra_id_0>"]
    vocabulary = dict.fromkeys(pieces, -1.0)
    backend = Tokenizer(models.Unigram(list(vocabulary.items()), unk_id=2))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    fast = tf.PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", unk_token="<unk>", pad_token="<pad>")
    known = fast.get_vocab()
    assert known["▁<extra_id_0>"] in fast("film <extra_id_0>")["input_ids"]
    program = bind('<"placeholder":"text_a"> <"mask">', fast)
    (encoding,) = encode(program, ["film <extra_id_0> <extra_id_1>"])
    assert program.family == "seq2seq"
    assert program.text.sentinels == (known["▁<extra_id_0>"], known["▁<extra_id_1>"])
    assert [i for i in encoding.input_ids.tolist() if i in program.text.sentinels] == [known["▁<extra_id_0>"]]


def test_the_genuine_tokenizer_gives_the_example_of_span_corruption(shared: Path) -> None:
    """Raffel et al. 2020, figure 2: "Thank you <X> me to your party <Y> week." → "<X> for inviting <Y> last <Z>"."""
    tokenizer = tf.AutoTokenizer.from_pretrained(shared / "models" / "tokenizers" / "t5")
    model = tf.T5ForConditionalGeneration(
        tf.T5Config(vocab_size=32128, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, decoder_start_token_id=0)
    ).eval()
    template = 'Thank you <"mask"> me to your party <"mask"> week.'
    prompt = PromptModel((model, tokenizer), template, {"a": ["for inviting + last"], "b": ["for + next"]})
    encodings = prompt.encode([{}])[0]
    assert {tuple(e.input_ids.tolist()) for e in encodings} == {
        tuple(tokenizer("Thank you <extra_id_0> me to your party <extra_id_1> week.")["input_ids"])
    }
    for_, inviting, last, following = tokenizer("for inviting last next", add_special_tokens=False)["input_ids"]
    assert [e.target.tolist() for e in encodings] == [[32099, for_, 32098], [32099, for_, inviting, 32098]]
    found = prompt.observe([{}], normalised=True).words[0]
    ids = torch.tensor([tokenizer("Thank you <extra_id_0> me to your party <extra_id_1> week.")["input_ids"]])
    for number, target in enumerate([[32099, for_, inviting, 32098, last], [32099, for_, 32098, following]]):
        with torch.no_grad():
            read = model(input_ids=ids, decoder_input_ids=torch.tensor([[0, *target]])).logits[0].log_softmax(-1)
        expected = sum(read[i, token] for i, token in enumerate(target) if token not in (32099, 32098))
        assert float(found[number]) == pytest.approx(float(expected), abs=1e-3)


def test_the_genuine_tokenizer_reads_spelt_sentinels_as_text(shared: Path) -> None:
    tokenizer = tf.AutoTokenizer.from_pretrained(shared / "models" / "tokenizers" / "t5")
    program = bind(TEMPLATE, tokenizer)
    for encoding in encode(program, SPELT):
        assert [i for i in encoding.input_ids.tolist() if i in program.text.special_ids - {2}] == [32099, 1]
    assert program.text.sentinels == tuple(range(32099, 31999, -1))


@pytest.mark.parametrize("name", ["t5", "t5-untied"])
def test_a_saved_model_is_loaded_by_its_folder(name: str, tmp_path: Path) -> None:
    model, tokenizer = tiny(name)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    lm = load(tmp_path)
    assert (lm.family, lm.max_positions) == ("seq2seq", 128)
    np.testing.assert_allclose(PromptModel(lm, TEMPLATE, ONE).predict_log_proba(TEXTS), brute(name, ONE), atol=2e-4)


def test_the_decoder_begins_as_the_configuration_says() -> None:
    model, tokenizer = tiny("t5")
    other = copy.deepcopy(model)
    other.config.decoder_start_token_id = 9
    target = torch.tensor([[9, named(0)]])
    with torch.no_grad():
        ids = torch.tensor([ids_of("No. It was <extra_id_0> .")])
        expected = other(input_ids=ids, decoder_input_ids=target).logits[0, 1].log_softmax(-1)
    found = PromptModel((other, tokenizer), TEMPLATE, ONE).vocabulary_log_proba(["No."])[0]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def bart() -> Any:
    config = tf.BartConfig(
        vocab_size=len(byte_level(True)), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_position_embeddings=64,
    )  # fmt: skip
    return tf.BartForConditionalGeneration(config).eval(), byte_level(True)


def headless() -> Any:
    return tf.T5EncoderModel(copy.deepcopy(tiny("t5")[0].config)).eval(), sentinels()


@pytest.mark.parametrize(
    ("model", "template", "code"),
    [
        (bart, TEMPLATE, "PD543"),
        (headless, TEMPLATE, "PD513"),
        (lambda: tiny("t5"), " ".join(['<"mask">'] * 6), "PD544"),
        (lambda: tiny("t5"), 'x <"special":"<extra_id_3>"> <"mask">', "PD353"),
        (lambda: tiny("t5"), '<"prefix":2>x <"mask">', "PD530"),
    ],
)
def test_what_cannot_work_is_refused_with_a_code(model: Any, template: str, code: str) -> None:
    made = model()
    before = weights_of(made[0])
    with pytest.raises(PromptDSLError) as caught:
        PromptModel(
            made,
            template,
            {"a": [" + ".join(["bad"] * template.count("mask"))], "b": [" + ".join(["a"] * template.count("mask"))]},
        )
    assert caught.value.code == code
    assert weights_of(made[0]) == before


def test_a_tokenizer_without_sentinels_cannot_be_bound_as_an_encoder_decoder() -> None:
    with pytest.raises(PromptDSLError, match="PD543"):
        bind(TEMPLATE, byte_level(False), family="seq2seq")


def test_bart_with_sentinels_is_read_as_t5_is() -> None:
    """Position embeddings, a bias of the logits, a body inside the model: nothing of T5's classes is relied upon."""
    torch.manual_seed(1)
    config = tf.BartConfig(
        vocab_size=len(sentinels()), d_model=16, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_position_embeddings=64,
        decoder_start_token_id=0, init_std=0.4,
    )  # fmt: skip
    model = tf.BartForConditionalGeneration(config).eval()
    model.final_logits_bias = torch.randn(1, len(sentinels()))
    made = PromptModel((model, sentinels()), TEMPLATE, SEVERAL)
    np.testing.assert_allclose(made.predict_log_proba(TEXTS), brute("", SEVERAL, plain=model), atol=2e-4)


def test_adapters_of_peft_go_into_both_halves() -> None:
    peft = pytest.importorskip("peft", reason="needs the extra peft")
    lm = LanguageModel(*tiny("t5"), "seq2seq", "t5", text_tokenizer(sentinels()))
    config = peft.LoraConfig(r=2, target_modules=["q", "v"], lora_dropout=0.0)
    made = PromptClassifier(TEMPLATE, ONE, lm, tune=config, learning_rate=0.05, steps=2, random_state=0)
    made.fit(TEXTS, LABELS)
    grown = {n for n, p in made.prompt_model_.backbone.lm.named_parameters() if "lora_B" in n and bool(p.any())}
    kinds = ("encoder.block.0.layer.0", "decoder.block.0.layer.0", "decoder.block.1.layer.1")
    assert all(any(n.startswith(kind) for n in grown) for kind in kinds)


def test_show_names_both_halves() -> None:
    shown = show(TEMPLATE, ["A film"], tiny("t5"), verbalizer="no: bad mess; yes: good")
    text = re.sub(r"\(\d+\)", "(N)", str(shown))
    assert "program for T5ForConditionalGeneration (seq2seq)" in text
    assert "<extra_id_0> (N), behind which the decoder has as many tokens as a label word has" in text
    assert "row 0: 8 positions in the encoder of at most 128" in text
    assert "<extra_id_0>   (read in the decoder)" in text
    assert "decoder: «start» <extra_id_0>   (read at its end)" in text
    assert "the model's own words at the decoder's position 1: " in text
    assert shown.as_dict()["rows"][0]["decoder"] == ["«start»", "<extra_id_0>"]
    assert str(shown.encodings[0]).endswith("<extra_id_0> ▁ . </s> | «start» →<extra_id_0>←")


def test_fixed_text_behind_the_mask_is_no_finding() -> None:
    assert [d.code for d in lint(Template('x <"mask">.'), family="causal")] == ["PW105"]
    assert lint(Template('x <"mask">.'), family="seq2seq") == ()
