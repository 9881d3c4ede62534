"""Buckets of the histograms: order, width, and the way back."""

import numpy as np
import pytest

from sim import kernels
from sim.layout import counter as N
from sim.metrics.derive import bucket_middle, percentile
from tests.kernel.compiled import Compiled

measure = Compiled(kernels.measure)

POINTS = sorted(
    {*range(3000), *(2**k + d for k in range(10, 63) for d in (-1, 0, 1)), *(3**k for k in range(1, 39))}
)


def test_buckets_are_those_of_the_description() -> None:
    for x in POINTS:
        e = max(0, x.bit_length() - 7)
        assert measure.bucket(x) == (x if x < 64 else 64 * e + (x >> e))
    assert max(map(measure.bucket, POINTS)) < N.HISTOGRAM_WIDTH


def test_buckets_are_in_order_and_narrow() -> None:
    found = [measure.bucket(x) for x in POINTS]
    assert found == sorted(found)
    for x, index in zip(POINTS, found, strict=True):
        assert abs(bucket_middle(index) - x) <= x / 128
        assert x >= 64 or bucket_middle(index) == x
        assert measure.bucket(int(bucket_middle(index))) == index or index > 2800  # float64 above 2^53


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.99, 0.999, 1.0])
def test_percentiles_are_those_of_the_sorted_values(share: float) -> None:
    values = np.sort(np.random.default_rng(6).lognormal(9, 2, 5000).astype(np.int64))
    histogram = np.bincount([measure.bucket(int(x)) for x in values], minlength=N.HISTOGRAM_WIDTH)
    exact = values[max(1, int(np.ceil(share * values.size))) - 1]
    assert abs(percentile(histogram, share) - exact) <= exact / 64
    assert np.isnan(percentile(np.zeros(10, np.int64), share))
