"""From a study cell's front to one recommended setting, and the command line that runs it."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

import sim
from pipeline.config.erl_flags import erts_of
from pipeline.evidence.aggregate import RunFolderError, RunTables, is_policy_key
from pipeline.evidence.cell import Cell, lane_values, study_cells
from pipeline.evidence.choice import Choice, choose
from pipeline.evidence.choice_text import choice_sentence
from pipeline.evidence.knee import Knee, rank_rows
from pipeline.evidence.rerun import command_line, overrides_of, rerun_of
from pipeline.evidence.setting import fixed_binding, flags_of_row, policy_of, setting_text
from pipeline.plain import plain, plain_name

# Settled is a choice that is the knee in as large a share of the resamples as the two-sided 95 % interval of
# its distance from a single rival must leave on its side of zero; rivals are named from the share left over.
SETTLED_SHARE = 0.975
RIVAL_SHARE = 0.025
RULES = {
    "chord": "the knee: the front's point furthest below the line between its two ends (Das 1999)",
    "plane": "the knee: the front's point furthest below the plane through its three ends (Das 1999)",
    "ideal": "the front has no knee (it nowhere sags below the line between its ends); "
    "taken is the point nearest to its ideal corner",
    "tie": "the front has two points only, so no knee; taken is the one with the lower p99 slowdown",
    "only": "the front is a single point: it is best in every objective",
    "weights": "the front's point with the least weighted sum of the objectives, each scaled to run from 0 "
    "to 1 over the front",
    "breach": "no setting meets the constraints; taken is the one that misses them least, misses counted as "
    "shares of the bounds (Deb 2000)",
    "better": "best in the study's objective on one half of the replicates, and better than the baseline "
    "on the other half",
    "noise": "the baseline, as it is a tie: what looked best on one half of the replicates is not told from "
    "it on the other half",
    "default": "the baseline: nothing looked better in the study's objective",
    "allowed": "best in the study's objective among the settings that meet the constraints, which the "
    "baseline does not",
    "few": "the baseline: choosing by the study's objective takes 4 replicates or more with a value in each",
}


@dataclass(frozen=True)
class Recommendation:
    """The answer for one study cell.

    cell         : topology, workload and swept numbers that this answer is for
    points       : all points of the cell
    point        : the recommended point
    baseline     : the point it is compared with, or None
    rule         : key of RULES, how the point was chosen
    front        : points on the front, from least overhead to most
    twins        : other points with exactly the same means in every metric
    knee_share   : share of bootstrap resamples in which the rule takes the point; None if 1 replicate
    rivals       : (point, share) of others that it takes in at least RIVAL_SHARE of the resamples
    edges        : axes whose recommended value is the least or the greatest that was swept
    overrides    : Hydra overrides that select the setting
    rerun        : words of the command that runs it once
    policy       : complete resolved policy
    choice       : where a study's objective decided, what it found; None where the knee did
    sentence     : that in words, or ""
    flags        : those of `erl` where the point has the BEAM's own scheduler, else None
    constraints  : what a recommended setting must meet, as people write it
    feasible     : whether the point meets all of it
    feasible_probability : share of bootstrap resamples in which it does; None if 1 replicate
    feasible_count       : number of the cell's points that do
    ties         : other points that noise does not tell from this one, under the rule
    hypervolume  : of the front (pipeline/evidence/hypervolume.py); None if there is none
    """

    cell: dict[str, Any]
    points: tuple[int, ...]
    point: int
    baseline: int | None
    rule: str
    front: tuple[int, ...]
    twins: tuple[int, ...]
    knee_share: float | None
    rivals: tuple[tuple[int, float], ...]
    edges: tuple[str, ...]
    overrides: tuple[str, ...]
    rerun: tuple[str, ...]
    policy: dict[str, Any]
    choice: Choice | None = None
    sentence: str = ""
    flags: sim.Erts | None = None
    constraints: tuple[str, ...] = ()
    feasible: bool = True
    feasible_probability: float | None = None
    feasible_count: int = 0
    ties: tuple[int, ...] = ()
    hypervolume: dict[str, Any] | None = None

    @property
    def title(self) -> str:
        """The cell in one line."""
        return ", ".join(f"{key} {plain(value)}" for key, value in self.cell.items()) or "study"

    @property
    def slug(self) -> str:
        """The cell as a part of a file name."""
        text = "-".join(plain(value) for value in self.cell.values()) or "study"
        return "".join(c if c.isalnum() or c in "-._" else "_" for c in text)

    @property
    def command(self) -> str:
        """The command line that runs the recommended setting once."""
        return command_line(("python", "-m", "pipeline.simulate", *self.rerun))

    @property
    def constraint_text(self) -> str:
        """The constraints, and how the point stands to them; "" without any."""
        if not self.constraints:
            return ""
        share = self.feasible_probability
        sure = "" if share is None else f" in {share:.0%} of the bootstrap resamples"
        verb = "meets" if self.feasible else "does not meet"
        sure = sure if self.feasible or share is None else f" (it does{sure})"
        return (
            f"{verb} {' and '.join(self.constraints)}{sure}; "
            f"{self.feasible_count} of {len(self.points)} settings do"
        )

    @property
    def chosen_word(self) -> str:
        """What a point is that the rule takes."""
        return "taken" if self.rule in ("weights", "breach", "only") else "the knee"

    @property
    def doubts(self) -> str:
        """What noise and the sweep's range leave open, or ""."""
        found = []
        if not self.feasible:
            found.append(f"NO SETTING MEETS THE CONSTRAINTS ({' and '.join(self.constraints)})")
        elif self.feasible_probability is not None and self.feasible_probability < SETTLED_SHARE:
            found.append("within noise it may miss a constraint")
        # A choice by the objective says itself how sure it is.
        if self.choice is None and self.knee_share is None:
            found.append("one replicate only: no interval, and no telling how sure this is")
        elif self.choice is None and self.knee_share is not None and self.knee_share < SETTLED_SHARE:
            named = ", ".join(f"point {p} ({share:.0%})" for p, share in self.rivals[:3])
            found.append(
                f"not settled within noise: a tie, {self.chosen_word} in {self.knee_share:.0%} of the "
                f"bootstrap resamples, against {named or 'many others'}; more replicates would tell"
            )
        if self.edges:
            found.append(f"at the edge of the sweep: {', '.join(self.edges)}; a wider range may do better")
        return "; ".join(found)


def mark_front(run: RunTables, summary: pl.DataFrame) -> tuple[pl.DataFrame, list[Recommendation]]:
    """Add the front's columns to a summary, and choose a setting for each study cell (`mark_cells`)."""
    return mark_cells(run, summary, study_cells(run, summary))


def mark_cells(
    run: RunTables, summary: pl.DataFrame, cells: Sequence[Cell]
) -> tuple[pl.DataFrame, list[Recommendation]]:
    """Add the front's columns to a summary, and choose a setting for each of its cells.

    Columns added: `pareto`, `pareto_tail` (front with the p99 slowdown as third objective),
    `front_probability`, `knee_probability` (of being chosen by the rule; both null with one replicate),
    `recommended`, `rank` (1 = recommended, then the front by its distance below the chord, then the rest;
    null = no result), `feasible` (null = no result) and `feasible_probability`. With constraints, fronts are
    those of the feasible points. A cell without one completed lane gets no recommendation.
    """
    marks: list[pl.DataFrame] = []
    found: list[Recommendation] = []
    for cell in cells:
        knee = cell.knee
        choice = choose_by_objective(run, cell.rows, cell.feasible) if knee.row >= 0 else None
        if choice is not None:
            knee = Knee(choice.row, choice.verdict)
        marks.append(mark_rows(cell, knee))
        if knee.row >= 0:
            found.append(with_choice(run, cell.rows, recommend_cell(run, cell, knee), choice))
    marked = summary.join(pl.concat(marks), on="point", how="left", maintain_order="left")
    return marked, found


def choose_by_objective(run: RunTables, rows: pl.DataFrame, feasible: Any = None) -> Choice | None:
    """What the study's objective chooses in a cell.

    None without an objective or a baseline, or if no point is feasible: then the front's rule says.
    """
    objective = run.config.get("objective")
    points = rows["point"].to_numpy()
    places = np.flatnonzero(points == rows["baseline_point"].fill_null(-1).to_numpy())
    if not objective or not len(places) or (feasible is not None and not feasible.any()):
        return None
    names = [name for name in (objective["metric"], objective["keep"]) if name]
    absent = [name for name in names if name not in run.metrics]
    if absent:
        raise RunFolderError(f"{', '.join(absent)}: the lanes have no such metric, so no choice by it")
    signs = [1.0 if sim.METRICS[name].better == "high" else -1.0 for name in names]
    values = lane_values(run, points, names) * signs
    settings = [axis for axis in run.axes if is_policy_key(axis)]
    base = int(places[0])
    changes = np.array(
        [sum(row[axis] != rows[axis][base] for axis in settings) for row in rows.iter_rows(named=True)],
        np.int64,
    )
    kept = values[:, :, 1] if len(names) > 1 else None
    return choose(values[:, :, 0], kept, base, changes, float(objective["tolerance"]), feasible)


def with_choice(
    run: RunTables, rows: pl.DataFrame, found: Recommendation, choice: Choice | None
) -> Recommendation:
    """A recommendation with what the objective found, in words too, and with the flags of `erl`."""
    sentence = ""
    if choice is not None:
        row = rows.row(choice.best, named=True)
        best = flags_of_row(run, row) or setting_text(run, row)
        sentence = choice_sentence(choice, run.config["objective"], best)
        points = rows["point"].to_list()
        found = dataclasses.replace(found, ties=tuple(points[place] for place in choice.ties))
    return dataclasses.replace(
        found, choice=choice, sentence=sentence, flags=erts_of(found.policy, fixed_binding(run))
    )


def mark_rows(cell: Cell, knee: Knee) -> pl.DataFrame:
    """The front's columns for the rows of one cell."""
    height, certainty = cell.rows.height, cell.certainty
    empty: list[float | None] = [None] * height
    on_front, is_knee, feasible = (
        (empty, empty, empty)
        if certainty is None
        else (certainty.on_front, certainty.is_knee, certainty.feasible)
    )
    known = ~np.isnan(cell.values).any(axis=1)
    constrained = bool(cell.rule.bounds.constraints)
    return pl.DataFrame(
        {
            "point": cell.rows["point"],
            "pareto": cell.mask,
            "pareto_tail": cell.tail_mask,
            "front_probability": pl.Series(on_front, dtype=pl.Float64),
            "knee_probability": pl.Series(is_knee, dtype=pl.Float64),
            "recommended": np.arange(height) == knee.row,
            "rank": rank_rows(cell.values, cell.mask, knee, cell.feasible if constrained else None),
            "feasible": cell.feasible,
            "feasible_probability": pl.Series(feasible, dtype=pl.Float64),
            "known": known,
        }
    ).select(
        pl.exclude("rank", "feasible", "feasible_probability", "known"),
        pl.col("rank").replace(0, None),
        *[pl.when("known").then(pl.col(name)).alias(name) for name in ("feasible", "feasible_probability")],
    )


def recommend_cell(run: RunTables, cell: Cell, knee: Knee) -> Recommendation:
    """Put together the recommendation of a cell whose choice is known."""
    points, values, certainty = [int(p) for p in cell.points], cell.values, cell.certainty
    order = np.lexsort(values.T)
    same = (values == values[knee.row]).all(axis=1)
    rivals: list[tuple[int, float]] = []
    share = sure = None
    if certainty is not None:
        share = float(certainty.is_knee[knee.row])
        sure = float(certainty.feasible[knee.row])
        rivals = distinct_rivals(points, values, certainty.is_knee, same)
    chosen = cell.rows.row(knee.row, named=True)
    known = ~np.isnan(values).any(axis=1)
    return Recommendation(
        cell=cell.key,
        points=tuple(points),
        point=points[knee.row],
        baseline=chosen.get("baseline_point"),
        rule=knee.rule,
        front=tuple(points[i] for i in order if cell.mask[i]),
        twins=twins_of(run, cell.rows, chosen),
        knee_share=share,
        rivals=tuple(rivals),
        edges=tuple(edges_of(run, cell.rows, chosen)),
        overrides=tuple(overrides_of(run, chosen)),
        rerun=tuple(rerun_of(run, chosen)),
        policy=policy_of(run, chosen),
        constraints=tuple(one.text for one in cell.rule.bounds.constraints),
        feasible=bool(cell.feasible[knee.row]),
        feasible_probability=sure,
        feasible_count=int((cell.feasible & known).sum()),
        ties=tuple(point for point, _ in rivals),
    )


def twins_of(run: RunTables, rows: pl.DataFrame, chosen: Mapping[str, Any]) -> tuple[int, ...]:
    """Other points of a cell that cannot be told from the chosen one by anything that was measured."""
    means = [f"{name}_mean" for name in run.metrics]
    same = pl.all_horizontal(*[pl.col(name).eq_missing(pl.lit(chosen[name])) for name in means])
    found = rows.filter(same & (pl.col("point") != chosen["point"]))
    return tuple(int(point) for point in found["point"])


def distinct_rivals(points: Sequence[int], values: Any, is_knee: Any, same: Any) -> list[tuple[int, float]]:
    """Points other than the choice and its twins that noise may make the knee, likeliest first.

    Of exact duplicates only the first is named.
    """
    rivals: list[tuple[int, float]] = []
    seen: set[tuple[float, ...]] = set()
    for i in np.argsort(-is_knee, kind="stable"):
        place = tuple(values[i])
        if not same[i] and is_knee[i] >= RIVAL_SHARE and place not in seen:
            seen.add(place)
            rivals.append((points[i], float(is_knee[i])))
    return rivals


def edges_of(run: RunTables, rows: pl.DataFrame, chosen: Mapping[str, Any]) -> list[str]:
    """Swept numbers of the policy whose chosen value is the last one, with better ones perhaps beyond.

    Counted are axes with three values or more; no limit (null) has nothing beyond it.
    """
    found = []
    if "policy" in rows.columns:
        rows = rows.filter(pl.col("policy") == chosen["policy"])
    for axis in run.axes:
        value = chosen[axis]
        if not is_policy_key(axis) or not rows[axis].dtype.is_numeric() or value is None:
            continue
        values = sorted(set(rows[axis].drop_nulls()))
        unlimited = rows[axis].null_count() > 0
        is_last = value == values[0] or (value == values[-1] and not unlimited)
        if len(values) >= 3 and is_last and math.isfinite(value) and value:
            found.append(f"{plain_name(axis)} {plain(value)}")
    return found


def weights_text(run: RunTables, chosen: Recommendation) -> str:
    """The weights of the objectives, as shares; "" where they did not decide."""
    goals = run.goals
    if goals.weights is None or chosen.rule != "weights":
        return ""
    parts = zip(goals.objectives, goals.weights, strict=True)
    return "; weights " + ", ".join(f"{name} {weight:.3g}" for name, weight in parts)
