"""`sweep=search`: points that an optimiser of Optuna's proposes, batch by batch, to find the front.

The first batch is a Latin hypercube. Each further one is asked of the sampler (tree-structured Parzen
estimators, or the genetic algorithm NSGA-II) after it was told the means of all points before it, over all
replicates, in the study's objectives; a broken constraint is told as such, in shares of its bound. A
proposal that comes to the settings of a known point is not simulated again: the sampler is asked for
another one, and after some such tries a point is drawn at random instead. The search ends with
`sweep.points` points, or when none that is new can be found.

Nothing of Optuna's is stored. A run that was killed asks again from the seed and tells the stored lanes, so
that it comes to the same proposals. They depend on Optuna's version, which the run key has for this reason.

Source
------
J. Bergstra, R. Bardenet, Y. Bengio, B. Kegl, "Algorithms for hyper-parameter optimization", NIPS 24 (2011)
2546-2554, for several objectives as in Y. Ozaki, Y. Tanigaki, S. Watanabe, M. Onishi, "Multiobjective
tree-structured Parzen estimator", Journal of Artificial Intelligence Research 73 (2022) 1209-1250; K. Deb,
A. Pratap, S. Agarwal, T. Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE
Transactions on Evolutionary Computation 6 (2002) 182-197 (constrained domination too), with simulated
binary crossover
"""

import importlib.metadata
import math
import warnings
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from pipeline.adaptive.rounds import ROUNDS, LaneNumbers
from pipeline.adaptive.search_space import Space
from pipeline.config.goals import Constraint, Goals, goals_of
from pipeline.errors import ConfigError
from pipeline.evidence.front import pareto_mask
from pipeline.evidence.hypervolume import hypervolume

if TYPE_CHECKING:
    from collections.abc import Iterator

    import optuna

# Increased by every change of how proposals become points and results are told.
RULE_VERSION = 1
# Known points in a row after which one is drawn at random, and after which there is nothing new.
TRIES, TRIES_AT_RANDOM = 10, 200
# What makes the draws here another stream than those of the sampler, which has the same seed.
STREAM = 0x5EA2C4


@dataclass
class Search:
    """The rounds of a search (a `pipeline.adaptive.rounds.Rounds`).

    plan : lanes.LanePlan, whose points grow
    """

    plan: Any
    is_plain: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        study = self.plan.study
        self.settings, self.goals = study.config.sweep, goals_of(study.config.model_dump(mode="json"))
        self.space: Space[Any] = study.search
        self.metrics = self.goals.metrics
        self.round = self.repeated = self.refused = 0
        self._place = {point.digest: place for place, point in enumerate(self.plan.points)}
        most = len(self.plan.points) - len(self.space.first) + self.settings.points
        self.lanes_max = most * study.replicates
        # Point -> the trial that proposed it; landmarks and baselines have none.
        self._trials: dict[int, Any] = {}
        self._means: dict[int, list[float]] = {}
        self._asked: list[int] = []
        self._rounds: list[dict[str, Any]] = []
        self._is_exhausted = False
        self._rng = np.random.Generator(np.random.PCG64([self.settings.seed, STREAM]))
        self._study = optimiser(self.settings, len(self.goals.objectives))
        self._distributions = self.space.distributions()

    # --- rounds ---------------------------------------------------------------------------------

    def ask(self) -> LaneNumbers | None:
        """All replicates of the next batch of points."""
        with quiet():
            points = self._begin() if not self.round else self._propose()
        if not points:
            return None
        self.round += 1
        self._asked = points
        width = self.plan.replicates
        lanes: LaneNumbers = (np.array(points)[:, None] * width + np.arange(width)).ravel()
        return lanes

    def _begin(self) -> list[int]:
        """Hand the sampler the points of the first batch as its own; all points of the study are asked."""
        for place, item in self.space.first.items():
            self._study.enqueue_trial(self.space.params(item))
            self._trials[place] = self._study.ask(self._distributions)
        return list(range(len(self.plan.points)))

    def _propose(self) -> list[int]:
        """Points that are new, at most a batch of them."""
        found: list[int] = []
        while len(found) < self.settings.batch and len(self._trials) < self.settings.points:
            place = self._new_point()
            if place is None:
                self._is_exhausted = True
                break
            found.append(place)
        return found

    def _new_point(self) -> int | None:
        """The number of a point that was just added; None if nothing new is found."""
        for attempt in range(TRIES + TRIES_AT_RANDOM):
            if attempt >= TRIES:
                item = {axis.key: axis.value_at(float(self._rng.random())) for axis in self.space.axes}
                self._study.enqueue_trial(self.space.params(item))
            trial = self._study.ask(self._distributions)
            place = len(self.plan.points)
            try:
                point = self.space.make(self.space.assignment(trial.params), place)
            except ConfigError:
                self.refused += 1
                self._give_up(trial)
                continue
            if point.digest in self._place:
                self.repeated += 1
                self._give_up(trial)
                continue
            self._place[point.digest] = place
            self._trials[place] = trial
            self.plan.extend([point])
            return place
        return None

    def _give_up(self, trial: "optuna.Trial") -> None:
        """Leave a proposal out of what the sampler learns from."""
        import optuna

        self._study.tell(trial, state=optuna.trial.TrialState.FAIL)

    def tell(self, results: pl.DataFrame) -> None:
        """Tell the sampler the means of the batch, point by point."""
        width = self.plan.replicates
        for place in self._asked:
            rows = results.filter(pl.col("point") == place)
            self._means[place] = [mean_of(rows, name, width) for name in self.metrics]
        with quiet():
            for place in self._asked:
                if place in self._trials:
                    self._tell(self._trials[place], self._means[place])
        self._book()

    def _tell(self, trial: "optuna.Trial", means: list[float]) -> None:
        known = dict(zip(self.metrics, means, strict=True))
        if any(math.isnan(value) for value in means):
            self._give_up(trial)
            return
        for place, one in enumerate(self.goals.constraints):
            trial.set_constraint(f"{place} {one.text}", violation(one, known[one.metric]))
        signed = zip(self.goals.objectives, self.goals.signs, strict=True)
        self._study.tell(trial, [known[name] * sign for name, sign in signed])

    def _values(self, places: list[int]) -> Any:
        """Objectives of some points, smaller is better; NaN where a constraint is broken."""
        rows = []
        for place in places:
            known = dict(zip(self.metrics, self._means[place], strict=True))
            good = all(one.holds(np.array(known[one.metric])) for one in self.goals.constraints)
            signed = zip(self.goals.objectives, self.goals.signs, strict=True)
            rows.append([known[name] * sign if good else math.nan for name, sign in signed])
        return np.array(rows)

    def _book(self) -> None:
        values = self._values(sorted(self._means))
        self._rounds.append(
            {
                "round": self.round,
                "points": len(self._asked),
                "lanes": len(self._asked) * self.plan.replicates,
                "points_total": len(self._means),
                "points_on_front": int(pareto_mask(values).sum()),
            }
        )

    # --- words and tables -----------------------------------------------------------------------

    def about(self) -> str:
        """Round and points, for the progress display."""
        rounds = -(-self.settings.points // self.settings.batch)
        front = self._rounds[-1]["points_on_front"] if self._rounds else 0
        return f"round {self.round} of {rounds}, {len(self._trials)} of {self.settings.points} points" + (
            f", {front} on the front so far" if front else ""
        )

    def tables(self) -> Mapping[str, pl.DataFrame]:
        """Round by round: points, lanes, and how much the front has won by then.

        `hypervolume` is the share of the box between the best and the worst objectives of all points of
        the run that the front after this round dominates.
        """
        totals = [row["points_total"] for row in self._rounds]
        order = list(self._means)
        values = self._values(order)
        known = values[~np.isnan(values).any(axis=1)]
        won = [0.0] * len(totals)
        if len(known):
            low, high = known.min(axis=0), known.max(axis=0)
            span = np.where(high > low, high - low, 1.0)
            scaled = (values - low) / span
            won = [hypervolume(scaled[:total], [1.0] * scaled.shape[1]) for total in totals]
        columns = dict.fromkeys(ROUND_COLUMNS, pl.Int32)
        table = pl.DataFrame(self._rounds, schema=columns)
        return {ROUNDS: table.with_columns(pl.Series("hypervolume", won, dtype=pl.Float64))}

    def facts(self) -> dict[str, Any]:
        """What was searched, and why it ended: points or exhausted."""
        return {
            "kind": "search",
            "sampler": self.settings.sampler,
            "rounds": self.round,
            "points": len(self._means),
            "points_searched": len(self._trials),
            "lanes": len(self._means) * self.plan.replicates,
            "proposals_repeated": self.repeated,
            "proposals_refused": self.refused,
            "ended": "exhausted" if self._is_exhausted else "points",
        }


ROUND_COLUMNS = ("round", "points", "lanes", "points_total", "points_on_front")


def mean_of(rows: pl.DataFrame, name: str, replicates: int) -> float:
    """A point's mean; NaN unless every replicate has a value."""
    values = rows[name].cast(pl.Float64).fill_null(math.nan).to_list()
    return math.fsum(values) / replicates if len(values) == replicates else math.nan


def violation(one: Constraint, value: float) -> float:
    """How far a mean is on the wrong side of a bound, as a share of the bound; 0 or less if it holds."""
    over = value - one.bound if one.sign in ("<=", "<") else one.bound - value
    share = over / (abs(one.bound) or 1.0)
    if one.holds(np.array(value)):
        return min(share, 0.0)
    return max(share, math.ulp(0.0))


def optimiser(settings: Any, objectives: int) -> "optuna.Study":
    """A study of Optuna's, in memory, that says nothing."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with quiet():
        if settings.sampler == "nsgaii":
            sampler: Any = optuna.samplers.NSGAIISampler(
                population_size=settings.batch,
                crossover=optuna.samplers.nsgaii.SBXCrossover(),
                seed=settings.seed,
            )
        else:
            # Of a batch, the later proposals know of the earlier ones.
            sampler = optuna.samplers.TPESampler(
                n_startup_trials=settings.batch, constant_liar=True, seed=settings.seed
            )
        return optuna.create_study(directions=["minimize"] * objectives, sampler=sampler)


@contextmanager
def quiet() -> "Iterator[None]":
    """Without Optuna's warnings, which are about its own plans."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def search_decisions(study: Any, goals: Goals) -> dict[str, Any]:
    """What a search's proposals depend on beside the first points, replicates and results."""
    settings = study.config.sweep
    return {
        "kind": "search",
        "rule": RULE_VERSION,
        "optuna": importlib.metadata.version("optuna"),
        "points": settings.points,
        "batch": settings.batch,
        "sampler": settings.sampler,
        "seed": settings.seed,
        "space": study.search.facts(),
        "objectives": list(goals.objectives),
        "constraints": [one.text for one in goals.constraints],
    }
