"""What common random numbers, pairing and control variates save over independent runs.

    python -m tests.bench.statistical_speed [--json FILE] [--plot FILE] [--quick]

Points of the default study and of two workloads of requests are simulated with the same replicates. Of every
headline metric the table says by what factor each method cuts the variance of a replicate (95 % interval by
the jackknife), and the CPU time to an interval of +- 1 % of the baseline's mean. Variance is
compared, not clocks, so all but the CPU times repeat exactly.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import altair as alt
import numpy as np

import sim
from pipeline.config.compose import read_command, with_hydra
from pipeline.config.study import make_study
from pipeline.run.lanes import LanePlan, coreshift_toolkit
from pipeline.run.worker import Batch
from sim.programs import copies_of
from tests.statistical.controls import Controls, class_controls, replay_controls
from tests.statistical.estimators import controlled, plain, replicates_for

METRICS = (
    "load_imbalance", "migration_overhead_share", "wasted_core_share", "slowdown_mean", "slowdown_p99",
    "throughput_per_s",
)  # fmt: skip
SEED = 11
HALF = 0.01
WIDTHS = (0.1, 0.05, 0.02, 0.01)
RATE = "policy.limits.system.rate_per_s=6000000"
# Study, and the words of each of its sweeps; every sweep has the baseline `none` as its last point.
STUDIES = {
    "default": (
        (RATE, "policy=balanced", "policy.threshold_factor=1,16"),
        ("policy=conservative,aggressive",),
    ),
    "steady": (("workload=steady", "policy=balanced", "policy.threshold_factor=1,16"),),
    "hogs_and_requests": (("workload=hogs_and_requests", "policy=balanced,aggressive"),),
}


@dataclass(frozen=True)
class PointLanes:
    """A point's replicates.

    columns : metric -> float64 (replicate,)
    cpu_s   : CPU time of a lane, median
    """

    name: str
    columns: dict[str, np.ndarray]
    cpu_s: float


@dataclass(frozen=True)
class Found:
    """What a method gives for one quantity.

    quantity   : mean of the point; difference from the baseline; change, the same as a share of it (a ratio
                 of means)
    factor     : variance of a replicate from independent runs over that of this method
    low, high  : its 95 % interval
    spread     : variance of a replicate over the square of the baseline's mean (of the point's own, where the
                 quantity is the mean)
    controls   : number of control variates
    replicates : for an interval of +- HALF of that mean
    cpu_s      : of these replicates of the point, and of the baseline where it takes part
    """

    study: str
    point: str
    metric: str
    quantity: str
    method: str
    factor: float
    low: float
    high: float
    spread: float
    controls: int
    replicates: int
    cpu_s: float


def controls_of(batch: Batch, lanes: list[sim.Lane]) -> Controls:
    """What the lanes' random numbers brought, as far as its expectation is known; few, as each costs freedom.

    Of requests the work that came, of a replay the mean delay of its copies.
    """
    if isinstance(batch.workload, sim.Workload):
        found = class_controls(batch.topology, batch.workload, batch.simulation, lanes)
        return {"work": np.sum(list(found.values()), axis=0)}
    copies = copies_of(batch.topology, batch.workload)
    return replay_controls(batch.workload.stagger_ns, copies, lanes)


def simulate(words: Sequence[str]) -> tuple[list[PointLanes], Controls]:
    """Every point of a sweep, and the controls of its replicates.

    Raises
    ------
    RuntimeError if a lane did not complete
    """
    command = read_command([*words, "sweep=none", f"seed={SEED}", "tracking=off", "cluster=inline"])
    study = with_hydra(command, lambda: make_study(command))
    plan = LanePlan(study, coreshift_toolkit())
    points = []
    for number, point in enumerate(study.points):
        batch = plan.batch(int(plan.batch_of_point[number]))
        lanes = [plan.spec(number * plan.replicates + r) for r in range(plan.replicates)]
        rows, seconds = [], []
        for lane in lanes:
            began = time.process_time()
            columns = sim.simulate(
                batch.topology, batch.workload, [lane], batch.simulation, batch.faults
            ).columns
            seconds.append(time.process_time() - began)
            if columns["status"][0] != sim.LaneStatus.COMPLETED:
                raise RuntimeError(f"point {number}: status {columns['status'][0]}")
            rows.append([float(columns[name][0]) for name in METRICS])
        named = [
            str(point.labels["policy"]),
            *(f"factor {v:g}" for v in point.axes.values() if not isinstance(v, str)),
        ]
        if number == point.baseline_index:
            named = named[:1]
        columns_of = dict(zip(METRICS, np.array(rows).T, strict=True))
        points.append(PointLanes(" ".join(named), columns_of, float(np.median(seconds))))
    return points, controls_of(batch, lanes)


def jackknifed(ratio: Callable[[np.ndarray], float], count: int) -> tuple[float, float, float]:
    """A ratio of variances with its 95 % interval, from the pseudo-values of its logarithm.

    They are near independent, so that Student's interval holds (Miller 1974, "The jackknife - a review",
    Biometrika 61). NaN where a variance is 0 without some replicate.
    """
    kept = ~np.eye(count, dtype=bool)
    ratios = np.array([ratio(np.flatnonzero(row)) for row in kept] + [ratio(np.arange(count))])
    if not (np.isfinite(ratios) & (ratios > 0)).all():
        return math.nan, math.nan, math.nan
    logs = np.log(ratios)
    half = plain(count * logs[-1] - (count - 1) * logs[:-1]).half
    low, high = (float(ratios[-1] * math.exp(sign * half)) for sign in (-1, 1))
    return float(ratios[-1]), low, high


def methods(x: np.ndarray, base: np.ndarray, quantity: str) -> tuple[np.ndarray, float]:
    """A replicate's values of a quantity under common random numbers, and its variance without them."""
    if quantity == "mean":
        return x, float(x.var(ddof=1))
    # the ratio of means, linearised (Cochran 1977, section 6.3), as pipeline.evidence.choice.change_of does
    weight = 1.0 if quantity == "difference" else float(x.mean() / base.mean())
    return x - weight * base, float(x.var(ddof=1) + weight**2 * base.var(ddof=1))


def over(apart: float, spread: float) -> float:
    """By what factor a method cuts a variance; NaN if nothing is left of it."""
    return apart / spread if spread > 0 else math.nan


def compare(study: str, point: PointLanes, base: PointLanes, controls: Controls) -> list[Found]:
    """All quantities and methods of a point, metric by metric; what does not vary is left out."""
    rows = []
    for metric in point.columns:
        x, y = point.columns[metric], base.columns[metric]
        quantities = ["mean", "difference", "change"] if point is not base and y.std() > 0 else ["mean"]
        for quantity in quantities if x.std() > 0 else ():
            scale = abs(float((x if quantity == "mean" else y).mean()))
            cost = point.cpu_s + (0.0 if quantity == "mean" else base.cpu_s)
            independent = methods(x, y, quantity)[1]
            named = (study, point.name, metric, quantity)
            rows.append(outcome((*named, "independent"), (1.0, 1.0, 1.0), independent / scale**2, 0, cost))
            if quantity != "mean":

                def shared(at: np.ndarray, x=x, y=y, quantity=quantity) -> float:
                    values, apart = methods(x[at], y[at], quantity)
                    return over(apart, plain(values).spread)

                factor = jackknifed(shared, len(x))
                rows.append(outcome((*named, "common"), factor, independent / factor[0] / scale**2, 0, cost))

            def both(at: np.ndarray, x=x, y=y, quantity=quantity) -> float:
                values, apart = methods(x[at], y[at], quantity)
                known = {name: each[at] for name, each in controls.items()}
                return over(apart, controlled(values, known).spread)

            factor = jackknifed(both, len(x))
            spread = independent / factor[0] / scale**2
            name = "control" if quantity == "mean" else "common + control"
            rows.append(outcome((*named, name), factor, spread, len(controls), cost))
    return rows


def outcome(
    named: tuple[str, str, str, str, str],
    factor: tuple[float, float, float],
    spread: float,
    controls: int,
    cost: float,
) -> Found:
    """A row from the relative variance of a replicate and the CPU time of one."""
    count = replicates_for(HALF, spread, controls) if math.isfinite(spread) else 0
    return Found(*named, *factor, spread, controls, count, count * cost)


def measure(replicates: int, times: Sequence[str]) -> list[Found]:
    """Every study."""
    rows = []
    for study, sweeps in STUDIES.items():
        for words in sweeps:
            points, controls = simulate([*words, *times, f"replicates={replicates}"])
            base = points[-1]
            for point in points if words is sweeps[0] else points[:-1]:
                rows += compare(study, point, base, controls)
    return rows


def seconds_text(seconds: float) -> str:
    """Seconds in few digits."""
    return f"{seconds:.3g}" if seconds < 1000 else f"{seconds:,.0f}"


def markdown(heads: Sequence[str], lines: Sequence[Sequence[str]], texts: int) -> str:
    """A table whose first columns are texts, the others numbers."""
    rule = [" --- "] * texts + [" ---: "] * (len(heads) - texts)
    rows = [f"| {' | '.join(line)} |" for line in (heads, *lines)]
    return "\n".join([rows[0], f"|{'|'.join(rule)}|", *rows[1:]])


def by_metric(rows: Sequence[Found]) -> dict[tuple[str, str, str], dict[tuple[str, str], Found]]:
    """Study, point and metric -> quantity and method -> what was found."""
    found: dict[tuple[str, str, str], dict[tuple[str, str], Found]] = {}
    for row in rows:
        found.setdefault((row.study, row.point, row.metric), {})[row.quantity, row.method] = row
    return found


def factor_table(rows: Sequence[Found]) -> str:
    """By what factor each method cuts the variance of a replicate."""
    columns = {
        "control on the mean": ("mean", "control"),
        "common numbers on the difference": ("difference", "common"),
        "and a control": ("difference", "common + control"),
        "common numbers on the change": ("change", "common"),
        "with a control": ("change", "common + control"),
    }
    lines = []
    for key, own in by_metric(rows).items():
        found = [own.get(place) for place in columns.values()]
        lines.append([*key, *(f"{r.factor:.3g} ({r.low:.2g} to {r.high:.2g})" if r else "" for r in found)])
    return markdown(["study", "point", "metric", *columns], lines, 3)


def time_table(rows: Sequence[Found]) -> str:
    """CPU time to an interval of +- HALF of the baseline's mean."""
    columns = {
        "difference, independent": ("difference", "independent"),
        "common": ("difference", "common"),
        "common and a control": ("difference", "common + control"),
        "change, common": ("change", "common"),
    }
    lines = []
    for key, own in by_metric(rows).items():
        found = [own.get(place) for place in columns.values()]
        if any(found):
            lines.append([*key, *(seconds_text(r.cpu_s) if r else "" for r in found)])
    return markdown(["study", "point", "metric", *columns], lines, 3)


def replicates_table(rows: Sequence[Found]) -> str:
    """Replicates of the default study for some widths, as the pipeline estimates."""
    lines = []
    for (study, point, metric), own in by_metric(rows).items():
        for quantity, method in (("mean", "independent"), ("difference", "common"), ("change", "common")):
            row = own.get((quantity, method))
            if study == "default" and row is not None:
                counts = [f"{replicates_for(half, row.spread):,}" for half in WIDTHS]
                lines.append([point, metric, quantity, *counts])
    heads = ["point", "metric", "quantity", *(f"± {half:.0%}" for half in WIDTHS)]
    return markdown(heads, lines, 3)


def draw(rows: Sequence[Found], path: Path) -> None:
    """CPU time by point and metric, a panel a study."""
    values = [
        {
            "study": r.study,
            "what": f"{r.point}: {r.metric}",
            "method": f"{r.quantity}, {r.method}",
            "cpu_s": r.cpu_s,
        }
        for r in rows
        if r.quantity != "mean" and r.replicates
    ]
    title = f"CPU seconds of lanes for ± {HALF:.0%} of the baseline's mean"
    chart = alt.Chart(alt.Data(values=values)).mark_point(filled=True, size=50, opacity=0.8)
    chart = chart.encode(
        alt.X("cpu_s:Q", scale=alt.Scale(type="log"), title=title),
        alt.Y("what:N", title=None, sort=None, axis=alt.Axis(labelLimit=300, grid=True)),
        alt.Color("method:N", title=None, legend=alt.Legend(orient="top", columns=3, labelLimit=300)),
        alt.Shape("method:N"),
    )
    chart = chart.properties(width=420).facet(row=alt.Row("study:N", title=None))
    chart.resolve_scale(y="independent").save(path)


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print the table, and write what was asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.statistical_speed", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every row")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the CPU times (.png, .svg or .html)")
    parser.add_argument("--quick", action="store_true", help="8 replicates of short lanes: says little")
    options = parser.parse_args(words)
    horizon_ns = 8_000_000 if options.quick else 50_000_000
    times = (f"simulation.horizon_ns={horizon_ns}", f"simulation.warmup_ns={horizon_ns * 2 // 5}")
    rows = measure(8 if options.quick else 40, times)
    titles = {
        "Variance of independent runs over that of the method (95 % interval)": factor_table,
        f"CPU seconds of lanes for ± {HALF:.0%} of the baseline's mean": time_table,
        "Replicates of the default study for a width": replicates_table,
    }
    for title, table in titles.items():
        print(f"{title}\n\n{table(rows)}\n")
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    if options.plot:
        draw(rows, options.plot)


if __name__ == "__main__":
    main()
