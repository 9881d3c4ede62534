"""Number the replayed processes so that each begins on the scheduler where it stood in the recording.

The simulator starts process i, unless another spawns it, on scheduler i mod (schedulers of the recording).
So those that were there at the start take numbers of their scheduler, in order of their first dispatch,
which is the order of the queues; spawned ones, which begin with their parents, fill what is left.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray


def process_numbers(
    home: NDArray[np.int64], is_spawned: NDArray[np.bool_], order: NDArray[np.int64], schedulers: int
) -> NDArray[np.int64]:
    """Number of each process: int64 (process,), a permutation of 0, 1, ...

    Where the spawned ones are too few to fill the gaps, the last of the fuller scheduler's processes begin
    on another one.

    Parameters
    ----------
    home : (process,) scheduler where it stood at first, from 1; others count as 1
    order : (process,) place among all in order of the first dispatch; ties keep the given order
    """
    waiting: list[deque[int]] = [deque() for _ in range(schedulers)]
    children: deque[int] = deque()
    for process in np.argsort(order, kind="stable").tolist():
        at = int(home[process]) - 1
        queue = waiting[at if 0 <= at < schedulers else 0]
        (children if is_spawned[process] else queue).append(process)
    rank = np.empty(home.size, dtype=np.int64)
    for number in range(home.size):
        queue = waiting[number % schedulers] or children or max(waiting, key=len)
        rank[queue.popleft()] = number
    return rank
