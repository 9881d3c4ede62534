"""`sweep=race`: replicates where they decide something.

Every point gets a few replicates first. After each round, points that have lost (`race_rule.py`) are dropped,
and the others get more, `sweep.growth` times as many as they have, up to `replicates`. On one machine and
load all that are left have the same replicates, so that their means, front and knee compare as pairs; when
nothing among them is contested, they get no more. The race ends when nothing is contested anywhere, or the
budget of lanes does not suffice for another round. Baselines are never dropped, and have a result in every
replicate that any point of theirs has.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.adaptive.race_rule import NOBODY, BoolArray, judge, level_of, quantiles_of
from pipeline.adaptive.race_steps import check_budget, steps_of
from pipeline.adaptive.rounds import DROPPED, ROUNDS, LaneNumbers
from pipeline.config.goals import Goals, goals_of

# Increased by every change of the rule, so that runs under another rule have other run keys.
RULE_VERSION = 1


@dataclass
class Field:
    """The points of one machine and load, which race against each other.

    baseline   : its baseline's point number
    points     : int64 array, all point numbers
    alive      : bool array (point,), not dropped
    is_over    : whether its points get no more replicates
    replicates : of each point that is alive
    level      : of each comparison
    """

    baseline: int
    points: NDArray[np.int64]
    alive: BoolArray
    is_over: bool = False
    replicates: int = 0
    level: float = 0.0


@dataclass
class Race:
    """The rounds of a race (a `pipeline.adaptive.rounds.Rounds`).

    plan : lanes.LanePlan
    """

    plan: Any
    is_plain: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        study = self.plan.study
        self.settings, self.goals = study.config.sweep, goals_of(study.config.model_dump(mode="json"))
        self.metrics = self.goals.metrics
        self.steps = steps_of(self.settings, study.replicates)
        self.fields = fields_of(study.points)
        looks, limits = len(self.steps) - 1, len(self.goals.constraints)
        for each in self.fields:
            each.level = level_of(self.settings.error, looks, len(each.points), limits)
        self.lanes_full = self.plan.lane_count
        self.lanes_max = min(self.lanes_full, self.settings.lanes or self.lanes_full)
        self.lanes = self.round = 0
        self.why = "settled"
        shape = (study.replicates, len(study.points), len(self.metrics))
        self._values = np.full(shape, np.nan)
        # A lane of theirs failed: neither dropped, nor any point's rival, nor asked for again.
        self._failed = np.zeros(len(study.points), np.bool_)
        self._asked: LaneNumbers = np.zeros(0, np.int64)
        self._rounds: list[dict[str, Any]] = []
        self._dropped: list[dict[str, Any]] = []
        check_budget(self.settings.lanes, len(study.points) * self.steps[0])

    # --- rounds ---------------------------------------------------------------------------------

    def ask(self) -> LaneNumbers | None:
        """The next replicates of every point that is alive where something is contested."""
        if self.round == len(self.steps):
            self.why = "replicates"
            return None
        until, width = self.steps[self.round], self.plan.replicates
        lanes = [
            (points[:, None] * width + np.arange(each.replicates, until)).ravel()
            for each in self.fields
            if not each.is_over and (points := self._runners(each)).size
        ]
        asked = np.sort(np.concatenate(lanes)) if lanes else np.zeros(0, np.int64)
        if not asked.size or self.lanes + asked.size > self.lanes_max:
            self.why = "lanes" if asked.size else "settled"
            return None
        self.round += 1
        self.lanes += asked.size
        self._asked = asked
        for each in self.fields:
            each.replicates = each.replicates if each.is_over else until
        return asked

    def _runners(self, each: Field) -> NDArray[np.int64]:
        """Points that get the next replicates."""
        found: NDArray[np.int64] = each.points[each.alive & ~self._failed[each.points]]
        return found

    def tell(self, results: pl.DataFrame) -> None:
        """Book the results, and drop what has lost."""
        # Cast, as a round without any result has columns without a type.
        points, replicates = (results[name].cast(pl.Int64).to_numpy() for name in ("point", "replicate"))
        for place, name in enumerate(self.metrics):
            values = results[name].cast(pl.Float64).fill_null(math.nan).to_numpy()
            self._values[replicates, points, place] = values
        came = points * self.plan.replicates + replicates
        missing = np.setdiff1d(self._asked, came)
        self._failed[missing // self.plan.replicates] = True
        for each in self.fields:
            if not each.is_over:
                self._judge(each)

    def _judge(self, each: Field) -> None:
        goals, runners = self.goals, self._runners(each)
        values = self._values[: each.replicates][:, runners]
        objectives = [self.metrics.index(name) for name in goals.objectives]
        limited = [self.metrics.index(one.metric) for one in goals.constraints]
        contested, dropped = 0, 0
        if runners.size:
            verdict = judge(
                values[:, :, objectives] * np.array(goals.signs),
                values[:, :, limited],
                goals.constraints,
                quantiles_of(each.level, each.replicates),
                runners == each.baseline,
            )
            contested = int(verdict.contested.sum())
            # After the last round there is nothing to save by dropping.
            if self.round < len(self.steps):
                self._drop(each, runners, verdict.dropped, verdict.rival, verdict.broken)
                dropped = int(verdict.dropped.sum())
        each.is_over = contested == 0
        asked = np.isin(self._asked // self.plan.replicates, each.points).sum()
        self._rounds.append(
            {
                "round": self.round,
                "baseline": each.baseline,
                "replicates": each.replicates,
                "lanes": int(asked),
                "points_alive": int(each.alive.sum()),
                "points_dropped": dropped,
                "points_contested": contested,
            }
        )

    def _drop(
        self,
        each: Field,
        runners: NDArray[np.int64],
        lost: BoolArray,
        rival: NDArray[np.int64],
        broken: NDArray[np.int64],
    ) -> None:
        for place in np.flatnonzero(lost):
            point = int(runners[place])
            each.alive[np.searchsorted(each.points, point)] = False
            by_constraint = broken[place] != NOBODY
            self._dropped.append(
                {
                    "point": point,
                    "round": self.round,
                    "replicates": each.replicates,
                    "rival": None if by_constraint else int(runners[rival[place]]),
                    "constraint": self.goals.constraints[broken[place]].text if by_constraint else None,
                }
            )

    # --- words and tables -----------------------------------------------------------------------

    def about(self) -> str:
        """Round and points, for the progress display."""
        alive = sum(int(each.alive.sum()) for each in self.fields)
        return f"round {self.round} of {len(self.steps)} at most, {alive} of {len(self._failed)} points alive"

    def tables(self) -> Mapping[str, pl.DataFrame]:
        """Rounds, and the points that were dropped, with what beat them."""
        rounds = dict.fromkeys(ROUND_COLUMNS, pl.Int32)
        dropped: dict[str, Any] = dict.fromkeys(("point", "round", "replicates", "rival"), pl.Int32)
        lost = sorted(self._dropped, key=lambda row: row["point"])
        return {
            ROUNDS: pl.DataFrame(self._rounds, schema=rounds).with_columns(pl.col("lanes").cast(pl.Int64)),
            DROPPED: pl.DataFrame(lost, schema=dropped | {"constraint": pl.String}),
        }

    def facts(self) -> dict[str, Any]:
        """What the race saved, and why it ended: settled, replicates or lanes."""
        saved = self.lanes_full - self.lanes
        return {
            "kind": "race",
            "rounds": self.round,
            "points": len(self._failed),
            "points_alive": sum(int(each.alive.sum()) for each in self.fields),
            "lanes": self.lanes,
            "lanes_full": self.lanes_full,
            "lanes_saved": saved,
            "share_saved": round(saved / self.lanes_full, 4),
            "error": self.settings.error,
            "level": min(each.level for each in self.fields),
            "objectives": list(self.goals.objectives),
            "constraints": [one.text for one in self.goals.constraints],
            "ended": self.why,
        }


ROUND_COLUMNS = (
    "round", "baseline", "replicates", "lanes", "points_alive", "points_dropped", "points_contested",
)  # fmt: skip


def fields_of(points: Sequence[Any]) -> list[Field]:
    """The points by machine and load: those that have one baseline."""
    baselines = np.array([point.baseline_index for point in points], np.int64)
    found = []
    for baseline in np.unique(baselines):
        own = np.flatnonzero(baselines == baseline)
        found.append(Field(int(baseline), own, np.ones(own.size, np.bool_)))
    return found


def race_decisions(study: Any, goals: Goals) -> dict[str, Any]:
    """What a race's decisions depend on beside points, seed, replicates and results."""
    settings = study.config.sweep
    return {
        "kind": "race",
        "rule": RULE_VERSION,
        "first": settings.first,
        "growth": settings.growth,
        "error": settings.error,
        "lanes": settings.lanes,
        "objectives": list(goals.objectives),
        "constraints": [one.text for one in goals.constraints],
    }
