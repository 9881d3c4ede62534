"""Sets of cores: membership, and the cyclic-nearest order against a sort."""

from random import Random

import pytest

from sim import kernels
from sim.layout import lane as S
from tests.analytic.machines import machine
from tests.kernel.compiled import Compiled
from tests.kernel.desk import Desk

bits = Compiled(kernels.bits)

MACHINES = {
    "one core": machine(1, 1, 1),
    "two nodes": machine(8, 2, 4),
    "siblings": machine(12, 6, 6, core_smt=[0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]),
    "siblings far apart": machine(6, 6, 6, core_smt=[0, 1, 2, 0, 1, 2]),
    "64 cores": machine(64, 4, 16),
    "130 cores": machine(130, 5, 65),
    "nodes in turn": machine(70, 70, 70, core_node=[i % 2 for i in range(70)],
                             core_package=[i % 2 for i in range(70)], core_cluster=[i % 2 for i in range(70)],
                             cluster_cache_bytes=[1, 1], node_os_index=[0, 1], node_memory_bytes=[0, 0],
                             node_bandwidth_mb_s=[0, 0], node_distance=[[10, 20], [20, 10]],
                             memory_latency_ns=[[90, 150], [150, 90]]),
}  # fmt: skip


@pytest.mark.parametrize("name", MACHINES)
def test_distance_is_that_of_the_topology(name: str) -> None:
    desk = Desk(MACHINES[name])
    n = desk.topology.num_cores
    found = [[bits.distance(desk.z, a, b) for b in range(n)] for a in range(n)]
    assert found == desk.topology.distance_class_matrix().tolist()


@pytest.mark.parametrize("name", MACHINES)
def test_nearest_is_the_first_of_a_sort(name: str) -> None:
    desk, rng = Desk(MACHINES[name]), Random(4)
    n, distance = desk.topology.num_cores, desk.topology.distance_class_matrix()
    words, allowed = int(desk.z[S.SCRATCH]), int(desk.z[S.BACKLOG])
    for trial in range(200):
        share, other = rng.choice((0.02, 0.2, 0.9)), rng.choice((0.1, 1.0))
        one = {c for c in range(n) if rng.random() < share}
        two = {c for c in range(n) if rng.random() < other}
        c = trial % n
        desk.put(words, one)
        desk.put(allowed, two)
        order = sorted((one & two) - {c}, key=lambda x: (distance[c, x], (x - c) % n))
        assert bits.nearest(desk.z, words, allowed, c) == (order[0] if order else -1)
        assert desk.get(words) == one
        assert desk.get(allowed) == two


def test_sets_hold_what_was_put_in() -> None:
    desk, rng, mine = Desk(MACHINES["130 cores"]), Random(5), set()
    base = int(desk.z[S.SCRATCH])
    desk.put(base, set())
    for _ in range(600):
        c = rng.randrange(130)
        if rng.random() < 0.5:
            bits.add(desk.z, base, c)
            mine.add(c)
        else:
            bits.drop(desk.z, base, c)
            mine.discard(c)
        assert bits.has(desk.z, base, c) == (c in mine)
        assert bits.count(desk.z, base) == len(mine)
    assert desk.get(base) == mine


def test_lowest_bit_of_every_word() -> None:
    import numpy as np

    for bit in range(64):
        for above in (0, 1, 0xFFFF_FFFF_FFFF_FFFF):
            word = (above << (bit + 1) | 1 << bit) & (2**64 - 1)
            assert bits.lowest(np.uint64(word)) == bit
