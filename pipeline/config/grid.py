"""The points of a study: what they are, and how the axes of a sweep become points."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from pipeline.adaptive.search_space import Space
from pipeline.config.axes import POINTS_MAX, Axis, Scalar
from pipeline.config.designs import unit_cube
from pipeline.config.schema import Config
from pipeline.errors import NO_VALUE, ConfigError

Assignment = dict[str, Scalar]
DESIGN = "design.parquet"


@dataclass(frozen=True)
class Point:
    """One setting of every parameter.

    index          : place in the study, from 0
    axes           : swept key -> value of this point; every point has all keys of the study, with
                     its own value also where the sweep did not set it, None where it has no such key
    config         : the whole configuration, resolved and validated
    labels         : names of its `topology`, `workload`, `policy`, `binding` and `faults`
    digest         : SHA-256 of everything that fixes its result but seed and replicate
    baseline_index : index of the point it is compared with: same machine and load, baseline policy
    """

    index: int
    axes: dict[str, Scalar]
    config: Config
    labels: dict[str, str]
    digest: str
    baseline_index: int = 0

    @property
    def is_baseline(self) -> bool:
        """Whether other points are compared with this one."""
        return self.index == self.baseline_index


@dataclass(frozen=True)
class Study:
    """A sweep, ready to be simulated: lanes are its points times its replicates.

    baseline_index is that of the first point; with several machines or loads, each point names
    its own. `config` is the configuration before any axis was applied. `merged` points came to the
    settings of an earlier one and were left out. Of a Saltelli design, `samples` is the point of each of its
    rows and `sampled_axes` its axes, in the order of `designs.saltelli_cube`. `search` is what a search
    proposes points from; its first batch is among the points.
    """

    name: str
    points: tuple[Point, ...]
    baseline_index: int
    axes: tuple[str, ...]
    replicates: int
    seed: int
    config: Config
    command: list[str] = field(default_factory=list)
    merged: int = 0
    samples: tuple[int, ...] = ()
    sampled_axes: tuple[str, ...] = ()
    search: Space[Point] | None = None


def design_table(axes: Sequence[str], samples: Sequence[int]) -> pl.DataFrame:
    """`design.parquet`: block (A, B, or the axis that is taken from B), base row, point.

    Parameters
    ----------
    axes    : keys of the design
    samples : point of each row, in the order of `pipeline.config.designs.saltelli_cube`
    """
    blocks = ["A", "B", *axes]
    size = len(samples) // len(blocks)
    return pl.DataFrame(
        {
            "block": [block for block in blocks for _ in range(size)],
            "base": pl.Series(list(range(size)) * len(blocks), dtype=pl.Int32),
            "point": pl.Series(list(samples), dtype=pl.Int32),
        }
    )


def expand_grid(axes: Sequence[Axis], levels: int) -> list[Assignment]:
    """Every combination of the axes' values; the first axis changes slowest.

    Without axes there is one point that assigns nothing.
    """
    check_whole(axes)
    columns = [axis.levels(levels) for axis in axes]
    check_count(math.prod(len(column) for column in columns), axes)
    keys = [axis.key for axis in axes]
    return [dict(zip(keys, row, strict=True)) for row in itertools.product(*columns)]


def expand_samples(axes: Sequence[Axis], kind: str, points: int, seed: int) -> list[Assignment]:
    """Points drawn from the axes, each axis one dimension of the design.

    Parameters
    ----------
    kind   : random (independent), latin (Latin hypercube), sobol (scrambled Sobol' sequence) or saltelli
             (for Sobol' indices)
    points : how many are drawn, of saltelli for each of its blocks; those that come to the same values are
             all in the list
    seed   : of the design
    """
    if not axes:
        hint = "add axes, as in policy.threshold_factor='tag(log,interval(0.25,8))', or take sweep.kind=grid"
        raise ConfigError("sweep.axes", NO_VALUE, f"sweep.kind = {kind} needs at least one axis", hint)
    check_count(points * (len(axes) + 2 if kind == "saltelli" else 1), axes)
    check_whole(axes)
    shares = unit_cube(kind, points, len(axes), seed)
    return [
        {axis.key: axis.value_at(float(share)) for axis, share in zip(axes, row, strict=True)}
        for row in shares
    ]


def check_whole(axes: Sequence[Axis]) -> None:
    """Raise ConfigError for an interval of a setting that takes whole numbers, with ends that are none."""
    for axis in axes:
        ends = (axis.low, axis.high)
        if axis.is_interval and axis.is_whole and not all(float(end).is_integer() for end in ends):
            low, high = math.ceil(axis.low), math.floor(axis.high)
            hint = f"write interval({low}, {high})" if low < high else "widen it to two whole numbers"
            shown = f"interval({axis.low:g}, {axis.high:g})"
            raise ConfigError(axis.key, shown, "must have whole ends: the setting takes whole numbers", hint)


def check_count(count: int, axes: Sequence[Axis]) -> None:
    """Raise ConfigError if a sweep has more points than a study takes."""
    if count > POINTS_MAX:
        keys = ", ".join(axis.key for axis in axes)
        raise ConfigError(
            "sweep", NO_VALUE, f"{count} points from {keys}; a study takes at most {POINTS_MAX}",
            "give fewer values, or draw points with sweep.kind=sobol sweep.points=1024",
        )  # fmt: skip


def study_axes(grids: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    """All keys that any of the grids sweeps, in order of first appearance."""
    return tuple(dict.fromkeys(key for grid in grids for key in grid))
