"""What a sweep varies: which axes and settings a chart along them shows, and which metrics."""

import math
from collections.abc import Sequence

import polars as pl

from pipeline.config.goals import goals_of
from pipeline.evidence.aggregate import RunTables, is_policy_key
from pipeline.evidence.recommend import Recommendation

MAIN_PANELS = (
    "load_imbalance", "migration_overhead_share", "wasted_core_share", "slowdown_p99",
    "throughput_per_s", "migration_rate_per_s",
)  # fmt: skip
HEADLINE = (
    *MAIN_PANELS, "slowdown_mean", "sojourn_mean_ns", "sojourn_p99_ns", "waiting_mean_ns", "utilisation",
    "cache_hit_rate", "migration_success_rate", "migration_cost_realised_cycles", "fairness",
    "away_share", "remote_work_share", "energy_per_activation_j",
)  # fmt: skip
HEAT_MAX = 24
# A design that has less than 1 / SPARSE of the combinations of its values is no grid.
SPARSE = 2


def headline_metrics(run: RunTables, rows: pl.DataFrame, most: int | None = None) -> list[str]:
    """Metrics that are worth a panel: what the study is about first, then those that vary, at most `most`."""
    goals = goals_of(run.config).metrics
    known = [m for m in dict.fromkeys((*goals, *HEADLINE)) if f"{m}_mean" in rows.columns]
    varied = [m for m in known if rows[f"{m}_mean"].drop_nulls().n_unique() > 1]
    # The order of HEADLINE where the goals are among it, so that panels stand where they always stand.
    varied.sort(key=lambda m: (m not in MAIN_PANELS, known.index(m)) if m not in goals else (False, -1))
    return varied[:most]


def numeric_axes(run: RunTables, rows: pl.DataFrame) -> list[str]:
    """Numbers of the policy that the sweep varies: threshold first, then rates, then more.

    A number counts if it varies within one policy; between policies it is part of their names.
    """
    found = [
        a for a in run.axes
        if is_policy_key(a) and rows[a].dtype.is_numeric() and is_varied(rows, a)
    ]  # fmt: skip
    return sorted(found, key=lambda a: (a != "policy.threshold_factor", "rate_per_s" not in a))


def is_varied(rows: pl.DataFrame, axis: str) -> bool:
    """Whether a column has several values within one policy."""
    if "policy" not in rows.columns:
        return rows[axis].n_unique() > 1
    return bool((rows.group_by("policy").agg(pl.col(axis).n_unique())[axis] > 1).any())


def is_sampled(run: RunTables, rows: pl.DataFrame, axes: Sequence[str]) -> bool:
    """Whether the rows are no grid: points drawn that leave most combinations of the values empty.

    Points drawn from a few choices each fill them, and are as good as a grid. What was written as a grid
    is one unless it has too many values of its first two axes to be drawn so.
    """
    is_drawn = run.config.get("sweep", {}).get("kind", "grid") != "grid"
    swept = [a for a in run.axes if is_policy_key(a) and a in rows.columns]
    combinations = math.prod(rows[a].n_unique() for a in swept)
    is_sparse = rows.select(swept).n_unique() * SPARSE < combinations
    return max(rows[a].n_unique() for a in axes[:2]) > HEAT_MAX or (is_drawn and is_sparse)


def with_numbers(rows: pl.DataFrame, axes: Sequence[str]) -> pl.DataFrame:
    """The rows that have a place on a number line of each axis: neither null (no limit) nor infinite."""
    return rows.drop_nulls(list(axes)).filter(pl.all_horizontal(pl.col(list(axes)).is_finite()))


def unplaced_note(rows: pl.DataFrame, axes: Sequence[str]) -> str:
    """What a chart with number lines leaves out, as the end of its caption; "" if nothing."""
    missing = rows.height - with_numbers(rows, axes).height
    return f" Without a place on the axes, as they have no limit there: {missing}." if missing else ""


def grid_policy(run: RunTables, rows: pl.DataFrame, chosen: Recommendation, axes: Sequence[str]) -> str:
    """The policies of a heat map, as one word."""
    grid = heat_rows(run, rows, chosen, axes)
    return ", ".join(map(str, grid["policy"].unique(maintain_order=True)))


def grid_rows(
    run: RunTables, rows: pl.DataFrame, chosen: Recommendation, free: Sequence[str]
) -> pl.DataFrame:
    """The rows that differ from the recommended point in the `free` columns only.

    A policy that was not swept over the first free axis would be a lone dot: it is left out. If that
    leaves nothing (the recommended point is no part of the grid), the other axes are freed as well.
    """
    if "policy" not in rows.columns:
        rows = rows.with_columns(policy=pl.lit("policy"))
    picked = rows.row(by_predicate=pl.col("point") == chosen.point, named=True)
    swept = rows.filter(pl.col(free[0]).n_unique().over("policy") > 1)
    others = [a for a in run.axes if is_policy_key(a) and a not in free]
    alike = [pl.col(a).eq_missing(pl.lit(picked[a])) for a in others if a != "policy"]
    same = swept.filter(pl.all_horizontal(alike)) if alike else swept
    return same if same[free[0]].n_unique() > 1 else swept


def heat_rows(
    run: RunTables, rows: pl.DataFrame, chosen: Recommendation, axes: Sequence[str]
) -> pl.DataFrame:
    """The rows of a heat map: of the recommended point's policy, or of the first that was swept."""
    grid = grid_rows(run, rows, chosen, axes[:2])
    picked = grid.filter(pl.col("point") == chosen.point)
    name = picked["policy"][0] if picked.height else grid["policy"][0]
    # Of several rows in one field of the map the first stands for them.
    return grid.filter(pl.col("policy") == name).unique(axes[:2], keep="first", maintain_order=True)
