"""The change against the baseline in a summary: a ratio of means, with the interval of one."""

import numpy as np
import polars as pl
import pytest
from rich.text import Text

from pipeline.evidence.aggregate import paired_differences
from pipeline.evidence.choice import change_of
from pipeline.evidence.summary_table import comparison_text

BASELINE = pl.DataFrame(
    {"point": [0, 1], "baseline_point": [0, 0]}, schema=dict.fromkeys(("point", "baseline_point"), pl.Int32)
)


def changed(base: np.ndarray, values: np.ndarray) -> dict:
    """The row of a point of these values in each replicate; NaN = no result."""
    count = len(base)
    lanes = pl.DataFrame(
        {
            "point": np.repeat(np.arange(2, dtype=np.int32), count),
            "replicate": np.tile(np.arange(count, dtype=np.int32), 2),
            "m": np.concatenate([base, values]),
        }
    ).with_columns(pl.col("m").fill_nan(None))
    return paired_differences(lanes, BASELINE, ["m"]).row(by_predicate=pl.col("point") == 1, named=True)


def ends(row: dict, kind: str) -> tuple:
    return tuple(row[f"m_{kind}{end}"] for end in ("", "_low", "_high"))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_change_is_that_of_a_choice(sign):
    rng = np.random.default_rng(1)
    base, values = sign * rng.normal(100, 20, 7), sign * rng.normal(60, 5, 7)
    wanted = change_of(np.column_stack([base, values]), 1, 0)
    assert ends(changed(base, values), "change") == pytest.approx(
        (wanted.mean, wanted.low, wanted.high), rel=1e-12
    )


def test_a_noisy_baseline_does_not_widen_the_change():
    rng = np.random.default_rng(2)
    base, values = rng.normal(500, 40, 5), rng.normal(20, 1, 5)
    row = changed(base, values)
    widths = [
        (row[f"m_{kind}_high"] - row[f"m_{kind}_low"]) / scale
        for kind, scale in (("diff", 500), ("change", 1))
    ]
    assert widths[1] < widths[0] / 5


def test_values_in_proportion_to_the_baseline_leave_no_doubt():
    base = np.array([3.0, 5.0, 10.0])
    assert ends(changed(base, 1.25 * base), "change") == pytest.approx((0.25, 0.25, 0.25))


def test_only_replicates_that_both_have_count():
    base, values = np.array([1.0, 2.0, np.nan, 4.0]), np.array([2.0, np.nan, 9.0, 5.0])
    assert changed(base, values)["m_change"] == pytest.approx((7 - 5) / 5)


def test_a_baseline_of_nothing_has_no_change_and_one_replicate_no_interval():
    assert ends(changed(np.zeros(3), np.arange(3.0)), "change") == (None, None, None)
    assert ends(changed(np.array([2.0]), np.array([3.0])), "change") == (0.5, None, None)


def test_shares_are_shown_in_points_and_other_metrics_in_per_cent():
    row = {
        f"{name}_{kind}{end}": value
        for name, scale in (("slowdown_p99", 500.0), ("load_imbalance", 1.0))
        for kind, size in (("diff", scale), ("change", 1.0))
        for end, value in (("", -0.5 * size), ("_low", -0.6 * size), ("_high", -0.4 * size))
    }
    assert comparison_text(row, "slowdown_p99") == Text("-50.00 % ± 10.00", style="green")
    assert comparison_text(row, "load_imbalance").plain == "-50.00 pp ± 10.00"
    no_change = row | {"slowdown_p99_change": None}
    assert comparison_text(no_change, "slowdown_p99").plain == "-250 ± 50"
