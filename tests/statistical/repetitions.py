"""A study repeated many times, as one table: the pipeline's own functions make all its intervals at once.

Lanes that are independent and equal in law are cut into groups, each the replicates of one point: so every
interval has passed through `aggregate` and `choice` of pipeline/evidence, as those of a summary have.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl

from pipeline.evidence.aggregate import interval_table, paired_differences
from pipeline.evidence.choice import Choice, choose

Columns = Mapping[str, np.ndarray]
Intervals = tuple[np.ndarray, np.ndarray]


def lane_table(columns: Columns, replicates: int, first_point: int = 0) -> pl.DataFrame:
    """Lanes as a sweep's tables have them: each `replicates` of them in a row are a point."""
    count = len(next(iter(columns.values()))) // replicates * replicates
    place = np.arange(count)
    labels = {
        "point": (first_point + place // replicates).astype(np.int32),
        "replicate": (place % replicates).astype(np.int32),
    }
    values = {name: np.asarray(column[:count], np.float64) for name, column in columns.items()}
    return pl.DataFrame(labels | values)


def mean_intervals(values: np.ndarray, replicates: int) -> Intervals:
    """Low and high ends of the summary's interval of a mean, one a repetition."""
    found = interval_table(lane_table({"m": values}, replicates), ["m"])
    return found["m_low"].to_numpy(), found["m_high"].to_numpy()


def difference_intervals(values: np.ndarray, baseline: np.ndarray, replicates: int) -> Intervals:
    """Low and high ends of the summary's paired difference from the baseline, one a repetition."""
    return pair_intervals(values, baseline, replicates, "diff")


def change_intervals(values: np.ndarray, baseline: np.ndarray, replicates: int) -> Intervals:
    """Low and high ends of the summary's change against the baseline, one a repetition."""
    return pair_intervals(values, baseline, replicates, "change")


def pair_intervals(values: np.ndarray, baseline: np.ndarray, replicates: int, kind: str) -> Intervals:
    """Low and high ends of one of the summary's columns of pairs."""
    shift = len(values) // replicates
    lanes = pl.concat(
        [
            lane_table({"m": values}, replicates),
            lane_table({"m": baseline}, replicates, first_point=shift),
        ]
    )
    points = np.arange(shift, dtype=np.int32)
    pairs = pl.DataFrame({"point": points, "baseline_point": points + np.int32(shift)})
    found = paired_differences(lanes, pairs, ["m"]).sort("point")
    return found[f"m_{kind}_low"].to_numpy(), found[f"m_{kind}_high"].to_numpy()


def choices(gains: np.ndarray, replicates: int, baseline: int = 0) -> list[Choice]:
    """What the study's objective chooses, one a repetition.

    Parameters
    ----------
    gains : float64 (lane, point), more is better; each `replicates` rows are a study
    """
    changes = np.ones(gains.shape[1], np.int64)
    changes[baseline] = 0
    studies = len(gains) // replicates
    return [
        choose(gains[s * replicates : (s + 1) * replicates], None, baseline, changes, 0.01)
        for s in range(studies)
    ]


def hits(intervals: Intervals, truth: float) -> np.ndarray:
    """Which intervals contain the truth."""
    low, high = intervals
    return (low <= truth) & (truth <= high)


def gain_hits(gains: np.ndarray, replicates: int, truth: float) -> np.ndarray:
    """Which `choices` have the truth in the interval of the gain; those without one are left out."""
    found = [one.gain for one in choices(gains, replicates) if one.gain is not None]
    return np.array([gain.low <= truth <= gain.high for gain in found])
