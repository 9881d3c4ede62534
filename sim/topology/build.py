"""Topologies from plain descriptions: the mapping that a YAML file becomes.

Two forms. The compact one states a pattern (packages, nodes, clusters, cores) and fits uniform
and hybrid machines in a screenful. The explicit one states every core in columns
(``sim.topology.explicit``); any topology can be exported to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.topology import defaults
from sim.topology.assemble import CacheFact, dense_ids, group_caches
from sim.topology.check import CONTROLLERS_MAX, check_line_bytes, check_name
from sim.topology.columns import (
    BANDWIDTH_MB_S_MAX,
    CORES_MAX,
    FREQUENCY_MHZ_MAX,
    NODES_MAX,
    SPEED_MAX,
    SPEED_MIN,
)
from sim.topology.errors import TopologyError
from sim.topology.explicit import EXPLICIT_KEYS, topology_from_columns
from sim.topology.memory import read_distance, read_latency, read_line_latency
from sim.topology.model import CacheLevel, Topology
from sim.topology.section import Section

COMPACT_KEYS = (
    "kind", "name", "packages", "nodes_per_package", "clusters", "smt_numbering",
    "node_caches", "package_caches", "cache_line_bytes", "memory", "line_latency_ns",
)  # fmt: skip
CLUSTER_KEYS = (
    "repeat", "cores", "smt", "type", "speed", "frequency_mhz", "core_caches", "shared_caches",
)  # fmt: skip
MEMORY_KEYS = ("per_node", "bandwidth_mb_s", "controllers", "distance", "latency_ns")
CACHE_KINDS = {"": "unified", "d": "data", "i": "instruction"}
CACHE_KEYS = tuple(f"l{level}{letter}" for level in range(1, 6) for letter in CACHE_KINDS)
SMT_MAX = 16
CacheSizes = dict[str, dict[str, int]]  # bytes by scope (node, package) and level


def topology_from_description(mapping: Mapping[str, Any], *, name: str | None = None) -> Topology:
    """Build a topology from a plain description.

    With the key ``cores`` the description is explicit, with ``clusters`` it is compact: each
    entry of ``clusters`` is a cluster of one NUMA node, repeated as it says; every node of every
    package has the same ones. CPUs are numbered package by package. With SMT, ``split``
    numbering counts the first threads of all cores, then the second ones (servers);
    ``adjacent`` numbers siblings one after the other (Intel hybrids, POWER).

    Parameters
    ----------
    mapping : mapping, read only; its key ``kind``, if there, must be ``description``
    name    : str or None, of the topology; None takes the key ``name``

    Returns
    -------
    Topology

    Raises
    ------
    TopologyError naming the dotted key, the value, and what is allowed
    """
    is_explicit = isinstance(mapping, Mapping) and "cores" in mapping
    top = Section(mapping, "", EXPLICIT_KEYS if is_explicit else COMPACT_KEYS)
    top.choice("kind", ("description",), "description")
    given_name = top.get("name", "unnamed") if name is None else name
    check_name("name", given_name)
    build = topology_from_columns if is_explicit else _from_pattern
    return build(top, given_name)


@dataclass(frozen=True)
class _Cluster:
    """One entry of ``clusters``."""

    repeat: int
    num_physical: int
    smt: int
    type: str
    speed: float
    frequency_mhz: int
    core_caches: dict[str, int]
    shared_caches: dict[str, int]


@dataclass
class _Cpu:
    """One CPU of the pattern, before it has a number."""

    physical: int
    thread: int
    cluster: int
    node: int
    package: int
    template: _Cluster


def _from_pattern(top: Section, name: str) -> Topology:
    packages = top.integer("packages", 1, CORES_MAX, 1)
    nodes_per_package = top.integer("nodes_per_package", 1, NODES_MAX, 1)
    num_nodes = packages * nodes_per_package
    if num_nodes > NODES_MAX:
        raise TopologyError("nodes_per_package", nodes_per_package, f"{NODES_MAX} nodes in all")
    templates = [
        _read_cluster(value, f"clusters[{index}]")
        for index, value in enumerate(top.items("clusters", CORES_MAX))
    ]
    # Counted before anything is built, so that a slip of the pen costs no memory.
    total = num_nodes * sum(item.repeat * item.num_physical * item.smt for item in templates)
    if total > CORES_MAX:
        raise TopologyError("clusters", f"{total} cores in all", f"at most {CORES_MAX} cores")
    cpus = _number_cpus(top, templates, nodes_per_package, packages)
    type_names = _type_names(templates)
    caches = {key: _read_sizes(top, key) for key in ("node_caches", "package_caches")}
    cluster_bytes = [0] * (max(cpu.cluster for cpu in cpus) + 1)
    for cpu in cpus:
        cluster_bytes[cpu.cluster] = _cluster_bytes(cpu.template, caches, nodes_per_package)
    node_package = np.repeat(np.arange(packages), nodes_per_package)
    memory = top.section("memory", MEMORY_KEYS)
    distance = read_distance(memory, node_package)
    line_bytes = top.get("cache_line_bytes", defaults.CACHE_LINE_BYTES)
    check_line_bytes("cache_line_bytes", line_bytes)
    bandwidth = memory.integer("bandwidth_mb_s", 0, BANDWIDTH_MB_S_MAX, 0)
    return Topology(
        name=name,
        core_type_names=type_names,
        core_type=[type_names.index(cpu.template.type) for cpu in cpus],
        core_speed=[cpu.template.speed for cpu in cpus],
        core_frequency_mhz=[cpu.template.frequency_mhz for cpu in cpus],
        core_smt=dense_ids([cpu.physical for cpu in cpus]),
        core_cluster=[cpu.cluster for cpu in cpus],
        core_node=[cpu.node for cpu in cpus],
        core_package=[cpu.package for cpu in cpus],
        core_os_index=range(len(cpus)),
        private_cache_bytes=[_private_bytes(cpu.template) for cpu in cpus],
        cluster_cache_bytes=cluster_bytes,
        cache_line_bytes=line_bytes,
        node_os_index=range(num_nodes),
        node_memory_bytes=[memory.size("per_node", 0)] * num_nodes,
        node_bandwidth_mb_s=[bandwidth] * num_nodes,
        node_distance=distance,
        memory_latency_ns=read_latency(memory, distance, node_package),
        line_latency_ns=read_line_latency(top),
        caches=_cache_levels(caches, cpus, line_bytes),
        memory_controllers=memory.integer("controllers", 1, CONTROLLERS_MAX, num_nodes),
    )


def _read_cluster(value: object, where: str) -> _Cluster:
    entry = Section(value, where, CLUSTER_KEYS)
    type_name = entry.get("type", "P")
    check_name(entry.at("type"), type_name)
    return _Cluster(
        repeat=entry.integer("repeat", 1, CORES_MAX, 1),
        num_physical=entry.integer("cores", 1, CORES_MAX),
        smt=entry.integer("smt", 1, SMT_MAX, 1),
        type=type_name,
        speed=entry.number("speed", SPEED_MIN, SPEED_MAX, 1.0),
        frequency_mhz=entry.integer("frequency_mhz", 1, FREQUENCY_MHZ_MAX, defaults.FREQUENCY_MHZ),
        core_caches=_read_sizes(entry, "core_caches"),
        shared_caches=_read_sizes(entry, "shared_caches"),
    )


def _read_sizes(section: Section, key: str) -> dict[str, int]:
    sizes = section.section(key, CACHE_KEYS)
    return {name: sizes.size(name) for name in CACHE_KEYS if sizes.has(name)}


def _number_cpus(
    top: Section, templates: list[_Cluster], nodes_per_package: int, packages: int
) -> list[_Cpu]:
    numbering = top.choice("smt_numbering", ("split", "adjacent"), "split")
    cpus: list[_Cpu] = []
    physical = cluster = 0
    for node in range(packages * nodes_per_package):
        package = node // nodes_per_package
        for item in templates:
            for _ in range(item.repeat):
                for _ in range(item.num_physical):
                    threads = range(item.smt)
                    cpus.extend(_Cpu(physical, t, cluster, node, package, item) for t in threads)
                    physical += 1
                cluster += 1
    if numbering == "split":
        # A stable sort keeps the cores of each thread in their order.
        cpus.sort(key=lambda cpu: cpu.thread)
    return cpus


def _type_names(templates: list[_Cluster]) -> tuple[str, ...]:
    """Order the types fastest first; equal speeds keep the order of the file."""
    speed_of: dict[str, float] = {}
    for item in templates:
        speed_of[item.type] = max(item.speed, speed_of.get(item.type, 0.0))
    return tuple(sorted(speed_of, key=lambda type_name: -speed_of[type_name]))


def _private_bytes(item: _Cluster) -> int:
    sizes = [size for key, size in item.core_caches.items() if not key.endswith("i")]
    return max(sizes, default=defaults.PRIVATE_CACHE_BYTES)


def _cluster_bytes(item: _Cluster, caches: CacheSizes, nodes_per_package: int) -> int:
    """Give the largest cache of the innermost set that has any, as the importers do."""
    for sizes, parts in (
        (item.shared_caches, 1),
        (caches["node_caches"], 1),
        (caches["package_caches"], nodes_per_package),
    ):
        data_sizes = [size for key, size in sizes.items() if not key.endswith("i")]
        if data_sizes:
            return max(data_sizes) // parts
    return 0


def _cache_levels(caches: CacheSizes, cpus: list[_Cpu], line_bytes: int) -> tuple[CacheLevel, ...]:
    """List every cache of the pattern with the cores that share it."""
    cores_of: dict[tuple[str, int, str, int], list[int]] = {}
    for core, cpu in enumerate(cpus):
        for scope, group, sizes in (
            ("core", cpu.physical, cpu.template.core_caches),
            ("cluster", cpu.cluster, cpu.template.shared_caches),
            ("node", cpu.node, caches["node_caches"]),
            ("package", cpu.package, caches["package_caches"]),
        ):
            for key, size in sizes.items():
                cores_of.setdefault((scope, group, key, size), []).append(core)
    return group_caches(
        (CacheFact(int(key[1]), CACHE_KINDS[key[2:]], size, line_bytes, ()), cores)
        for (_, _, key, size), cores in cores_of.items()
    )
