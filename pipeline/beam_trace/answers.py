"""Find the requests that a process took in without waiting, so that no answer is replayed before its request.

A server that finds the next request in its mailbox does not wait for it, and no gap shows that it took
it. Left like that, a replay in which the client is late lets the server answer a request not yet made, and
the client then finds its answer there and does not wait either. So: a message that ends a wait of C, sent
by S, is taken for the answer to C's last message to S in the slice before that wait; and unless S already
waits for that request, it is made to, after whatever it did before in the slice that sends the answer.
(mixed-s2: 61,000 such requests beside 93,000 waits; without them the replay had a sixth fewer slices.)

The request precedes the answer in the recording, and so does the place where S waits for it: no deadlock.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.beam_trace.read import EventKind
from pipeline.beam_trace.recorded_run import Run


@dataclass(frozen=True, eq=False)
class Requests:
    """Messages that their receiver must have before it answers; columns are (request,) arrays."""

    row: NDArray[np.int64]  # of the send, ascending and each once
    place: NDArray[np.int64]  # row after which the receiver waits for it


def find_requests(
    run: Run, wait_slice: NDArray[np.int64], answer: NDArray[np.int64], send: NDArray[np.int64]
) -> Requests:
    """Requests of the answers given.

    Parameters
    ----------
    wait_slice : (answer,) the slice that the answer's receiver ran after it, index into run.slices
    answer     : (answer,) row of the message that ended the wait before that slice
    send       : rows of messages within the window, by replayed processes, ascending
    """
    s, trace = run.slices, run.trace
    client, server = s.pid[wait_slice], trace.pid[answer]
    before = wait_slice - 1
    request = _last_before(
        _pairs(trace.pid[send], trace.peer[send]), send, _pairs(client, server), s.stop_row[before]
    )
    asked = (request >= s.start_row[before]) & (request >= 0)
    request, answer, server = request[asked], answer[asked], server[asked]
    order = np.lexsort((answer, request))
    request, answer, server = request[order], answer[order], server[order]
    once = np.append(True, request[1:] != request[:-1])[: request.size]
    request, answer, server = request[once], answer[once], server[once]
    own = np.sort(np.append(send, run.rows(EventKind.SPAWN)))
    start = _last_before(s.pid, s.start_row, server, answer)
    done = _last_before(trace.pid[own], own, server, answer)
    return Requests(request, np.maximum(np.maximum(request, start), done))


def _pairs(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """One number for two pids: those are below 2**34 and differ in the low 28 bits nearly always."""
    return (first << 29) ^ second


def _last_before(
    owner: NDArray[np.int64], row: NDArray[np.int64], who: NDArray[np.int64], before: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Last row below `before` that belongs to `who`, -1 if there is none."""
    if not row.size:
        return np.full(who.size, -1, dtype=np.int64)
    names, code = np.unique(owner, return_inverse=True)
    stride = int(max(row.max(), before.max(initial=0))) + 2
    keys = np.sort(code * stride + row + 1)
    of = np.minimum(np.searchsorted(names, who), names.size - 1)
    at = np.searchsorted(keys, of * stride + before + 1, side="left") - 1
    key = keys[np.maximum(at, 0)]
    found = (at >= 0) & (names[of] == who) & (key // stride == of)
    return np.where(found, key % stride - 1, -1)
