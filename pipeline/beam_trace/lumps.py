"""Take out of the slices the time in which another scheduler of the same recording had their core.

Where a BEAM has more schedulers than cores, a scheduler thread often stands ready without a core, and by
the clock the slice that it is in goes on, by 0.2 to 50 ms. A replay with as many schedulers on as few cores
shares them anew, so that this time must not be work as well: a stretch of a slice that is far longer than
the slices of its recording is cut to a long slice, the longest first, until as much time is gone as the
system says that the scheduler threads waited for a core (summary.json, run_delay_s of window B). In
hackbench-s4 the cuts make up all of that.

With a core for each scheduler nothing is cut. Dirty schedulers and other programs took the time there
(mixed-s2: 0.70 s of 2.49 s), none of which is replayed: it stays work, and keeps the replay's load what it
was. The price is that a lump is preempted in the replay, in which it takes up many slices.
"""

import json
from dataclasses import dataclass

import numpy as np

from pipeline.beam_trace.gaps import is_normal
from pipeline.beam_trace.read import BeamTrace
from pipeline.beam_trace.slices import Slices

LUMP_MIN_NS = 200_000
TYPICAL_QUANTILE = 0.95
TYPICAL_TIMES = 4
"""A lump is longer than LUMP_MIN_NS and than this many times the 95 % quantile of all slices."""


@dataclass(frozen=True)
class Lumps:
    """A stretch of a slice longer than `limit_ns` is cut to `cut_ns`."""

    limit_ns: int
    cut_ns: int


def find_lumps(trace: BeamTrace, slices: Slices) -> Lumps:
    """What to cut; a limit of the window's length if nothing is.

    Cut to the 95 % quantile of all slices: the longer a slice, the likelier it was interrupted.
    """
    delay_ns = scheduler_delay_ns(trace) if has_shared_cores(trace) else 0
    of = is_normal(slices, trace.schedulers) & (slices.pid >= 0)
    length = (slices.stop_ns - slices.start_ns)[of]
    if not delay_ns or not length.size:
        return Lumps(trace.window_ns, trace.window_ns)
    typical = max(1, int(np.quantile(length, TYPICAL_QUANTILE)))
    length = -np.sort(-length[length > max(LUMP_MIN_NS, TYPICAL_TIMES * typical)])
    within = np.flatnonzero(np.cumsum(length - typical) <= delay_ns)
    return Lumps(int(length[within[-1]]) - 1 if within.size else trace.window_ns, typical)


def has_shared_cores(trace: BeamTrace) -> bool:
    """Whether the recording had more schedulers than logical processors; false if it does not say."""
    try:
        system = json.loads((trace.folder / "summary.json").read_text())["system"]
        return int(system["logical_processors"]) < trace.schedulers
    except (OSError, ValueError, KeyError, TypeError):
        return False


def scheduler_delay_ns(trace: BeamTrace) -> int:
    """Time that the normal scheduler threads were ready and had no core, over the window; 0 if unknown."""
    try:
        system = json.loads((trace.folder / "summary.json").read_text())["windows"]["B"]["os"]
        threads = system["threads"]
        names = [f"{number}_scheduler" for number in range(1, trace.schedulers + 1)]
        share = sum(float(threads[name]["run_delay_s"]) for name in names) / float(system["seconds"])
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
        return 0
    return int(share * trace.window_ns) if 0 <= share <= trace.schedulers else 0
