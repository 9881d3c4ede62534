"""From the facts that a machine reports about itself to a topology.

The readers of hwloc XML, of sysfs and of sysctl gather the same kinds of facts; what a cluster
is, which cache is private, and what stands in for missing facts is decided here, once.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.topology import defaults
from sim.topology.columns import CORES_MAX, NODES_MAX
from sim.topology.errors import TopologyError
from sim.topology.model import CacheLevel, Topology

SAME_KIND_SHARE = 0.9
NodePairs = dict[tuple[int, int], int]  # a value for two nodes, by OS indexes


@dataclass(frozen=True)
class CpuFact:
    """One logical CPU."""

    os_index: int
    physical: Hashable  # the same for SMT siblings and for no others
    package: Hashable
    die: Hashable | None = None  # None = unknown
    rank: int = 0  # kind of core, higher is faster
    speed: float = 1.0
    frequency_mhz: int = defaults.FREQUENCY_MHZ


@dataclass(frozen=True)
class CacheFact:
    """One cache and the CPUs it serves; CPUs that the machine does not use are ignored."""

    level: int
    kind: str  # data, unified or instruction
    size_bytes: int  # 0 = unknown
    line_bytes: int  # 0 = unknown
    cpus: Sequence[int]  # OS indexes


@dataclass(frozen=True)
class NodeFact:
    """One NUMA node and the CPUs that are local to it."""

    os_index: int
    cpus: Sequence[int]  # OS indexes; empty for memory without CPUs
    memory_bytes: int = 0
    bandwidth_mb_s: int = 0


@dataclass(frozen=True)
class MachineFacts:
    """All that was found out about a machine."""

    cpus: Sequence[CpuFact]
    caches: Sequence[CacheFact]
    nodes: Sequence[NodeFact]
    distances: NodePairs | None = None
    latencies_ns: NodePairs | None = None  # measured
    memory_controllers: int = 1


PlacedCaches = list[tuple[CacheFact, tuple[int, ...]]]  # a cache and the cores it serves


def assemble_topology(facts: MachineFacts, *, name: str, where: str) -> Topology:
    """Decide clusters, private caches and defaults, and build the topology.

    A cluster is the set of cores behind the innermost data or unified cache that serves more
    than one physical core; without such a cache, the die; without one, the package. It never
    crosses a NUMA node. A CPU that several nodes call local (fast memory beside ordinary
    memory) belongs to the one with the lowest OS index.

    Parameters
    ----------
    facts : MachineFacts
    name  : str, of the topology
    where : str, the source for error messages

    Returns
    -------
    Topology

    Raises
    ------
    TopologyError if there is no CPU, too many CPUs or nodes, or a value is out of range
    """
    if not 1 <= len(facts.cpus) <= CORES_MAX:
        raise TopologyError(f"{where}: CPUs", len(facts.cpus), f"1 to {CORES_MAX} usable CPUs")
    if len(facts.nodes) > NODES_MAX:
        raise TopologyError(f"{where}: NUMA nodes", len(facts.nodes), f"at most {NODES_MAX}")
    cpus = sorted(facts.cpus, key=lambda cpu: cpu.os_index)
    nodes = sorted(facts.nodes, key=lambda node: node.os_index) or [NodeFact(0, ())]
    core_of = {cpu.os_index: core for core, cpu in enumerate(cpus)}
    core_smt = dense_ids([cpu.physical for cpu in cpus])
    core_package = dense_ids([cpu.package for cpu in cpus])
    core_node = _core_nodes(nodes, core_of)
    caches = _restrict_caches(facts.caches, core_of)
    keys, private_bytes = _cluster_keys(cpus, caches, core_smt)
    core_cluster = dense_ids(list(zip(keys, core_node, core_package, strict=True)))
    node_distance = _node_distance(nodes, facts.distances)
    node_package = np.full(len(nodes), defaults.NO_PACKAGE)
    node_package[core_node] = core_package
    core_type, num_types = _core_types(cpus)
    lines = [cache.line_bytes for cache, _ in caches if cache.line_bytes]
    return Topology(
        name=name,
        core_type_names=core_type_names(num_types),
        core_type=core_type,
        core_speed=[cpu.speed for cpu in cpus],
        core_frequency_mhz=[cpu.frequency_mhz for cpu in cpus],
        core_smt=core_smt,
        core_cluster=core_cluster,
        core_node=core_node,
        core_package=core_package,
        core_os_index=[cpu.os_index for cpu in cpus],
        private_cache_bytes=private_bytes,
        cluster_cache_bytes=_cluster_bytes(caches, keys, core_cluster, core_node),
        cache_line_bytes=_most_common(lines, defaults.CACHE_LINE_BYTES),
        node_os_index=[node.os_index for node in nodes],
        node_memory_bytes=[node.memory_bytes for node in nodes],
        node_bandwidth_mb_s=[node.bandwidth_mb_s for node in nodes],
        node_distance=node_distance,
        memory_latency_ns=_memory_latency(nodes, facts.latencies_ns, node_distance, node_package),
        line_latency_ns=defaults.LINE_LATENCY_NS,
        caches=group_caches(caches),
        memory_controllers=facts.memory_controllers,
    )


def dense_ids(keys: Sequence[Hashable]) -> list[int]:
    """Number keys from 0 in the order of their first appearance.

    Parameters
    ----------
    keys : sequence of hashable

    Returns
    -------
    list of int, one a key
    """
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def core_type_names(num_types: int) -> tuple[str, ...]:
    """Name the kinds of core of a machine, fastest first.

    Parameters
    ----------
    num_types : int, >= 1

    Returns
    -------
    tuple of str: P; P and E; or P, M1, M2 ..., E
    """
    if num_types == 1:
        return ("P",)
    return ("P", *(f"M{index}" for index in range(1, num_types - 1)), "E")


def group_caches(caches: Iterable[tuple[CacheFact, Sequence[int]]]) -> tuple[CacheLevel, ...]:
    """Gather single caches into one entry for each level, kind, size and line size.

    Parameters
    ----------
    caches : iterable of (CacheFact, tuple of core indexes)

    Returns
    -------
    tuple of CacheLevel, by level, kind, size; sharing sets increasing and disjoint
    """
    groups: dict[tuple[int, str, int, int], dict[tuple[int, ...], None]] = {}
    taken: dict[tuple[int, str, int, int], set[int]] = {}
    for cache, cores in caches:
        key = (cache.level, cache.kind, cache.size_bytes, cache.line_bytes)
        # Hypervisors report sets that overlap; the first one of a core counts.
        if taken.setdefault(key, set()).isdisjoint(cores):
            taken[key].update(cores)
            groups.setdefault(key, {})[tuple(cores)] = None
    return tuple(CacheLevel(*key, tuple(sorted(groups[key]))) for key in sorted(groups))


def _core_types(cpus: Sequence[CpuFact]) -> tuple[list[int], int]:
    """Number the kinds of core, fastest first.

    With more than two kinds, those nearly as fast as the one before are counted with it:
    firmware marks the best few cores of a kind, and reports them as a kind of their own.
    """
    speed_of: dict[int, float] = {}
    for cpu in cpus:
        speed_of[cpu.rank] = max(cpu.speed, speed_of.get(cpu.rank, 0.0))
    ranks = sorted(speed_of, reverse=True)
    type_of: dict[int, int] = {}
    num_types, type_speed = 0, 0.0
    for rank in ranks:
        is_alike = len(ranks) > 2 and speed_of[rank] > SAME_KIND_SHARE * type_speed > 0
        if not is_alike:
            num_types, type_speed = num_types + 1, speed_of[rank]
        type_of[rank] = num_types - 1
    return [type_of[cpu.rank] for cpu in cpus], num_types


def _most_common(values: list[int], default: int) -> int:
    return max(sorted(set(values)), key=values.count, default=default)


def _core_nodes(nodes: Sequence[NodeFact], core_of: dict[int, int]) -> list[int]:
    # A CPU that no node calls local falls to the first node: some must hold its memory.
    core_node = [0] * len(core_of)
    for index in range(len(nodes) - 1, -1, -1):
        for os_index in nodes[index].cpus:
            if os_index in core_of:
                core_node[core_of[os_index]] = index
    return core_node


def _restrict_caches(caches: Sequence[CacheFact], core_of: dict[int, int]) -> PlacedCaches:
    """Translate CPUs to core indexes; drop caches that serve no core in use."""
    restricted = []
    for cache in caches:
        cores = tuple(sorted(core_of[cpu] for cpu in cache.cpus if cpu in core_of))
        if cores:
            restricted.append((cache, cores))
    return sorted(restricted, key=lambda pair: (len(pair[1]), pair[0].level, pair[1]))


def _cluster_keys(
    cpus: Sequence[CpuFact], caches: PlacedCaches, core_smt: list[int]
) -> tuple[list[Hashable], list[int]]:
    """Find each core's innermost shared cache and largest private one."""
    keys: list[Hashable] = [None] * len(cpus)
    private_bytes = [0] * len(cpus)
    for cache, cores in caches:
        if cache.kind == "instruction":
            continue
        is_shared = len({core_smt[core] for core in cores}) > 1
        for core in cores:
            if is_shared and keys[core] is None:
                keys[core] = cores
            elif not is_shared:
                private_bytes[core] = max(private_bytes[core], cache.size_bytes)
    first_sibling: dict[int, int] = {}
    for core, cpu in enumerate(cpus):
        if keys[core] is None:
            keys[core] = ("package",) if cpu.die is None else ("die", cpu.die)
        # Hypervisors also give SMT siblings different caches; a core has one cluster.
        keys[core] = keys[first_sibling.setdefault(core_smt[core], core)]
    return keys, [size or defaults.PRIVATE_CACHE_BYTES for size in private_bytes]


def _cluster_bytes(
    caches: PlacedCaches, keys: list[Hashable], core_cluster: list[int], core_node: list[int]
) -> list[int]:
    """Give the size of each cluster's cache: the largest that serves the same cores."""
    size_of: dict[Hashable, int] = {}
    for cache, cores in caches:
        if cache.kind != "instruction":
            # A cache that is split over nodes (sub-NUMA clustering) gives each its share.
            share = cache.size_bytes // len({core_node[core] for core in cores})
            size_of[cores] = max(size_of.get(cores, 0), share)
    cluster_bytes = [0] * (max(core_cluster) + 1)
    for core, cluster in enumerate(core_cluster):
        cluster_bytes[cluster] = size_of.get(keys[core], 0)
    return cluster_bytes


def _node_distance(nodes: Sequence[NodeFact], distances: NodePairs | None) -> NDArray[np.int32]:
    matrix = defaults.default_node_distance(len(nodes))
    for i, source in enumerate(nodes):
        for j, target in enumerate(nodes):
            if distances and (source.os_index, target.os_index) in distances:
                matrix[i, j] = distances[source.os_index, target.os_index]
    return matrix


def _memory_latency(
    nodes: Sequence[NodeFact],
    latencies_ns: NodePairs | None,
    node_distance: NDArray[np.int32],
    node_package: NDArray[Any],
) -> NDArray[np.int64]:
    known = latencies_ns or {}
    local = [known[n.os_index, n.os_index] for n in nodes if (n.os_index, n.os_index) in known]
    local_ns = min(local) if local else defaults.LOCAL_MEMORY_NS
    matrix = defaults.default_memory_latency(node_distance, node_package, local_ns)
    for i, source in enumerate(nodes):
        for j, target in enumerate(nodes):
            matrix[i, j] = known.get((source.os_index, target.os_index), matrix[i, j])
    return matrix
