"""What the pipeline costs around the simulator: `python -m tests.bench.overhead [--only PART,...]`.

Parts, each with its goal on two cores that have nothing else to do:

  start    from the command to the first lanes that came back, warm kernels: 3 s inline, 8 s with Ray
  sweep    10,000 points x 1 replicate of a trivial simulation, from command to report: 60 s
  tables   summary, front and charts over a made-up table of a million lanes: 30 s and 4 GiB
  record   MLflow: what recording adds to the sweep of 10,000 points, first use of a database aside: 10 s
  memory   peak memory of the driver and of its workers at 100, 1,000 and 10,000 lanes: no growth
  workers  two Ray workers beside one, on the same study: 1.9 times as fast

`--scale 0.01` shrinks the counts of points and lanes. Processor time stands beside the time of the clock,
as the latter counts whatever else the machine does.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import sim
from pipeline.config.compose import read_command, with_hydra
from pipeline.config.grid import Study
from pipeline.config.study import make_study
from pipeline.run.contents import policies_of
from pipeline.run.points import points_table
from pipeline.run.tables import LANES_PER_PART, lane_frame, table_bytes

ROOT = Path(__file__).resolve().parents[2]
POLL_S = 0.05
# A tiny machine, and a millisecond of a single-class workload: some 300 events a lane.
TRIVIAL = (
    "study=overhead", "topology=two_core", "workload=mm1", "simulation.horizon_ns=1000000",
    "simulation.warmup_ns=0", "simulation.window_ns=100000",
)  # fmt: skip
# Heavier lanes, for what is about the workers and not about the pipeline.
HEAVY = ("study=workers", "topology=epyc_7763_2s", "workload=mixed_s2", "simulation.horizon_ns=30000000",
         "simulation.warmup_ns=0")  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One figure: seconds of the clock and of the processors, peak memory, and what the part adds."""

    part: str
    what: str
    seconds: float
    processor_s: float
    peak_mib: float
    facts: str = ""


@dataclass(frozen=True)
class Usage:
    """What a process tree took: its output too."""

    seconds: float
    processor_s: float
    driver_mib: float
    worker_mib: float
    output: str


def axes(points: int) -> list[str]:
    """A grid over the threshold and a limit of about so many points."""
    levels = max(2, round(points**0.5))
    return [
        "policy.threshold_factor=tag(log,interval(0.125,16))",
        "policy.limits.core.rate_per_s=tag(log,interval(100,50000))",
        f"sweep.levels={levels}",
    ]


def run(words: Sequence[str], module: str = "pipeline.sweep") -> Usage:
    """Run a command, and watch its process tree.

    Raises
    ------
    RuntimeError with the end of its output if it fails
    """
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([sys.executable, "-m", module, *words], cwd=ROOT, stdout=log, stderr=log)
        peaks: dict[int, int] = {}
        spent: dict[int, float] = {}
        while process.poll() is None:
            look(psutil.Process(process.pid), peaks, spent)
            time.sleep(POLL_S)
        seconds = time.perf_counter() - began
        log.seek(0)
        output = log.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {process.returncode}:\n{output[-2000:]}")
    others = [memory for pid, memory in peaks.items() if pid != process.pid]
    return Usage(
        seconds,
        sum(spent.values()),
        peaks.get(process.pid, 0) / 2**20,
        max(others, default=0) / 2**20,
        output,
    )


def look(root: psutil.Process, peaks: dict[int, int], spent: dict[int, float]) -> None:
    """Note memory and processor time of a process and all below it."""
    try:
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for one in family:
        try:
            with one.oneshot():
                times = one.cpu_times()
                spent[one.pid] = times.user + times.system
                # The children of Ray's own servers count as workers too: none of them may grow.
                peaks[one.pid] = max(peaks.get(one.pid, 0), one.memory_info().rss)
        except psutil.NoSuchProcess:
            continue


def session(folder: Path) -> dict[str, Any]:
    """What the manifest of the only run below a folder says of its last session."""
    (path,) = folder.glob("*/*/manifest.json")
    found: dict[str, Any] = json.loads(path.read_text())["sessions"][-1]
    return found


# --- parts ----------------------------------------------------------------------------------------


def part_start(folder: Path, scale: float) -> list[Row]:
    """From the command to the first lanes."""
    rows = []
    for cluster in ("inline", "local"):
        out = folder / f"start-{cluster}"
        words = [*TRIVIAL, *axes(4), "replicates=1", f"cluster={cluster}", "tracking=off"]
        usage = run([*words, f"outputs.folder={out}"])
        first = float(session(out)["first_lanes_s"])
        rows.append(Row("start", f"cluster={cluster}", first, usage.processor_s, usage.driver_mib))
    return rows


def part_sweep(folder: Path, scale: float) -> list[Row]:
    """A big sweep of a trivial simulation."""
    points = max(4, int(10_000 * scale))
    words = [*TRIVIAL, *axes(points), "replicates=1", f"outputs.folder={folder / 'sweep'}"]
    usage = run(words)
    found = session(folder / "sweep")
    facts = f"lanes {found['lanes']}, until they are stored {found['seconds']} s"
    return [Row("sweep", f"{points} points", usage.seconds, usage.processor_s, usage.driver_mib, facts)]


def part_tables(folder: Path, scale: float) -> list[Row]:
    """Summary, front and charts over made-up lanes."""
    rows = []
    for points, replicates in ((10_000, 100), (100_000, 10)):
        few = max(4, int(points * scale))
        place = folder / f"tables-{points}" / "made-up"
        write_made_up(place, few, replicates)
        words = [f"run={place}", "record=false"]
        usage = run(words, "pipeline.report")
        what = f"{few} points x {replicates}"
        rows.append(Row("tables", what, usage.seconds, usage.processor_s, usage.driver_mib))
    return rows


def part_record(folder: Path, scale: float) -> list[Row]:
    """A sweep's recording: in a new database, and in one that is there."""
    points = max(4, int(10_000 * scale))
    out = folder / "record"
    run([*TRIVIAL, *axes(points), "replicates=1", "cluster=inline", "tracking=off", f"outputs.folder={out}"])
    (place,) = out.glob("*/*/manifest.json")
    plain = run([f"run={place.parent}", "draw=false"], "pipeline.report")
    rows = []
    for what in ("new database", "database that is there"):
        words = [f"run={place.parent}", "draw=false", "record=true"]
        # Another choice of points, so that there is something to record again.
        words += ["tracking.children=101"] if rows else []
        usage = run(words, "pipeline.report")
        facts = f"of it {usage.seconds - plain.seconds:.1f} s beyond the report"
        rows.append(Row("record", what, usage.seconds, usage.processor_s, usage.worker_mib, facts))
    return rows


def part_memory(folder: Path, scale: float) -> list[Row]:
    """Peak memory of driver and workers against the number of lanes."""
    rows = []
    for lanes in (100, 1000, 10_000):
        count = max(2, int(lanes * scale))
        words = [
            *TRIVIAL,
            f"replicates={count}",
            "tracking=off",
            f"outputs.folder={folder / f'memory-{lanes}'}",
        ]
        usage = run([*words, "policy.threshold_factor=1"])
        facts = f"largest of the other processes {usage.worker_mib:.0f} MiB"
        rows.append(
            Row("memory", f"{count} replicates", usage.seconds, usage.processor_s, usage.driver_mib, facts)
        )
    return rows


def part_workers(folder: Path, scale: float) -> list[Row]:
    """The same study with one worker and with two: time of the lanes alone."""
    rows: list[Row] = []
    rates = []
    for workers in (1, 2):
        out = folder / f"workers-{workers}"
        words = [*HEAVY, "policy.threshold_factor=0.5,1,2,4", f"replicates={max(2, int(60 * scale))}"]
        usage = run([*words, f"cluster.workers={workers}", "tracking=off", f"outputs.folder={out}"])
        found = session(out)
        rates.append(found["events"] / found["lanes_s"])
        busy = found["simulated_s"] / (workers * found["lanes_s"])
        facts = (
            f"{rates[-1] / 1e6:.2f} M events/s, {rates[-1] / rates[0]:.2f} x one worker; "
            f"in the simulator {busy:.0%} of the time"
        )
        rows.append(
            Row("workers", f"{workers}", found["lanes_s"], usage.processor_s, usage.driver_mib, facts)
        )
    return rows


PARTS: dict[str, Callable[[Path, float], list[Row]]] = {
    "start": part_start, "sweep": part_sweep, "tables": part_tables, "record": part_record,
    "memory": part_memory, "workers": part_workers,
}  # fmt: skip


# --- a made-up run --------------------------------------------------------------------------------


def write_made_up(folder: Path, points: int, replicates: int) -> Path:
    """A run folder as a sweep leaves it, with values drawn from a trade-off and noise."""
    command = read_command([*TRIVIAL, *axes(points), f"replicates={replicates}"])
    study = with_hydra(command, lambda: make_study(command))
    (folder / "lanes").mkdir(parents=True)
    (folder / "config.yaml").write_text(json.dumps(study.config.model_dump(mode="json")))
    (folder / "points.parquet").write_bytes(table_bytes(points_table(study.points, study.axes)))
    facts = {
        "study": "made-up", "run_key": folder.name, "axes": list(study.axes), "replicates": replicates,
        "seed": 1, "policies": policies_of(study.points), "command": list(study.command),
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(facts))
    lanes = len(study.points) * replicates
    for part, start in enumerate(range(0, lanes, LANES_PER_PART)):
        numbers = np.arange(start, min(start + LANES_PER_PART, lanes))
        frame = lane_frame(numbers // replicates, numbers % replicates, made_up_lanes(study, numbers))
        (folder / "lanes" / f"part-{part:05d}.parquet").write_bytes(table_bytes(frame))
    return folder


def made_up_lanes(study: Study, lanes: np.ndarray) -> dict[str, np.ndarray]:
    """Every metric of some lanes; the two objectives trade off along the swept limit."""
    points, replicates = lanes // study.replicates, lanes % study.replicates
    share = points / len(study.points)
    rng = np.random.Generator(np.random.PCG64([1, int(lanes[0])]))
    shared = np.random.Generator(np.random.PCG64(2)).standard_normal(study.replicates)[replicates]
    columns: dict[str, np.ndarray] = {"status": np.ones(len(lanes), np.int64)}
    for place, name in enumerate(sim.METRICS):
        noise = 0.02 * shared + 0.05 * rng.standard_normal(len(lanes))
        columns[name] = np.round((1 + place) * (1 + share + noise), 4)
    hidden = rng.random(len(lanes)) * 0.01 + np.modf(points * 0.6180339887)[0]
    columns["load_imbalance"] = 0.05 + 0.5 * (1 - share) ** 2 + 0.1 * hidden
    columns["migration_overhead_share"] = 0.01 + 0.1 * share + 0.02 * hidden
    return columns


# --- the command ----------------------------------------------------------------------------------


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line, checked before anything is measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.overhead", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--only", default=",".join(PARTS), help="parts, of: " + ", ".join(PARTS))
    parser.add_argument("--scale", type=float, default=1.0, help="share of the points and lanes")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args(words)
    options.only = [name for name in options.only.split(",") if name]
    unknown = [name for name in options.only if name not in PARTS]
    if unknown or not options.only:
        parser.error(f"--only {','.join(unknown)!r}: no such part; parts are {', '.join(PARTS)}")
    if not 0 < options.scale <= 1:
        parser.error(f"--scale {options.scale}: must be above 0, and at most 1")
    if options.json is not None and not options.json.absolute().parent.is_dir():
        parser.error(f"--json {options.json}: no such folder as {options.json.absolute().parent}")
    return options


def line(row: Row) -> str:
    """One figure for people."""
    numbers = f"{row.seconds:8.1f} {row.processor_s:10.1f} {row.peak_mib:9.0f}"
    return f"{row.part:<8} {row.what:<24} {numbers}  {row.facts}"


def main(words: Sequence[str] | None = None) -> int:
    """Measure, and print a table."""
    options = arguments(words)
    print(f"{'part':<8} {'what':<24} {'s':>8} {'processor s':>10} {'peak MiB':>8}  facts")
    rows = []
    with tempfile.TemporaryDirectory(prefix="coreshift-overhead-") as folder:
        for name in options.only:
            for row in PARTS[name](Path(folder), options.scale):
                rows.append(row)
                print(line(row), flush=True)
    if options.json is not None:
        about = {"cpus": os.cpu_count(), "load_after": os.getloadavg()[0], "scale": options.scale}
        text = json.dumps({**about, "rows": [asdict(row) for row in rows]}, indent=1)
        options.json.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
