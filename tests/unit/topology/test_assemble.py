"""From facts to a topology: clusters, private caches, kinds, and what stands in for a gap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.topology import (
    CacheFact,
    CpuFact,
    DistanceClass,
    MachineFacts,
    NodeFact,
    Topology,
    TopologyError,
    assemble_topology,
    to_description,
    topology_from_description,
)


def cpus(count, **fields):
    return [CpuFact(os_index=cpu, physical=cpu, package=0, **fields) for cpu in range(count)]


def build(cpu_facts, caches=(), nodes=(), **tables) -> Topology:
    facts = MachineFacts(cpu_facts, list(caches), list(nodes), **tables)
    return assemble_topology(facts, name="facts", where="test")


def unified(level, size, indexes):
    return CacheFact(level, "unified", size, 64, indexes)


def test_innermost_shared_cache_makes_the_cluster():
    topology = build(cpus(4), [unified(3, 800, range(4)), unified(2, 200, (0, 1))])
    assert topology.core_cluster.tolist() == [0, 0, 1, 1]
    assert topology.cluster_cache_bytes.tolist() == [200, 800]
    assert topology.distance_class_matrix()[0].tolist() == [0, 1, 2, 2]


def test_largest_of_caches_with_one_set_counts():
    topology = build(cpus(2), [unified(2, 100, (0, 1)), unified(3, 900, (0, 1))])
    assert topology.cluster_cache_bytes.tolist() == [900]


def test_instruction_caches_make_no_cluster():
    topology = build(cpus(2), [CacheFact(2, "instruction", 100, 64, (0, 1))])
    assert topology.cluster_cache_bytes.tolist() == [0]
    assert topology.private_cache_bytes.tolist() == [1 << 20] * 2


def test_without_caches_the_die_then_the_package():
    facts = [CpuFact(cpu, cpu, package=cpu // 4, die=cpu // 2) for cpu in range(8)]
    assert build(facts).core_cluster.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    facts = [CpuFact(cpu, cpu, package=cpu // 4) for cpu in range(8)]
    assert build(facts).core_cluster.tolist() == [0] * 4 + [1] * 4


def test_cluster_never_crosses_a_node_and_its_cache_is_split():
    nodes = [NodeFact(0, (0, 1)), NodeFact(1, (2, 3))]
    topology = build(cpus(4), [unified(3, 800, range(4))], nodes)
    assert topology.core_cluster.tolist() == [0, 0, 1, 1]
    assert topology.cluster_cache_bytes.tolist() == [400, 400]


def test_cpu_in_two_nodes_or_none():
    nodes = [NodeFact(4, (0, 1)), NodeFact(2, (0,)), NodeFact(9, ())]
    topology = build(cpus(3), nodes=nodes)
    assert topology.node_os_index.tolist() == [2, 4, 9]
    assert topology.core_node.tolist() == [0, 1, 0]


def test_siblings_with_different_caches_stay_together():
    facts = [CpuFact(cpu, cpu // 2, package=0) for cpu in range(4)]
    topology = build(facts, [unified(3, 1, (0, 2)), unified(3, 1, (1, 3)), unified(3, 1, (0, 3))])
    assert topology.core_cluster.tolist() == [0, 0, 0, 0]
    assert topology.caches[0].sharing == ((0, 2), (1, 3))


def test_sparse_cpus_and_unused_ones_in_sets():
    facts = [CpuFact(cpu, cpu, package=0) for cpu in (7, 3)]
    topology = build(facts, [unified(3, 1, range(100)), unified(2, 1, (50,))])
    assert topology.core_os_index.tolist() == [3, 7]
    assert [(cache.level, cache.sharing) for cache in topology.caches] == [(3, ((0, 1),))]


@pytest.mark.parametrize(
    ("speeds", "types", "names"),
    [
        ((1.0, 1.0, 1.0), [0, 0, 0], ("P",)),
        ((1.0, 1.0), [0, 1], ("P", "E")),
        ((1.0, 0.98, 0.4), [0, 0, 1], ("P", "E")),
        ((1.0, 0.7, 0.3), [0, 1, 2], ("P", "M1", "E")),
    ],
)
def test_kinds_of_core(speeds, types, names):
    facts = [CpuFact(i, i, 0, rank=-i, speed=speed) for i, speed in enumerate(speeds)]
    topology = build(facts)
    assert topology.core_type.tolist() == types
    assert topology.core_type_names == names


def test_measured_latencies_win_over_defaults():
    nodes = [NodeFact(0, (0,)), NodeFact(1, (1,))]
    topology = build(
        cpus(2),
        nodes=nodes,
        distances={(0, 0): 10, (0, 1): 31, (1, 0): 31, (1, 1): 10},
        latencies_ns={(0, 0): 77, (0, 1): 222},
    )
    assert topology.memory_latency_ns.tolist() == [[77, 222], [92, 77]]


@pytest.mark.parametrize("count", [0, 4097])
def test_number_of_cpus_is_bounded(count):
    with pytest.raises(TopologyError, match="1 to 4096"):
        build(cpus(count))


INDEX_SETS = st.lists(st.integers(0, 9), max_size=6).map(lambda items: tuple(sorted(set(items))))


@settings(max_examples=150, deadline=None)
@given(
    shape=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 2)), min_size=1, max_size=10
    ),
    caches=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 1000), INDEX_SETS), max_size=8),
    nodes=st.lists(INDEX_SETS, max_size=4),
)
def test_whatever_a_machine_claims_about_caches_and_nodes(shape, caches, nodes):
    # Each CPU is a physical core here: a core split over packages is a contradiction.
    facts = [CpuFact(cpu, cpu, package, die, rank) for cpu, (package, die, rank) in enumerate(shape)]
    topology = build(
        facts,
        [unified(*cache) for cache in caches],
        [NodeFact(index, indexes) for index, indexes in enumerate(nodes)],
    )
    classes = topology.distance_class_matrix()
    assert (classes == classes.T).all()
    assert (np.diag(classes) == DistanceClass.SAME_CORE).all()
    assert topology_from_description(to_description(topology)) == topology
