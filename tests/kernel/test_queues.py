"""Run queues against deques, and the low-skip rule against its description."""

from collections import deque
from random import Random

from sim import kernels
from sim.layout import core as C
from sim.layout import lane as S
from sim.layout import process as P
from tests.kernel.compiled import Compiled
from tests.kernel.desk import Desk

queues = Compiled(kernels.queues)


def contents(desk: Desk, c: int) -> list[list[int]]:
    """The queue of a core by level, followed forwards; backwards it must be the same."""
    levels = []
    for level in range(C.LEVELS):
        forward, backward = [], []
        p = desk.cores[c, C.FIRST + level]
        while p >= 0:
            forward.append(int(p))
            p = desk.rows[p, P.NEXT]
        p = desk.cores[c, C.LAST + level]
        while p >= 0:
            backward.append(int(p))
            p = desk.rows[p, P.PREV]
        assert backward == forward[::-1]
        levels.append(forward)
    return levels


def test_append_take_and_remove_are_those_of_deques() -> None:
    desk, rng = Desk(), Random(1)
    mine = [[deque() for _ in range(C.LEVELS)] for _ in range(8)]
    free = [desk.process(slot, level=slot % 3) for slot in range(150)]
    where: dict[int, int] = {}
    for _ in range(5000):
        action, c = rng.random(), rng.randrange(8)
        if action < 0.5 and free:
            p = free.pop(rng.randrange(len(free)))
            queues.append(*desk.zgf, c, p)
            mine[c][p % 3].append(p)
            where[p] = c
            assert desk.rows[p, P.STATE] == P.READY
            assert desk.rows[p, P.QUEUE_CORE] == c
        elif action < 0.75 and any(mine[c]):
            expected = next(level for level in mine[c] if level).popleft()
            assert queues.take(*desk.zgf, c) == expected
            free.append(expected)
            del where[expected]
        elif where:
            p = rng.choice(list(where))
            queues.remove(*desk.zgf, where[p], p)
            mine[where.pop(p)][p % 3].remove(p)
            free.append(p)
        assert contents(desk, c) == [list(level) for level in mine[c]]
        lengths = [sum(map(len, levels)) for levels in mine]
        assert desk.cores[:, C.QUEUE_LENGTH].tolist() == lengths
        assert desk.z[S.NUM_WAITING] == sum(lengths)
        assert desk.get(int(desk.z[S.BACKLOG])) == {i for i, length in enumerate(lengths) if length}


def naive_take(queue: deque, skips: dict[int, int]) -> int:
    """DESIGN §4: the head's skip falls by one; it runs at 0 or as the last, else it goes to the tail."""
    while True:
        head = queue[0]
        skips[head] -= 1
        if skips[head] <= 0 or len(queue) == 1:
            return queue.popleft()
        queue.rotate(-1)


def test_low_processes_are_passed_over() -> None:
    desk, rng = Desk(), Random(2)
    queue, skips = deque(), {}
    lows = {slot: int(slot % 3 == 0) for slot in range(30)}
    free = [desk.process(slot, low=low) for slot, low in lows.items()]
    for _ in range(3000):
        if free and (not queue or rng.random() < 0.5):
            p = free.pop(rng.randrange(len(free)))
            queues.append(*desk.zgf, 3, p)
            queue.append(p)
            skips[p] = 8 if lows[p] else 1
        else:
            p = queues.take(*desk.zgf, 3)
            assert p == naive_take(queue, skips)
            free.append(p)
        assert contents(desk, 3)[2] == list(queue)


def test_load_counts_the_running_process() -> None:
    desk = Desk()
    for slot in range(3):
        queues.append(*desk.zgf, 1, desk.process(slot))
    assert queues.load(desk.z, 1) == 3
    for state, more in ((C.IDLE, 0), (C.RUNNING, 1), (C.PENDING, 0), (C.WAKING, 0)):
        desk.cores[1, C.STATE] = state
        assert queues.load(desk.z, 1) == 3 + more
