"""Training through transformers.Trainer against a loop written out by hand."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from still import TEMPLATE, still
from transformers import TrainerCallback

from promptdsl.errors import TrainingError
from promptdsl.models.prompt_model import PromptModel
from promptdsl.training.data import Plan
from promptdsl.training.trained import trained_parameters
from promptdsl.training.trainer import TrainingSettings, train, train_run

WORDS = "x: the; y: a"
TEXTS, LABELS = ["a stirring film", "the plot is dull", "no", "of the year"], [0, 1, 1, 0]


def test_training_equals_a_loop_by_hand() -> None:
    """Full batches, AdamW, linear decay: five steps on the same loss, taken from the whole-vocabulary logits."""
    settings = TrainingSettings(learning_rate=1e-3, epochs=5, batch_size=4, weight_decay=0.0, warmup=0.0, seed=1)
    trained = train(PromptModel(still(), TEMPLATE, WORDS, tune="full"), TEXTS, LABELS, settings)

    model, tokenizer = still()
    inputs = tokenizer([f"{t} It was [MASK] ." for t in TEXTS], padding=True, return_tensors="pt")
    places = (inputs["input_ids"] == tokenizer.mask_token_id).nonzero()
    ids = [tokenizer.convert_tokens_to_ids(w) for w in ("the", "a")]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    for step in range(5):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * (1 - step / 5)
        logits = model(**inputs).logits[places[:, 0], places[:, 1]][:, ids]
        torch.nn.functional.cross_entropy(logits, torch.tensor(LABELS)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    by_hand = dict(model.named_parameters())
    found = dict(trained.backbone.lm.named_parameters())
    assert found.keys() == by_hand.keys()
    for name, parameter in found.items():
        torch.testing.assert_close(parameter, by_hand[name], atol=1e-5, rtol=1e-4)


def test_words_of_several_tokens_are_trained_in_several_passes() -> None:
    """The loss that is trained is the cross-entropy of the probabilities that are predicted."""
    words = {"x": ["the film", "the"], "y": ["a"]}
    model = PromptModel(still(), TEMPLATE, words, tune="full")
    assert len(model.layouts) == 2
    before = -np.log(np.exp(model.predict_log_proba(TEXTS))[range(4), LABELS]).mean()
    train(model, TEXTS, LABELS, TrainingSettings(learning_rate=3e-3, epochs=30, batch_size=4))
    found = model.predict_log_proba(TEXTS)
    assert -found[range(4), LABELS].mean() < before / 4
    assert found.argmax(1).tolist() == LABELS


def test_a_frozen_model_has_nothing_to_train() -> None:
    with pytest.raises(TrainingError, match="PD704"):
        train(PromptModel(still(), TEMPLATE, WORDS), TEXTS, LABELS, TrainingSettings(epochs=1))


def three_parts() -> PromptModel:
    """Soft tokens, soft label words beside hard ones, and a language model that is tuned."""
    words = 'x: the, <"soft":"this">\ny: a, <"soft":"an">\n<"pool":"learned">'
    return PromptModel(still(), f'<"soft":2> {TEMPLATE}', words, tune="full")


RATES = {"prompt": 3e-2, "head": 2e-3, "backbone": 1e-4}


def part(name: str) -> str:
    return name.partition(".")[0]


def test_each_part_has_a_rate_of_its_own() -> None:
    """Adam's first step is its rate, whatever the gradient: lr · g / (|g| + 1e-8)."""
    model = three_parts()
    before = {n: p.detach().clone() for n, p in trained_parameters(model).items()}
    settings = TrainingSettings(
        steps=1, warmup=0, weight_decay=0, max_grad_norm=0, schedule="constant", prompt_epsilon=1e-8,
        prompt_learning_rate=RATES["prompt"], verbalizer_learning_rate=RATES["head"], learning_rate=RATES["backbone"],
    )  # fmt: skip
    train(model, TEXTS, LABELS, settings)
    moved: dict[str, list[float]] = {name: [] for name in RATES}
    for name, parameter in trained_parameters(model).items():
        moved[part(name)].append(float((parameter.detach() - before[name]).abs().max()))
    for name, rate in RATES.items():
        assert max(moved[name]) == pytest.approx(rate, rel=2e-3)


def test_three_parts_against_adamw_by_hand() -> None:
    """Four steps with warm-up, cosine decay, weight decay and clipping, on the same gradients."""
    trained, by_hand = three_parts(), three_parts()
    settings = TrainingSettings(
        steps=4, warmup=0.25, weight_decay=50, prompt_weight_decay=0.3, schedule="cosine", max_grad_norm=0.5,
        prompt_learning_rate=RATES["prompt"], verbalizer_learning_rate=RATES["head"], learning_rate=RATES["backbone"],
    )  # fmt: skip
    train(trained, TEXTS, LABELS, settings)

    decays = {"prompt": 0.3, "head": 0.0, "backbone": 50.0}
    groups = []
    for name, parameter in trained_parameters(by_hand).items():
        bare = part(name) == "backbone" and (name.endswith("bias") or "LayerNorm" in name)
        decay = 0.0 if bare else decays[part(name)]
        epsilon = 1e-2 if part(name) == "prompt" else 1e-8
        groups.append(
            {"params": [parameter], "lr": 0.0, "rate": RATES[part(name)], "weight_decay": decay, "eps": epsilon}
        )
    optimizer = torch.optim.AdamW(groups)
    batch = next(by_hand.batches(TEXTS))
    for step in range(4):
        # One step of warm-up from 0, then half a cosine over the other three.
        share = 0.0 if step == 0 else 0.5 * (1 + np.cos(np.pi * (step - 1) / 3))
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * share
        by_hand(**batch.tensors(), labels=torch.tensor(LABELS)[list(batch.rows)]).loss.backward()
        torch.nn.utils.clip_grad_norm_(by_hand.parameters(), 0.5)
        optimizer.step()
        optimizer.zero_grad()
    found = trained_parameters(trained)
    for name, parameter in trained_parameters(by_hand).items():
        if not name.endswith("key.bias"):  # whose gradient is 0 but for rounding, which Adam makes a step of
            torch.testing.assert_close(found[name], parameter, atol=2e-5, rtol=1e-3, msg=name)


def test_every_batch_is_full_and_every_row_comes_as_often() -> None:
    assert Plan.of(TrainingSettings(epochs=3, batch_size=4, max_steps=5), 10).steps == 5
    assert Plan.of(TrainingSettings(epochs=3, batch_size=4, max_steps=50), 10).steps == 8
    assert Plan.of(TrainingSettings(steps=9, max_steps=5), 10).steps == 9
    assert [Plan.of(TrainingSettings(), rows).steps for rows in (8, 400)] == [100, 500]
    assert Plan.of(TrainingSettings(max_steps=60), 8).steps == 60
    plan = Plan.of(TrainingSettings(epochs=3, batch_size=4), 10)
    assert (plan.batch_size, plan.steps) == (4, 8)  # 30 rows, and 2 more to fill the last batch
    order = plan.order(1)
    assert [sorted(order[start : start + 10].tolist()) for start in (0, 10, 20)] == [list(range(10))] * 3
    assert len(order) == 32
    assert order[:10].tolist() != order[10:20].tolist()
    assert order.tolist() == plan.order(1).tolist() != plan.order(2).tolist()
    assert Plan.of(TrainingSettings(epochs=3, steps=5, batch_size=4), 10).steps == 5
    assert Plan.of(TrainingSettings(epochs=3, batch_size=64), 10) == Plan(10, 10, 3)
    assert str(Plan(10, 4, 8)) == "8 steps of 4 rows, 3.2 epochs of 10"


def test_what_the_model_reads_is_the_plan() -> None:
    """The lengths of rows, which differ, tell which rows each forward pass had."""
    rows = ["film", "a film", "the film no", "a dull film no"]
    model = PromptModel(still(), TEMPLATE, 'x: <"soft":"the">\ny: <"soft":"a">')
    seen: list[list[int]] = []
    model.register_forward_pre_hook(
        lambda _model, _args, given: seen.append((given["attention_mask"].sum(1) - 6).tolist()), with_kwargs=True
    )
    plan = Plan.of(TrainingSettings(epochs=3, batch_size=3, seed=4), 4)
    train(model, rows, LABELS, TrainingSettings(epochs=3, batch_size=3, seed=4))
    lengths = [len(model.lm.tokenizer.tokenize(row)) for row in rows]
    assert len(set(lengths)) == 4
    assert seen == [[lengths[i] for i in plan.order(4)[at : at + 3]] for at in range(0, 12, 3)]


def test_the_same_seed_gives_the_same_and_leaves_the_random_state() -> None:
    states = []
    for seed in (1, 1, 2):
        random.seed(9), np.random.seed(9), torch.manual_seed(9)
        model = PromptModel("pocket-mlm", TEMPLATE, 'x: <"soft":"bad">\ny: <"soft":"good">')
        train(model, TEXTS * 3, LABELS * 3, TrainingSettings(steps=3, batch_size=4, seed=seed))
        after = random.random(), float(np.random.random()), float(torch.rand(()))
        states.append(({n: p.detach() for n, p in trained_parameters(model).items()}, after))
    random.seed(9), np.random.seed(9), torch.manual_seed(9)
    assert [after for _, after in states] == [(random.random(), float(np.random.random()), float(torch.rand(())))] * 3
    (first, _), (second, _), (other, _) = states
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["head.soft_rows"], other["head.soft_rows"])


def test_a_verbalizer_that_needs_rows_is_fitted_before() -> None:
    with pytest.raises(TrainingError, match="PD713"):
        words = 'x: <"cluster":1>\ny: <"cluster":1>'
        train(PromptModel(still(), TEMPLATE, words, tune="full"), TEXTS, LABELS, TrainingSettings(steps=1))


def test_rows_and_labels_of_other_numbers() -> None:
    model = PromptModel(still(), TEMPLATE, WORDS, tune="full")
    with pytest.raises(TrainingError, match="PD701 4 rows and 3 labels"):
        train(model, TEXTS, LABELS[:3], TrainingSettings(steps=1))
    with pytest.raises(TrainingError, match="PD721"):
        train(model, [], [], TrainingSettings(steps=1))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0), ("epochs", True), ("batch_size", 2.0), ("save_steps", 0), ("logging_steps", None), ("seed", -1),
        ("seed", 2**32), ("learning_rate", float("nan")), ("prompt_learning_rate", float("inf")),
        ("verbalizer_learning_rate", "1"), ("weight_decay", -0.1), ("warmup", 1.1), ("max_grad_norm", -1),
        ("schedule", "cubic"), ("report_to", "tensorboard"), ("report_to", (1,)), ("output", ""), ("checkpoints", 3),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_used(name: str, value: Any) -> None:
    with pytest.raises(TrainingError, match=f"PD705 {name} must be"):
        TrainingSettings(**{name: value})


class States(TrainerCallback):
    """Keeps what was trained before each step."""

    def __init__(self, model: PromptModel) -> None:
        self.model, self.before = model, [{}]  # steps are counted from 1

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.before.append({n: p.detach().clone() for n, p in trained_parameters(self.model).items()})


class Breaking(States):
    """From a step on, whatever is trained next has no number for a loss."""

    def __init__(self, model: PromptModel, step: int) -> None:
        super().__init__(model)
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.step - 1:
            self.model.head.bias.fill_(float("nan"))


def test_a_loss_that_is_no_number_puts_back_the_last_good_state() -> None:
    model = three_parts()
    breaking = Breaking(model, 4)
    with pytest.raises(TrainingError) as caught:
        train_run(model, TEXTS, LABELS, TrainingSettings(steps=9), callbacks=[breaking])
    told = caught.value.diagnostics[0]
    assert (told.code, told.message) == ("PD703", "the loss, or its gradient, is not a number at step 4 of 9")
    assert told.help.startswith("lower the learning rate (prompt_learning_rate is 0.2, verbalizer_learning_rate is")
    assert told.note == "what is trained is again as it was before step 3"
    found = trained_parameters(model)
    assert all(torch.equal(found[name], breaking.before[3][name]) for name in found)
    assert not torch.equal(found["prompt.soft.offsets"], breaking.before[4]["prompt.soft.offsets"])
    assert not model.training
    assert all(p.grad is None for p in model.parameters())


def test_a_gradient_that_is_no_number_stops_too() -> None:
    """The loss is finite: only the way back through the square root of 0 is not."""
    model = three_parts()
    before = {n: p.detach().clone() for n, p in trained_parameters(model).items()}
    zero = model.prompt.soft.offsets

    def spoil(_model: Any, _given: Any, out: Any) -> Any:
        out.loss = out.loss + (zero * 0).sum().sqrt()
        return out

    model.register_forward_hook(spoil)
    with pytest.raises(TrainingError, match=r"PD703 .* at step 1 of 9[^$]*nothing was changed"):
        train(model, TEXTS, LABELS, TrainingSettings(steps=9))
    assert all(torch.equal(p, before[name]) for name, p in trained_parameters(model).items())


def test_a_last_step_that_goes_too_far_is_taken_back() -> None:
    model = PromptModel(still(), TEMPLATE, 'x: <"soft":"the">\ny: <"soft":"a">')
    steps = States(model)
    far = TrainingSettings(steps=2, verbalizer_learning_rate=1e39, warmup=0.5)  # the first step's rate is 0
    with pytest.raises(TrainingError, match="PD703"):
        train_run(model, TEXTS, LABELS, far, callbacks=[steps])
    assert all(torch.equal(p, steps.before[2][name]) for name, p in trained_parameters(model).items())


def test_a_loss_that_is_no_number_stops_with_a_code() -> None:
    model, tokenizer = still()
    with torch.no_grad():
        model.bert.embeddings.word_embeddings.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match="PD703"):
        train(PromptModel((model, tokenizer), TEMPLATE, WORDS, tune="full"), TEXTS, LABELS, TrainingSettings(epochs=1))
