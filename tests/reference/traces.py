"""Random small replay traces: what a handful of processes did on a made-up machine."""

from random import Random

import numpy as np

from sim.workload.replay import NO_EDGE, NO_PEER, ReplayOp, ReplayTrace


def random_trace(rng: Random) -> ReplayTrace:
    """Make a trace by playing it: each operation is appended to a process that exists.

    A WAIT may be appended before or after its SEND in this order, and both orders happen in a
    simulation; a few waits never end when their sender waits for them in turn.
    """
    count = rng.randint(1, 6)
    rows: list[list[tuple[int, int, int]]] = [[] for _ in range(count)]
    parents = [NO_PEER] * count
    born = [0] + [p for p in range(1, count) if rng.random() < 0.5]
    unborn = [p for p in range(count) if p not in born]
    edges = 0
    for _ in range(rng.randint(4, 40)):
        p = rng.choice(born)
        match rng.choice(("run", "run", "block", "edge", "edge", "send", "spawn")):
            case "run":
                rows[p].append((ReplayOp.RUN, rng.choice((1, 50, 1000, 9000)), NO_PEER))
            case "block":
                rows[p].append((ReplayOp.BLOCK, rng.choice((0, 10, 5000)), NO_PEER))
            case "send":
                rows[p].append((ReplayOp.SEND, NO_EDGE, rng.choice((NO_PEER, *range(count)))))
            case "edge":
                receiver = rng.choice(born)
                rows[p].append((ReplayOp.SEND, edges, receiver))
                rows[receiver].append((ReplayOp.WAIT, edges, p))
                edges += 1
            case "spawn" if unborn:
                child = unborn.pop(0)
                parents[child] = p
                rows[p].append((ReplayOp.SPAWN, 0, child))
                born.append(child)
    for own in rows:
        if rng.random() < 0.5:
            own.append((ReplayOp.EXIT, 0, NO_PEER))
    return as_trace(rng, rows, parents)


def as_trace(rng: Random, rows: list, parents: list[int]) -> ReplayTrace:
    """Put a BEGIN before the rows of each process, and make the columns."""
    table = []
    for p, own in enumerate(rows):
        table.append((p, ReplayOp.BEGIN, rng.choice((2616, 20_000, 100_000)), parents[p]))
        table.extend((p, *row) for row in own)
    process, op, value, peer = (list(column) for column in zip(*table, strict=True))
    run_ns = sum(v for o, v in zip(op, value, strict=True) if o == ReplayOp.RUN)
    return ReplayTrace(
        name="random",
        process=np.array(process, np.int32),
        op=np.array(op, np.int8),
        value=np.array(value, np.int64),
        peer=np.array(peer, np.int32),
        window_ns=max(400_000, run_ns),  # a replay may not last longer
        ns_per_reduction=rng.choice((10.0, 7.3)),
        schedulers=rng.randint(1, 4),
        busy_ns=run_ns,
    )
