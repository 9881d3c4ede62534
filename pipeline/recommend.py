"""From a study cell's front to one recommended setting, as a policy file and a command line."""

import copy
import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import yaml

import sim
from pipeline.aggregate import RunFolderError, RunTables, is_policy_key
from pipeline.build import build_topology
from pipeline.choice import Choice, choose
from pipeline.choice_text import choice_sentence, flags_text
from pipeline.erl_flags import FIELDS, PREFIX, erts_of, flag_line
from pipeline.errors import UserError
from pipeline.front import FrontCertainty, Knee, bootstrap_front, find_knee, pareto_mask, rank_rows
from pipeline.plain import plain, plain_name
from pipeline.rerun import has_value, overrides_of, policy_field, rerun_of
from pipeline.schema_errors import load_section
from pipeline.schema_front import OBJECTIVES
from pipeline.worker import COMPLETED

TAIL_METRIC = "slowdown_p99"
# Settled is a choice that is the knee in as large a share of the resamples as the two-sided 95 % interval of
# its distance from a single rival must leave on its side of zero; rivals are named from the share left over.
SETTLED_SHARE = 0.975
RIVAL_SHARE = 0.025
EXPECTED = (*OBJECTIVES, "wasted_core_share", "slowdown_p99", "throughput_per_s")
RULES = {
    "chord": "the knee: the front's point furthest below the line between its two ends (Das 1999)",
    "ideal": "the front has no knee (it nowhere sags below the line between its ends); "
    "taken is the point nearest to its ideal corner",
    "tie": "the front has two points only, so no knee; taken is the one with the lower p99 slowdown",
    "only": "the front is a single point: it is best in both objectives",
    "better": "best in the study's objective on one half of the replicates, and better than the baseline "
    "on the other half",
    "noise": "the baseline, as it is a tie: what looked best on one half of the replicates is not told from "
    "it on the other half",
    "default": "the baseline: nothing looked better in the study's objective",
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
    knee_share   : share of bootstrap resamples in which the point is the knee; None if 1 replicate
    rivals       : (point, share) of others that are the knee in at least RIVAL_SHARE of resamples
    edges        : axes whose recommended value is the least or the greatest that was swept
    overrides    : Hydra overrides that select the setting
    rerun        : words of the command that runs it once
    policy       : complete resolved policy
    choice       : where a study's objective decided, what it found; None where the knee did
    sentence     : that in words, or ""
    flags        : those of `erl` where the point has the BEAM's own scheduler, else None
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
        return " ".join(("python -m pipeline.simulate", *self.rerun))

    @property
    def doubts(self) -> str:
        """What noise and the sweep's range leave open, or ""."""
        found = []
        # A choice by the objective says itself how sure it is.
        if self.choice is None and self.knee_share is None:
            found.append("one replicate only: no interval, and no telling how sure this is")
        elif self.choice is None and self.knee_share is not None and self.knee_share < SETTLED_SHARE:
            named = ", ".join(f"point {p} ({share:.0%})" for p, share in self.rivals[:3])
            found.append(
                f"not settled within noise: a tie, the knee in {self.knee_share:.0%} of the bootstrap "
                f"resamples, against {named or 'many others'}; more replicates would tell"
            )
        if self.edges:
            found.append(f"at the edge of the sweep: {', '.join(self.edges)}; a wider range may do better")
        return "; ".join(found)


def setting_text(run: RunTables, row: Mapping[str, Any], *, unlimited: bool = True) -> str:
    """The decision variables of a point in one line: policy, then what the sweep varied.

    `unlimited` says whether a limit that is not set (null) is named too.
    """
    words = [str(row["policy"])] if row.get("policy") is not None else []
    for axis in run.axes:
        named = is_policy_key(axis) and axis != "policy" and has_value(axis, row[axis])
        if named and axis.removeprefix(PREFIX) in FIELDS:
            # As on erl's command line, where what is not set is not named.
            words += [f"+{axis.removeprefix(PREFIX)} {plain(row[axis])}"] if row[axis] is not None else []
        elif named and (unlimited or row[axis] is not None):
            words.append(f"{plain_name(axis)} {'null' if row[axis] is None else plain(row[axis])}")
    return ", ".join(words)


def mark_front(run: RunTables, summary: pl.DataFrame) -> tuple[pl.DataFrame, list[Recommendation]]:
    """Add the front's columns to a summary, and choose a setting for each study cell.

    Columns added: `pareto`, `pareto_tail` (front with the p99 slowdown as third objective),
    `front_probability`, `knee_probability` (null with one replicate), `recommended`, `rank` (1 =
    recommended, then the front by its distance below the chord, then the rest; null = no result).
    A cell without one completed lane gets no recommendation.
    """
    marks: list[pl.DataFrame] = []
    found: list[Recommendation] = []
    for cell, rows in cells_of(run, summary):
        points = rows["point"].to_numpy()
        values, tail = objective_means(rows)
        mask = pareto_mask(values)
        metrics = [*OBJECTIVES, *([TAIL_METRIC] if TAIL_METRIC in run.metrics else OBJECTIVES[1:])]
        certainty = bootstrap_front(lane_values(run, points, metrics), study_seed(run))
        knee = find_knee(values, mask, tail)
        choice = choose_by_objective(run, rows) if knee.row >= 0 else None
        if choice is not None:
            knee = Knee(choice.row, choice.verdict)
        marks.append(mark_rows(rows, values, mask, certainty, knee))
        if knee.row >= 0:
            one = recommend_cell(run, rows, cell, values, mask, certainty, knee)
            found.append(with_choice(run, rows, one, choice))
    marked = summary.join(pl.concat(marks), on="point", how="left", maintain_order="left")
    return marked, found


def choose_by_objective(run: RunTables, rows: pl.DataFrame) -> Choice | None:
    """What the study's objective chooses in a cell; None without one, or without a baseline."""
    objective = run.config.get("objective")
    points = rows["point"].to_numpy()
    places = np.flatnonzero(points == rows["baseline_point"].fill_null(-1).to_numpy())
    if not objective or not len(places):
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
    return choose(values[:, :, 0], kept, base, changes, float(objective["tolerance"]))


def with_choice(
    run: RunTables, rows: pl.DataFrame, found: Recommendation, choice: Choice | None
) -> Recommendation:
    """A recommendation with what the objective found, in words too, and with the flags of `erl`."""
    sentence = ""
    if choice is not None:
        row = rows.row(choice.best, named=True)
        best = flags_of_row(run, row) or setting_text(run, row)
        sentence = choice_sentence(choice, run.config["objective"], best)
    return dataclasses.replace(
        found, choice=choice, sentence=sentence, flags=erts_of(found.policy, fixed_binding(run))
    )


def fixed_binding(run: RunTables) -> Mapping[str, Any] | None:
    """The group `binding` of all points, with a bind type that says the same as its order, if there is one.

    None if the study varies it.
    """
    if any(axis.split(".")[0] == "binding" for axis in run.axes):
        return None
    binding = dict(run.config.get("binding") or {})
    if binding.get("order") == "cores" and not any(a.split(".")[0] == "topology" for a in run.axes):
        binding["order"] = bind_type_of_cores(run.config.get("topology") or {}) or "cores"
    return binding


def bind_type_of_cores(section: Mapping[str, Any]) -> str | None:
    """The bind type that puts scheduler k on core k of a machine; None if there is none."""
    try:
        machine = build_topology(load_section("topology", section))
    except UserError:  # its file is no longer there
        return None
    cores, beam = tuple(int(os_index) for os_index in machine.core_os_index), sim.beam_of(machine)
    return next((name for name in sim.BIND_TYPES if sim.bind_order(beam, name) == cores), None)


def flags_of_row(run: RunTables, row: Mapping[str, Any]) -> str:
    """The flags of `erl` of a point in short; "" if it has not the BEAM's own scheduler."""
    flags = erts_of(policy_of(run, row), fixed_binding(run))
    return "" if flags is None else flag_line(flags) or "erl without flags"


def cells_of(run: RunTables, summary: pl.DataFrame) -> list[tuple[dict[str, Any], pl.DataFrame]]:
    """The study's cells in the order of their first point, each with its summary rows."""
    if not run.cell_keys:
        return [({}, summary)]
    parts = summary.partition_by(run.cell_keys, maintain_order=True)
    return [(part.select(run.cell_keys).row(0, named=True), part) for part in parts]


def objective_means(rows: pl.DataFrame) -> tuple[Any, Any]:
    """Means of the two objectives (point, 2), and of the tail metric (point,)."""
    columns = [f"{name}_mean" for name in OBJECTIVES]
    absent = [c for c in columns if c not in rows.columns]
    if absent:
        raise RunFolderError(f"{', '.join(absent)}: the lanes have no such metric, so no trade-off")
    values = rows.select(pl.col(columns).fill_null(np.nan)).to_numpy()
    name = f"{TAIL_METRIC}_mean"
    known = name in rows.columns
    tail = rows[name].fill_null(np.nan).to_numpy() if known else values[:, 1]
    return values, tail


def lane_values(run: RunTables, points: Any, names: Sequence[str] = OBJECTIVES) -> Any:
    """Metrics of each lane of some points: (replicate, point, metric), NaN = not counted."""
    lanes = (
        run.lanes.filter(pl.col("status") == COMPLETED, pl.col("point").is_in(points.tolist()))
        .select("point", "replicate", *[pl.col(c).cast(pl.Float64) for c in names])
        .collect()
    )
    place = {point: index for index, point in enumerate(points.tolist())}
    replicates = lanes["replicate"].unique().sort().to_list()
    row = {replicate: index for index, replicate in enumerate(replicates)}
    values = np.full((len(replicates), len(points), len(names)), np.nan)
    columns = lanes.select(pl.col(names).fill_null(np.nan)).to_numpy()
    at = [row[r] for r in lanes["replicate"]], [place[p] for p in lanes["point"]]
    values[at] = columns
    return values


def study_seed(run: RunTables) -> int:
    """The study's seed, which also seeds the bootstrap."""
    return abs(int(run.manifest.get("seed") or 0))


def mark_rows(
    rows: pl.DataFrame, values: Any, mask: Any, certainty: FrontCertainty | None, knee: Knee
) -> pl.DataFrame:
    """The front's columns for the rows of one cell."""
    names = [f"{name}_mean" for name in (*OBJECTIVES, TAIL_METRIC)]
    tail = mask
    if names[-1] in rows.columns:
        tail = pareto_mask(rows.select(pl.col(names).fill_null(np.nan)).to_numpy())
    empty: list[float | None] = [None] * rows.height
    return pl.DataFrame(
        {
            "point": rows["point"],
            "pareto": mask,
            "pareto_tail": tail,
            "front_probability": pl.Series(
                empty if certainty is None else certainty.on_front, dtype=pl.Float64
            ),
            "knee_probability": pl.Series(
                empty if certainty is None else certainty.is_knee, dtype=pl.Float64
            ),
            "recommended": np.arange(rows.height) == knee.row,
            "rank": rank_rows(values, mask, knee),
        }
    ).with_columns(pl.col("rank").replace(0, None))


def recommend_cell(
    run: RunTables,
    rows: pl.DataFrame,
    cell: dict[str, Any],
    values: Any,
    mask: Any,
    certainty: FrontCertainty | None,
    knee: Knee,
) -> Recommendation:
    """Put together the recommendation of a cell whose knee is known."""
    points = [int(p) for p in rows["point"]]
    order = np.lexsort((values[:, 0], values[:, 1]))
    same = (values == values[knee.row]).all(axis=1)
    rivals: list[tuple[int, float]] = []
    share = None
    if certainty is not None:
        share = float(certainty.is_knee[knee.row])
        rivals = distinct_rivals(points, values, certainty.is_knee, same)
    chosen = rows.row(knee.row, named=True)
    return Recommendation(
        cell=cell,
        points=tuple(points),
        point=points[knee.row],
        baseline=chosen.get("baseline_point"),
        rule=knee.rule,
        front=tuple(points[i] for i in order if mask[i]),
        twins=twins_of(run, rows, chosen),
        knee_share=share,
        rivals=tuple(rivals),
        edges=tuple(edges_of(run, rows, chosen)),
        overrides=tuple(overrides_of(run, chosen)),
        rerun=tuple(rerun_of(run, chosen)),
        policy=policy_of(run, chosen),
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


def policy_of(run: RunTables, row: Mapping[str, Any]) -> dict[str, Any]:
    """The complete policy of a point.

    The points' table has every scalar of each point's policy; the configuration fills what it lacks.
    """
    resolved = (run.manifest.get("policies") or {}).get(row.get("policy"))
    policy: dict[str, Any] = copy.deepcopy(dict(resolved or run.config.get("policy") or {}))
    for key in run.points.columns:
        if key.startswith("policy.") and has_value(key, row[key]):
            put(policy, key.removeprefix("policy.").split("."), row[key])
    if row.get("policy") is not None:
        policy["name"] = row["policy"]
    return policy


def put(mapping: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set a nested value; a number that the specification wants whole is made whole."""
    field = policy_field(path)
    if isinstance(value, float) and field is not None and "int" in str(field.type):
        value = int(value)
    for part in path[:-1]:
        child = mapping.get(part)
        if not isinstance(child, dict):
            child = mapping[part] = {}
        mapping = child
    mapping[path[-1]] = value


def policy_file(run: RunTables, summary: pl.DataFrame, chosen: Recommendation) -> str:
    """The text of a policy file: where it comes from, what to expect of it, then the policy."""
    row = summary.row(by_predicate=pl.col("point") == chosen.point, named=True)
    study, key = run.manifest.get("study", "study"), run.manifest.get("run_key", run.folder.name)
    lines = [
        f"Recommended by Coreshift for {chosen.title}: study {study}, run {key}, point {chosen.point}.",
        f"Why: {RULES[chosen.rule]}.",
    ]
    if chosen.doubts:
        lines.append(f"Doubt: {chosen.doubts}.")
    if chosen.twins:
        names = ", ".join(map(str, chosen.twins[:5])) + (", .." if len(chosen.twins) > 5 else "")
        lines.append(f"Tie: {len(chosen.twins)} other settings gave exactly this: points {names}.")
    if chosen.sentence:
        lines.append(f"Gain: {chosen.sentence}.")
    if chosen.flags is not None:
        lines.append(f"Flags: {flags_text(chosen.flags)}")
    lines += [f"Expect {expectation(row, name)}" for name in EXPECTED if f"{name}_mean" in row]
    lines += [
        f"Once:   {chosen.command}",
        "Keep:   copy this file to conf/policy/<name>.yaml, then use policy=<name>",
    ]
    body = yaml.safe_dump(chosen.policy, sort_keys=False, default_flow_style=False, width=100)
    return "".join(f"# {line}\n" for line in lines) + body


def expectation(row: Mapping[str, Any], name: str) -> str:
    """One metric of the recommended point, with its interval and its difference from baseline."""
    mean, low, high = row[f"{name}_mean"], row.get(f"{name}_low"), row.get(f"{name}_high")
    text = f"{name} {number(mean)}"
    if low is not None and high is not None:
        text += f" (95 % interval {number(low)} to {number(high)})"
    difference = row.get(f"{name}_diff")
    if difference is not None and row.get("baseline_point") != row["point"]:
        text += f", {number(difference, sign=True)} against the baseline"
    return text


def number(value: float | None, sign: bool = False) -> str:
    """A number for people: four significant digits, thousands in groups."""
    if value is None or math.isnan(value):
        return "n/a"
    if value and abs(value) >= 1000:
        return f"{value:{'+' if sign else ''},.0f}"
    return f"{value:{'+' if sign else ''}.4g}"
