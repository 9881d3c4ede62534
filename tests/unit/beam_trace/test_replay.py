"""What makes a replay trace valid, and the reference check for deadlock."""

import contextlib
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.workload.replay import (
    ReplayOp,
    ReplayTrace,
    TraceError,
    replay_completes,
    replay_stuck,
)
from tests.unit.beam_trace.recording import rows_of, small_trace, trace_of

B, R, K, W, S, P, X, PACE = ReplayOp
NEW = 2616


def test_small_trace_is_valid():
    trace = small_trace()
    assert (trace.process_count, trace.edge_count, trace.run_total_ns()) == (2, 1, 600)
    assert trace.process_offsets().tolist() == [0, 6, 10]
    assert replay_completes(trace)
    assert len(rows_of(trace)) == 10


def test_a_pace_holds_for_its_process_and_the_average_for_all_others():
    trace = trace_of([(0, B, NEW, -1), (0, PACE, 2500, -1), (0, R, 100, -1), (1, B, NEW, -1)])
    assert trace.pace_ns().tolist() == [2.5, trace.ns_per_reduction]
    assert replay_completes(trace)


def test_arrays_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        small_trace().value[0] = 1


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([(0, 8, 0, -1)], "op, row 0"),
        ([(0, PACE, 2000, -1)], "op, row 0"),
        ([(0, B, NEW, -1), (0, R, 1, -1), (0, PACE, 2000, -1)], "PACE directly after BEGIN only"),
        ([(0, B, NEW, -1), (0, PACE, 2000, -1), (0, PACE, 2000, -1)], "PACE directly after BEGIN only"),
        ([(0, B, NEW, -1), (0, PACE, 0, -1)], "value, row 1"),
        ([(0, B, NEW, -1), (0, PACE, 1_000_000_001, -1)], "value, row 1"),
        ([(0, B, NEW, -1), (0, PACE, 2000, 0)], "peer, row 1"),
        ([(0, -1, 0, -1)], "op, row 0"),
        ([(1, B, NEW, -1)], "process, row 0"),
        ([(0, B, NEW, -1), (2, B, NEW, -1)], "process, row 1"),
        ([(0, B, NEW, -1), (1, B, NEW, -1), (0, R, 1, -1)], "process, row 2"),
        ([(0, R, 1, -1)], "op, row 0"),
        ([(0, B, NEW, -1), (0, B, NEW, -1)], "op, row 1"),
        ([(0, B, NEW, -1), (0, X, 0, -1), (0, R, 1, -1)], "EXIT in the last"),
        ([(0, B, NEW - 1, -1)], "value, row 0"),
        ([(0, B, NEW, -1), (0, R, 0, -1)], "value, row 1"),
        ([(0, B, NEW, -1), (0, R, -5, -1)], "value, row 1"),
        ([(0, B, NEW, -1), (0, R, 2**62, -1)], "value, row 1"),
        ([(0, B, NEW, -1), (0, K, -1, -1)], "value, row 1"),
        ([(0, B, NEW, -1), (0, S, -2, -1)], "value, row 1"),
        ([(0, B, NEW, -1), (0, X, 1, -1)], "value, row 1"),
        ([(0, B, NEW, -1), (0, R, 1, 0)], "peer, row 1"),
        ([(0, B, NEW, -1), (0, S, -1, 1)], "peer, row 1"),
        ([(0, B, NEW, -1), (0, S, -1, -2)], "peer, row 1"),
        ([(0, B, NEW, -1), (0, P, 0, -1)], "peer, row 1"),
        ([(0, B, NEW, -1), (0, W, 0, -1)], "peer, row 1"),
        ([(0, B, NEW, -1), (0, W, 0, 0)], "edge 0"),
        ([(0, B, NEW, -1), (0, S, 0, 0)], "edge of SEND, row 1"),
        ([(0, B, NEW, -1), (0, W, 5, 0), (0, S, 5, 0)], "edge of WAIT, row 1"),
        ([(0, B, NEW, -1), (0, W, 0, 0), (0, W, 0, 0), (0, S, 0, 0)], "edge 0"),
        ([(0, B, NEW, -1), (0, S, 0, 0), (0, S, 0, 0), (0, W, 0, 0)], "edge 0"),
        ([(0, B, NEW, -1), (0, S, 0, 0), (1, B, NEW, -1), (1, W, 0, 0)], "edge 0"),
        ([(0, B, NEW, -1), (0, S, 0, 1), (1, B, NEW, -1), (1, W, 0, 1)], "edge 0"),
        ([(0, B, NEW, 0)], "parent in BEGIN"),
        ([(0, B, NEW, -1), (1, B, NEW, 0)], "parent in BEGIN"),
        ([(0, B, NEW, -1), (0, P, 0, 1), (1, B, NEW, -1)], "parent in BEGIN"),
        ([(0, B, NEW, -1), (0, P, 0, 1), (0, P, 0, 1), (1, B, NEW, 0)], "SPAWN rows"),
        ([(0, B, NEW, 0), (0, P, 0, 0)], "cycle"),
        ([(0, B, NEW, 1), (0, P, 0, 1), (1, B, NEW, 0), (1, P, 0, 0)], "cycle"),
    ],
)
def test_broken_rows(rows, word):
    with pytest.raises(TraceError) as caught:
        trace_of(rows)
    assert word in str(caught.value)
    assert caught.value.allowed


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "a\nb"),
        ("name", "x" * 201),
        ("name", 3),
        ("window_ns", 0),
        ("window_ns", 1.5),
        ("window_ns", True),
        ("schedulers", 0),
        ("busy_ns", -1),
        ("busy_ns", 399),
        ("busy_ns", 2001),
        ("ns_per_reduction", 0.0),
        ("ns_per_reduction", float("nan")),
        ("ns_per_reduction", float("inf")),
        ("ns_per_reduction", 2),
    ],
)
def test_broken_header(field, value):
    with pytest.raises(TraceError, match=field):
        trace_of([(0, B, NEW, -1), (0, R, 400, -1)], **{field: value})


@pytest.mark.parametrize("change", ["dtype", "length", "list", "strided", "two", "none"])
def test_broken_columns(change):
    columns = {c: getattr(small_trace(), c) for c in ("process", "op", "value", "peer")}
    value = columns["value"]
    if change == "none":
        columns = {name: column[:0] for name, column in columns.items()}
    else:
        columns["value"] = {
            "dtype": value.astype(np.float64),
            "length": value[:-1],
            "list": value.tolist(),
            "strided": np.repeat(value, 2)[::2],
            "two": value.reshape(2, 5),
        }[change]
    with pytest.raises(TraceError, match=r"column value|number of rows"):
        ReplayTrace("x", **columns, window_ns=1, ns_per_reduction=1.0, schedulers=1, busy_ns=0)


def test_sum_of_hostile_times_cannot_wrap_round():
    rows = [(0, B, NEW, -1)] + [(0, K, 10**15, -1)] * 5000
    with pytest.raises(TraceError, match="sum of RUN and BLOCK"):
        trace_of(rows)


def test_deadlock_names_the_processes():
    cross = [
        *[(0, B, NEW, -1), (0, W, 0, 1), (0, S, 1, 1)],
        *[(1, B, NEW, -1), (1, W, 1, 0), (1, S, 0, 0)],
        *[(2, B, NEW, -1), (2, R, 5, -1)],
    ]
    assert replay_stuck(trace_of(cross)) == [0, 1]
    assert not replay_completes(trace_of(cross))


def test_child_of_a_stuck_parent_is_stuck():
    rows = [(0, B, NEW, -1), (0, W, 0, 0), (0, P, 0, 1), (0, S, 0, 0), (1, B, NEW, 0)]
    assert replay_stuck(trace_of(rows)) == [0, 1]


def test_digest_sees_every_field():
    rows = [(0, B, NEW, -1), (0, R, 400, -1)]
    changes = [
        {"name": "other"},
        {"window_ns": 1001},
        {"ns_per_reduction": 19.6},
        {"schedulers": 3},
        {"busy_ns": 901},
    ]
    digests = {trace_of(rows, **change).digest() for change in changes}
    digests |= {trace_of(rows).digest(), trace_of([(0, B, NEW + 1, -1), rows[1]]).digest()}
    assert len(digests) == 7
    # A change of this value means that stored digests, and run keys, no longer hold.
    assert trace_of(rows).digest()[:16] == GOLDEN


GOLDEN = "f55284784b77dc9d"


@st.composite
def programs(draw):
    """Rows of a random valid program, made in an order of time so that it cannot deadlock."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    rows = [[(B, NEW, -1)]]
    edge = 0
    for _ in range(draw(st.integers(0, 40))):
        a, b = rng.randrange(len(rows)), rng.randrange(len(rows))
        step = rng.choice("rkswpq")
        if step == "r":
            rows[a].append((R, rng.randint(1, 9), -1))
        elif step == "k":
            rows[a].append((K, rng.randint(0, 9), -1))
        elif step == "s":
            rows[a].append((S, -1, rng.choice([-1, b])))
        elif step == "w":
            rows[a].append((S, edge, b))
            rows[b].append((W, edge, a))
            edge += 1
        elif step == "p":
            rows[a].append((P, 0, len(rows)))
            rows.append([(B, NEW, a)])
        else:
            rows.append([(B, NEW, -1)])
    return [(p, *row) for p, of in enumerate(rows) for row in of]


@given(programs())
@settings(max_examples=150, deadline=None)
def test_programs_made_in_time_order_are_valid_and_complete(rows):
    trace = trace_of(rows)
    assert replay_completes(trace)
    assert trace.digest() == trace_of(rows).digest()
    assert np.array_equal(np.diff(trace.process_offsets()), np.bincount(trace.process))


@given(programs(), st.data())
@settings(max_examples=300, deadline=None)
def test_one_changed_cell_is_valid_or_a_trace_error(rows, data):
    row = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.integers(0, 3))
    small = st.integers(-3, 12)
    wide = {0: small, 1: small, 2: st.integers(-(2**63), 2**63 - 1) | small, 3: small}
    cells = list(rows[row])
    cells[column] = data.draw(wide[column])
    rows[row] = tuple(cells)
    # Anything but a TraceError fails the test.
    with contextlib.suppress(TraceError):
        assert isinstance(replay_completes(trace_of(rows)), bool)


@pytest.mark.timeout(120)  # work that grows with the square of the rows would take hours
def test_a_million_rows_are_checked_in_linear_time():
    pairs = 250_000
    op = np.concatenate(([B], np.tile([R, S], pairs), [B], np.tile([W, R], pairs)))
    edge = np.arange(pairs)
    ones = np.ones(pairs, dtype=np.int64)
    sends = np.stack((ones, edge), axis=1).ravel()
    waits = np.stack((edge, ones), axis=1).ravel()
    process = np.repeat([0, 1], 2 * pairs + 1)
    peer = np.full(op.size, -1)
    peer[op == S], peer[op == W] = 1, 0
    columns = (process.astype(np.int32), op.astype(np.int8))
    columns += (np.concatenate(([NEW], sends, [NEW], waits)), peer.astype(np.int32))
    trace = ReplayTrace("big", *columns, 10**6, 1.0, 2, 2 * pairs)
    assert trace.edge_count == pairs
