"""What is chosen from a front: the plane of three objectives, weights, and constraints, sure or not."""

import itertools

import numpy as np
import pytest

from pipeline.config.goals import Constraint
from pipeline.evidence.feasible import bounds_of
from pipeline.evidence.front import Rule, bootstrap_front, draw_means, front_of, pareto_mask
from pipeline.evidence.knee import find_knee, ruler_of

# Ends of three objectives, a knee, and a point that bulges out.
THREE = np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0], [0.3, 0.4, 0.5], [0.6, 0.6, 0.9], [2, 2, 2]])


def test_the_plane_through_the_ends_gives_the_knee_of_three():
    knee = find_knee(THREE, pareto_mask(THREE))
    assert (knee.row, knee.rule) == (3, "plane")


def test_three_objectives_do_not_depend_on_units():
    moved = THREE * [1e-6, 1e9, 3] + [5, -3, 0]
    assert find_knee(moved, pareto_mask(moved)) == find_knee(THREE, pareto_mask(THREE))


def test_the_plane_is_that_of_the_ends_and_not_of_the_corners():
    # With ends that are not at (0, 1, 1), the sum of the objectives would choose another point.
    rows = np.array([[0.0, 0.2, 1], [1, 0, 0.9], [0.4, 1, 0], [0.3, 0.45, 0.35], [0.5, 0.1, 0.92]])
    mask = np.ones(len(rows), np.bool_)
    ends = [rows[0], rows[1], rows[2]]
    normal = np.cross(ends[1] - ends[0], ends[2] - ends[0])
    normal /= normal.sum()
    assert (normal > 0).all()
    expected = int(np.argmin(rows @ normal))
    knee = find_knee(rows, mask)
    assert (knee.rule, knee.row) == ("plane", expected)


def test_a_front_above_its_plane_gives_the_point_nearest_to_the_ideal():
    rows = np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0], [0.9, 0.9, 0.9]])
    assert find_knee(rows, np.ones(4, np.bool_)).rule == "ideal"


def test_an_objective_that_does_not_vary_plays_no_part():
    pair = np.array([[0.0, 10.0], [1.0, 3.0], [10.0, 0.0]])
    flat = np.column_stack([pair, np.full(3, 7.0)])
    assert find_knee(flat, np.ones(3, np.bool_)) == find_knee(pair, np.ones(3, np.bool_))


@pytest.mark.parametrize(("weights", "row"), [((0.98, 0.02), 0), ((0.5, 0.5), 1), ((0.02, 0.98), 3)])
def test_weights_move_along_the_front(weights, row):
    rows = np.array([[0.0, 10.0], [1.0, 3.0], [5.0, 1.0], [10.0, 0.0], [9.0, 9.0]])
    knee = find_knee(rows, pareto_mask(rows), weights=weights)
    assert (knee.rule, knee.row) == ("weights", row)


def test_a_ruler_is_least_at_the_choice():
    for weights in (None, (0.2, 0.5, 0.3)):
        mask = pareto_mask(THREE)
        knee = find_knee(THREE, mask, weights=weights)
        scores = ruler_of(THREE, mask, knee.rule, weights).scores(THREE)
        assert int(np.argmin(np.where(mask, scores, np.inf))) == knee.row


def rule(*constraints, weights=None, means=None):
    """A rule of two objectives whose further columns are bounded."""
    bounded = np.ones((1, len(constraints))) if means is None else means[:, 3:]
    return Rule(2, weights, bounds_of(constraints, bounded))


# Columns: two objectives, the tie-break, and what is bounded.
CELL = np.array(
    [[0.0, 1.0, 0, 9.0], [0.1, 0.4, 0, 5.0], [0.4, 0.15, 0, 2.0], [1.0, 0.0, 0, 1.0], [0.5, 0.5, 0, 0.5]]
)


def test_what_misses_a_constraint_is_not_chosen_and_not_on_the_front():
    mask, knee = rule(Constraint("m", "<=", 2.0), means=CELL).choose(CELL)
    assert mask.tolist() == [False, False, True, True, False]
    assert knee.row in (2, 3)
    mask, knee = rule(Constraint("m", "<", 0.6), means=CELL).choose(CELL)
    # Dominated by a point that is not allowed only.
    assert (mask.tolist(), knee.row, knee.rule) == ([False] * 4 + [True], 4, "only")


def test_nothing_feasible_gives_the_least_breach_by_name():
    above = rule(Constraint("m", ">=", 20.0), means=CELL)
    mask, knee = above.choose(CELL)
    assert (knee.row, knee.rule) == (0, "breach")
    assert mask.tolist() == pareto_mask(CELL[:, :2]).tolist()


def test_breaches_are_added_as_shares_of_their_bounds():
    values = np.array([[2.0, 100.0], [1.0, 130.0], [np.nan, 0.0]])
    bounds = bounds_of([Constraint("a", "<=", 1.0), Constraint("b", "<=", 100.0)], values)
    assert bounds.breach(values).tolist() == [1.0, 0.3, np.inf]
    assert bounds.holds(values).tolist() == [False, False, False]


@pytest.mark.parametrize("sign", ["<=", ">=", "<", ">"])
def test_a_bound_of_zero_is_scaled_by_the_range(sign):
    values = np.array([[-4.0], [1.0], [4.0]])
    breach = bounds_of([Constraint("a", sign, 0.0)], values).breach(values)
    assert breach.max() == 0.5


@pytest.mark.parametrize(
    ("objectives", "bound", "weights"),
    list(itertools.product((2, 3), (None, 1.2, 0.2), (None, (0.7, 0.2, 0.1)))),
)
def test_leaving_points_out_of_the_resamples_changes_nothing(objectives, bound, weights):
    # Held against the same resamples of all points, one by one.
    generator = np.random.default_rng(5)
    means = generator.random((60, objectives + 2))
    shared, own = (
        generator.normal(size=(5, 1, objectives + 2)),
        generator.normal(size=(5, 60, objectives + 2)),
    )
    lanes = means + 0.05 * shared + 0.05 * own
    lanes[2, 7] = np.nan
    constraints = () if bound is None else (Constraint("m", "<=", bound),)
    weights = None if weights is None else weights[:objectives]
    found_rule = Rule(objectives, weights, bounds_of(constraints, means[:, objectives + 1 :]))
    found = bootstrap_front(lanes, 3, resamples=60, rule=found_rule)
    front, knees, feasible = np.zeros(60), np.zeros(60), np.zeros(60)
    for drawn in draw_means(lanes, 3, 60):
        meets = np.ones(60, np.bool_) if bound is None else drawn[:, -1] <= bound
        kept = meets if meets.any() else np.ones(60, np.bool_)
        mask = front_of(drawn[:, :objectives], None) if kept.all() else kept.copy()
        if not kept.all():
            mask[kept] = pareto_mask(drawn[kept][:, :objectives])
        front += mask
        feasible += meets
        knees[found_rule.choose(drawn)[1].row] += 1
    assert found.on_front.tolist() == (front / 60).tolist()
    assert found.is_knee.tolist() == (knees / 60).tolist()
    assert found.feasible.tolist() == (feasible / 60).tolist()
