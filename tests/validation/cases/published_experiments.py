"""The experiments conf/experiment/published_*.yaml, from their own configuration: columns by replicate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import sim
from pipeline.config.build import Inputs, build
from pipeline.config.compose import read_command, with_hydra
from pipeline.config.study import make_study
from tests.validation.case import Series
from tests.validation.judge import half_width

Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Point:
    """A point of an experiment: what was chosen, what it was built into, and metrics by name (replicate,)."""

    chosen: Mapping[str, Any]
    is_baseline: bool
    inputs: Inputs
    columns: Columns

    def __getitem__(self, metric: str) -> np.ndarray:
        return self.columns[metric]

    def has(self, settings: Mapping[str, Any]) -> bool:
        """Are these its settings? Axes go by the last word of their keys."""
        return all(name in self.chosen and self.chosen[name] == value for name, value in settings.items())


def points(
    experiment: str, *words: str, replicates: int, seed: int, is_wanted: Mapping[str, Any] | None = None
) -> list[Point]:
    """Run the points of an experiment that have some settings, each `replicates` times.

    All points have the same seed, so that replicate r meets the same work at each of them.
    """
    command = read_command((f"experiment={experiment}", *words))
    study = with_hydra(command, lambda: make_study(command))
    found = []
    for point in study.points:
        chosen = {**{key.split(".")[-1]: value for key, value in point.axes.items()}, **point.labels}
        if any(chosen.get(name) != value for name, value in (is_wanted or {}).items()):
            continue
        inputs = build(point.config)
        lanes = [
            sim.Lane(inputs.policy, inputs.cost, seed, number, binding=inputs.binding)
            for number in range(replicates)
        ]
        result = sim.simulate(
            inputs.topology, inputs.workload, lanes, inputs.simulation, inputs.faults, threads=1
        )
        found.append(Point(chosen, point.is_baseline, inputs, result.columns))
    return found


def one(found: Sequence[Point], **settings: Any) -> Point:
    """The first point with these settings, whose lanes must have completed.

    Raises
    ------
    LookupError if there is none
    """
    for point in found:
        if point.has(settings):
            if not (point["status"] == sim.LaneStatus.COMPLETED).all():
                raise RuntimeError(f"{settings}: lanes with status {np.unique(point['status'])}")
            return point
    raise LookupError(f"no point with {settings} among {[dict(point.chosen) for point in found]}")


def series(name: str, x: Sequence[float], values: Sequence[np.ndarray], scale: float = 1.0) -> Series:
    """Simulated means with their intervals, times a scale."""
    means = [float(v.mean()) * scale for v in values]
    return Series(name, False, list(x), means, [half_width(np.asarray(v)) * scale for v in values])


def histograms(point: Point, name: str, replicates: int, seed: int) -> list[dict[int, int]]:
    """A histogram (sojourn, waiting or slowdown) of each of a point's lanes, bucket -> count."""
    inputs = point.inputs
    found = []
    for number in range(replicates):
        lane = sim.Lane(inputs.policy, inputs.cost, seed, number, binding=inputs.binding)
        _, counters = sim.simulate_logged(
            inputs.topology, inputs.workload, lane, inputs.simulation, inputs.faults, capacity=1
        )
        found.append(counters[f"histogram_{name}"])
    return found
