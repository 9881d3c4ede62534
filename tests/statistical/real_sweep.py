"""Sweeps over policies that are known to tie, through the commands that a user types."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import yaml

from pipeline import sweep
from pipeline.evidence.aggregate import RunTables

WORKLOAD = {
    "kind": "classes",
    "classes": {
        "request": {
            "arrival": {"kind": "poisson", "load": 0.5},
            "start": "random",
            "program": [{"op": "run", "draw": {"kind": "exponential", "mean": 2000}}, {"op": "exit"}],
        }
    },
}
BALANCED = {
    "migrate": True,
    "threshold_factor": 1.0,
    "stealing": {"victim": "nearest"},
    "balancing": {"period_ns": 0},
}
# Placed at random by the class's own start or by the policy: equal in law, from different random numbers.
APART = {"migrate": True, "stealing": {"victim": "off"}, "balancing": {"period_ns": 0}}
BY_START = APART | {"placement": {"spawn": "parent", "wake": "last"}}
BY_POLICY = APART | {"placement": {"spawn": "random", "wake": "last"}}
OBJECTIVE = "objective={metric: sojourn_mean_ns, keep: throughput_per_s, tolerance: 0.01}"
# Two cores, some 500 requests a lane.
SMALL = ("topology=two_core", "sweep=none", "tracking=off", "cluster=inline")
TIMES = ("simulation.horizon_ns=12000000", "simulation.warmup_ns=2000000")


def sweep_policies(folder: Path, policies: dict[str, dict], words: Sequence[str]) -> Path:
    """Sweep over policies by name, and analyse; gives the run folder."""
    for name, policy in policies.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(policy))
    (folder / "requests.yaml").write_text(yaml.safe_dump(WORKLOAD))
    paths = ",".join(str(folder / f"{name}.yaml") for name in policies)
    given = (
        f"policy={paths}",
        f"workload={folder / 'requests.yaml'}",
        f"outputs.folder={folder}",
        "study=ties",
    )
    if sweep.sweep([*SMALL, *TIMES, *given, *words]) != 0:
        raise RuntimeError("the sweep failed")
    return max((folder / "ties").iterdir(), key=lambda path: path.stat().st_mtime_ns)


def studies_of(run: RunTables, studies: int, replicates: int) -> Iterator[RunTables]:
    """The replicates of one sweep as many independent studies, each to be analysed by itself."""
    lanes = run.lanes.collect()
    for number in range(studies):
        first = number * replicates
        chosen = lanes.filter(pl.col("replicate").is_between(first, first + replicates - 1))
        yield dataclasses.replace(
            run, lanes=chosen.lazy(), manifest=run.manifest | {"replicates": replicates}
        )
