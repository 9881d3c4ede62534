"""Tables of lanes -> one summary row a point: means, intervals, paired differences (polars, scipy).

Every sum is taken in the order of replicates, on one contiguous column, so the tables have the same
bytes whatever the number of lane parts, threads or resumes that led to them.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from scipy.special import stdtrit

import sim
from pipeline.adaptive.rounds import DROPPED
from pipeline.config.goals import Goals, goals_of
from pipeline.errors import UserError
from pipeline.run.files import write_atomic
from pipeline.run.tables import table_bytes
from pipeline.run.worker import COMPLETED

CONFIDENCE = 0.95
# Lanes that are summarised at a time: some 70 MB of metrics.
BLOCK_LANES = 1 << 16
LABELS = ("topology", "workload", "policy", "binding", "faults")
# Differences from the baseline are for reading, so they are kept for what people compare.
MAIN_METRICS = (
    "load_imbalance", "migration_overhead_share", "wasted_core_share", "slowdown_mean",
    "slowdown_p99", "sojourn_mean_ns", "sojourn_p99_ns", "waiting_mean_ns", "throughput_per_s",
    "utilisation", "cache_hit_rate", "migration_rate_per_s", "migration_cost_realised_cycles",
)  # fmt: skip


class RunFolderError(UserError):
    """A run folder that cannot be analysed: says which, why, and what to do."""


@dataclass(frozen=True)
class RunTables:
    """A finished (or half-finished) sweep as it lies on disk.

    folder    : Path of `outputs/<study>/<run key>`
    config    : resolved configuration
    manifest  : provenance, axes, replicates, baseline
    points    : frame, a row a point, sorted by `point`
    lanes     : lazy frame, a row a lane, over all parts
    axes      : dotted keys that the sweep varies
    cell_keys : columns that say *what is studied* (topology, workload, their swept numbers)
    metrics   : metric columns of `lanes`
    source    : where the tables were read from; `folder` may be told to be another, for the results
    """

    folder: Path
    config: dict[str, Any]
    manifest: dict[str, Any]
    points: pl.DataFrame
    lanes: pl.LazyFrame
    axes: tuple[str, ...]
    cell_keys: tuple[str, ...]
    metrics: tuple[str, ...]
    source: Path | None = None

    @property
    def tables_folder(self) -> Path:
        """Where the sweep's own tables lie."""
        return self.folder if self.source is None else self.source

    @cached_property
    def goals(self) -> Goals:
        """What the study wants: objectives, weights, constraints."""
        return goals_of(self.config)

    @cached_property
    def dropped(self) -> pl.DataFrame | None:
        """The points that a race dropped, a row each; None for another design.

        Their means are over fewer replicates than those of the points that stayed, with which they are
        therefore not compared by their means: they lost in pairs, on the replicates that both had.
        """
        path, raced = self.tables_folder / DROPPED, self.manifest.get("design") or {}
        if not path.is_file():
            return None
        asked = [list(self.goals.objectives), [one.text for one in self.goals.constraints]]
        if asked != [raced.get("objectives"), raced.get("constraints")]:
            raise RunFolderError(
                f"{self.folder}: a race for {', '.join(raced.get('objectives') or [])} with the constraints "
                f"{raced.get('constraints')} says nothing of others, whose front may have what it dropped",
                "sweep again with these front.objectives and front.constraints",
            )
        found: pl.DataFrame = read_file(path, pl.read_parquet)
        return found


def read_run(folder: Path) -> RunTables:
    """Open a run folder; lanes stay lazy.

    Raises
    ------
    RunFolderError naming the missing or unreadable file.
    """
    folder = Path(folder)
    needed = ("config.yaml", "manifest.json", "points.parquet")
    missing = [name for name in needed if not (folder / name).is_file()]
    if not any(folder.glob("lanes/part-*.parquet")):
        missing.append("lanes/part-*.parquet")
    if missing:
        raise RunFolderError(
            f"{folder}: not a run folder, {', '.join(missing)} missing",
            "give a folder outputs/<study>/<run key> written by python -m pipeline.sweep",
        )
    manifest = read_file(folder / "manifest.json", lambda path: json.loads(path.read_text()))
    config = read_file(folder / "config.yaml", lambda path: yaml.safe_load(path.read_text()))
    points = read_file(folder / "points.parquet", pl.read_parquet).sort("point")
    lanes = read_file(folder / "lanes" / "part-*.parquet", pl.scan_parquet)
    axes = axes_of(manifest, points)
    return RunTables(
        folder=folder,
        config=config or {},
        manifest=manifest,
        points=points,
        lanes=lanes,
        axes=axes,
        cell_keys=cell_keys_of(axes, points),
        metrics=read_file(folder / "lanes" / "part-*.parquet", lambda _: metrics_of(lanes)),
        source=folder,
    )


def read_file(path: Path, read: Callable[[Path], Any]) -> Any:
    """What a reader makes of a file of a run.

    Raises
    ------
    RunFolderError naming the file that is damaged, or may not be read
    """
    try:
        return read(path)
    except (pl.exceptions.PolarsError, yaml.YAMLError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        hint = "the same sweep command looks at every table's checksum, and computes anew what is damaged"
        raise RunFolderError(f"{path}: cannot be read ({reason})", hint) from error


def axes_of(manifest: Mapping[str, Any], points: pl.DataFrame) -> tuple[str, ...]:
    """Dotted keys that the sweep varies, as the manifest lists them (a list, or keys of a map)."""
    listed = [a["key"] if isinstance(a, Mapping) else str(a) for a in manifest.get("axes") or ()]
    return tuple(key for key in listed if key in points.columns)


def cell_keys_of(axes: Sequence[str], points: pl.DataFrame) -> tuple[str, ...]:
    """Columns that make a *study cell*: settings one cannot choose a policy by.

    Points are comparable only on the same machine under the same workload, so each cell has a
    baseline, a front and a recommendation of its own. Swept numbers of anything but the policy
    (`workload.load`, say) split cells as topology and workload do.
    """
    labels = [name for name in ("topology", "workload") if name in points.columns]
    others = [a for a in axes if not is_policy_key(a) and a not in labels]
    return tuple(labels + others)


def is_policy_key(key: str) -> bool:
    """Whether a column is a decision variable of the study: the policy's name, or a part of it."""
    return key == "policy" or key.startswith("policy.")


def metrics_of(lanes: pl.LazyFrame) -> tuple[str, ...]:
    """Metric columns of the lanes, in the order of `sim.METRICS` first, then as they lie."""
    schema = lanes.collect_schema()
    known = [name for name in getattr(sim, "METRICS", ()) if name in schema]
    rest = [
        name
        for name, dtype in schema.items()
        if dtype.is_numeric() and name not in (*known, "point", "replicate", "status")
    ]
    return tuple(known + rest)


def sorted_lanes(lanes: pl.LazyFrame, metrics: Sequence[str]) -> pl.DataFrame:
    """Completed lanes by (point, replicate), metrics as float64, NaN as null, in one chunk."""
    columns = [pl.col(name).cast(pl.Float64).fill_nan(None) for name in metrics]
    found = (
        lanes.filter(pl.col("status") == COMPLETED)
        .select(pl.col("point").cast(pl.Int32), pl.col("replicate").cast(pl.Int32), *columns)
        .collect()
    )
    keys = found["point"].to_numpy().astype(np.int64) << 32 | found["replicate"].to_numpy()
    if not (np.diff(keys) > 0).all():
        unique = found.unique(["point", "replicate"], keep="first", maintain_order=False)
        found = unique.sort("point", "replicate")
    # Else they lie as a sweep writes them: sorting a wide table costs more than all the rest. The column is
    # made anew, as Polars sums with other last bits where it knows that a key is sorted.
    return found.rechunk().with_columns(point=pl.Series(found["point"].to_numpy()))


def blocks_of(run: RunTables) -> Iterator[tuple[pl.DataFrame, pl.LazyFrame]]:
    """Rows of the points and the lanes that belong to them, block by block of bounded size."""
    points = run.points.with_columns(pl.col("point").cast(pl.Int32)).sort("point")
    lane_count = int(run.lanes.select(pl.len()).collect().item())
    height = max(1, BLOCK_LANES * points.height // max(lane_count, 1))
    for some in points.iter_slices(height):
        ends = int(some["point"][0]), int(some["point"][-1])
        yield some, run.lanes.filter(pl.col("point").is_between(*ends))


def summarise(run: RunTables) -> pl.DataFrame:
    """A row a point: labels, parameters, lane counts, and four columns a metric.

    Columns of a metric `m`: `m_mean`, `m_se` (standard error), `m_low` and `m_high` (Student-t 95 %
    interval over replicates); for main metrics also `m_diff`, `m_diff_low`, `m_diff_high`, the mean
    paired difference from the cell's baseline, and `m_change`, .., the same as a share of the baseline's
    mean. One replicate gives null intervals, never zero ones.
    Lanes that failed or hit a limit are left out and counted in `lane_excluded_count`.

    Returns
    -------
    frame sorted by `point`, one row for each row of `run.points`

    Complexity and determinism
    --------------------------
    O(lanes x metrics) time, memory for BLOCK_LANES lanes; the same bytes for any partition into parts
    """
    baseline = baseline_points(run)
    objective = run.config.get("objective") or {}
    asked = (*run.goals.metrics, objective.get("metric"), objective.get("keep"))
    wanted = dict.fromkeys((*MAIN_METRICS, *asked))
    main = [name for name in wanted if name in run.metrics]
    compared = baseline["baseline_point"].drop_nulls().unique().to_list()
    base = sorted_lanes(run.lanes.filter(pl.col("point").is_in(compared)), main)
    # An adaptive design asks for some lanes only, each of which has a row.
    expected = 0 if run.manifest.get("design") else int(run.manifest.get("replicates") or 0)
    parts: list[pl.DataFrame] = []
    for points, raw in blocks_of(run):
        lanes = sorted_lanes(raw, run.metrics)
        table = (
            points.join(baseline, on="point", how="left", maintain_order="left")
            .with_columns(baseline=pl.col("point") == pl.col("baseline_point"))
            .join(lane_counts(points, raw, lanes, expected), on="point", how="left", maintain_order="left")
            .join(interval_table(lanes, run.metrics), on="point", how="left", maintain_order="left")
        )
        if main:
            differences = paired_differences(lanes, baseline, main, base)
            table = table.join(differences, on="point", how="left", maintain_order="left")
        parts.append(table)
    return pl.concat(parts).sort("point")


def lane_counts(points: pl.DataFrame, raw: pl.LazyFrame, lanes: pl.DataFrame, expected: int) -> pl.DataFrame:
    """Lanes that count and lanes left out, a row a point; a lane with no row at all is left out."""
    done = lanes.group_by("point").agg(replicate_count=pl.len().cast(pl.Int32))
    seen = raw.select(pl.col("point").cast(pl.Int32), "replicate").unique().collect()
    seen = seen.group_by("point").agg(seen=pl.len().cast(pl.Int32))
    count = pl.col("replicate_count").fill_null(0)
    return (
        points.select("point")
        .join(done, on="point", how="left")
        .join(seen, on="point", how="left")
        .select(
            "point",
            replicate_count=count,
            lane_excluded_count=pl.max_horizontal(pl.lit(expected), pl.col("seen").fill_null(0))
            .cast(pl.Int32) - count,
        )
    )  # fmt: skip


def interval_table(lanes: pl.DataFrame, columns: Sequence[str], suffix: str = "") -> pl.DataFrame:
    """Mean, standard error and Student-t interval of `columns` over the lanes of each point."""
    grouped = lanes.group_by("point", maintain_order=True).agg(
        *[pl.col(c).mean().alias(f"{c}|mean") for c in columns],
        *[pl.col(c).std(ddof=1).alias(f"{c}|std") for c in columns],
        *[pl.col(c).count().alias(f"{c}|n") for c in columns],
    )
    largest = max((int(n) for c in columns for n in grouped[f"{c}|n"].unique()), default=0)
    quantile = {n: student_quantile(n) for n in range(largest + 1)}
    parts: list[pl.Expr] = []
    for c in columns:
        name, mean, n = f"{c}{suffix}", pl.col(f"{c}|mean"), pl.col(f"{c}|n")
        error = pl.col(f"{c}|std") / n.cast(pl.Float64).sqrt()
        half = error * n.replace_strict(quantile, return_dtype=pl.Float64)
        parts.append(mean.alias(name if suffix else f"{name}_mean"))
        if not suffix:
            parts.append(error.alias(f"{name}_se"))
        parts += [(mean - half).alias(f"{name}_low"), (mean + half).alias(f"{name}_high")]
    return grouped.select("point", *parts)


def student_quantile(count: int) -> float | None:
    """Two-sided Student-t quantile for a mean of `count` values; None below two values."""
    if count < 2:
        return None
    return float(stdtrit(count - 1, 0.5 + CONFIDENCE / 2))


def baseline_points(run: RunTables) -> pl.DataFrame:
    """The baseline point of every point's cell: columns `point`, `baseline_point` (null if none).

    The sweep names one point; in other cells the baseline is the point with the same policy and the
    same policy parameters. It may also name one point for each cell.
    """
    points = run.points.with_columns(pl.col("point").cast(pl.Int32))
    keys = [c for c in points.columns if is_policy_key(c)]
    chosen = points.filter(pl.col("point").is_in(named_baseline(run)))
    if keys and chosen.height:
        chosen = points.join(chosen.select(keys).unique(), on=keys, how="semi", nulls_equal=True)
    chosen = chosen.sort("point").rename({"point": "baseline_point"})
    if not run.cell_keys:
        first = chosen["baseline_point"][0] if chosen.height else None
        return points.select("point", baseline_point=pl.lit(first, dtype=pl.Int32))
    cells = chosen.select(*run.cell_keys, "baseline_point").unique(run.cell_keys, keep="first")
    joined = points.join(cells, on=run.cell_keys, how="left", nulls_equal=True)
    return joined.select("point", "baseline_point").sort("point")


def named_baseline(run: RunTables) -> list[int]:
    """The baseline points that the sweep marked in its points, or named in its manifest."""
    if run.points.schema.get("baseline") == pl.Boolean:
        return [int(p) for p in run.points.filter(pl.col("baseline"))["point"]]
    named = run.manifest.get("baseline")
    return [named] if isinstance(named, int) else list(named or [])


def paired_differences(
    lanes: pl.DataFrame, baseline: pl.DataFrame, metrics: Sequence[str], base: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Mean and interval of (point - baseline), and of its change, over the replicates that both have.

    `base` has the lanes of the points that others are compared with, where `lanes` may lack them.

    Replicate r meets the same arrivals, demands and targets under every policy (common random
    numbers), so the difference within a replicate has far less noise than the two means.
    """
    other = (lanes if base is None else base).select(
        pl.col("point").alias("baseline_point"), "replicate",
        *[pl.col(m).alias(f"{m}|base") for m in metrics],
    )  # fmt: skip
    pairs = (
        lanes.select("point", "replicate", *metrics)
        .join(baseline, on="point", how="left")
        .join(other, on=["baseline_point", "replicate"], how="inner")
        .select(
            "point", "replicate",
            *[(pl.col(m) - pl.col(f"{m}|base")).alias(m) for m in metrics],
            *[f"{m}|base" for m in metrics],
        )
        .sort("point", "replicate")
        .rechunk()
    )  # fmt: skip
    changes = interval_table(as_changes(pairs, metrics), metrics, suffix="_change")
    return interval_table(pairs, metrics, suffix="_diff").join(changes, on="point", maintain_order="left")


def as_changes(pairs: pl.DataFrame, metrics: Sequence[str]) -> pl.DataFrame:
    """Differences as shares of the baseline's mean, less what its noise does to the share.

    Their mean is the change, a ratio of means, and their spread that of this ratio, linearised (as
    `pipeline.evidence.choice.change_of`). Null where the baseline's mean is 0.
    """
    points = pairs["point"].to_numpy()
    starts = np.flatnonzero(np.append(True, points[1:] != points[:-1])[: len(points)])
    lengths = np.diff(np.append(starts, len(points)))
    changes = {}
    for m in metrics:
        difference, base = pairs[m].to_numpy(), pairs[f"{m}|base"].to_numpy()
        known = ~np.isnan(difference)
        # Sums in the order of replicates: the same bits wherever a point stands.
        sums = [np.add.reduceat(np.where(known, x, 0.0), starts) for x in (known, difference, base)]
        with np.errstate(divide="ignore", invalid="ignore"):
            mean, scale = (np.repeat(total / sums[0], lengths) for total in sums[1:])
            change = (difference - mean / scale * base + mean) / np.abs(scale)
        changes[m] = np.where(scale == 0, np.nan, change)
    return pl.DataFrame({"point": points} | changes).with_columns(pl.col(metrics).fill_nan(None))


def write_table(frame: pl.DataFrame, path: Path) -> Path:
    """Write a frame as Parquet, atomically, with bytes that depend on its values only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, table_bytes(frame))
    return path


def write_text(path: Path, text: str) -> Path:
    """Write a text file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text.encode())
    return path
