"""What a recorded process is: the function that it was started with, or where it spends its time.

Most processes are started by way of `erlang:apply/2` or `proc_lib:init_p/5`, which says nothing. Their
class is, in this order: the initial call that proc_lib remembers (procs.parquet); for those spawned during
the recording, "child of" the class of the process that spawned them; the function outside OTP's general
libraries where their slices ended after the most time; the function where they stopped most.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.beam_trace.gaps import WITHOUT_RECEIVE
from pipeline.beam_trace.read import BeamTrace, EventKind
from pipeline.beam_trace.slices import Slices

GENERIC_STARTS = ("erlang:apply/", "proc_lib:init_p/")
LIBRARIES = WITHOUT_RECEIVE | {
    "array", "base64", "crypto", "dict", "erl_prim_loader", "file", "file_io_server", "gb_sets", "gb_trees",
    "gen", "gen_event", "gen_server", "gen_statem", "gen_tcp", "inet", "inet_tcp", "prim_inet", "proc_lib",
    "queue", "rand", "supervisor", "timer", "zlib",
}  # fmt: skip
RECORDER, PORTS, UNKNOWN = "(recorder)", "(ports)", "(unknown)"
OWN_NAMES = (RECORDER, PORTS, UNKNOWN)
"""Classes that stand for no process of the program."""


def class_of_slices(
    trace: BeamTrace, slices: Slices, processes: pl.DataFrame
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Names of classes, and for each slice the index of its own.

    Parameters
    ----------
    processes : pid and initial_call of those that procs.parquet lists
    """
    pids, of_slice = np.unique(slices.pid, return_inverse=True)
    names = _names(trace, slices, processes)
    texts = [PORTS if pid < 0 else names.get(int(pid), UNKNOWN) for pid in pids.tolist()]
    recorders = set(trace.recorder_pids)
    texts = [RECORDER if pid in recorders else text for pid, text in zip(pids.tolist(), texts, strict=True)]
    known, of_pid = np.unique(np.array(texts, dtype=str), return_inverse=True)
    return tuple(known.tolist()), of_pid[of_slice].astype(np.int64)


def _names(trace: BeamTrace, slices: Slices, processes: pl.DataFrame) -> dict[int, str]:
    listed = processes.drop_nulls("initial_call").unique("pid", keep="first", maintain_order=True)
    started = dict(zip(listed["pid"].to_list(), listed["initial_call"].to_list(), strict=True))
    parents: dict[int, int] = {}
    for row in np.flatnonzero(trace.kind == EventKind.SPAWN).tolist():
        child = int(trace.peer[row])
        parents[child] = int(trace.pid[row])
        if trace.mfa[row] >= 0:
            started.setdefault(child, trace.mfa_names[trace.mfa[row]])
    own, any_function = _stops(trace, slices)
    names = {pid: call for pid, call in started.items() if not call.startswith(GENERIC_STARTS)}
    # Parents by what they are themselves, so that names do not grow with generations.
    of_parents = started | any_function | own | names
    for child, parent in parents.items():
        if child not in names and parent in of_parents:
            names[child] = f"child of {of_parents[parent]}"
    for pid, function in (started | any_function | own).items():
        names.setdefault(pid, function)
    return names


def _stops(trace: BeamTrace, slices: Slices) -> tuple[dict[int, str], dict[int, str]]:
    """By pid: the function of its own, and the function, where slices ended after the most time."""
    known = slices.mfa >= 0
    table = pl.DataFrame(
        {
            "pid": slices.pid[known],
            "function": [trace.mfa_names[index] for index in slices.mfa[known].tolist()],
            "ns": slices.stop_ns[known] - slices.start_ns[known],
        },
        schema={"pid": pl.Int64, "function": pl.String, "ns": pl.Int64},
    )
    spent = table.group_by("pid", "function").agg(pl.col("ns").sum())
    spent = spent.sort("pid", "ns", "function", descending=[False, True, False])
    is_own = ~pl.col("function").str.split(":").list.first().is_in(sorted(LIBRARIES))
    first = [spent.filter(is_own), spent]
    pairs = [rows.unique("pid", keep="first", maintain_order=True) for rows in first]
    own, everything = (dict(zip(p["pid"].to_list(), p["function"].to_list(), strict=True)) for p in pairs)
    return own, everything
