"""Means drawn anew have the spread of the paired intervals, and shares and gains follow from that."""

import numpy as np
import pytest
from scipy import stats

from pipeline.evidence.choice import change_of
from pipeline.evidence.front import bootstrap_front, draw_means
from tests.statistical.repetitions import difference_intervals, gain_hits, hits, mean_intervals
from tests.statistical.shares import LEVEL, refusal, share_at_least, share_at_most, share_is
from tests.validation.case import FULL

FRONT = np.array([[0.0, 1.0, 5.0], [1.0, 0.0, 5.0]])


def table(replicates: int, seed: int = 1) -> np.ndarray:
    """Lanes (replicate, point, metric) with noise that points share, and of their own."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((replicates, 1, 2)) + 0.3 * rng.standard_normal((replicates, 4, 2))


@pytest.mark.parametrize("replicates", [2, 3, 8])
def test_drawn_differences_have_the_law_of_the_paired_interval(replicates):
    lanes = table(replicates)
    pairs = lanes[:, 1, 0] - lanes[:, 0, 0]
    drawn = np.array([means[1, 0] - means[0, 0] for means in draw_means(lanes, 1, 20_000)])
    scaled = (drawn - pairs.mean()) / stats.sem(pairs)
    assert stats.kstest(scaled, stats.t(replicates - 1).cdf).pvalue > 1e-4
    assert stats.kstest(scaled, "norm").pvalue < 1e-4


def test_copies_stay_copies_in_every_draw():
    lanes = table(4)
    lanes[:, 2] = lanes[:, 0]
    assert all((means[2] == means[0]).all() for means in draw_means(lanes, 1, 200))


def test_a_point_without_results_stays_without_and_one_of_a_single_result_has_no_spread():
    lanes = table(4)
    lanes[:, 1] = np.nan
    lanes[1:, 2] = np.nan
    for means in draw_means(lanes, 1, 50):
        assert np.isnan(means[1]).all()
        assert (means[2] == lanes[0, 2]).all()


def test_what_breaks_a_tie_between_two_points_is_drawn_too():
    rng = np.random.default_rng(2)
    lanes = np.tile(FRONT, (6, 1, 1))
    lanes[:, :, 2] += rng.standard_normal((6, 2))
    noisy = bootstrap_front(lanes, 1)
    lanes[:, 0, 2] += 100
    clear = bootstrap_front(lanes, 1)
    assert 0.05 < noisy.is_knee[0] < 0.95
    assert clear.is_knee.tolist() == [0.0, 1.0]
    assert (noisy.on_front == 1).all()


def test_a_gain_is_a_ratio_of_means():
    rng = np.random.default_rng(3)
    base = 100 * (1 + 0.3 * rng.standard_normal(8))
    certain = change_of(np.column_stack([base, 1.5 * base]), 1, 0)
    assert (certain.mean, certain.low, certain.high) == pytest.approx((0.5, 0.5, 0.5))
    # Worse by half of a baseline whose own mean is known to 30 % / sqrt 8 only.
    open_ended = change_of(np.column_stack([base, base - 50]), 1, 0)
    assert open_ended.high - open_ended.low > 0.1
    falling = change_of(np.column_stack([-base, -0.5 * base]), 1, 0)
    assert (falling.low, falling.high) == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize("replicates", [3, 5, 8, 16])
def test_intervals_of_normal_lanes_hold_the_truth_as_often_as_stated(replicates):
    rng = np.random.default_rng(replicates)
    shared = rng.standard_normal(2000 * replicates)
    base, other = (shared + 0.2 * rng.standard_normal(shared.size) for _ in range(2))
    assert share_is("mean", hits(mean_intervals(base, replicates), 0.0), LEVEL, FULL).is_ok
    assert share_is("pair", hits(difference_intervals(other + 1, base, replicates), 1.0), LEVEL, FULL).is_ok
    assert not share_is("wrong", hits(mean_intervals(base, replicates), 0.6), LEVEL, FULL).is_ok


def test_gains_hold_the_truth_as_often_as_stated():
    rng = np.random.default_rng(4)
    shared = 20 * rng.standard_normal((1500 * 8, 1))
    gains = -np.array([100.0, 50.0]) - shared - rng.standard_normal((1500 * 8, 2))
    happened = gain_hits(gains, 8, 0.5)
    assert len(happened) == 1500
    assert share_is("gain", happened, LEVEL, FULL).is_ok


def test_an_interval_of_a_share_that_is_too_wide_fails():
    few, many = np.zeros(120, bool), np.zeros(8000, bool)
    few[:1], many[:100] = True, True
    assert "too wide" in share_is("few", few, 0.0125, FULL).note
    assert not share_is("few", few, 0.0125, FULL).is_ok
    assert share_is("many", many, 0.0125, FULL).is_ok


def test_a_bound_that_is_missed_is_missed_on_the_wrong_side():
    happened = np.repeat([True, False], [50, 50])
    for made, bound in ((share_at_most, 0.2), (share_at_least, 0.8)):
        check = made("half", happened, bound)
        assert not check.is_ok
        assert check.simulated == pytest.approx(-0.3)
        assert check.z < -3
    assert share_at_most("half", happened, 0.8).simulated == pytest.approx(0.3)


def test_the_power_of_a_bound_is_that_of_the_check():
    shares = np.arange(121) / 120
    happened = [np.arange(120) < count for count in range(121)]
    failing = [count for count in range(121) if not share_at_most("n", happened[count], 0.2).is_ok]
    assert refusal(120, 0.2, 0.23) == pytest.approx(stats.binom.sf(failing[0] - 1, 120, 0.23))
    assert 0.05 < shares[failing[0]] < 0.1
