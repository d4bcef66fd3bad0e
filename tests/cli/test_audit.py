"""`promptdsl audit`, and the rows that verbalizers need: --support and --train, and what is said without them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch
from cli_models import TEMPLATE, TEXTS, by_hand, save_bert
from families import tiny

from promptdsl.verbalizers.whitening import fit_whitening

if TYPE_CHECKING:
    from conftest import Cli

LABELS = ["yes", "no", "yes", "no", "no", "yes"]
REFINED = 'no: not, bad\nyes: good, no\n<"refine":["frequency"],"fraction":0.5,"keep":1>'
CLUSTERS = 'no: <"cluster":1>; yes: <"cluster":1>'


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    pd.DataFrame({"text_a": TEXTS, "label": LABELS}).to_csv(path, index=False)
    return path


def test_without_a_template_no_model_is_asked(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "words.tsv").write_text("good\tfine\ngood\tnice\n")
    verbalizer = f'pos: good, <"words":"{tmp_path / "words.tsv"}","of":"good">; neg: bad'
    ran = cli("audit", "--verbalizer", verbalizer, "--model", "no-such/model")
    assert ran.code == 0
    lines = [line.split()[:3] for line in ran.out.splitlines()]
    assert lines == [
        ["label", "word", "kept"],
        ["pos", "good", "yes"],
        ["pos", "fine", "yes"],
        ["pos", "nice", "yes"],
        ["neg", "bad", "yes"],
    ]
    assert "words.tsv" in ran.out


def test_refinement_on_support_rows_is_told_word_by_word(cli: Cli, model: str, data: Path) -> None:
    """The numbers are the words' mean log-probabilities over the rows, by plain transformers."""
    options = ("--verbalizer", REFINED, "--template", TEMPLATE, "--model", model, "--json")
    found = json.loads(cli("audit", *options, "--support", data).out)
    assert [record["label"] for record in found] == ["no", "no", "yes", "yes"]
    network, tokenizer = tiny("bert")
    mean = []
    for text in TEXTS:
        inputs = tokenizer(f"{text} It was [MASK].", return_tensors="pt")
        place = inputs["input_ids"][0].tolist().index(tokenizer.mask_token_id)
        with torch.no_grad():
            mean.append(network(**inputs).logits[0, place].double().log_softmax(-1))
    expected = torch.stack(mean).mean(0)
    for record in found:
        token = tokenizer.convert_tokens_to_ids(record["word"])
        assert record["frequency_score"] == pytest.approx(float(expected[token]), abs=1e-4)
    assert json.loads(cli("audit", *options, "--train", data).out) == found  # the rows of --train will do


def test_prototypes_are_fitted_on_the_training_file(cli: Cli, model: str, data: Path) -> None:
    """Each class's one prototype: the row is nearest to the mean of the unit vectors of its class's rows."""
    ran = cli(
        "predict", "--verbalizer", CLUSTERS, "--template", TEMPLATE, "--model", model, "--data", data, "--train", data,
        "--json",
    )  # fmt: skip
    found = [json.loads(line)["label"] for line in ran.out.splitlines()]
    network, tokenizer = tiny("bert")
    states = []
    for text in TEXTS:
        inputs = tokenizer(f"{text} It was [MASK].", return_tensors="pt")
        place = inputs["input_ids"][0].tolist().index(tokenizer.mask_token_id)
        with torch.no_grad():
            states.append(network.base_model(**inputs).last_hidden_state[0, place])
    numbers = np.array([["no", "yes"].index(label) for label in LABELS])
    space = fit_whitening(torch.stack(states), torch.from_numpy(numbers))
    points = space(torch.stack(states)).numpy()
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    centres = np.stack([points[numbers == c].mean(0) for c in (0, 1)])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    assert found == [["no", "yes"][i] for i in (points @ centres.T).argmax(1)]


@pytest.mark.parametrize("command", ["predict", "evaluate", "audit"])
@pytest.mark.parametrize(
    ("verbalizer", "options", "message", "remedy"),
    [
        (CLUSTERS, (), 'PD713 "cluster" learns from rows', "give labelled rows: --train FILE"),
        (CLUSTERS, ("--support", "{data}"), 'PD714 "cluster" cannot be learnt without labels', "--train FILE"),
        (REFINED, (), 'PD713 "refine" learns from rows', "give rows, labels not needed: --support FILE"),
        ("no: not; yes: good", ("--support", "{data}"), "PD714 nothing of this template", "--train FILE"),
    ],
    ids=["cluster", "cluster on support", "refine", "nothing"],
)
def test_rows_that_are_needed_and_not_given(
    cli: Cli, model: str, data: Path, command: str, verbalizer: str, options: tuple[str, ...], message: str, remedy: str
) -> None:
    given = [o.replace("{data}", str(data)) for o in options]
    reads = () if command == "audit" else ("--data", data)
    ran = cli(command, "--verbalizer", verbalizer, "--template", TEMPLATE, "--model", model, *reads, *given)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err and remedy in ran.err


def test_a_bad_support_row_is_named_by_its_own_file_and_line(cli: Cli, model: str, data: Path, tmp_path: Path) -> None:
    support = tmp_path / "support.jsonl"
    support.write_text('"fine"\n\n{"text_a": null}\n')
    options = ("--verbalizer", REFINED, "--template", TEMPLATE, "--model", model, "--train", data)
    ran = cli("audit", *options, "--support", support)
    assert ran.err.startswith('RowError: PD604 row 1, column "text_a": the value is None\n')
    assert ran.err.endswith(f"  = note: this is {support}, line 3\n")
    support.write_text("")
    assert "PD819" in cli("audit", *options, "--support", support).err


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--support", "x.csv"), "rows are read through a template"),
        (("--train", "x.csv"), "rows are read through a template"),
        (("--template", TEMPLATE, "--shots", "2"), "--shots draws from the rows of --train"),
    ],
)
def test_wrong_calls_are_2(cli: Cli, options: tuple[str, ...], part: str) -> None:
    ran = cli("audit", "--verbalizer", "no: not; yes: good", *options)
    assert (ran.code, ran.out) == (2, "")
    assert part in ran.err


def test_the_calibration_error_of_predictions(cli: Cli, model: str, data: Path) -> None:
    """Mean over the bins of |accuracy − confidence|, from plain transformers' probabilities; 15 bins."""
    options = ("--verbalizer", "no: not; yes: good", "--template", TEMPLATE, "--model", model, "--data", data)
    ran = cli("evaluate", *options, "--calibration", "--json")
    p = by_hand(TEXTS, ["not", "good"])
    right = p.argmax(1) == [["no", "yes"].index(label) for label in LABELS]
    bins = np.ceil(p.max(1) * 15)
    error = sum(abs((right[bins == b] - p.max(1)[bins == b]).sum()) for b in set(bins)) / len(TEXTS)
    found = json.loads(ran.out)["calibration"]
    assert found["expected_error"] == pytest.approx(error, abs=1e-5)
    assert sum(b["count"] for b in found["bins"]) == len(TEXTS)
    text = cli("evaluate", *options, "--calibration").out
    assert text.endswith(f"expected calibration error {error:.4f}\n")
    assert text.startswith(cli("evaluate", *options).out)
