"""`python -m pipeline.simulate [key=value ...]`: one point, its metrics as a table or as JSON.

The same keys as for a sweep, each with one value; or those of a sweep and `point=3`, to see its point 3
alone. `output=json` prints JSON and nothing else on stdout.
`decisions=why.csv` (or .json, .parquet) writes why each candidate of the first replicate did or did not
migrate, `decisions=20` prints that many rows; `decisions_capacity` bounds the log (100000).
`timeline=true` (or `timeline=lane.pftrace`) writes its timeline for Perfetto (pipeline/timeline.py).
`debug=invariants` looks at every invariant of the simulator meanwhile, and ends at the first that breaks.
"""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.special import stdtrit

import sim
from pipeline.config.build import build
from pipeline.config.compose import Command, complete_shell, read_command, with_hydra
from pipeline.config.grid import Point, Study
from pipeline.config.study import make_study
from pipeline.debug import simulate_of, tell_looks
from pipeline.decisions import Decisions, decisions_json, log_decisions, print_decisions, take_wish
from pipeline.entry import run_main
from pipeline.errors import ConfigError
from pipeline.run.worker import Simulate
from pipeline.timeline import (
    Written,
    check_timeline,
    print_timeline,
    take_timeline,
    timeline_json,
    write_timeline,
)

MODULE = "pipeline.simulate"
CONFIDENCE = 0.95


def simulate(words: Sequence[str]) -> int:
    """Simulate the replicates of one point and print their metrics; writes no file but the one asked for.

    Returns
    -------
    int, exit code: 0, or 1 if no replicate completed
    """
    if complete_shell(words):
        return 0
    wish, words = take_wish(words)
    drawn, words = take_timeline(words)
    number, words = take_number(words)
    command = read_command(words, use_default_study=number is not None)
    if number is None:
        check_single(command)
    study = with_hydra(command, lambda: make_study(command, MODULE))
    point = single_point(study) if number is None else numbered_point(study, number)
    if drawn is not None:
        check_timeline(study, point, drawn)
    if study.config.output == "table":
        print(f"Simulating {label_text(point)}, {study.replicates} replicates.", file=sys.stderr)
    simulator = simulate_of(study, point, number)
    result = run_point(study, point, simulator)
    tell_looks(simulator)
    answer = answer_of(study, point, result)
    why = log_decisions(study, point, wish) if wish is not None else None
    written = write_timeline(study, point, drawn) if drawn is not None else None
    show(study, answer, why, written)
    return 0 if answer["completed"] else 1


def show(study: Study, answer: Mapping[str, Any], why: Decisions | None, written: Written | None) -> None:
    """Print the metrics, and the decisions and where the timeline is if they were asked for."""
    if study.config.output == "json":
        further = {"decisions": decisions_json(why)} if why is not None else {}
        further |= {"timeline": timeline_json(written)} if written is not None else {}
        print(json.dumps({**answer, **further}, indent=1, allow_nan=False))
        return
    print_table(answer)
    if why is not None:
        print_decisions(why, Console())
    if written is not None:
        print_timeline(written, Console())


def take_number(words: Sequence[str]) -> tuple[int | None, list[str]]:
    """Take `point=3` off a command line; None if it does not have that."""
    given = [word.partition("=")[2] for word in words if word.startswith("point=")]
    if given and not given[-1].isdecimal():
        raise ConfigError("point", given[-1], "must be the number of a point", "write point=3")
    return int(given[-1]) if given else None, [word for word in words if not word.startswith("point=")]


def numbered_point(study: Study, number: int) -> Point:
    """A point of a study, as the study's tables number them."""
    if number >= len(study.points):
        allowed = f"must be 0 to {len(study.points) - 1}, the points of study {study.name}"
        if study.search is not None:
            allowed += " that it begins with"
            hint = "give the settings that points.parquet has of it, each as key=value, without sweep="
            raise ConfigError("point", number, allowed, hint)
        raise ConfigError("point", number, allowed)
    return study.points[number]


def check_single(command: Command) -> None:
    """Refuse axes: this command is about one point."""
    for key, override in command.swept.items():
        values = override.get_value_string()
        raise ConfigError(key, values, "takes one value here", "sweep with python -m pipeline.sweep")


def single_point(study: Study) -> Point:
    """The point that was asked for; the baseline beside it is left out."""
    if study.axes:
        hint = "leave experiment= and sweep= out, or use python -m pipeline.sweep"
        raise ConfigError("sweep.axes", ", ".join(study.axes), "must be empty for a single point", hint)
    return study.points[0]


def run_point(study: Study, point: Point, simulate: Simulate = sim.simulate) -> sim.Result:
    """Simulate a point's replicates, one after the other."""
    inputs = build(point.config)
    lanes = [
        sim.Lane(
            policy=inputs.policy,
            cost=inputs.cost,
            seed=study.seed,
            replicate=replicate,
            binding=inputs.binding,
        )
        for replicate in range(study.replicates)
    ]
    result: sim.Result = simulate(
        inputs.topology, inputs.workload, lanes, inputs.simulation, inputs.faults, threads=1
    )
    return result


def answer_of(study: Study, point: Point, result: sim.Result) -> dict[str, Any]:
    """What the command prints, as plain data.

    Lanes that did not complete are listed and left out of the means, as in a sweep.
    """
    status = result.columns["status"]
    lanes = [sim.LaneStatus(int(code)) for code in status]
    good = np.array([not lane.is_failure for lane in lanes])
    return {
        "labels": point.labels,
        "digest": point.digest,
        "seed": study.seed,
        "replicates": study.replicates,
        "completed": int(good.sum()),
        "status": [str(lane.name).lower() for lane in lanes],
        "problems": [lane.describe() for lane in lanes if lane.is_failure],
        "confidence": CONFIDENCE,
        "metrics": {name: metric_of(name, result.columns[name], good) for name in sim.METRICS},
    }


def metric_of(name: str, values: np.ndarray, good: np.ndarray) -> dict[str, Any]:
    """Mean with confidence interval of one metric, and its value in each replicate."""
    kept = values[good].astype(np.float64)
    kept = kept[np.isfinite(kept)]
    half = None
    if kept.size > 1:
        quantile = float(stdtrit(kept.size - 1, 0.5 + CONFIDENCE / 2))
        half = quantile * float(kept.std(ddof=1)) / math.sqrt(kept.size)
    mean = float(kept.mean()) if kept.size else None
    metric = sim.METRICS[name]
    return {
        "unit": metric.unit,
        "mean": mean,
        # No interval reaches beyond what the metric can be.
        "low": None if mean is None or half is None else max(mean - half, metric.low),
        "high": None if mean is None or half is None else min(mean + half, metric.high),
        "values": [float(v) if np.isfinite(v) else None for v in values],
    }


def label_text(point: Point) -> str:
    """A point's labels in one line."""
    return ", ".join(f"{name} {value}" for name, value in point.labels.items())


def print_table(answer: Mapping[str, Any]) -> None:
    """The metrics as a table on stdout."""
    labels = ", ".join(f"{name} {value}" for name, value in answer["labels"].items())
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column("metric", no_wrap=True, min_width=max(map(len, answer["metrics"])))
    for heading in ("mean", "low", "high"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("unit", style="dim")
    for name, metric in answer["metrics"].items():
        numbers = [number_text(metric[key]) for key in ("mean", "low", "high")]
        table.add_row(name, *numbers, "" if metric["unit"] == "1" else metric["unit"])
    # A number is never cut: where the terminal is too narrow, its lines are too long.
    console = Console()
    console.print(labels, style="bold")
    Console(width=max(console.width, console.measure(table).maximum)).print(table)
    if answer["problems"]:
        console.print(f"{len(answer['problems'])} of {answer['replicates']} lanes left out:")
        for text in dict.fromkeys(answer["problems"]):
            console.print(f"  {text}")


def number_text(value: float | None) -> str:
    """A number for people."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.5g}"


def main(words: Sequence[str] | None = None) -> int:
    """Entry point of `python -m pipeline.simulate` and `coreshift simulate`."""
    return run_main(simulate, words)


if __name__ == "__main__":
    raise SystemExit(main())
