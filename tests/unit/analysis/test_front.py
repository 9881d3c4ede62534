"""The front and the knee: known truths, degenerate fronts, and a bootstrap that can be repeated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evidence.front import bootstrap_front, pareto_mask, pareto_mask_any
from pipeline.evidence.knee import find_knee, rank_rows

CONVEX = np.array([[0.0, 1.0], [0.1, 0.4], [0.4, 0.15], [1.0, 0.0], [0.6, 0.6]])


def naive_mask(values):
    """Straight from the definition."""

    def dominates(a, b):
        return all(x <= y for x, y in zip(a, b, strict=True)) and any(
            x < y for x, y in zip(a, b, strict=True)
        )

    return [not any(dominates(other, one) for other in values) for one in values]


def test_known_front():
    assert pareto_mask(CONVEX).tolist() == [True, True, True, True, False]


def test_duplicates_stay_together():
    values = np.array([[1.0, 2.0], [1.0, 2.0], [2.0, 1.0], [2.0, 2.0], [2.0, 2.0]])
    assert pareto_mask(values).tolist() == [True, True, True, False, False]


def test_nan_is_never_on_the_front():
    values = np.array([[np.nan, 0.0], [1.0, 1.0], [2.0, np.nan]])
    assert pareto_mask(values).tolist() == [False, True, False]


small = st.integers(0, 4)


@given(st.lists(st.tuples(small, small), min_size=1, max_size=25))
def test_two_objectives_agree_with_the_definition(rows):
    assert pareto_mask(np.array(rows, float)).tolist() == naive_mask(rows)


@given(st.lists(st.tuples(small, small, small), min_size=1, max_size=25))
def test_three_objectives_agree_with_the_definition(rows):
    values = np.array(rows, float)
    assert pareto_mask(values).tolist() == naive_mask(rows)
    assert pareto_mask_any(values, block=3).tolist() == naive_mask(rows)


def test_knee_is_furthest_below_the_chord():
    values = np.array([[0.0, 10.0], [1.0, 3.0], [2.0, 2.5], [5.0, 1.0], [10.0, 0.0]])
    knee = find_knee(values, pareto_mask(values))
    assert (knee.row, knee.rule) == (1, "chord")


def test_knee_does_not_depend_on_units():
    mask = pareto_mask(CONVEX)
    assert find_knee(CONVEX, mask) == find_knee(CONVEX * [1e-6, 1e9] + [5, -3], mask)


@pytest.mark.parametrize(
    ("values", "rule", "row"),
    [
        ([[1.0, 1.0]], "only", 0),
        ([[1.0, 1.0], [1.0, 1.0]], "only", 0),
        ([[0.0, 1.0], [1.0, 0.0]], "tie", 1),
        ([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]], "tie", 2),
        ([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]], "ideal", 1),
        ([[0.0, 1.0], [0.9, 0.9], [1.0, 0.0]], "ideal", 0),
    ],
)
def test_degenerate_fronts(values, rule, row):
    values = np.array(values)
    # A lower tail at the last point decides between two.
    tail = np.arange(len(values), 0, -1.0)
    knee = find_knee(values, pareto_mask(values), tail)
    assert (knee.rule, knee.row) == (rule, row)


def test_no_result_no_knee():
    values = np.full((3, 2), np.nan)
    knee = find_knee(values, pareto_mask(values))
    assert (knee.row, knee.rule) == (-1, "none")
    assert rank_rows(values, pareto_mask(values), knee).tolist() == [0, 0, 0]


def test_ranks_put_the_choice_then_the_front_first():
    mask = pareto_mask(CONVEX)
    ranks = rank_rows(CONVEX, mask, find_knee(CONVEX, mask))
    assert sorted(ranks) == [1, 2, 3, 4, 5]
    assert ranks[4] == 5
    assert set(ranks[1:3]) == {1, 2}


def noisy_lanes(noise, count=8, seed=3):
    """(replicate, point, objective) around CONVEX."""
    return CONVEX + noise * np.random.default_rng(seed).normal(size=(count, *CONVEX.shape))


def test_bootstrap_is_seeded():
    lanes = noisy_lanes(0.2)
    first, again, other = (bootstrap_front(lanes, seed) for seed in (1, 1, 2))
    assert (first.on_front == again.on_front).all()
    assert (first.is_knee == again.is_knee).all()
    assert (first.on_front != other.on_front).any()


def test_bootstrap_without_noise_is_certain():
    certainty = bootstrap_front(noisy_lanes(0.0), 1, resamples=50)
    assert certainty.on_front.tolist() == [1, 1, 1, 1, 0]
    assert certainty.is_knee.max() == 1


def test_bootstrap_sees_doubt():
    lanes = noisy_lanes(0.3, count=4)
    certainty = bootstrap_front(lanes, 1)
    assert ((certainty.on_front > 0.02) & (certainty.on_front < 0.98)).any()
    assert certainty.is_knee.sum() == pytest.approx(1)


def test_one_replicate_says_nothing():
    assert bootstrap_front(noisy_lanes(0.1, count=1), 1) is None


def test_missing_lanes_do_not_spread():
    lanes = noisy_lanes(0.0)
    lanes[:3, 1] = np.nan
    certainty = bootstrap_front(lanes, 1, resamples=200)
    assert certainty.on_front[0] == 1
    assert certainty.on_front[1] > 0.9
