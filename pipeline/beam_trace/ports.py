"""Ports in a replay: one that runs on its own is a process, one inside a process is part of it.

A port takes its turn on a scheduler like a process, one before each process; most of what a port does,
though, it does inside the slice of the process that calls it, and that time is the process's already.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.beam_trace.gaps import is_normal
from pipeline.beam_trace.read import BeamTrace, EventKind
from pipeline.beam_trace.slices import Slices


def without_open_ports(trace: BeamTrace, slices: Slices) -> Slices:
    """Leave out port slices of which one end is missing.

    A port that closes has an in and no out; cut at the end of the recording, as a process's would be, it
    would seem to have run to the end.
    """
    whole = (slices.start_row >= 0) & (slices.stop_row < trace.t_ns.size)
    return slices.take((slices.pid >= 0) | whole)


def enclosing(slices: Slices, schedulers: int, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Port slices of a scheduler, and for each the process's slice around it or -1: indexes into `slices`."""
    here = is_normal(slices, schedulers) & (slices.scheduler == number)
    process = np.flatnonzero(here & (slices.pid >= 0))
    process = process[np.lexsort((slices.start_row[process], slices.start_ns[process]))]
    port = np.flatnonzero(here & (slices.pid < 0))
    if not process.size:
        return port, np.full(port.size, -1, dtype=np.int64)
    at = np.searchsorted(slices.start_row[process], slices.start_row[port]) - 1
    around = process[np.maximum(at, 0)]
    inside = (at >= 0) & (slices.stop_row[around] > slices.start_row[port])
    return port, np.where(inside, around, -1)


def adopt_ports(trace: BeamTrace, slices: Slices) -> tuple[BeamTrace, Slices]:
    """Give what ports sent inside a process's slice to that process; keep the ports that ran on their own.

    Returns
    -------
    the recording with those senders replaced, and the slices of ports that ran on their own
    """
    sends = np.flatnonzero((trace.kind == EventKind.SEND) & (trace.pid < 0))
    pid = trace.pid.copy()
    alone = np.zeros(slices.pid.size, dtype=bool)
    for number in range(1, trace.schedulers + 1):
        port, around = enclosing(slices, trace.schedulers, number)
        alone[port[around < 0]] = True
        nested = np.flatnonzero(around >= 0)
        nested = nested[np.argsort(slices.start_row[port[nested]], kind="stable")]
        if not nested.size or not sends.size:
            continue
        inner, outer = port[nested], around[nested]
        # ports run one at a time on a scheduler, so that the last one begun is the one that sends
        mine = sends[trace.scheduler[sends] == number]
        at = np.searchsorted(slices.start_row[inner], mine) - 1
        near = np.maximum(at, 0)
        hit = (at >= 0) & (slices.stop_row[inner[near]] > mine) & (slices.pid[inner[near]] == trace.pid[mine])
        pid[mine[hit]] = slices.pid[outer[near[hit]]]
    return replace(trace, pid=pid), slices.take(alone)


def merge(ports: Slices, processes: Slices) -> Slices:
    """Slices of ports and processes together, sorted by (pid, start row): ports have negative pids."""
    assert not ports.pid.size or not processes.pid.size or ports.pid.max() < processes.pid.min()
    columns = (
        "pid", "scheduler", "start_ns", "stop_ns", "start_row", "stop_row", "mfa", "is_last",
    )  # fmt: skip
    both = {name: np.concatenate((getattr(ports, name), getattr(processes, name))) for name in columns}
    return Slices(**both, unmatched=processes.unmatched)
