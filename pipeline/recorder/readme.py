"""README.md of a recorded folder: what it is, how it was made, what its columns mean."""

from typing import Any

TEXT = """# {name}

Recorded by Coreshift from Erlang/OTP {otp} (erts {erts}), flags `{flags}`;
{schedulers} schedulers, bind type {bound}.

* Recorder: {recorder} ({note}). Message events: {messages}.
* Windows A (untraced), B (traced, {seconds:.3f} s, ended by {stopped}), C (untraced), one after the other.
* Slowdown while traced, 1 - B / mean(A, C): reductions {reductions}, context switches {switches}.
  CPU use, B - mean(A, C): {added} of the schedulers' time; at low load the cost of tracing is there alone.
* {events} events. The recorder's own processes are in the trace: {pids}.

| column of events.parquet | unit, meaning |
| --- | --- |
| t_ns | ns since the start of window B, on the node's monotonic clock |
| event | name of the VM's trace event; sched_active, sched_inactive: a scheduler gets or runs out of work |
| pid | `<0.N.S>` as N + 32768 * S (N + 2**28 * S where the VM counts N further), `#Port<0.K>` as -1 - K |
| scheduler_id | 1..n normal; 101.. dirty CPU and 201.. dirty I/O, as they appear; 0 unknown, or dirty (dbg) |
| peer | the process or port on the other side of spawn, send, link; null if it is not a local one |
| mfa | function, or the atom that the event carries (reason, name, callback of a port) |
| heap_words, old_heap_words | gc_* only: words used in the young and in the old heap |

samples.parquet: every 5 ms t_ns, window, running totals of reductions and context switches, processes, length
of each run queue and number of active tasks. procs.parquet: processes just before and after window B.
"""


def readme(summary: dict[str, Any]) -> str:
    """The text for a recording."""
    system, cost = summary["system"], summary["overhead"]
    return TEXT.format(
        name=summary["name"],
        otp=system["otp"],
        erts=system["erts"],
        flags=" ".join(system["cmdline"]),
        schedulers=system["schedulers"],
        bound=system["scheduler_bind_type"],
        recorder=summary["recorder"],
        note=summary["recorder_note"],
        messages=", ".join(summary["message_events"]) or "none",
        seconds=summary["trace_window_s"],
        stopped=summary["stopped_by"],
        reductions=cost["reductions_per_s"]["slowdown_share"],
        switches=cost["context_switches_per_s"]["slowdown_share"],
        added=cost["busy_share"]["added_share"],
        events=summary["events"],
        pids=", ".join(map(str, summary["recorder_pids"])),
    )
