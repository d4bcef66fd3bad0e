"""What calibration subtracts, on numbers that can be done by hand."""

import math

import pytest
import torch

from promptdsl import PromptDSLError
from promptdsl.language.schema import STEP_KINDS
from promptdsl.verbalizers.priors import CALIBRATIONS


def logs(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows).log()


def test_the_table_has_what_the_language_offers() -> None:
    assert set(CALIBRATIONS) == set(STEP_KINDS["calibrate"].value.choices)


def test_levels_and_inputs() -> None:
    assert {name: (c.level, c.inputs) for name, c in CALIBRATIONS.items()} == {
        "contextual": ("words", "content-free"),
        "support": ("words", "support"),
        "pmi": ("words", "domain"),
        "batch": ("classes", "support"),
    }


@pytest.mark.parametrize("name", ["contextual", "support"])
def test_the_average_is_of_probabilities_over_the_label_words(name: str) -> None:
    """Rows (0.2, 0.8) and (0.75, 0.25) after normalising, each scaled by what cancels; their mean is (0.475, 0.525)."""
    scores = logs([0.2, 0.8], [0.75, 0.25]) + torch.tensor([[3.0], [-20.0]])
    torch.testing.assert_close(CALIBRATIONS[name].prior(scores).exp(), torch.tensor([0.475, 0.525]))


def test_contextual_calibration_makes_a_content_free_input_undecided() -> None:
    """Zhao et al. 2021, section 5: after calibration the content-free input has equal scores."""
    scores = torch.tensor([[2.0, -1.0, 0.5]])
    calibrated = (scores - CALIBRATIONS["contextual"].prior(scores)).softmax(-1)
    torch.testing.assert_close(calibrated, torch.full((1, 3), 1 / 3))


def test_pmi_takes_the_domain_scores_as_they_are() -> None:
    assert CALIBRATIONS["pmi"].prior(torch.tensor([[-7.0, -2.0, -4.0]])).tolist() == [-7.0, -2.0, -4.0]


def test_batch_is_the_mean_log_probability() -> None:
    """log 0.5 and log 0.02 average to log 0.1, log 0.5 and log 0.98 to log 0.7."""
    found = CALIBRATIONS["batch"].prior(logs([0.5, 0.5], [0.02, 0.98]))
    torch.testing.assert_close(found, torch.tensor([math.log(0.1), math.log(0.7)]))


@pytest.mark.parametrize("name", CALIBRATIONS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_an_error(name: str, bad: float) -> None:
    with pytest.raises(PromptDSLError) as caught:
        CALIBRATIONS[name].prior(torch.tensor([[0.0, 1.0], [bad, 1.0], [1.0, 2.0]]))
    assert caught.value.code == "PD460"
    assert "1 of 3 rows" in str(caught.value) and "row 1" in str(caught.value)


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_no_input_is_an_error(name: str) -> None:
    with pytest.raises(PromptDSLError, match="there are no scores"):
        CALIBRATIONS[name].prior(torch.zeros(0, 2))


def test_a_calibration_says_what_it_is() -> None:
    said = str(CALIBRATIONS["batch"])
    assert said == "batch calibration (Zhou et al. 2023, section 3) (classes, from support inputs)"
