"""The heap of timers and the tournament of core events, against sorted lists."""

import heapq
from random import Random

import pytest

from sim import kernels
from sim.layout import lane as S
from sim.layout.sentinel import TIME_NEVER_NS
from tests.analytic.machines import machine
from tests.kernel.compiled import Compiled
from tests.kernel.desk import Desk

heap = Compiled(kernels.heap)
tree = Compiled(kernels.tree)


@pytest.mark.parametrize("spread", [3, 1000, 2**60])
def test_heap_pops_in_order_of_time_then_code(spread: int) -> None:
    desk, rng, mine = Desk(processes=100), Random(spread), []
    z, base, code = desk.z, int(desk.z[S.HEAP]), 0
    for step in range(4000):
        grows = len(mine) < 390 and rng.random() < (0.7 if step < 2000 else 0.3)
        if grows or not mine:
            entry = (rng.randrange(spread), rng.choice((code, code + (1 << 40))))
            code += 1
            heapq.heappush(mine, entry)
            heap.push(z, *entry)
        else:
            assert (z[base], z[base + 1]) == heapq.heappop(mine)
            heap.pop(z)
        assert z[S.HEAP_SIZE] == len(mine)
    while mine:
        assert (z[base], z[base + 1]) == heapq.heappop(mine)
        heap.pop(z)
    assert z[S.HEAP_SIZE] == 0


@pytest.mark.parametrize("num_cores", [1, 2, 3, 8, 65, 130])
def test_tree_gives_the_least_time_and_the_lowest_core(num_cores: int) -> None:
    desk, rng = Desk(machine(num_cores, 5, 65)), Random(num_cores)
    times = [TIME_NEVER_NS] * num_cores
    assert desk.z[desk.z[S.TREE] + 1] == 0
    for _ in range(2000):
        c = rng.randrange(num_cores)
        times[c] = rng.choice((TIME_NEVER_NS, rng.randrange(20), rng.randrange(2**60)))
        tree.set_event(desk.z, c, times[c])
        winner = desk.z[desk.z[S.TREE] + 1]
        assert winner == min(range(num_cores), key=lambda x: (times[x], x))
        assert desk.z[desk.z[S.EVENTS] + winner] == min(times)
