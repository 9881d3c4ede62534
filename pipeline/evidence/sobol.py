"""Sobol' indices of a Saltelli design: how much of a metric's variance is due to each axis.

A study with `sweep.kind=saltelli` leaves `design.parquet` in its run folder, a row for each row of the
design: two independent samples A and B of n points, and for each axis the sample A with that axis taken from
B. Rows that came to the same settings share a point.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.config.grid import DESIGN
from pipeline.evidence.aggregate import RunTables, read_file
from pipeline.evidence.cell import study_seed
from pipeline.evidence.effects import percentiles

RESAMPLES = 500
STREAM = 0x50B0
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """A Saltelli design as a run folder holds it.

    axes   : keys, in the order of the blocks
    points : int64 (block, base), the point of each row: A, B, then A with one axis from B, an axis a block
    seed   : of the bootstrap
    """

    axes: tuple[str, ...]
    points: IntArray
    seed: int


def read_sample(run: RunTables) -> Sample | None:
    """The Saltelli design of a run; None if it has none."""
    path = run.tables_folder / DESIGN
    if not path.is_file() or (run.config.get("sweep") or {}).get("kind") != "saltelli":
        return None
    table = read_file(path, pl.read_parquet)
    blocks = list(dict.fromkeys(table["block"].to_list()))
    points = table["point"].to_numpy().astype(np.int64).reshape(len(blocks), -1)
    return Sample(tuple(blocks[2:]), points, study_seed(run))


def sobol_rows(sample: Sample, summary: pl.DataFrame, metrics: Sequence[str]) -> list[dict[str, Any]]:
    """First-order and total indices of each metric for each axis, without the cell.

    A metric that is the same at all points, or that some point lacks, has none.
    """
    place = {point: row for row, point in enumerate(summary["point"].to_list())}
    rows = np.array([[place[int(point)] for point in block] for block in sample.points])
    found: list[dict[str, Any]] = []
    for metric in metrics:
        values = summary[f"{metric}_mean"].fill_null(np.nan).to_numpy()[rows]
        if np.isfinite(values).all() and np.ptp(values[:2]) > 0:
            found += index_rows(sample, metric, values)
    return found


def index_rows(sample: Sample, metric: str, values: FloatArray) -> list[dict[str, Any]]:
    """Rows of one metric, whose values at the design's rows are float64 (block, base)."""
    # Here, as it takes half a second that other designs need not wait for.
    from scipy.stats import sobol_indices

    size = values.shape[1]
    func: Mapping[str, FloatArray] = {
        "f_A": values[None, 0], "f_B": values[None, 1], "f_AB": values[2:, None],
    }  # fmt: skip
    exact = sobol_indices(func=func, n=size)
    drawn = resampled(values, sample.seed)
    rows = []
    for kind, method, order in ((0, "sobol_first", exact.first_order), (1, "sobol_total", exact.total_order)):
        for axis, name in enumerate(sample.axes):
            low, high = percentiles(drawn[kind][:, axis].tolist())
            rows.append(
                {
                    "metric": metric, "parameter": name, "method": method,
                    "value": float(np.ravel(order)[axis]), "low": low, "high": high,
                }
            )  # fmt: skip
    return rows


def resampled(values: FloatArray, seed: int, resamples: int = RESAMPLES) -> tuple[FloatArray, FloatArray]:
    """Indices of bootstrap samples of the base rows: two arrays (resample, axis), NaN where nothing varies.

    Source
    ------
    A. Saltelli et al., Computer Physics Communications 181 (2010) 259-270, table 2 (b) and (f), as in SciPy;
    G. Archer, A. Saltelli, I. Sobol', Journal of Statistical Computation and Simulation 58 (1997) 99-120
    (the bootstrap of them)
    """
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, STREAM])))
    centred = values - values[:2].mean()
    first = np.full((resamples, len(values) - 2), np.nan)
    total = first.copy()
    for place in range(resamples):
        a, b, *mixed = centred[:, generator.integers(0, values.shape[1], values.shape[1])]
        variance = float(np.var([a, b]))
        if variance > 0:
            first[place] = [float(np.mean(b * (one - a))) / variance for one in mixed]
            total[place] = [0.5 * float(np.mean((a - one) ** 2)) / variance for one in mixed]
    return first, total
