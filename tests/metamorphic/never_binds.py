"""Limits so wide that they never bind: the lane is the same to the bit, with the counters of every check."""

from collections.abc import Callable
from dataclasses import replace

import sim
from tests.metamorphic.lanes import with_room
from tests.reference.scenarios import Scenario

SECOND_NS = 10**9
DAY_NS = 86_400 * SECOND_NS
MANY = 1_000_000


def unlimited(scenario: Scenario) -> Scenario:
    """A scenario without any limit: nodes and mailboxes too."""
    s = with_room(scenario)
    topology = replace(s.topology, node_memory_bytes=[0] * s.topology.num_nodes)
    simulation = replace(s.simulation, queue_capacity=None, mailbox_capacity=None, node_memory_bytes=None)
    return replace(s, topology=topology, simulation=simulation, policy=replace(s.policy, limits=sim.Limits()))


def with_limits(**parts) -> Callable[[Scenario], Scenario]:
    """A change of the policy's limits."""
    return lambda s: replace(s, policy=replace(s.policy, limits=replace(s.policy.limits, **parts)))


def with_simulation(**fields) -> Callable[[Scenario], Scenario]:
    """A change of the simulation's capacities."""
    return lambda s: replace(s, simulation=replace(s.simulation, **fields))


WIDE = sim.RateLimit(rate_per_s=1e9, window_ns=4096)
NEVER: dict[str, Callable[[Scenario], Scenario]] = {
    "process: migrations in its lifetime": with_limits(process=sim.ProcessLimit(max_migrations=MANY)),
    "process: migrations in a window": with_limits(process=sim.ProcessLimit(max_migrations=16, window_ns=1)),
    "process: returns": with_limits(process=sim.ProcessLimit(forbid_return=True, return_window_ns=0)),
    "core: rate": with_limits(core=WIDE),
    "system: rate": with_limits(system=WIDE),
    "burst: tokens": with_limits(burst=sim.BurstLimit(capacity=MANY, refill_per_s=1e9)),
    "burst: storms": with_limits(burst=sim.BurstLimit(storm_count=65_536, cooldown_ns=DAY_NS)),
    "capacity of run queues": with_simulation(queue_capacity=10**7),
    "capacity of mailboxes": with_simulation(mailbox_capacity=10**7),
    "memory of nodes": with_simulation(node_memory_bytes=2**50),
}
BINDS: dict[str, Callable[[Scenario], Scenario]] = {
    "process: migrations in its lifetime": with_limits(process=sim.ProcessLimit(max_migrations=0)),
    "core: rate": with_limits(core=sim.RateLimit(rate_per_s=1e4, window_ns=1)),
    "burst: tokens": with_limits(burst=sim.BurstLimit(capacity=1, refill_per_s=1e-3)),
    "capacity of run queues": with_simulation(queue_capacity=1),
}
"""Limits that do bind, which the same comparison must tell."""


def unlimited_returns(scenario: Scenario) -> Scenario:
    """As unlimited, but returns are looked for within 0 ns, which changes their count alone."""
    process = sim.ProcessLimit(return_window_ns=0)
    return with_limits(process=process)(unlimited(scenario))
