"""Adaptive designs in miniature: points with known means, met by the same noise in each replicate."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl

from pipeline.adaptive.rounds import Rounds
from pipeline.config.schema_sweep import SweepRace
from tests.pipeline.fake import Lane, Section, Study, fake_study, simulate

OBJECTIVES = ("load_imbalance", "migration_overhead_share")


def race_study(folder: Path, count: int, replicates: int, front: dict[str, Any] | None = None, **race: Any):
    """A race of `count` points, the first of which is the baseline; their factors are their numbers."""
    study = fake_study(folder, tuple(map(float, range(count))), ("small",), replicates)
    return with_sweep(study, SweepRace(kind="race", **race), front or {})


def with_sweep(study: Study, sweep: Any, front: dict[str, Any]) -> Study:
    """The study with another design and other goals."""
    config = replace(study.config, sweep=sweep, front=Section(front))
    return replace(study, config=config)


def noisy(means: Callable[[float], tuple[float, float]], sd: float = 0.01, sleep: Any = None):
    """A simulator of points with these means: noise that all points share, and a tenth of it their own."""

    def lanes(topology, workload, lanes: list[Lane], simulation, faults, threads=1):
        if sleep is not None:
            sleep()
        simulated = simulate(topology, workload, lanes, simulation, faults, threads).columns
        rows = np.array([one(lane) for lane in lanes])
        return SimpleNamespace(columns=simulated | dict(zip(OBJECTIVES, rows.T, strict=True)))

    def one(lane: Lane) -> tuple[float, float]:
        factor = lane.policy.threshold_factor
        shared = np.random.default_rng([lane.seed, lane.replicate]).standard_normal(2)
        own = np.random.default_rng([lane.seed, lane.replicate, int(factor * 1000)]).standard_normal(2)
        first, second = means(factor)
        return (first + sd * (shared[0] + 0.1 * own[0]), second + sd * (shared[1] + 0.1 * own[1]))

    return lanes


def stub_plan(study: Study) -> Any:
    """As much of a plan as rounds look at."""
    points = list(study.points)
    return SimpleNamespace(
        study=study, points=points, replicates=study.replicates, lane_count=len(points) * study.replicates
    )


def drive(rounds: Rounds, values: np.ndarray) -> list[int]:
    """Run rounds on values (replicate, point, objective) that are known beforehand; gives what was asked."""
    width, asked = len(values), []
    while (lanes := rounds.ask()) is not None:
        assert (np.diff(lanes) > 0).all()
        point, replicate = lanes // width, lanes % width
        frame = {"point": point, "replicate": replicate}
        found = values[replicate, point].T
        rounds.tell(pl.DataFrame(frame | dict(zip(OBJECTIVES, found, strict=True))))
        asked += lanes.tolist()
    return asked
