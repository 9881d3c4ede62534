"""Who ran where from when to when, of a recording and of its replay in one form, to measure both alike."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.beam_trace.causes import LAG_MAX_NS
from pipeline.beam_trace.gaps import index_rows, is_normal, waiting_before
from pipeline.beam_trace.lumps import find_lumps
from pipeline.beam_trace.ports import adopt_ports, merge, without_open_ports
from pipeline.beam_trace.read import BeamTrace
from pipeline.beam_trace.slices import pair_slices

NOT_WOKEN = -1

# sim/kernels/log.py
DISPATCH, PREEMPT, BLOCK, WAIT, EXIT, SEGMENT = 2, 3, 4, 5, 6, 10


@dataclass(frozen=True, eq=False)
class Schedule:
    """Slices on normal schedulers, sorted by (process, start); columns are (slice,) arrays.

    process : number, negative for ports; scheduler : from 0; start_ns, stop_ns : without the switch before it
    woken_ns : from the message that ended its wait to its start, NOT_WOKEN for any other slice
    busy_ns : of it, time on the core, less than its length where the system ran something else
    """

    process: NDArray[np.int64]
    scheduler: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    stop_ns: NDArray[np.int64]
    woken_ns: NDArray[np.int64]
    busy_ns: NDArray[np.int64]


def recorded_schedule(trace: BeamTrace, ns_per_reduction: float) -> Schedule:
    """The schedule of a recording, without the recorder's own processes."""
    everything = without_open_ports(trace, pair_slices(trace))
    trace, ports = adopt_ports(trace, everything)
    processes = everything.take((everything.pid >= 0) & ~np.isin(everything.pid, trace.recorder_pids))
    indexes = index_rows(trace)
    waits = waiting_before(trace, processes, indexes, ns_per_reduction)
    slices = merge(ports, processes)
    waits = np.append(np.zeros(ports.pid.size, dtype=bool), waits)
    stop_row = np.append(-1, slices.stop_row[:-1])
    send = indexes.send.first(slices.pid, stop_row, slices.start_row)
    runnable = indexes.runnable.first(slices.pid, stop_row, slices.start_row)
    send_ns = trace.t_ns[np.maximum(send, 0)]
    ready_ns = np.where(runnable >= 0, trace.t_ns[np.maximum(runnable, 0)], send_ns)
    caused = waits & (send >= 0) & (send_ns <= ready_ns + LAG_MAX_NS)
    lumps = find_lumps(trace, slices)
    length = slices.stop_ns - slices.start_ns
    normal = is_normal(slices, trace.schedulers)
    return Schedule(
        process=slices.pid[normal],
        scheduler=slices.scheduler[normal] - 1,
        start_ns=slices.start_ns[normal],
        stop_ns=slices.stop_ns[normal],
        woken_ns=np.where(caused, slices.start_ns - ready_ns, NOT_WOKEN)[normal],
        busy_ns=np.where(length > lumps.limit_ns, lumps.cut_ns, length)[normal],
    )


def simulated_schedule(log: NDArray[np.int64], ports: NDArray[np.bool_], dispatch_ns: int) -> Schedule:
    """The schedule in a lane's log. Slices in which nothing was run are left out: they have no counterpart.

    Parameters
    ----------
    log : (entry, 6) of sim.simulate_logged, complete
    ports : (slot,) of the processes there at the start, in order: it is a port
    dispatch_ns : what a switch from another process takes at the start of a slice
    """
    code, core, slot = log[:, 1], log[:, 2], log[:, 3]
    ends = np.isin(code, (PREEMPT, BLOCK, WAIT, EXIT))
    rows = np.flatnonzero((code == DISPATCH) | ends | (code == SEGMENT))
    rows = rows[np.argsort(core[rows], kind="stable")]
    begins = np.flatnonzero(code[rows] == DISPATCH)
    # of a core's rows: a dispatch, its segments, and the end of the slice
    last = np.append(begins[1:], rows.size) - 1
    whole = ends[rows[last]] & (slot[rows[last]] == slot[rows[begins]])
    reds = np.where(code[rows] == SEGMENT, log[rows, 4], 0)
    done = np.add.reduceat(reds, begins) if begins.size else reds
    first, final = rows[begins], rows[last]
    others = np.append(True, (slot[first][1:] != slot[first][:-1]) | (core[first][1:] != core[first][:-1]))
    start_ns = np.minimum(log[first, 0] + np.where(others[: first.size], dispatch_ns, 0), log[final, 0])
    order = np.lexsort((log[first, 0], slot[first]))
    order = order[whole[order]]
    first, final, done, start_ns = first[order], final[order], done[order], start_ns[order]
    same_slot = np.append(False, slot[first][1:] == slot[first][:-1])
    exited = np.append(False, code[final][:-1] == EXIT) & same_slot
    waited = np.append(False, code[final][:-1] == WAIT) & same_slot
    life = np.cumsum(~same_slot | exited)
    first_life = np.append(True, slot[first][1:] != slot[first][:-1]) if first.size else same_slot
    in_first = ~np.where(same_slot, _since(exited, first_life), False)
    is_port = in_first & (slot[first] < ports.size)
    is_port &= ports[np.minimum(slot[first], max(ports.size - 1, 0))] if ports.size else False
    keep = done > 0
    woken = np.where(waited & ~exited, log[first, 5], NOT_WOKEN)
    return Schedule(
        process=np.where(is_port, -1 - slot[first], life)[keep],
        scheduler=core[first][keep],
        start_ns=start_ns[keep],
        stop_ns=log[final, 0][keep],
        woken_ns=woken[keep],
        busy_ns=(log[final, 0] - start_ns)[keep],
    )


def _since(mark: NDArray[np.bool_], first: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a mark was met since the last `first`."""
    total = np.cumsum(mark)
    base = np.maximum.accumulate(np.where(first, total - mark, 0))
    return total > base
