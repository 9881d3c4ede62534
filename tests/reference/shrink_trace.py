"""Shorter replay traces: rows are left out, and what hung on them goes with them."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

import sim
from sim.workload.replay import NO_EDGE, NO_PEER, ReplayOp, ReplayTrace
from tests.reference.scenarios import Scenario
from tests.reference.shrink_specs import Attempt, without_some

Row = tuple[int, int, int, int]
"""Process, operation, value, peer."""


def shorter_traces(scenario: Scenario) -> Iterable[Attempt]:
    """Leave rows of a replayed trace out; let its times be shorter."""
    replay = scenario.workload
    if not isinstance(replay, sim.Replay):
        return
    trace = replay.trace
    rows = rows_of(trace)
    for rest in map(repaired, map(list, without_some(tuple(rows)))):
        if 0 < len(rest) < len(rows):
            yield lambda rest=rest: with_rows(scenario, rest)
    for at, (process, op, value, peer) in enumerate(rows):
        if op in (ReplayOp.RUN, ReplayOp.BLOCK):
            for smaller in (1, value // 8, value // 2):
                if smaller < value:
                    row = (process, op, smaller, peer)
                    yield lambda at=at, row=row: with_rows(scenario, [*rows[:at], row, *rows[at + 1 :]])


def rows_of(trace: ReplayTrace) -> list[Row]:
    """A trace as rows."""
    columns = (trace.process, trace.op, trace.value, trace.peer)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def repaired(rows: list[Row]) -> list[Row]:
    """Leave out what cannot stand: rows of processes without a BEGIN, and edges with one end."""
    begun = {row[0] for row in rows if row[1] == ReplayOp.BEGIN}
    born = {row[3] for row in rows if row[1] == ReplayOp.SPAWN and row[0] in begun}
    # A process whose spawn is gone is there from the start.
    rows = [
        (p, op, value, NO_PEER) if op == ReplayOp.BEGIN and not (peer in begun and p in born) else
        (p, op, value, peer)
        for p, op, value, peer in rows
        if p in begun
    ]  # fmt: skip
    sent = {row[2] for row in rows if row[1] == ReplayOp.SEND and row[2] != NO_EDGE and row[3] in begun}
    waited = {row[2] for row in rows if row[1] == ReplayOp.WAIT and row[3] in begun}
    whole = sorted(sent & waited)
    kept = []
    for p, op, value, peer in rows:
        if op == ReplayOp.WAIT and value not in whole:
            continue
        if op == ReplayOp.SPAWN and peer not in begun:
            continue
        if op == ReplayOp.SEND and value not in whole:
            value, peer = NO_EDGE, peer if peer in begun else NO_PEER
        kept.append((p, op, value, peer))
    return renumbered(kept, sorted(begun), whole)


def renumbered(rows: list[Row], processes: list[int], edges: list[int]) -> list[Row]:
    """Number processes and edges from 0 without gaps."""
    number = {NO_PEER: NO_PEER} | {old: new for new, old in enumerate(processes)}
    edge = {NO_EDGE: NO_EDGE} | {old: new for new, old in enumerate(edges)}
    has_edge = (ReplayOp.WAIT, ReplayOp.SEND)
    return [
        (number[p], op, edge[value] if op in has_edge else value, number[peer]) for p, op, value, peer in rows
    ]


def with_rows(scenario: Scenario, rows: list[Row]) -> Scenario:
    """The scenario with another trace."""
    process, op, value, peer = zip(*rows, strict=True)
    trace = replace(
        scenario.workload.trace,
        process=np.array(process, np.int32),
        op=np.array(op, np.int8),
        value=np.array(value, np.int64),
        peer=np.array(peer, np.int32),
    )
    return replace(scenario, workload=replace(scenario.workload, trace=trace))
