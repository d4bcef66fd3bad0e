"""Label words of rows (multiple choice) against plain transformers, one choice and one row at a time."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from families import FAMILIES, tiny

from promptdsl import PromptClassifier
from promptdsl.errors import RowError, VerbalizerError
from promptdsl.language.template import Template
from promptdsl.language.verbalizer import Verbalizer
from promptdsl.models import reading
from promptdsl.models.batching import Passes, batches
from promptdsl.models.prompt_model import PromptModel
from promptdsl.models.show import show
from promptdsl.training.fitting import fit_verbalizer
from promptdsl.training.trainer import TrainingSettings, train

TEMPLATE = '<"placeholder":"premise"> <"meta":"link"> <"mask"> .'
CHOICES = '0: <"meta":"choice1">\n1: <"meta":"choice2">'
MAYBE = '0: <"meta":"choice1","missing":"empty">\n1: <"meta":"choice2","missing":"empty">'
ROWS = [
    {"premise": "the film was dull", "link": "so", "choice1": "the man", "choice2": "a wonderful plot for a film"},
    {"premise": "I would see it again and again", "link": "because", "choice1": "it is good", "choice2": "no"},
    {"premise": "No", "link": "so", "choice1": "the actors were all there in the hat", "choice2": "the"},
    {"premise": "a stirring , funny film about a man", "link": "because", "choice1": "good", "choice2": "bad film"},
]
MASKED = [f.name for f in FAMILIES if f.kind == "masked"]
CAUSAL = [f.name for f in FAMILIES if f.kind == "causal"]


def masked_score(name: str, row: dict[str, str], choice: str, *, premise: bool = True) -> float:
    """Mean log-probability of a choice's tokens at as many masks, from the whole string."""
    model, tokenizer = tiny(name)
    ids = tokenizer(" " + choice, add_special_tokens=False)["input_ids"]
    before = f"{row['premise']} {row['link']}" if premise else f" {row['link']}"
    inputs = tokenizer(f"{before} {tokenizer.mask_token * len(ids)} .", return_tensors="pt")["input_ids"]
    places = (inputs[0] == tokenizer.mask_token_id).nonzero().flatten().tolist()
    with torch.no_grad():
        log_p = model(inputs).logits[0].double().log_softmax(-1)
    return float(np.mean([log_p[p, t].item() for p, t in zip(places, ids, strict=True)]))


def normalised(scores: list[list[float]]) -> np.ndarray[Any, Any]:
    return torch.tensor(scores, dtype=torch.float64).log_softmax(-1).numpy()


@pytest.mark.parametrize("name", MASKED)
def test_masked_choices_take_as_many_masks_as_they_have_tokens(name: str) -> None:
    expected = [[masked_score(name, row, row[c]) for c in ("choice1", "choice2")] for row in ROWS]
    prompt = PromptModel(tiny(name), TEMPLATE, CHOICES)
    np.testing.assert_allclose(prompt.observe(ROWS).words, expected, rtol=2e-5)
    np.testing.assert_allclose(prompt.predict_log_proba(ROWS), normalised(expected), atol=2e-4)


@pytest.mark.parametrize("name", MASKED)
def test_masked_pmi_is_the_difference_to_the_row_without_its_text(name: str) -> None:
    """The connective, a `meta` field, stays in the domain prompt; the premise, a placeholder, goes."""
    expected = [
        [
            masked_score(name, row, row[c]) - masked_score(name, row, row[c], premise=False)
            for c in ("choice1", "choice2")
        ]
        for row in ROWS
    ]
    prompt = PromptModel(tiny(name), TEMPLATE, CHOICES + '\n<"calibrate":"pmi">')
    np.testing.assert_allclose(prompt.observe(ROWS).words, expected, atol=2e-4)
    np.testing.assert_allclose(prompt.predict_log_proba(ROWS), normalised(expected), atol=2e-4)


def causal_score(prompt: PromptModel, name: str, row: dict[str, str], choice: str, *, premise: bool = True) -> float:
    """Σ log p(token | everything before it) of a choice's tokens."""
    model, _ = tiny(name)
    text = prompt.program.text
    start = [*prompt.program.before, *(text.encode([row["premise"]], at_start=True)[0] if premise else [])]
    start += text.encode([" " + row["link"]])[0]
    tail = text.encode([" " + choice])[0]
    with torch.no_grad():
        log_p = model(torch.tensor([start + tail])).logits[0].double().log_softmax(-1)
    return float(sum(log_p[len(start) - 1 + i, t].item() for i, t in enumerate(tail)))


@pytest.mark.parametrize("calibrate", [False, True])
@pytest.mark.parametrize("name", CAUSAL)
def test_causal_choices_add_the_log_probabilities_of_their_tokens(name: str, calibrate: bool) -> None:
    prompt = PromptModel(tiny(name), TEMPLATE, CHOICES + ('\n<"calibrate":"pmi">' if calibrate else ""))
    expected = [[causal_score(prompt, name, row, row[c]) for c in ("choice1", "choice2")] for row in ROWS]
    if calibrate:
        for row, scores in zip(ROWS, expected, strict=True):
            for number, column in enumerate(("choice1", "choice2")):
                scores[number] -= causal_score(prompt, name, row, row[column], premise=False)
    np.testing.assert_allclose(prompt.observe(ROWS).words, expected, atol=5e-4)
    np.testing.assert_allclose(prompt.predict_log_proba(ROWS), normalised(expected), atol=1e-3)


@pytest.mark.parametrize("name", ["bert", "gpt2"])
@pytest.mark.parametrize("mode", ["joint", "sequential", "first", "mean", "max"])
@pytest.mark.parametrize("pool", ["mean", "max", "sum"])
def test_words_of_a_row_score_as_the_same_words_written(name: str, mode: str, pool: str) -> None:
    """Another way through the code: for each row a verbalizer of its own, with its choices as label words."""
    steps = f'\n<"tokens":"{mode}">\n<"pool":"{pool}">'
    words = "0: neither one, {}\n1: {}"
    expected = [
        PromptModel(
            tiny(name), TEMPLATE, words.format(*(row[c] for c in ("choice1", "choice2"))) + steps
        ).predict_log_proba([row])[0]
        for row in ROWS
    ]
    prompt = PromptModel(tiny(name), TEMPLATE, words.format('<"meta":"choice1">', '<"meta":"choice2">') + steps)
    np.testing.assert_allclose(prompt.predict_log_proba(ROWS), expected, atol=2e-4)


def test_each_mask_takes_its_part_of_a_row_s_word() -> None:
    template = 'The <"mask"> was <"placeholder":"premise"> the <"mask">.'
    rows = [
        {**ROWS[0], "choice1": "the + a", "choice2": "of good + in"},
        {**ROWS[1], "choice1": "a + a", "choice2": "no + it"},
    ]
    expected = [
        PromptModel(tiny("bert"), template, f"0: {r['choice1']}\n1: {r['choice2']}").predict_log_proba([r])[0]
        for r in rows
    ]
    np.testing.assert_allclose(
        PromptModel(tiny("bert"), template, CHOICES).predict_log_proba(rows), expected, atol=1e-4
    )
    with pytest.raises(
        RowError, match='PD610 row 1, column "choice2": "no" has 1 part and the template 2 masks'
    ) as caught:
        PromptModel(tiny("bert"), template, CHOICES).predict_log_proba([rows[0], {**rows[1], "choice2": "no"}])
    assert (caught.value.row, caught.value.column) == (1, "choice2")


@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2", "llama"])
@pytest.mark.parametrize("steps", ["", '\n<"calibrate":"pmi">', '\n<"tokens":"sequential">'])
def test_a_row_s_result_does_not_depend_on_the_rows_beside_it(
    name: str, steps: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where some rows are cut and others are not: the room that choices take is the row's own."""
    long = {**ROWS[2], "premise": "the film was a wonderful plot and the man said it again " * 4}
    rows = [*ROWS, {**long, "choice2": "a long choice of very many words that is read at the mask"}, long]
    prompt = PromptModel(tiny(name), TEMPLATE, CHOICES + steps, max_length=40)
    alone = np.concatenate([prompt.predict_log_proba([row]) for row in rows])
    np.testing.assert_allclose(prompt.predict_log_proba(rows), alone, atol=1e-4)
    order = [5, 0, 4, 2, 1, 3]
    np.testing.assert_allclose(
        prompt.predict_log_proba([rows[i] for i in order], batch_size=2), alone[order], atol=1e-4
    )
    monkeypatch.setattr(reading, "LOGITS", 3 * prompt.backbone.vocab_size)
    np.testing.assert_allclose(prompt.predict_log_proba(rows), alone, atol=1e-4)
    cut = [row[0].cut[0] for row in prompt.encode(rows)]
    assert cut[:4] == [0, 0, 0, 0] and cut[4] > cut[5] > 0  # the longer choice leaves less room
    assert max(len(e) for row in prompt.encode(rows) for e in row) == 40


def test_a_choice_without_room_is_an_error_of_its_row() -> None:
    prompt = PromptModel(tiny("bert"), TEMPLATE, CHOICES, max_length=16)
    with pytest.raises(RowError, match="PD608 row 1: ") as caught:
        prompt.predict_log_proba([ROWS[0], {**ROWS[1], "choice1": "the film " * 20}])
    assert caught.value.row == 1


def test_a_row_without_a_choice() -> None:
    rows = [*ROWS[:2], {**ROWS[2], "choice2": None}, {k: v for k, v in ROWS[3].items() if k != "choice1"}]
    found = PromptModel(tiny("bert"), TEMPLATE, MAYBE).predict_log_proba(rows)
    full = PromptModel(tiny("bert"), TEMPLATE, CHOICES).predict_log_proba(ROWS)
    np.testing.assert_allclose(found[:2], full[:2], atol=1e-5)
    assert np.exp(found[2:]).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    classifier = PromptClassifier(TEMPLATE, MAYBE, tiny("bert"), multi_label=True)
    assert classifier.predict(rows)[2:].tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("pool", ["max", "sum", "mean"])
def test_with_max_and_sum_the_words_that_are_there_speak_for_their_class(pool: str) -> None:
    step = f'\n<"pool":"{pool}">'
    words = '0: <"meta":"choice1">, <"meta":"other","missing":"empty">\n1: <"meta":"choice2">' + step
    rows = [{**ROWS[0], "other": ""}, {**ROWS[1], "other": "it is"}]
    found = PromptModel(tiny("bert"), TEMPLATE, words).predict_log_proba(rows)
    written = ("0: the man\n1: a wonderful plot for a film", "0: it is good, it is\n1: no")
    expected = [
        PromptModel(tiny("bert"), TEMPLATE, w + step).predict_log_proba([row])[0]
        for row, w in zip(rows, written, strict=True)
    ]
    if pool == "mean":  # of two words, and one of them cannot be
        expected[0] = np.array([-np.inf, 0.0], np.float32)
    np.testing.assert_allclose(found, expected, atol=1e-4)


BROKEN = [
    (MAYBE, {"choice1": None, "choice2": "  "}, "PD611", None),
    (CHOICES, {"choice2": None}, "PD604", "choice2"),
    (CHOICES, {"choice2": ""}, "PD610", "choice2"),
    (CHOICES, {"choice1": "an unwritable \N{SNOWMAN}"}, "PD610", "choice1"),
    (CHOICES, {"choice1": ["a", "b"]}, "PD605", "choice1"),
]


@pytest.mark.parametrize(("words", "changes", "code", "column"), BROKEN)
def test_what_is_wrong_with_a_row_is_said_of_it(words: str, changes: dict[str, Any], code: str, column: str) -> None:
    prompt = PromptModel(tiny("bert"), TEMPLATE, words)
    with pytest.raises(RowError) as caught:
        prompt.predict_log_proba([*ROWS[:3], {**ROWS[3], **changes}])
    assert (caught.value.code, caught.value.row, caught.value.column) == (code, 3, column)


def test_a_column_that_no_row_has() -> None:
    with pytest.raises(RowError, match='column "option"'):
        PromptModel(tiny("bert"), TEMPLATE, '0: <"meta":"option">\n1: <"meta":"choice2">').predict_log_proba(ROWS)


def test_filters_make_words() -> None:
    rows = [{**row, "choice1": f" {row['choice1']}. ", "choice2": row["choice2"].split()} for row in ROWS]
    words = '0: <"meta":"choice1","filters":["strip","rstrip_punctuation"]>\n1: <"meta":"choice2","filters":["join: "]>'
    expected = PromptModel(tiny("gpt2"), TEMPLATE, CHOICES).predict_log_proba(ROWS)
    np.testing.assert_allclose(PromptModel(tiny("gpt2"), TEMPLATE, words).predict_log_proba(rows), expected, atol=1e-5)


def test_a_connective_is_a_column_that_the_user_makes() -> None:
    """COPA asks for a cause or an effect; the word between premise and choice says which."""
    table = pd.DataFrame(ROWS).drop(columns="link").assign(question=["effect", "cause", "effect", "cause"])
    table["link"] = table["question"].map({"cause": "because", "effect": "so"})
    classifier = PromptClassifier(TEMPLATE, CHOICES, tiny("bert"))
    np.testing.assert_array_equal(classifier.predict_proba(table), classifier.predict_proba(ROWS))
    other = classifier.predict_proba(table.assign(link=["because", "so"] * 2))
    assert abs(other - classifier.predict_proba(ROWS)).max() > 1e-3


def test_fit_learns_a_bias_for_each_class() -> None:
    zero = PromptModel(tiny("bert"), TEMPLATE, CHOICES)
    scores = torch.from_numpy(zero.predict_log_proba(ROWS)).double()
    labels = torch.tensor([0, 0, 0, 1])
    fitted = fit_verbalizer(zero, ROWS, labels)
    moved = scores + fitted.head.bias.double()
    np.testing.assert_allclose(fitted.predict_log_proba(ROWS), moved.log_softmax(-1), atol=1e-5)
    gradient = moved.softmax(-1).sum(0) - torch.bincount(labels) + 0.01 * fitted.head.bias.double()
    assert gradient.abs().max() < 1e-4  # the penalised cross-entropy is at its least
    assert fitted.head.bias[0] > fitted.head.bias[1]


def test_fit_on_rows_with_several_right_choices_of_which_some_are_not_there() -> None:
    rows = [*ROWS[:3], {**ROWS[3], "choice1": None}]
    right = [["0"], ["0", "1"], [], ["1"]]
    classifier = PromptClassifier(TEMPLATE, MAYBE, tiny("bert"), multi_label=True)
    before = classifier.predict_log_proba(rows)
    after = classifier.fit(rows, right).predict_log_proba(rows)
    wanted = np.array([[1, 0], [1, 1], [0, 0], [0, 1]])

    def loss(log_p: Any) -> float:
        return float(-np.where(wanted == 1, log_p, np.log1p(-np.exp(log_p))).sum())

    assert np.isneginf(after[3, 0]) and np.isfinite(loss(after)) and loss(after) < loss(before)


def test_batch_calibration_takes_the_mean_of_rows_with_all_choices() -> None:
    rows = [*ROWS[:3], {**ROWS[3], "choice1": None}]
    plain = PromptModel(tiny("bert"), TEMPLATE, MAYBE).predict_log_proba(rows).astype(np.float64)
    fitted = fit_verbalizer(PromptModel(tiny("bert"), TEMPLATE, MAYBE + '\n<"calibrate":"batch">'), rows, None)
    expected = normalised((plain[:3] - plain[:3].mean(0)).tolist())
    np.testing.assert_allclose(fitted.predict_log_proba(rows)[:3], expected, atol=1e-4)


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_row_labelled_with_a_choice_that_it_lacks_is_an_error(multi_label: bool) -> None:
    rows = [*ROWS[:3], {**ROWS[3], "choice1": None}]
    labels: Any = [["0"], ["1"], ["0", "1"], ["0"]] if multi_label else ["0", "1", "0", "0"]
    for tune in ("prompt", "full"):
        classifier = PromptClassifier(TEMPLATE, MAYBE, tiny("bert"), tune=tune, multi_label=multi_label, epochs=1)
        with pytest.raises(RowError, match='labelled "0" and has no such choice') as caught:
            classifier.fit(rows, labels)
        assert (caught.value.code, caught.value.row, caught.value.column) == ("PD611", 3, "choice1")


@pytest.mark.parametrize("steps", ["", '\n<"pool":"sum">', '\n<"calibrate":"pmi">', '\n<"pool":"learned">'])
@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_tuning_the_language_model_learns_the_choices(name: str, steps: str) -> None:
    """Also with a row that lacks the other choice, whose −inf must not become a gradient that is no number."""
    rows, labels = [*ROWS[:3], {**ROWS[3], "choice1": None}], torch.tensor([1, 0, 1, 1])
    model = PromptModel(tiny(name), TEMPLATE, MAYBE + steps, tune="full")
    before = model.predict_log_proba(rows)[range(4), labels].mean()
    (batch,) = model.batches(rows)
    wanted = labels[list(batch.rows)]
    output = model(**batch.tensors(), labels=wanted)
    assert output.loss.item() == pytest.approx(-before, abs=1e-4)
    output.loss.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients and all(torch.isfinite(g).all() for g in gradients)
    model.zero_grad()
    train(model, rows, labels, TrainingSettings(learning_rate=1e-3, epochs=6, batch_size=2))
    assert model.predict_log_proba(rows)[range(4), labels].mean() > before + 0.05


def test_a_classifier_keeps_its_words_through_pickle() -> None:
    classifier = PromptClassifier(TEMPLATE, MAYBE + '\n<"calibrate":"pmi">', tiny("bert")).fit(ROWS, [0, 1, 1, 0])
    copy = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_allclose(copy.predict_proba(ROWS), classifier.predict_proba(ROWS), atol=1e-6)
    assert copy.classes_.tolist() == [0, 1]


def test_solved_examples_show_the_choice_that_their_row_is_labelled_with() -> None:
    template = '<"demos":3>' + TEMPLATE
    fitted = fit_verbalizer(PromptModel(tiny("bert"), template, CHOICES), ROWS[1:], torch.tensor([1, 0, 1]))
    _, tokenizer = tiny("bert")
    texts = {d.row: tokenizer.decode(d.ids) for d in fitted.demos.demonstrations}  # type: ignore[union-attr]
    for number, column in enumerate(("choice2", "choice1", "choice2")):
        assert (
            tokenizer.decode(tokenizer(f"{ROWS[1 + number]['link']} {ROWS[1 + number][column]} .")["input_ids"][1:-1])
            in texts[number]
        )
    found = fitted.predict_log_proba(ROWS[:1])
    shown = [ROWS[1 + d.row] | {"label": int(d.label)} for d in fitted.encode(ROWS[:1])[0][0].demos]
    text = "\n".join(f"{r['premise']} {r['link']} {r['choice2' if r['label'] else 'choice1']} ." for r in shown)
    expected = [
        masked_score("bert", {**ROWS[0], "premise": f"{text}\n{ROWS[0]['premise']}"}, ROWS[0][c])
        for c in ("choice1", "choice2")
    ]
    np.testing.assert_allclose(found, normalised([expected]), atol=2e-4)


def test_batches_hold_as_many_rows_as_the_budget_has_tokens() -> None:
    """Rows of different numbers of passes: every batch keeps to the budget, and no row is lost."""
    prompt = PromptModel(tiny("bert"), TEMPLATE, CHOICES + '\n<"tokens":"sequential">')
    encoded = prompt.encode(ROWS * 5)
    assert all(isinstance(row, Passes) for row in encoded) and len({len(row) for row in encoded}) > 2
    found = list(batches(encoded, 0, batch_size=6, token_budget=300))
    assert all(b.input_ids.numel() <= 300 or len(b.rows) == 1 for b in found) and max(len(b.rows) for b in found) > 1
    assert sorted(i for b in found for i in b.rows) == list(range(20))


def test_what_is_said_of_words_of_rows() -> None:
    bound = PromptModel(tiny("bert"), TEMPLATE, CHOICES).verbalizer
    assert str(bound) == (
        "0 label words, 2 more from each row, forward passes by their tokens\n"
        '  0: <"meta":"choice1">\n  1: <"meta":"choice2">'
    )
    assert [(t.word, t.origin, t.kept) for t in Verbalizer(CHOICES).audit()] == [
        ('<"meta":"choice1">', "each row", True),
        ('<"meta":"choice2">', "each row", True),
    ]
    shown = show(TEMPLATE, ROWS, tiny("bert"), verbalizer='0: <"meta":"choice1">, good\n1: <"meta":"choice2">')
    assert '1 written, 2 label words from each row\n  0\n    the row\'s "choice1"\n    good: good' in str(shown)
    assert shown.as_dict()["label_words"][1:] == [
        {"text": '<"meta":"choice1">', "label": "0", "column": "choice1"},
        {"text": '<"meta":"choice2">', "label": "1", "column": "choice2"},
    ]
    assert Template(TEMPLATE).columns == ("premise", "link")


def test_what_cannot_stand_beside_words_of_rows() -> None:
    words = 'a: good\nb: <"meta":"choice1">\nc: <"soft":"bad">'
    with pytest.raises(VerbalizerError, match='PD421 "soft" in a verbalizer whose words come from the row'):
        PromptModel(tiny("bert"), TEMPLATE, words)
