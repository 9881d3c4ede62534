"""Speed of the kernel, beside a plain C program of the same system in the same minutes.

    python -m tests.bench.bench_kernel [--json FILE] [--events N] [--repetitions N]

CPU time of one thread. Each repetition runs the kernel, then C, so that both meet the same state of the
machine; the ratio is taken within a repetition, and given as its median and its least and greatest value.
Compilation and the making of tables are left out. Both programs handle about the same number of events of the
same kinds; their random numbers differ, so they agree in utilisation and mean waiting time only.
"""

import argparse
import hashlib
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import sim
from sim.arena import Arena
from sim.plan import plan_of
from sim.simulate import run_one
from tests.analytic.queues import FREE, SHARE, STAY, cores, customers

HERE = Path(__file__).parent
SIZES = ((8, 64), (16, 512), (64, 1024), (64, 4096), (128, 16_384))
QUANTUM, RUN_NS, UTILISATION, LOAD = 4000, 8000.0, 0.95, 0.8
EVENTS_A_RUN = 1 + 1 / (1 - np.exp(-QUANTUM / RUN_NS))  # a timer, and the slices of an exponential demand


@dataclass(frozen=True)
class Case:
    """One system: its name, unit of speed, lane, and the words of the C program's command line."""

    name: str
    unit: str  # the counter that speed is given in
    topology: sim.Topology
    workload: sim.Workload
    policy: sim.Policy
    simulation: sim.Simulation
    program: str
    words: tuple[str, ...]


def utilisation(num_cores: int, population: int, block_ns: float) -> float:
    """Utilisation of M/M/c//N (Palm 1947), in logarithms: the weights overflow."""
    k = np.arange(1, population + 1)
    steps = np.log((population - k + 1) * RUN_NS / block_ns / np.minimum(k, num_cores))
    weights = np.concatenate(([0.0], np.cumsum(steps)))
    weights = np.exp(weights - weights.max())
    return float(
        (weights * np.minimum(np.arange(population + 1), num_cores)).sum() / weights.sum() / num_cores
    )


def block_mean(num_cores: int, population: int) -> float:
    """Mean time of blocking at which the cores are busy for UTILISATION of the time, by bisection."""
    low, high = 1.0, 1e9
    for _ in range(80):
        middle = (low * high) ** 0.5
        low, high = (
            (middle, high) if utilisation(num_cores, population, middle) > UTILISATION else (low, middle)
        )
    return low


def closed_case(num_cores: int, population: int, events: int) -> Case:
    """Processes that run and block for ever, quanta, free stealing from the longest queue."""
    block_ns = block_mean(num_cores, population)
    horizon = int(events / EVENTS_A_RUN * RUN_NS / UTILISATION / num_cores)
    steps = (("run", RUN_NS), ("block", block_ns))
    program = tuple(sim.Step(op=op, draw=sim.Distribution(mean=mean)) for op, mean in steps)
    kind = sim.ProcessClass(name="one", count=population, program=program)
    return Case(
        f"closed {num_cores} cores {population} processes",
        "event_count",
        cores(num_cores),
        sim.Workload(ns_per_reduction=1.0, classes=(kind,)),
        SHARE,
        sim.Simulation(horizon_ns=horizon, warmup_ns=0, window_ns=horizon, quantum_reds=QUANTUM),
        "closed",
        tuple(map(str, (num_cores, population, QUANTUM, RUN_NS, block_ns, horizon))),
    )


def mm1_case(events: int) -> Case:
    """M/M/1, two events a customer."""
    horizon = int(events / 2 * RUN_NS / LOAD)
    return Case(
        f"M/M/1 at load {LOAD}",
        "completed_count",
        cores(1),
        customers(sim.Distribution(mean=RUN_NS), load=LOAD),
        STAY,
        sim.Simulation(horizon_ns=horizon, warmup_ns=0, window_ns=horizon, quantum_reds=0),
        "mm1",
        tuple(map(str, (RUN_NS / LOAD, RUN_NS, horizon))),
    )


def compile_c(folder: Path) -> bool:
    """Compile the C programs into a folder; False without a compiler."""
    compiler = shutil.which("cc")
    for name in ("closed", "mm1") if compiler else ():
        source, target = HERE / f"{name}.c", folder / name
        command = [compiler, "-O3", "-march=native", "-o", target, source, "-lm"]
        subprocess.run(list(map(str, command)), check=True)
    return compiler is not None


def run_c(case: Case, folder: Path, seed: int) -> tuple[int, float, float]:
    """Count, CPU seconds, and the program's own check value."""
    command = [str(folder / case.program), *case.words, str(seed)]
    count, seconds, check = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(count), float(seconds), float(check)


def digest_of(metrics: dict[str, float]) -> str:
    """The first 16 hex digits of SHA-256 over a lane's metrics: the same on every machine."""
    return hashlib.sha256(json.dumps(metrics, sort_keys=True).encode()).hexdigest()[:16]


def measure(case: Case, folder: Path | None, repetitions: int) -> dict:
    """Speeds of one case: kernel, C, and their ratio."""
    plan = plan_of(case.topology, case.workload, [sim.Lane(case.policy, FREE, 1)], case.simulation)
    arena = Arena(plan)
    status, metrics, _ = run_one(plan, arena, 0)  # compiles, and touches the memory
    assert status == sim.LaneStatus.COMPLETED
    kernel, plain, checks = [], [], []
    for repetition in range(repetitions):
        began = time.process_time()
        _, again, _ = run_one(plan, arena, 0)
        kernel.append(again[case.unit] / max(1e-9, time.process_time() - began))
        assert digest_of(again) == digest_of(metrics)
        if folder is not None:
            count, seconds, check = run_c(case, folder, repetition)
            plain.append(count / max(1e-9, seconds))
            checks.append(check)
    ratios = [a / b for a, b in zip(kernel, plain, strict=False)]
    return {
        "case": case.name,
        "unit": case.unit,
        "count": metrics[case.unit],
        "kernel_per_s": statistics.median(kernel),
        "kernel_spread": [min(kernel), max(kernel)],
        "c_per_s": statistics.median(plain) if plain else None,
        "ratio": statistics.median(ratios) if ratios else None,
        "ratio_spread": [min(ratios), max(ratios)] if ratios else None,
        "check": metrics["utilisation" if case.program == "closed" else "waiting_mean_ns"],
        "c_check": statistics.fmean(checks) if checks else None,
        "migrations": metrics["migration_count"],
        "digest": digest_of(metrics),
    }


def run_all(cases: list[Case], repetitions: int) -> list[dict]:
    """Measure every case, and print a line each."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) if compile_c(Path(name)) else None
        print(f"{'system':<34} {'kernel M/s':>10} {'C M/s':>7} {'kernel/C (least-greatest)':>26}  digest")
        for case in cases:
            row = measure(case, folder, repetitions)
            rows.append(row)
            c, ratio = "no cc", "-"
            if row["ratio"] is not None:
                least, greatest = row["ratio_spread"]
                c, ratio = f"{row['c_per_s'] / 1e6:.2f}", f"{row['ratio']:.2f} ({least:.2f}-{greatest:.2f})"
            print(f"{row['case']:<34} {row['kernel_per_s'] / 1e6:>10.2f} {c:>7} {ratio:>26}  {row['digest']}")
    return rows


def all_cases(events: int) -> list[Case]:
    """The closed systems and the open queue, each of about so many events."""
    return [*(closed_case(*size, events) for size in SIZES), mm1_case(events)]


def main() -> None:
    """Read the command line, measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--events", type=int, default=3_000_000, help="of one run")
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    print(f"compiled or loaded in {sim.compile_kernels():.1f} s")
    rows = run_all(all_cases(options.events), options.repetitions)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
