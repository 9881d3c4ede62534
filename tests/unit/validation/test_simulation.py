"""Histograms of the simulator, read as distributions."""

import numpy as np
import pytest

from tests.validation.simulation import edges_near, tail, upper_edge


def bucket_of(x: int) -> int:
    """The bucket of a value, from the definition in sim/DESIGN.md §10."""
    if x < 64:
        return x
    e = x.bit_length() - 7
    return 64 * e + (x >> e)


@pytest.mark.parametrize("x", [0, 1, 63, 64, 65, 127, 128, 129, 255, 256, 1000, 12_345, 2**20, 2**20 + 77])
def test_the_upper_edge_is_the_first_value_beyond(x: int) -> None:
    edge = upper_edge(bucket_of(x))
    assert x < edge
    assert bucket_of(edge) == bucket_of(x) + 1
    assert bucket_of(edge - 1) == bucket_of(x)


def test_a_tail_at_an_edge_is_exact() -> None:
    values = np.random.default_rng(3).integers(0, 50_000, 20_000)
    histogram: dict[int, int] = {}
    for value in values.tolist():
        histogram[bucket_of(value)] = histogram.get(bucket_of(value), 0) + 1
    edges = edges_near([10, 200, 1234, 20_000, 45_678])
    assert all(edge <= value for edge, value in zip(edges, [10, 200, 1234, 20_000, 45_678], strict=True))
    assert tail(histogram, edges).tolist() == [(values >= edge).mean() for edge in edges]
