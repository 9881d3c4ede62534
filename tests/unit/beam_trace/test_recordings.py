"""Every shared recording converts, completes, and keeps its running time to the nanosecond."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.beam_trace import convert_trace, read_beam_trace
from pipeline.beam_trace.convert import ns_per_reduction
from pipeline.beam_trace.gaps import index_rows, is_normal, measure_heuristic
from pipeline.beam_trace.lumps import has_shared_cores
from pipeline.beam_trace.ports import adopt_ports, without_open_ports
from pipeline.beam_trace.slices import pair_slices
from sim.workload.replay import ReplayOp, replay_completes

FOLDER = Path(__file__).parents[3].parent / "shared" / "data" / "beam-traces"
NAMES = sorted(p.parent.name for p in FOLDER.glob("*/events.parquet"))
needs_recordings = pytest.mark.skipif(not NAMES, reason=f"no recordings in {FOLDER}")


@needs_recordings
@pytest.mark.parametrize("name", NAMES or ["none"])
def test_recording_converts_completes_and_conserves_run_time(name):
    recording = read_beam_trace(FOLDER / name)
    middle = recording.window_ns // 2
    window = (middle - 50_000_000, middle + 50_000_000)
    imported = convert_trace(recording, window)
    trace = imported.trace
    assert replay_completes(trace)
    slices = without_open_ports(recording, pair_slices(recording))
    own = is_normal(slices, recording.schedulers) & (slices.pid >= 0)
    own &= ~np.isin(slices.pid, recording.recorder_pids)
    spent = np.clip(slices.stop_ns, *window) - np.clip(slices.start_ns, *window)
    ports = adopt_ports(recording, slices)[1]
    of_ports = np.clip(ports.stop_ns, *window) - np.clip(ports.start_ns, *window)
    total = int(spent[own].sum()) + int(of_ports[is_normal(ports, recording.schedulers)].sum())
    if has_shared_cores(recording):
        assert total / 3 < trace.run_total_ns() <= total  # other schedulers' time is cut out
    else:
        assert trace.run_total_ns() == total
    assert int(imported.notes["unmatched_in_out"]) <= 2
    counts = np.bincount(trace.op, minlength=8)
    assert counts[ReplayOp.RUN] > 10
    # pcompile-s4 has messages, but none in the middle that woke anyone.
    assert counts[ReplayOp.WAIT] == 0 or recording.has_sends


@needs_recordings
@pytest.mark.parametrize(("name", "accuracy"), [("mixed-s2-prof", 0.996), ("httpd-s2-prof", 0.988)])
def test_heuristic_agrees_with_what_the_prof_runs_recorded(name, accuracy):
    recording = read_beam_trace(FOLDER / name)
    everything = pair_slices(recording)
    slices = everything.take((everything.pid >= 0) & ~np.isin(everything.pid, recording.recorder_pids))
    ratio = ns_per_reduction(recording, everything)
    figures = measure_heuristic(recording, slices, index_rows(recording), ratio)
    assert figures["gaps"] > 10_000
    assert figures["accuracy"] >= accuracy
    assert figures["recall"] >= 0.999
    assert figures["precision"] >= 0.979
