"""What a recording says about itself: summary.json, and the table that is printed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

RATES = ("reductions", "context_switches", "collections")
RATES_TRACED = ("reductions_per_s", "context_switches_per_s")
NS_PER_S = 1e9

SATURATED_SHARE = 0.9
"""Below this busy share, tracing is paid for with idle time: as much is done as without it."""


def window_figures(window: dict[str, Any], schedulers: int) -> dict[str, Any]:
    """Rates of one window, from the totals at its two ends."""
    begin, end = window["begin"], window["end"]
    seconds = (end["t_ns"] - begin["t_ns"]) / NS_PER_S
    wall = {}
    for (number, active, total), (_, active_end, total_end) in zip(begin["wall"], end["wall"], strict=False):
        spent = total_end - total
        wall[str(number)] = round((active_end - active) / spent, 4) if spent > 0 else 0.0
    normal = [share for number, share in wall.items() if int(number) <= schedulers]
    return {
        "seconds": round(seconds, 6),
        **{f"{name}_per_s": round((end[name] - begin[name]) / seconds, 1) for name in RATES},
        "processes": [begin["processes"], end["processes"]],
        "scheduler_wall_time_active_share": wall,
        "busy_share": round(sum(normal) / len(normal), 4) if normal else None,
        "ended_by": window["ended_by"],
    }


def overhead(windows: dict[str, dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """How much less was done in window B than in the mean of A and C, and how much busier the node was."""
    found: dict[str, dict[str, float | None]] = {}
    for name in RATES_TRACED:
        a, b, c = (windows[window][name] for window in "ABC")
        mean = (a + c) / 2
        found[name] = {
            "untraced_A": a,
            "traced_B": b,
            "untraced_C": c,
            "slowdown_share": round(1 - b / mean, 4) if mean > 0 else None,
        }
    a, b, c = (windows[window]["busy_share"] for window in "ABC")
    added = None if None in (a, b, c) else round(b - (a + c) / 2, 4)
    found["busy_share"] = {"untraced_A": a, "traced_B": b, "untraced_C": c, "added_share": added}
    return found


def event_figures(
    events: pl.DataFrame, window_ns: int, schedulers: int, recorder_pids: Sequence[int]
) -> dict[str, Any]:
    """Counts of window B. Slices and migrations are the program's own, without those of the recorder."""
    inside = events.filter((pl.col("t_ns") >= 0) & (pl.col("t_ns") <= window_ns))
    name, scheduler = pl.col("event").cast(pl.String), pl.col("scheduler_id")
    slices = inside.filter(name.is_in(["in", "in_exiting"]) & (pl.col("pid") >= 0))
    slices = slices.filter(~pl.col("pid").is_in(recorder_pids))
    normal = slices.filter(scheduler.is_between(1, schedulers))
    moved = normal.select(
        (scheduler != scheduler.shift(1).over("pid")).fill_null(value=False).sum().alias("moves")
    ).item()
    counts = events["event"].cast(pl.String).value_counts(sort=True)
    return {
        "event_counts": dict(counts.iter_rows()),
        "process_slices": normal.height,
        "process_slices_per_s": round(normal.height / window_ns * NS_PER_S, 1),
        "dirty_slices": slices.height - normal.height,
        "migrations": int(moved),
        "migrations_per_s": round(moved / window_ns * NS_PER_S, 2),
        "spawned": int(inside.filter(name == "spawn").height),
    }


def agreement(events: pl.DataFrame, samples: pl.DataFrame) -> dict[str, float | int | None]:
    """Slices counted from the events against the VM's own context switches, between two samples."""
    traced = samples.filter(pl.col("window") == "B")
    start, stop = traced["t_ns"][0], traced["t_ns"][-1]
    name = pl.col("event").cast(pl.String)
    counted = events.filter(name.is_in(["in", "in_exiting"]) & pl.col("t_ns").is_between(start, stop))
    slices = counted.filter(pl.col("pid") >= 0).height
    switches = int(traced["context_switches"][-1] - traced["context_switches"][0])
    return {
        "context_switches": switches,
        "slices_in_events": slices,
        "slices_per_context_switch": round(slices / switches, 4) if switches else None,
    }


def format_recording(summary: dict[str, Any]) -> str:
    """Lay a recording's figures out for the terminal."""
    windows, cost = summary["windows"], summary["overhead"]
    lines = [f"recorder     {summary['recorder']}: {summary['recorder_note']}"]
    lines += [f"node         Erlang/OTP {summary['system']['otp']}, erts {summary['system']['erts']}, "]
    lines[-1] += f"{summary['system']['schedulers_online']} schedulers online"
    lines += ["", f"{'window':<13}{'seconds':>9}{'reductions/s':>16}{'switches/s':>13}{'busy':>8}"]
    for name, text in zip("ABC", ("A untraced", "B traced", "C untraced"), strict=True):
        w = windows[name]
        rates = f"{w['reductions_per_s']:>16,.0f}{w['context_switches_per_s']:>13,.0f}"
        lines.append(f"{text:<13}{w['seconds']:>9.3f}{rates}{_share(w['busy_share']):>8}")
    lines += ["", *_cost_lines(cost)]
    early = f", stopped early: {summary['stopped_by']}" if summary["stopped_by"] != "time" else ""
    slices, moves = summary["process_slices_per_s"], summary["migrations_per_s"]
    lines += ["", f"events       {summary['events']:,} in {summary['trace_window_s']:.3f} s{early}"]
    lines += [
        f"slices       {slices:,.0f} a second, {moves:,.0f} migrations a second, without the recorder's own"
    ]
    check = summary["agreement"]["slices_per_context_switch"]
    lines += [f"check        {_share(check)} of the VM's own context switches are slices in the events"]
    return "\n".join(lines)


def _cost_lines(cost: dict[str, dict[str, float | None]]) -> list[str]:
    lines = ["slowdown while traced, 1 - B / mean(A, C):"]
    for name in RATES_TRACED:
        figures = cost[name]
        a, c = figures["untraced_A"] or 0.0, figures["untraced_C"] or 0.0
        apart = abs(a - c) / ((a + c) / 2) if a + c > 0 else None
        what, share = name.removesuffix("_per_s").replace("_", " "), _share(figures["slowdown_share"])
        lines.append(f"  {what:<18}{share:>8}   (A and C differ by {_share(apart)})")
    busy = cost["busy_share"]
    added, traced = busy["added_share"], busy["traced_B"]
    if added is not None and traced is not None:
        untraced = _share(traced - added)
        points = f"{100 * added:+.1f}"
        lines.append(f"  {'CPU use':<18}{points:>8}   points ({_share(traced)} traced, {untraced} untraced)")
        if traced < SATURATED_SHARE:
            lines.append("  Tracing took idle time at this load: its cost is the CPU use, not the slowdown.")
    return lines


def _share(value: float | None) -> str:
    return "unknown" if value is None or not np.isfinite(value) else f"{value:.1%}"
