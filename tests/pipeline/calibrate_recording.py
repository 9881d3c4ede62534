"""Made-up recordings whose constants are known, for what fits them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tests.unit.beam_trace.recording import EVENT_SCHEMA, summary, write_recording

SAMPLE_NS = 5_000_000
WAITER, FIRST = 50, 100
"""Pids: the process that is woken, and the first of those that run."""


@dataclass(frozen=True)
class Truth:
    """The constants that a made-up recording is made of."""

    window_ns: int = 1_000_000_000
    ns_per_reduction: tuple[float, float] = (12.0, 45.0)  # of wl:fast/0 and wl:slow/0
    processes: int = 4  # a class
    dispatch_ns: int = 480
    spin_ns: int = 220_000
    spin_wake_ns: int = 1_100
    wake_ns: int = 19_000
    phases: bool = True  # the share of the classes changes with time; False = always half and half
    sends: bool = True
    idles: bool = True
    counters: bool = False
    noise: float = 0.03  # of the reductions of a slice, relative
    seed: int = 8


def make_recording(folder: Path, truth: Truth) -> Path:
    """Write the recording: scheduler 1 works, 2 is idle and woken now and then, 3 is idle throughout."""
    generator = np.random.default_rng(truth.seed)
    rows: list[list] = []
    slices = _work(rows, truth, generator)
    if truth.idles:
        rows.append([5, "sched_inactive", None, 3, None, None])
        slices += _wakes(rows, truth, generator)
    rows.sort(key=lambda row: row[0])
    events = pl.DataFrame([[*row, None, None] for row in rows], schema=EVENT_SCHEMA, orient="row")
    info = summary()
    info["trace_window_s"] = truth.window_ns / 1e9
    info["system"]["schedulers"] = 3
    parts = {"events": events, "samples": _samples(slices, truth), "processes": _processes(slices, truth)}
    return write_recording(folder, [], summary=info, **parts)


def _work(rows: list, truth: Truth, generator: np.random.Generator) -> list[tuple[int, int, float]]:
    """Fill scheduler 1; returns (stop, pid, reductions) of its slices."""
    slices, t_ns, turn = [], 1000, 0
    while t_ns < truth.window_ns - 2_000_000:
        share = 0.5 + 0.4 * np.sin(t_ns / 37e6) if truth.phases else 0.5
        kind = int(generator.random() > share) if truth.phases else turn % 2
        turn += 1
        pid = FIRST + kind * truth.processes + int(generator.integers(truth.processes))
        spent = int(generator.exponential(90_000)) + 2000 if truth.phases else 50_000
        rows.append([t_ns, "in", pid, 1, None, "wl:loop/1"])
        rows.append([t_ns + spent, "out", pid, 1, None, "wl:loop/1"])
        # One process's reductions differ from turn to turn.
        noise = max(1 + truth.noise * generator.standard_normal(), 0.0)
        slices.append((t_ns + spent, pid, spent / truth.ns_per_reduction[kind] * noise))
        gap = truth.dispatch_ns + 10 * int(generator.integers(-3, 4))
        # A third of the gaps hold something else too.
        gap += int(generator.exponential(3000)) if generator.random() < 0.3 else 0
        t_ns += spent + gap
    return slices


def _wakes(rows: list, truth: Truth, generator: np.random.Generator) -> list[tuple[int, int, float]]:
    """Wake the waiting process on scheduler 2 after idle times of all sizes."""
    rows += [[100, "in", WAITER, 2, None, "wl:wait/0"], [2100, "out", WAITER, 2, None, "wl:wait/0"]]
    slices, t_ns = [(2100, WAITER, 100.0)], 2200
    while t_ns < truth.window_ns - 4_000_000:
        rows.append([t_ns, "sched_inactive", None, 2, None, None])
        idle = int(np.exp(generator.uniform(np.log(3e3), np.log(2e6))))
        sent = t_ns + idle
        level = truth.spin_wake_ns if idle < truth.spin_ns else truth.wake_ns
        active = sent + int(level * np.exp(0.3 * generator.standard_normal()))
        if truth.sends:
            rows.append([sent, "send", FIRST, 1, WAITER, None])
        rows.append([active, "sched_active", None, 2, None, None])
        rows.append([active + 400, "in", WAITER, 2, None, "wl:wait/0"])
        rows.append([active + 2400, "out", WAITER, 2, None, "wl:wait/0"])
        slices.append((active + 2400, WAITER, 100.0))
        t_ns = active + 2500
    return slices


def _samples(slices: list[tuple[int, int, float]], truth: Truth) -> pl.DataFrame:
    times = np.arange(0, truth.window_ns + 1, SAMPLE_NS)
    order = np.argsort([stop for stop, _, _ in slices], kind="stable")
    stops = np.array([slices[at][0] for at in order])
    totals = np.append(0.0, np.cumsum([slices[at][2] for at in order]))
    done = totals[np.searchsorted(stops, times, side="right")].astype(np.int64)
    return pl.DataFrame({"t_ns": times, "window": ["B"] * times.size, "reductions": done})


def _processes(slices: list[tuple[int, int, float]], truth: Truth) -> pl.DataFrame:
    pids = [WAITER, *range(FIRST, FIRST + 2 * truth.processes)]
    calls = ["wl:wait/0", *["wl:fast/0"] * truth.processes, *["wl:slow/0"] * truth.processes]
    done = dict.fromkeys(pids, 0.0)
    for _, pid, reductions in slices:
        done[pid] += reductions
    rows = [
        (when, pid, call, call, "waiting", 500, 1000 + round(done[pid] * (when == "end")))
        for when in ("start", "end")
        for pid, call in zip(pids, calls, strict=True)
    ]
    names = ["when", "pid", "initial_call", "current_function", "status", "total_heap_words", "reductions"]
    table = pl.DataFrame(rows, schema=names, orient="row")
    return table if truth.counters else table.drop("reductions")
