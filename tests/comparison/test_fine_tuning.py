"""The fine-tuning baseline against transformers by hand, and a study's one language model."""

from __future__ import annotations

import pytest
import torch
import transformers
from comparison.studies import HARD, PLAIN, TEST, TRAIN, study
from families import FAMILIES, tiny

from promptdsl.comparison.fine_tuning import classification_model
from promptdsl.errors import TrainingError
from promptdsl.models.backbone import Backbone
from promptdsl.models.loading import as_language_model

LEARNS = {"fine-tuning": {"least_steps": 60, "epochs": 1, "learning_rate": 1e-3}}


@pytest.mark.parametrize(
    "family", [f for f in FAMILIES if f.name in ("bert", "roberta", "distilbert", "gpt2", "llama")]
)
def test_the_body_is_the_language_models_and_a_copy(family: object) -> None:
    """The last hidden states of the classification model are those of the language model, to the last bit."""
    lm = as_language_model(tiny(str(family)))
    torch.manual_seed(0)
    model = classification_model(lm, 3).eval()
    ids = torch.tensor([[5, 9, 17, 21, 8]])
    with torch.no_grad():
        given = lm.model.base_model(ids).last_hidden_state
        found = model.base_model(ids).last_hidden_state
        assert model(ids).logits.shape == (1, 3)
    assert torch.equal(given, found)
    shared = {p.data_ptr() for p in lm.model.parameters()} & {p.data_ptr() for p in model.parameters()}
    assert shared == set()


def test_a_family_without_a_head_is_refused() -> None:
    class Odd(transformers.BertConfig):
        model_type = "odd"

    model, tokenizer = tiny("bert")
    lm = as_language_model((model, tokenizer))
    config, model.config = model.config, Odd(**model.config.to_dict())
    try:
        with pytest.raises(TrainingError, match="PD746"):
            classification_model(lm, 2)
    finally:
        model.config = config


def test_it_learns_its_rows_and_leaves_the_language_model_as_it_was() -> None:
    model, _ = tiny("bert")
    before = [p.clone() for p in model.parameters()]
    made = study(data=(TRAIN, TRAIN), shots=(12,), seeds=(1,), baselines=("fine-tuning",), settings=LEARNS)
    result = next(r for r in made.results if r.arm == "fine-tuning")
    assert result.train_rows == len(TRAIN) and (result.accuracy or 0) > 0.9
    config = transformers.BertForSequenceClassification(model.config)
    assert result.trained_parameters == sum(p.numel() for p in config.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_a_divergence_is_a_failed_cell() -> None:
    wild = {"fine-tuning": {"least_steps": 5, "epochs": 1, "learning_rate": 1e30}}
    made = study(shots=(2,), seeds=(1,), baselines=("fine-tuning",), settings=wild)
    result = next(r for r in made.results if r.arm == "fine-tuning")
    assert result.status == "failed" and result.why.startswith("PD746")


def test_a_study_reads_each_row_once_a_template(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two templates, two verbalizers, two numbers of shots and two seeds; some rows of train are never drawn."""
    lines: list[int] = []
    states = Backbone.states

    def counted(self: Backbone, *args: torch.Tensor | None) -> torch.Tensor:
        found = states(self, *args)
        lines.append(len(found))
        return found

    monkeypatch.setattr(Backbone, "states", counted)
    made = study(
        templates={"hard": HARD, "plain": PLAIN},
        verbalizers={"one": "bad: not; good: good", "two": 'bad: <"cluster":1>; good: <"cluster":1>'},
        baselines=(),
    )
    assert all(r.status in ("done", "no sense") for r in made.results)
    assert 2 * len(TEST) < sum(lines) <= 2 * (len(TEST) + len(TRAIN))
