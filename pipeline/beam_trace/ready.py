"""Infer when a process became ready, where the recording does not say so.

Between the out and the next in of a process that waits, part of the time it stands in a run queue
already. Replayed as time away that part would be queued for twice. A preemption, a recorded message,
a spawn and a `runnable` event tell when the process became ready; a timer, I/O, an unrecorded message
do not. For those the run queue does: it is first in, first out, so on each scheduler ready times do
not fall in the order of dispatch. Hence, for a process that stayed on its scheduler:

- not before any dispatch that precedes it became ready, as far as known; nor before the scheduler last
  ran out of work; nor before its own out;
- not after any dispatch that follows it became ready, as far as known; nor after its own in.

Not on the scheduler's queue in this sense, and left out: processes of another priority than normal,
and those that came from another scheduler (they were stolen or moved, at an unknown time). Known times
that contradict each other are not used either: a longest non-falling subsequence of them is kept.

On a scheduler that ran nothing for `IDLE_NS` before the in: `WAKE_NS` before it. Else, if the bounds are at
most `NARROW_NS` apart:

- the first end of a slice on its scheduler within them, where messages were recorded: what is unknown then
  is mostly timers, which the scheduler looks at between two slices;
- else evenly spread: of k processes with the same earlier bound, the i-th at i / (k + 1) of the way.

Bounds farther apart: where messages were recorded, nothing known happened for long, so that the queue was
short: the later one. Else little is known at all, and the sampled lengths of the run queue tell: what
stands in it is what is dispatched next. (This last rule was made after hackbench-s2 and big-s2, whose
queues of 27 to 123 processes had come out at 11 to 19; those two are no independent test of it.)

Measured on the two -prof runs, whose `runnable` events know (waits that no recorded message ended; then all
waits, as if messages had not been recorded); error is inferred - true, `today` takes the process for ready
at its in, as earlier conversions did (median and p90 of its size):

| recording | waits | how | median us | p90 us | mean us | bias us | within 10 us |
| --- | --- | --- | --- | --- | --- | --- | --- |
| mixed-s2-prof | 2654 | today | 66.2 | 334.6 | 283.4 | 283.4 | 22.1 % |
| | | inferred | 4.8 | 74.1 | 149.4 | 143.9 | 63.7 % |
| mixed-s2-prof, messages hidden | 41189 | today | 30.7 | 123.1 | 124.1 | 124.1 | 24.4 % |
| | | inferred | 7.8 | 43.5 | 73.1 | 38.7 | 55.9 % |
| httpd-s2-prof | 2349 | today | 8.9 | 67.0 | 24.0 | 24.0 | 55.2 % |
| | | inferred | 1.5 | 8.5 | 6.0 | 1.5 | 91.8 % |
| httpd-s2-prof, messages hidden | 9010 | today | 5.6 | 26.8 | 15.1 | 15.1 | 69.3 % |
| | | inferred | 4.1 | 28.0 | 12.5 | 1.6 | 73.0 % |

These are the runs that `NARROW_NS` and the rule were chosen with; there are no others that know.
"""

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.beam_trace.gaps import is_normal
from pipeline.beam_trace.read import MISSING, BeamTrace, EventKind
from pipeline.beam_trace.slices import Slices

NARROW_NS = 200_000
"""Of 20 to 400 us this gave the least errors on both -prof runs; it is a few full slices."""

SAMPLES_MIN = 3
"""Of a run queue's length; fewer say nothing."""

IDLE_NS = 10_000
"""A scheduler that ran nothing for so long had an empty queue: true of 75 to 99 % in httpd-s2-prof."""

WAKE_NS = 10_000
"""From ready to running on an idle scheduler, in the median of httpd-s2-prof."""

LATEST = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Gaps:
    """What is known of the gap before each slice; columns are (slice,) arrays beside `slices`.

    earliest_ns : end of the slice before, MISSING without one; known_ns : when it became ready, or MISSING
    home : scheduler whose queue it stood in, unless it was moved
    """

    slices: Slices
    earliest_ns: NDArray[np.int64]
    known_ns: NDArray[np.int64]
    home: NDArray[np.int64]


def infer_ready(trace: BeamTrace, everything: Slices, gaps: Gaps) -> NDArray[np.int64]:
    """When the process of each slice became ready before it: int64 (slice,), ns.

    Known times are returned as they are; where neither rule nor bound applies, the time of the in.

    Parameters
    ----------
    everything : all slices of the recording, of ports and of the recorder too

    Complexity and determinism
    --------------------------
    O(slices log slices); equal times keep the order of the slices
    """
    slices = gaps.slices
    normal = is_normal(slices, trace.schedulers)
    ready = slices.start_ns.copy()
    others = other_priorities(trace)
    for number in range(1, trace.schedulers + 1):
        of = np.flatnonzero(normal & (slices.scheduler == number) & (gaps.home == number))
        of = of[(slices.pid[of] >= 0) & ~np.isin(slices.pid[of], others)]
        of = of[np.argsort(slices.start_ns[of], kind="stable")]
        if of.size:
            here = everything.take(everything.scheduler == number)
            ready[of] = _choose(
                trace, here, number, (slices.start_ns[of], gaps.earliest_ns[of], gaps.known_ns[of])
            )
    return np.where(gaps.known_ns != MISSING, gaps.known_ns, ready)


def _choose(
    trace: BeamTrace,
    here: Slices,
    number: int,
    gaps: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
) -> NDArray[np.int64]:
    """Ready times of one scheduler's dispatches, in order of dispatch.

    Parameters
    ----------
    here : every slice on the scheduler
    gaps : start, earliest and known time of each dispatch
    """
    start, earliest, known = gaps
    idle = trace.t_ns[(trace.kind == EventKind.INACTIVE) & (trace.scheduler == number)]
    low, high = _bounds(known, start, idle)
    low = np.minimum(np.maximum(low, np.maximum(earliest, min(int(trace.t_ns[0]), 0))), high)
    if trace.has_sends:
        ends = np.sort(here.stop_ns)
        after = np.searchsorted(ends, low)
        within = np.where(after < ends.size, ends[np.minimum(after, ends.size - 1)], high)
        far = high
    else:
        within = _spread(low, high, known == MISSING)
        far = _arrivals(trace, here, number, start, high)
    chosen = np.where(high - low <= NARROW_NS, within, far)
    chosen = np.where(start - _busy_until(here, start) >= IDLE_NS, start - WAKE_NS, chosen)
    return np.clip(chosen, low, high)


def other_priorities(trace: BeamTrace) -> NDArray[np.int64]:
    """Processes that do not stand in the queue of priority normal, as far as procs.parquet tells."""
    path = trace.folder / "procs.parquet"
    try:
        table = pl.DataFrame(pq.read_table(path, columns=["pid", "priority"]))
    except (pa.ArrowException, OSError):
        return np.empty(0, dtype=np.int64)  # a recording without priorities: all are taken for normal
    found = table.drop_nulls().filter(pl.col("priority") != "normal")["pid"].unique()
    return found.cast(pl.Int64).to_numpy()


def homes(trace: BeamTrace, slices: Slices, born_row: NDArray[np.int64]) -> NDArray[np.int64]:
    """Scheduler of the slice before, dirty ones passed over; of a first slice its parent's, else its own.

    Parameters
    ----------
    born_row : row of the spawn of each slice's process, -1 if not recorded
    """
    normal = is_normal(slices, trace.schedulers)
    place = np.where(normal, np.arange(slices.pid.size), -1)
    before = np.append(-1, np.maximum.accumulate(place)[:-1])
    at = np.maximum(before, 0)
    follows = (before >= 0) & (slices.pid[at] == slices.pid)
    spawned = trace.scheduler[np.maximum(born_row, 0)]
    first = np.where((born_row >= 0) & (spawned >= 1), spawned, slices.scheduler)
    return np.where(follows, slices.scheduler[at], first)


def _arrivals(
    trace: BeamTrace, here: Slices, number: int, start: NDArray[np.int64], otherwise: NDArray[np.int64]
) -> NDArray[np.int64]:
    """When each dispatch entered the queue, by the sampled lengths of the queue; `otherwise` if not sampled.

    Until t as many have entered as were dispatched before t and stand in the queue at t. Between samples the
    length is taken for linear; of times at which the count would fall, the first is taken.
    """
    name = f"run_queue_{number}"
    try:
        table = pl.DataFrame(pq.read_table(trace.folder / "samples.parquet", columns=["t_ns", name]))
    except (pa.ArrowException, OSError):
        return otherwise
    table = table.drop_nulls().sort("t_ns").filter(pl.col("t_ns").is_between(*trace.t_ns[[0, -1]]))
    if table.height < SAMPLES_MIN:
        return otherwise
    begun = np.sort(here.start_ns)
    times = np.sort(np.concatenate((begun, table["t_ns"].cast(pl.Int64).to_numpy())))
    length = np.interp(times, table["t_ns"].to_numpy(), table[name].to_numpy())
    entered = np.maximum.accumulate(np.searchsorted(begun, times) + length)
    place = np.searchsorted(begun, start) + 1
    return np.asarray(np.interp(place, entered, times), dtype=np.int64)


def _busy_until(here: Slices, start: NDArray[np.int64]) -> NDArray[np.int64]:
    """Until when a scheduler ran something before each of these starts of its slices."""
    order = np.argsort(here.start_ns, kind="stable")
    begin, end = here.start_ns[order], np.maximum.accumulate(here.stop_ns[order])
    at = np.searchsorted(begin, start) - 1
    return np.where(at >= 0, end[np.maximum(at, 0)], begin[0])


def _bounds(
    known: NDArray[np.int64], start: NDArray[np.int64], idle: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Earliest and latest ready time of each dispatch of one scheduler, in order of dispatch."""
    have = np.flatnonzero(known != MISSING)
    have = have[longest_rise(known[have])]
    low, high = np.full(known.size, MISSING), np.full(known.size, LATEST)
    low[have] = high[have] = known[have]
    at = np.searchsorted(idle, start) - 1
    since = np.where(at >= 0, idle[np.maximum(at, 0)], MISSING) if idle.size else low
    earlier = np.append(MISSING, low[:-1])[: low.size]
    later = np.append(high[1:], LATEST)[: high.size]
    low = np.maximum.accumulate(np.maximum(earlier, since))
    high = np.minimum.accumulate(later[::-1])[::-1]
    return low, np.minimum(high, start)


def _spread(low: NDArray[np.int64], high: NDArray[np.int64], unknown: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Spread the unknown ones with the same earlier bound evenly."""
    frame = pl.DataFrame({"low": low[unknown]})
    frame = frame.select(
        pl.int_range(1, pl.len() + 1).over("low").alias("place"), pl.len().over("low").alias("count")
    )
    share = np.zeros(low.size)
    share[unknown] = (frame["place"] / (frame["count"] + 1)).to_numpy()
    # the difference, not the times, in float: they need more than 53 bits after 104 days only
    return low + ((high - low) * share).astype(np.int64)


def longest_rise(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark a longest non-falling subsequence (patience sorting)."""
    numbers = values.tolist()
    tails: list[int] = []
    last: list[int] = []
    before = [-1] * len(numbers)
    for place, number in enumerate(numbers):
        pile = bisect_right(tails, number)
        if pile == len(tails):
            tails.append(number)
            last.append(place)
        else:
            tails[pile], last[pile] = number, place
        before[place] = last[pile - 1] if pile else -1
    keep = np.zeros(len(numbers), dtype=bool)
    place = last[-1] if last else -1
    while place >= 0:
        keep[place] = True
        place = before[place]
    return keep
