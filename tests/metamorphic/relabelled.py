"""Numbers of cores, clusters and nodes are labels: which relabelling changes nothing, exactly.

A scheduler is what is numbered where ties are broken (cyclic-nearest order, lowest index, order of
events at one time: sim/DESIGN.md §1, §3), so two lanes are the same if each *scheduler* stands on
a core that is the same in everything but its number. For hardware cores that is the case if they are
renumbered and the schedulers bound to them in the new order: a bind type is only such an order. What remains
that knows hardware cores by number is left out: entries that name several cores at once (they are gone
through by index), unpinned schedulers, and more schedulers than cores.

Clusters and nodes are gone through by number in balancing by groups, node by node when memory runs out, and
by number in the bind types other than `u`; without these their numbers mean nothing.

Renumbering the *schedulers* (and with them the cores) keeps the lane in law only: streams of random
numbers belong to places, and ties fall elsewhere. The validation suite has intervals for that.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import numpy as np

import sim
from sim.spec.binding import ORDERS
from sim.topology.beam_convert import beam_of
from sim.topology.bind_order import bind_order
from tests.metamorphic.irrelevant import Pair, not_erts, policy_of
from tests.metamorphic.lanes import Outcome, with_room
from tests.reference.codes import LogCode
from tests.reference.scenarios import Scenario
from tests.reference.shrink_machine import on_cores

ONE_AT_A_TIME = ("affinity", "load", "schedulers_online")


def by_core(scenario: Scenario) -> Scenario:
    """A scenario that knows its cores by number only where that is renumbered too."""
    s = not_erts(with_room(scenario))
    n = s.topology.num_cores
    changes = [c for c in s.timeline.changes if c.op in ONE_AT_A_TIME or (c.cores or "-").isdigit()]
    changes = [c for c in changes if (c.count or 1) <= n]
    return replace(s, binding=sim.Binding(), timeline=replace(s.timeline, changes=tuple(changes)))


def order_of(scenario: Scenario) -> tuple[str, list[int]]:
    """A bind type, and the cores in its order."""
    name = Random(scenario.seed).choice(ORDERS[1:])
    core_of = {int(logical): core for core, logical in enumerate(scenario.topology.core_os_index)}
    return name, [core_of[logical] for logical in bind_order(beam_of(scenario.topology), name)]


def bound_in_order(scenario: Scenario) -> Pair:
    """Schedulers bound in the order of a bind type; and a machine whose cores are numbered in that order."""
    one = by_core(scenario)
    name, order = order_of(one)
    return replace(one, binding=sim.Binding(order=name)), on_cores(one, tuple(order))


def renumbered(found: Outcome, scenario: Scenario) -> Outcome:
    """What the machine with renumbered cores gives, from what the bound one gave."""
    _, order = order_of(by_core(scenario))
    number = np.argsort(order)
    log, counters = found.log.copy(), dict(found.counters)
    rows = np.isin(log[:, 1], (LogCode.OFFLINE, LogCode.ONLINE, LogCode.STALL))
    log[rows, 4] = number[log[rows, 4]]
    for name in ("energy_pj", "hardware_busy_ns"):
        counters[name] = [counters[name][old] for old in order]
    return replace(found, log=log, counters=counters)


def other_numbers(scenario: Scenario) -> Pair:
    """Clusters, nodes, packages and physical cores by other numbers."""
    s = with_room(scenario)
    sbt = s.policy.erts.sbt and "u"
    s = policy_of(
        replace(s, binding=replace(s.binding, order="cores")),
        balancing=replace(s.policy.balancing, scope="machine"),
        erts=replace(s.policy.erts, sbt=sbt),
    )
    # Masks as lists of cores: a node's number in a text is no label.
    one = on_cores(s, tuple(range(s.topology.num_cores)))
    one = replace(
        one,
        topology=replace(one.topology, node_memory_bytes=[0] * one.topology.num_nodes),
        simulation=replace(one.simulation, node_memory_bytes=None),
    )
    return one, replace(one, topology=shuffled(Random(f"{s.seed} numbers"), one.topology))


def shuffled(rng: Random, topology: sim.Topology) -> sim.Topology:
    """The machine with other numbers of everything but its cores."""

    def numbers(count: int) -> np.ndarray:
        order = list(range(count))
        rng.shuffle(order)
        return np.array(order)

    cluster, node = numbers(topology.num_clusters), numbers(topology.num_nodes)
    package, smt = numbers(topology.num_packages), numbers(topology.num_physical_cores)
    old_cluster, old_node = np.argsort(cluster), np.argsort(node)
    square = np.ix_(old_node, old_node)
    return replace(
        topology,
        core_cluster=cluster[topology.core_cluster],
        core_node=node[topology.core_node],
        core_package=package[topology.core_package],
        core_smt=smt[topology.core_smt],
        cluster_cache_bytes=topology.cluster_cache_bytes[old_cluster],
        node_memory_bytes=topology.node_memory_bytes[old_node],
        node_bandwidth_mb_s=topology.node_bandwidth_mb_s[old_node],
        node_distance=topology.node_distance[square],
        memory_latency_ns=topology.memory_latency_ns[square],
    )


def same(found: Outcome, scenario: Scenario) -> Outcome:
    """The same outcome."""
    return found


RELABELLED: dict[str, tuple[Callable, Callable]] = {
    "cores, by a bind type's order": (bound_in_order, renumbered),
    "nodes, packages, clusters, physical cores": (other_numbers, same),
}
