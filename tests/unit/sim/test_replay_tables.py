"""A trace's rows as the kernel gets them: reductions for times, and no PACE rows."""

import numpy as np

import sim
from sim.programs import ProgramTables, TableDraft, replay_program
from sim.workload.replay import ReplayOp, ReplayTrace
from tests.oracle.handmade import machine
from tests.unit.beam_trace.recording import trace_of

PACED = [
    (0, ReplayOp.BEGIN, 2616, -1),
    (0, ReplayOp.PACE, 2500, -1),
    (0, ReplayOp.RUN, 400, -1),
    (0, ReplayOp.SPAWN, 0, 2),
    (0, ReplayOp.BLOCK, 70, -1),
    (0, ReplayOp.RUN, 1, -1),
    (1, ReplayOp.BEGIN, 8000, -1),
    (1, ReplayOp.RUN, 400, -1),
    (2, ReplayOp.BEGIN, 3000, 0),
    (2, ReplayOp.PACE, 40_000, -1),
    (2, ReplayOp.EXIT, 0, -1),
]


def tables(trace: ReplayTrace) -> ProgramTables:
    """What replay_program makes of a trace."""
    here = machine()
    replay = sim.Replay(trace=trace, copies=1, stagger_ns=0)
    simulation = sim.Simulation(horizon_ns=trace.window_ns, warmup_ns=0, window_ns=500)
    return replay_program(here, replay, simulation, TableDraft(here))


def test_each_process_runs_at_its_own_pace():
    program = tables(trace_of(PACED, ns_per_reduction=10.0))
    runs = program.replay_op == ReplayOp.RUN
    assert program.replay_value[runs].tolist() == [160, 1, 40]
    assert program.replay_scale.tolist() == [16384, 65536, 262144]


def test_the_kernel_sees_no_paces():
    with_paces = tables(trace_of(PACED, ns_per_reduction=10.0))
    without = tables(trace_of([row for row in PACED if row[1] != ReplayOp.PACE], ns_per_reduction=10.0))
    timeless = with_paces.replay_op != ReplayOp.RUN
    for field in ("replay_op", "replay_peer", "replay_first"):
        assert np.array_equal(getattr(with_paces, field), getattr(without, field)), field
    assert np.array_equal(with_paces.replay_value[timeless], without.replay_value[timeless])
    assert with_paces.replay_first.tolist() == [0, 5, 7, 9]
    assert with_paces.classes[0].tolist()[0:3] == without.classes[0].tolist()[0:3]


def test_a_pace_equal_to_the_average_changes_nothing():
    rows = [(p, op, 10_000 if op == ReplayOp.PACE else v, q) for p, op, v, q in PACED]
    same = tables(trace_of(rows, ns_per_reduction=10.0))
    plain = tables(trace_of([r for r in rows if r[1] != ReplayOp.PACE], ns_per_reduction=10.0))
    for field in ("replay_op", "replay_value", "replay_peer", "replay_first", "replay_scale", "classes"):
        assert np.array_equal(getattr(same, field), getattr(plain, field)), field
