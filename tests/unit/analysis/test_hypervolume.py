"""Hypervolumes against counting cells, and the box of a study cell."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evidence.aggregate import read_run, summarise
from pipeline.evidence.cell import study_cells
from pipeline.evidence.hypervolume import cell_hypervolume, hypervolume
from tests.unit.analysis.synthetic import write_run

CORNER = 5


def counted(rows, size):
    """Unit cells of the box that some row dominates."""
    cells = itertools.product(range(CORNER), repeat=size)
    return sum(any(all(x <= c for x, c in zip(row, cell, strict=True)) for row in rows) for cell in cells)


# Up to the corner, and beyond it.
place = st.integers(0, CORNER + 1)


@given(st.lists(st.tuples(place, place), max_size=12))
def test_two_objectives_are_the_counted_cells(rows):
    values = np.array(rows, float).reshape(-1, 2)
    assert hypervolume(values, [CORNER] * 2) == counted(rows, 2)


@given(st.lists(st.tuples(place, place, place), max_size=12))
def test_three_objectives_are_the_counted_cells(rows):
    values = np.array(rows, float).reshape(-1, 3)
    assert hypervolume(values, [CORNER] * 3) == counted(rows, 3)


def test_a_row_without_a_value_adds_nothing():
    values = np.array([[0.0, np.nan], [1.0, 1.0]])
    assert hypervolume(values, [2.0, 2.0]) == 1.0


def test_other_numbers_of_objectives_are_refused():
    with pytest.raises(ValueError, match="4 objectives"):
        hypervolume(np.zeros((1, 4)), [1.0] * 4)


def volume_of(folder):
    run = read_run(folder)
    (cell,) = study_cells(run, summarise(run))
    return cell, cell_hypervolume(cell, run.goals.objectives, run.goals.signs)


def test_the_box_ends_at_the_worst_and_best_means(tmp_path):
    cell, found = volume_of(write_run(tmp_path / "s" / "k"))
    values = cell.values
    assert list(found["reference"].values()) == values.max(axis=0).tolist()
    assert list(found["ideal"].values()) == values.min(axis=0).tolist()
    scaled = (values - values.min(axis=0)) / np.ptp(values, axis=0)
    assert found["value"] == pytest.approx(hypervolume(scaled, [1, 1]), abs=1e-9)
    assert 0 < found["low"] <= found["value"] <= found["high"] <= 1


def test_more_noise_widens_the_interval_and_one_replicate_has_none(tmp_path):
    _, quiet = volume_of(write_run(tmp_path / "a" / "k", noise=0.01))
    _, loud = volume_of(write_run(tmp_path / "b" / "k", noise=0.1))
    assert loud["high"] - loud["low"] > 3 * (quiet["high"] - quiet["low"])
    _, single = volume_of(write_run(tmp_path / "c" / "k", replicates=1))
    assert (single["low"], single["high"]) == (None, None)
