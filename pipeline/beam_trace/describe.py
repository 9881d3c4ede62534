"""Summarise a replay trace in the figures that a reader compares with the recording."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sim import NO_EDGE, ReplayOp, ReplayTrace

NANOSECONDS = 1e9


def describe(trace: ReplayTrace) -> dict[str, str | int | float]:
    """Count the operations of a trace and say how long they take.

    Returns
    -------
    dict, in reading order: name, window, processes; run, block, wait, send and spawn figures;
    working sets; load. `run_*` are bursts: what a process runs between two other operations, not
    the slices of the recording, since preemptions are merged and sends cut. `offered_cores` is
    run time over the window: the machine's load is that divided by its cores.
    """
    op, value = trace.op, trace.value
    run, block = value[op == ReplayOp.RUN], value[op == ReplayOp.BLOCK]
    seconds = trace.window_ns / NANOSECONDS
    run_ns = int(run.sum())
    spawned = int(np.count_nonzero(op == ReplayOp.SPAWN))
    sent = value[op == ReplayOp.SEND]
    sizes = value[op == ReplayOp.BEGIN]
    return {
        "name": trace.name,
        "window_s": seconds,
        "rows": int(op.size),
        "processes": trace.process_count,
        "spawned": spawned,
        "spawned_per_s": spawned / seconds,
        "exited": int(np.count_nonzero(op == ReplayOp.EXIT)),
        "runs": int(run.size),
        "run_total_s": run_ns / NANOSECONDS,
        "run_mean_us": _mean(run) / 1e3,
        "run_p50_us": _quantile(run, 0.50) / 1e3,
        "run_p99_us": _quantile(run, 0.99) / 1e3,
        "blocks": int(block.size),
        "block_p50_us": _quantile(block, 0.50) / 1e3,
        "waits": trace.edge_count,
        "sends": int(sent.size),
        "sends_that_wake": int(np.count_nonzero(sent != NO_EDGE)),
        "working_set_p50_bytes": int(_quantile(sizes, 0.50)),
        "working_set_p99_bytes": int(_quantile(sizes, 0.99)),
        "ns_per_reduction": trace.ns_per_reduction,
        "schedulers": trace.schedulers,
        "busy_share": trace.busy_ns / (trace.schedulers * trace.window_ns),
        "offered_cores": run_ns / trace.window_ns,
    }


def format_description(
    figures: Mapping[str, str | int | float], notes: Mapping[str, str] | None = None
) -> str:
    """Lay a description out as aligned lines of name and value.

    Parameters
    ----------
    notes : of the file; a note NAME_from says where figure NAME is from, and goes beside it
    """
    width = max(len(name) for name in figures)
    lines = []
    for name, value in figures.items():
        origin = (notes or {}).get(f"{name}_from", "")
        lines.append(f"{name:<{width}}  {_shown(value)}" + (f" ({origin})" if origin else ""))
    return "\n".join(lines)


def _shown(value: str | int | float) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def _mean(column: NDArray[np.int64]) -> float:
    return float(column.mean()) if column.size else 0.0


def _quantile(column: NDArray[np.int64], share: float) -> float:
    # "lower" is a value that occurs, so that figures do not depend on interpolation.
    return float(np.quantile(column, share, method="lower")) if column.size else 0.0
