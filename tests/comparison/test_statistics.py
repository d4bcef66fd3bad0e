"""Bootstrap, Holm and flattery against hand calculations, enumeration and simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import norm

from promptdsl.comparison.statistics import (
    expected_maximum,
    flattery,
    holm,
    interval,
    paired,
    resampled_means,
    uncertainty,
)


def test_resampled_means_have_the_distribution_of_all_resamples() -> None:
    """Two seeds, three rows: of the seeds one is drawn, of the rows three; all 2 · 27 resamples are equally likely."""
    table = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    every = [table[s, list(rows)].mean() for s in range(2) for rows in itertools.product(range(3), repeat=3)]
    drawn = resampled_means(table, resamples=60_000, seed=3)
    for value in np.unique(np.round(every, 9)):
        share = np.mean(np.isclose(every, value))
        assert np.mean(np.isclose(drawn, value)) == pytest.approx(share, abs=0.01)


def test_the_bootstrap_of_seeds_alone_has_the_unbiased_variance() -> None:
    """Rows that are all alike leave the seeds: the variance of their mean is s²/n, not n − 1 nth of it."""
    by_seed = np.array([0.1, 0.4, 0.5, 0.7, 0.8])
    drawn = resampled_means(np.repeat(by_seed[:, None], 50, axis=1), resamples=100_000)
    assert drawn.var() == pytest.approx(by_seed.var(ddof=1) / 5, rel=0.03)


def test_one_seed_leaves_the_rows() -> None:
    """With one seed the interval is that of a mean of independent rows: √(p(1 − p)/n) wide on either side."""
    row = (np.arange(400) < 300).astype(float)[None]
    found = interval(row)
    half = norm.ppf(0.975) * np.sqrt(0.75 * 0.25 / 400)
    assert found.mean == 0.75
    assert (found.low, found.high) == (pytest.approx(0.75 - half, abs=0.005), pytest.approx(0.75 + half, abs=0.005))


def test_memory_does_not_change_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    table = np.random.default_rng(0).integers(0, 2, (3, 40)).astype(float)
    whole = resampled_means(table, resamples=500)
    assert whole.mean() == pytest.approx(table.mean(), abs=0.02)
    monkeypatch.setattr("promptdsl.comparison.statistics.CHUNK", 40 * 7)
    in_parts = resampled_means(table, resamples=500)
    assert (in_parts.mean(), in_parts.std()) == (
        pytest.approx(whole.mean(), abs=0.02),
        pytest.approx(whole.std(), rel=0.2),
    )


def test_equal_arms_differ_by_nothing_with_p_one() -> None:
    table = np.random.default_rng(0).integers(0, 2, (5, 30)).astype(float)
    found = paired(table, table)
    assert (found.difference.mean, found.difference.low, found.difference.high, found.p) == (0, 0, 0, 1)


def test_an_arm_that_is_always_better_has_the_smallest_p() -> None:
    found = paired(np.ones((5, 30)), np.zeros((5, 30)), resamples=999)
    assert (found.difference.low, found.p) == (1, 2 / 1000)


def test_p_is_twice_the_smaller_tail_of_all_resamples() -> None:
    """One seed, four rows, differences 1, 1, 0, −1: over all 4⁴ resamples of the rows."""
    arm, baseline = np.array([[1.0, 1, 1, 0]]), np.array([[0.0, 0, 1, 1]])
    sums = np.array([sum(d) for d in itertools.product([1, 1, 0, -1], repeat=4)])
    exact = 2 * min((sums <= 0).mean(), (sums >= 0).mean())
    assert paired(arm, baseline, resamples=40_000).p == pytest.approx(exact, abs=0.015)


def test_pairing_takes_out_what_both_arms_share() -> None:
    """Rows are easy or hard for both arms alike: the difference is known better than either accuracy."""
    random = np.random.default_rng(1)
    easy = random.random(200) < 0.6
    baseline = np.repeat(easy[None].astype(float), 5, axis=0)
    arm = np.maximum(baseline, random.random((5, 200)) < 0.1)
    found, alone = paired(arm, baseline), interval(arm)
    assert found.difference.low > 0
    assert found.difference.high - found.difference.low < (alone.high - alone.low) / 2


def simulated(random: np.random.Generator, between: float) -> np.ndarray:
    """Two arms of one true accuracy, 2/3: (arms, 5 seeds, 150 rows), seeds make an arm better or worse by `between`."""
    chance = random.beta(4, 2, 150)[None] + random.normal(0, between, (2, 5, 1))
    return (random.random((2, 5, 150)) < chance).astype(float)


@pytest.mark.parametrize("between", [0.0, 0.1])
def test_intervals_cover_and_tests_reject_as_often_as_they_say(between: float) -> None:
    random = np.random.default_rng(7)
    pairs = [simulated(random, between) for _ in range(300)]
    covered = [(f := interval(arm, resamples=400)).low <= 4 / 6 <= f.high for arm, _ in pairs]
    rejected = [paired(arm, other, resamples=399).p < 0.05 for arm, other in pairs]
    assert 0.91 < np.mean(covered) < 0.995
    assert 0.002 < np.mean(rejected) < 0.075


def test_uncertainty_by_hand() -> None:
    """Two seeds, two rows: squares of seeds, rows and the rest are each one number."""
    table = np.array([[1.0, 0.0], [0.0, 0.0]])
    # means 1/4; seeds 1/2, 0; rows 1/2, 0: mean squares 2·(1/16 + 1/16) = 1/4 each, the rest 4/16 = 1/4
    assert uncertainty(table) == (pytest.approx(0.25 / 4), 1.0)


def test_uncertainty_is_the_variance_of_means_of_new_draws() -> None:
    random = np.random.default_rng(11)
    means, variances = [], []
    for _ in range(1500):
        table = random.normal(size=(5, 1)) * 0.3 + random.normal(size=(1, 40)) * 0.8 + random.normal(size=(5, 40))
        means.append(table.mean())
        variances.append(uncertainty(table)[0])
    assert np.var(means) == pytest.approx(0.3**2 / 5 + 0.8**2 / 40 + 1 / 200, rel=0.1)
    assert np.mean(variances) == pytest.approx(np.var(means), rel=0.1)


def test_five_signs_cannot_be_significant_and_rows_can() -> None:
    """The sign test of five pairs is 2/2⁵ = 0.0625 at best; the bootstrap over rows as well is not bound by that."""
    random = np.random.default_rng(0)
    arm, baseline = random.random((5, 200)) < 0.8, random.random((5, 200)) < 0.7
    assert 2 / 2**5 > 0.05 > paired(arm.astype(float), baseline.astype(float)).p


def test_holm_by_hand() -> None:
    """0.01 · 4, then 0.02 · 3, then 0.03 · 2 which may not be below the one before, then 0.5."""
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([0.4, 0.6]) == pytest.approx([0.8, 0.8])
    assert holm([]) == []


def test_expected_maximum_of_normals() -> None:
    assert expected_maximum(1) == 0
    assert expected_maximum(2) == pytest.approx(1 / np.sqrt(np.pi))
    assert expected_maximum(3) == pytest.approx(3 / (2 * np.sqrt(np.pi)))
    simulated = np.random.default_rng(0).normal(size=(20_000, 50)).max(1).mean()
    assert expected_maximum(50) == pytest.approx(simulated, abs=0.02)


def test_flattery_is_what_a_simulated_choice_gains_at_its_worst() -> None:
    """Candidates spread by the t for which few rows lose most; chosen by noisy scores on 32 and on 10,000 rows."""
    random = np.random.default_rng(2)
    few, many = 0.5 / np.sqrt(32), 0.5 / np.sqrt(10_000)
    gains = []
    for spread in few * np.array([0.4, 0.8, 1.6]):
        true = random.normal(0, spread, (40_000, 8))
        by = [(true + random.normal(0, noise, true.shape)).argmax(1) for noise in (few, many)]
        honest, flattered = (true[np.arange(len(true)), chosen].mean() for chosen in by)
        gains.append(flattered - honest)
    assert flattery(8, 10_000, 32) == pytest.approx(max(gains), abs=0.002)
    assert max(gains) == gains[1]


def test_nothing_flatters_where_nothing_is_chosen_or_the_set_is_small() -> None:
    assert flattery(1, 1000, 8) == flattery(5, 8, 8) == flattery(5, 8, 0) == 0
