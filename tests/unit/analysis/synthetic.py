"""Made-up run folders of the shape that a sweep writes, with a truth that is known."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

THRESHOLDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
RATES = (2_000.0, 20_000.0, None)
COMMAND = ["python", "-m", "pipeline.sweep", "experiment=none", "seed=1", "outputs.folder=x"]
AXES = ("policy", "policy.threshold_factor", "policy.limits.core.rate_per_s")


def base_policy(name: str) -> dict[str, Any]:
    """A resolved policy of the configuration."""
    limit = {"rate_per_s": None, "window_ns": 10_000_000}
    process = {"max_migrations": None, "window_ns": None, "min_interval_ns": 0}
    return {
        "name": name,
        "migrate": name != "none",
        "threshold_factor": 1.0,
        "stealing": {"victim": "nearest", "attempts": 8},
        "limits": {
            "process": process,
            "core": dict(limit),
            "system": dict(limit),
            "burst": {"capacity": None, "refill_per_s": 10_000.0, "cooldown_ns": 5_000_000},
        },
    }


def make_points(
    thresholds: Sequence[float], rates: Sequence[float | None], cells: Sequence[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Point 0 of each cell is `none`; then adaptive over thresholds x rates, then aggressive."""
    settings: list[tuple[str, float, float | None]] = [("none", 1.0, None)]
    settings += [("adaptive", t, r) for t in thresholds for r in rates]
    settings += [("aggressive", 0.25, None)]
    rows = []
    for topology, workload in cells:
        for policy, threshold, rate in settings:
            rows.append(
                {
                    "point": len(rows),
                    "topology": topology,
                    "workload": workload,
                    "policy": policy,
                    "policy.threshold_factor": threshold,
                    "policy.limits.core.rate_per_s": rate,
                }
            )
    return rows


def truth(row: dict[str, Any]) -> tuple[float, float]:
    """True (load_imbalance, migration_overhead_share) of a setting: a convex trade-off."""
    if row["policy"] == "none":
        return 0.62, 0.0
    if row["policy"] == "aggressive":
        return 0.055, 0.19
    threshold = row["policy.threshold_factor"]
    rate = row["policy.limits.core.rate_per_s"] or 1e6
    capped = 1.0 / (1.0 + 3_000.0 / rate)
    overhead = 0.12 * capped / (1.0 + threshold) ** 1.3
    imbalance = 0.06 + 0.11 * threshold**0.8 + 0.25 * (1.0 - capped)
    return min(imbalance, 0.6), overhead


def lane_metrics(row: dict[str, Any], replicate: int, noise: float) -> dict[str, float | int]:
    """Metrics of one lane: the truth, noise shared by a replicate, and a little of the lane's own."""
    imbalance, overhead = truth(row)
    shared = np.random.default_rng(1000 + replicate).normal()
    own = np.random.default_rng([row["point"], replicate]).normal(size=3)
    imbalance = min(max(imbalance * (1 + noise * (shared + 0.2 * own[0])), 0.0), 1.0)
    overhead *= 1 + noise * (0.5 * shared + 0.2 * own[1])
    rate = overhead * 4e5
    tail = 2.0 + 40 * imbalance**1.5 + 30 * overhead + noise * own[2]
    return {
        "load_balance": 1 - imbalance,
        "load_imbalance": imbalance,
        "migration_overhead_share": overhead,
        "wasted_core_share": 0.5 * imbalance,
        "migration_rate_per_s": rate,
        "migration_count": round(rate * 0.1),
        "migration_attempt_count": round(rate * 0.25),
        "migration_success_rate": 0.4,
        "denied_benefit": round(rate * 0.1),
        "denied_core_limit": 0 if row["policy.limits.core.rate_per_s"] is None else round(rate * 0.02),
        "migration_cost_realised_cycles": 2100.0 + 100 * own[0],
        "utilisation": 0.7 + overhead,
        "throughput_per_s": 52_000.0 * (1 - overhead) * (1 + 0.01 * shared),
        "sojourn_mean_ns": 40_000.0 * (1 + imbalance),
        "sojourn_p99_ns": round(400_000 * (1 + 3 * imbalance)),
        "slowdown_mean": 1.0 + 3 * imbalance,
        "slowdown_p99": tail,
        "cache_hit_rate": 0.97 - 0.3 * overhead,
        "event_count": 1_000_000 + row["point"],
    }


def write_run(
    folder: Path,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    rates: Sequence[float | None] = RATES,
    cells: Sequence[tuple[str, str]] = (("epyc_7763_2s", "ttb_last"),),
    replicates: int = 6,
    noise: float = 0.03,
    parts: int = 3,
    failed: Sequence[tuple[int, int]] = (),
) -> Path:
    """Write config.yaml, manifest.json, points.parquet and lanes/part-*.parquet; return `folder`."""
    points = make_points(thresholds, rates, cells)
    (folder / "lanes").mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"policy": base_policy("adaptive")}))
    names = ("none", "adaptive", "aggressive")
    manifest = {
        "study": "threshold", "run_key": folder.name, "seed": 1, "replicates": replicates,
        "axes": list(AXES), "baseline": 0, "command": COMMAND,
        "policies": {name: base_policy(name) for name in names},
        "versions": {"coreshift": "0.1", "python": "3.11"}, "git": {"commit": "abc", "dirty": False},
        "machine": {"system": "Linux", "cores": 2},
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    schema = {"point": pl.Int32, "policy.limits.core.rate_per_s": pl.Float64}
    pl.DataFrame(points, schema_overrides=schema, infer_schema_length=None).write_parquet(
        folder / "points.parquet"
    )
    lanes = [
        {
            "point": row["point"],
            "replicate": replicate,
            "status": 4 if (row["point"], replicate) in failed else 1,
            **lane_metrics(row, replicate, noise),
        }
        for row in points
        for replicate in range(replicates)
    ]
    frame = pl.DataFrame(
        lanes, schema_overrides={"point": pl.Int32, "replicate": pl.Int32, "status": pl.Int32}
    )
    for part in range(parts):
        frame.gather_every(parts, part).write_parquet(folder / "lanes" / f"part-{part:05d}.parquet")
    return folder
