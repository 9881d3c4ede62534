"""The suite judges: it refuses what is wrong, wide or empty, and its intervals miss as often as said."""

import math

import numpy as np
import pytest
from scipy import stats

from tests.validation.case import FULL, QUICK, Check, Outcome
from tests.validation.judge import ERROR_RATE, exact, interval, order, rejects

RNG_SEED = 7


def draws(mean: float, count: int = 30, spread: float = 1.0) -> np.ndarray:
    return np.random.default_rng(RNG_SEED).normal(mean, spread, count)


def test_an_interval_holds_for_the_truth_and_not_beside_it() -> None:
    values = draws(100.0)
    assert interval("x", values, 100.0, FULL).is_ok
    assert not interval("x", values, 102.0, FULL).is_ok
    assert not interval("x", values, 98.0, FULL).is_ok


def test_an_interval_that_is_too_wide_says_nothing() -> None:
    found = interval("x", draws(100.0, spread=30.0), 100.0, FULL)
    assert not found.is_ok
    assert "too wide" in found.note
    assert interval("x", draws(100.0, spread=30.0), 100.0, QUICK).is_ok


def test_slack_widens_by_what_is_stated_and_counts_as_width() -> None:
    values = draws(100.0)
    assert not interval("x", values, 102.0, FULL).is_ok
    assert interval("x", values, 102.0, FULL, slack=2.0).is_ok
    assert not interval("x", values, 102.0, FULL, slack=6.0).is_ok


def test_an_order_needs_more_than_chance() -> None:
    noise = draws(0.0)
    assert order("x", 10 + noise, noise).is_ok
    assert not order("x", noise, noise).is_ok
    assert not order("x", noise, 10 + noise).is_ok
    assert not order("x", draws(0.1, 5), np.zeros(5)).is_ok
    assert not order("x", 10 + noise, noise, margin=11.0).is_ok


def test_equal_differences_are_judged_by_their_sign() -> None:
    ones = np.ones(5)
    assert order("x", ones, 0 * ones).is_ok
    assert not order("x", 0 * ones, ones).is_ok


def test_a_wrong_theory_is_refused_and_the_right_one_is_not() -> None:
    values = draws(100.0)
    assert rejects("x", values, 103.0).is_ok
    assert rejects("x", values, 97.0).is_ok
    assert not rejects("x", values, 100.0).is_ok


def test_exact_is_to_the_bit() -> None:
    assert exact("x", 0.3, 0.3).is_ok
    assert not exact("x", 0.1 + 0.2, 0.3).is_ok


def test_values_that_do_not_vary_are_compared_as_they_are() -> None:
    assert interval("x", np.full(5, 2.0), 2.0, FULL).is_ok
    found = interval("x", np.full(5, 2.0), 2.1, FULL)
    assert not found.is_ok
    assert math.isinf(found.z)


def test_a_case_without_checks_has_shown_nothing() -> None:
    assert not Outcome(()).is_ok
    assert Outcome((exact("x", 1.0, 1.0),)).is_ok
    assert not Outcome((exact("x", 1.0, 1.0), exact("y", 1.0, 2.0))).is_ok


@pytest.mark.parametrize("replicates", [10, 30])
def test_p_values_of_the_truth_are_uniform(replicates: int) -> None:
    rng = np.random.default_rng(RNG_SEED)
    found: list[Check] = [interval("x", rng.normal(500.0, 1.0, replicates), 500.0, FULL) for _ in range(4000)]
    assert stats.kstest([check.p for check in found], "uniform").pvalue > ERROR_RATE
    missed = sum(check.p < 0.01 for check in found)
    assert stats.binomtest(missed, len(found), 0.01).pvalue > ERROR_RATE
    assert all(check.is_ok == (check.p >= ERROR_RATE) for check in found)
