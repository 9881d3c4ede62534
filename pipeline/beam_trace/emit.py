"""Lay operations out in program order and fill in the running time between them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.beam_trace.lumps import Lumps
from sim import NO_PEER, ReplayOp

_MARK = -1
"""Code of a row that only marks where a slice starts or stops."""

Keyed = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""process, key, t_ns of slice starts or stops."""


@dataclass
class Points:
    """Operations other than RUN, with their place: parallel lists of column chunks."""

    chunks: list[tuple[NDArray[np.int64], ...]] = field(default_factory=list)

    def add(
        self,
        process: NDArray[np.int64],
        key: NDArray[np.int64] | int,
        op: ReplayOp,
        value: NDArray[np.int64] | int,
        peer: NDArray[np.int64] | int,
        t_ns: NDArray[np.int64] | int = 0,
    ) -> None:
        """Add one operation for each process given; numbers stand for constant columns.

        `key` orders the operations of a process; `t_ns` matters only inside a slice.
        """
        columns = (process, key, int(op), value, peer, t_ns)
        shape = np.shape(process)
        self.chunks.append(tuple(np.broadcast_to(c, shape).astype(np.int64) for c in columns))

    def extend(self, other: "Points") -> None:
        """Add all operations of another collection."""
        self.chunks.extend(other.chunks)


@dataclass(frozen=True)
class Rows:
    """Everything `merge_rows` needs: the points, (process, key, t_ns) of slice ends, and what to cut."""

    points: Points
    started: Keyed
    stopped: Keyed
    lumps: Lumps


def merge_rows(
    rows: Rows,
) -> tuple[NDArray[np.int32], NDArray[np.int8], NDArray[np.int64], NDArray[np.int32]]:
    """Sort by (process, key), put a RUN wherever time passes in a slice, and merge neighbours.

    RUNs with nothing between them become one: only a preemption separated them, and the
    simulator preempts by its own rules. BLOCKs in a row become one as well.

    Returns
    -------
    process, op, value, peer as ReplayTrace takes them
    """
    marks = Points()
    for (process, key, t_ns), depth in ((rows.started, 1), (rows.stopped, -1)):
        marks.chunks.append(
            tuple(
                np.broadcast_to(c, process.shape).astype(np.int64)
                for c in (process, key, _MARK, depth, NO_PEER, t_ns)
            )
        )
    columns = zip(*(rows.points.chunks + marks.chunks), strict=True)
    process, key, op, value, peer, t_ns = (np.concatenate(c) for c in columns)
    order = np.lexsort((key, process))
    process, op, value, peer, t_ns = (c[order] for c in (process, op, value, peer, t_ns))
    is_mark = op == _MARK
    inside = np.cumsum(np.where(is_mark, value, 0)) > 0
    passed = np.where(inside, np.append(np.diff(t_ns), 0), 0)
    passed = np.where(passed > rows.lumps.limit_ns, rows.lumps.cut_ns, passed)
    # Two slots for each row: the operation itself, and the run until the next row.
    count = process.size
    wide = np.empty((count, 2, 4), dtype=np.int64)
    wide[:, 0] = np.stack((process, op, value, peer), axis=1)
    wide[:, 1, 0], wide[:, 1, 1] = process, ReplayOp.RUN
    wide[:, 1, 2], wide[:, 1, 3] = passed, NO_PEER
    keep = np.stack((~is_mark, inside & (passed > 0)), axis=1)
    return _merge_neighbours(wide[keep])


def _merge_neighbours(
    flat: NDArray[np.int64],
) -> tuple[NDArray[np.int32], NDArray[np.int8], NDArray[np.int64], NDArray[np.int32]]:
    process, op, value, peer = flat.T
    joins = (op == ReplayOp.RUN) | (op == ReplayOp.BLOCK)
    joins[1:] &= (op[1:] == op[:-1]) & (process[1:] == process[:-1])
    joins[0] = False
    first = np.flatnonzero(~joins)
    total = np.add.reduceat(value, first)
    process, op, peer = process[first], op[first], peer[first]
    keep = (op != ReplayOp.BLOCK) | (total > 0)
    if not keep.all():
        # Dropping an empty BLOCK may bring two RUNs together.
        return _merge_neighbours(np.stack((process, op, total, peer), axis=1)[keep])
    return (
        process.astype(np.int32),
        op.astype(np.int8),
        np.ascontiguousarray(total, dtype=np.int64),
        peer.astype(np.int32),
    )
