"""Between a topology and the BEAM's own terms.

The BEAM knows less: no caches, kinds of core, memory or distances. Going there forgets them;
coming back takes them from another topology, or from the defaults of every reader.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sim.topology.assemble import (
    CacheFact,
    CpuFact,
    MachineFacts,
    NodeFact,
    assemble_topology,
    dense_ids,
    group_caches,
)
from sim.topology.beam_cpu import ID_MAX, NO_ID, BeamCpu, BeamTopology
from sim.topology.columns import CORES_MAX
from sim.topology.errors import TopologyError
from sim.topology.model import CacheLevel, Topology


def beam_of(topology: Topology) -> BeamTopology:
    """Describe a machine as a BEAM on Linux would detect it.

    Processor ids are the packages, node ids the system's own, core ids count the physical cores
    of a package, threads the siblings of a core, both in the order of the CPUs; logical ids are
    ``core_os_index``. A package that spans several nodes has them within it, any other package
    lies in its node. With one node only, every package lies in that external node, since Linux
    always shows one node directory; the Erlang term does not show it.

    Parameters
    ----------
    topology : Topology

    Returns
    -------
    BeamTopology with one CPU a core; nodes without cores are left out

    Raises
    ------
    TopologyError if an index of a core or node is beyond 65535

    Source
    ------
    OTP ``erts/lib_src/common/erl_misc_utils.c: read_topology, adjust_processor_nodes``. Linux's
    own core ids may have gaps, and are not in a Topology; the order of cores is the same if
    both follow the order of the CPUs.
    """
    for where, ids in (("core_os_index", topology.core_os_index), ("node_os_index", topology.node_os_index)):
        if int(ids[-1]) > ID_MAX:
            raise TopologyError(where, int(ids[-1]), f"0 to {ID_MAX}", "the BEAM has 16 bits for an id")
    packages = topology.core_package.tolist()
    nodes = topology.node_os_index[topology.core_node].tolist()
    nodes_of: dict[int, set[int]] = {}
    for package, node in zip(packages, nodes, strict=True):
        nodes_of.setdefault(package, set()).add(node)
    cores: dict[int, dict[int, int]] = {}
    threads: dict[tuple[int, int], int] = {}
    cpus = []
    columns = zip(packages, nodes, topology.core_smt.tolist(), topology.core_os_index.tolist(), strict=True)
    for package, node, physical, logical in columns:
        is_internal = len(nodes_of[package]) > 1
        own = cores.setdefault(package, {})
        core = own.setdefault(physical, len(own))
        thread = threads[package, core] = threads.get((package, core), -1) + 1
        outer, inner = (NO_ID, node) if is_internal else (node, NO_ID)
        cpus.append(BeamCpu(outer, package, inner, core, thread, logical))
    return BeamTopology(tuple(cpus))


def topology_of(beam: BeamTopology, name: str, base: Topology | None = None) -> Topology:
    """Build the topology that BEAM terms describe.

    A core is a CPU, in the order of logical ids. A node keeps its id, whether it lies around
    processors or within one; without nodes there is one, 0. Without a base, what the terms do not say is
    assumed: one kind of core, no shared caches, so that a cluster is what a processor has in one
    node; distances 10 and 20; and the latencies and private caches of ``sim.topology.defaults``.

    Parameters
    ----------
    beam : BeamTopology of at most 4096 CPUs
    name : str, of the topology
    base : Topology or None; one that has each logical id as a ``core_os_index`` gives kinds of
        core, speeds, caches, clusters (cut where the terms put a border), cache line latencies
        and measured core latencies; if its nodes divide the CPUs in the same way, them as well,
        with memory and distances

    Returns
    -------
    Topology

    Raises
    ------
    TopologyError if there are too many CPUs or nodes, if the base lacks a CPU, or if the terms
    make siblings of cores of two of its clusters

    Source
    ------
    ours; ``assemble_topology`` decides what is assumed
    """
    if len(beam.cpus) > CORES_MAX:
        raise TopologyError("cpus", len(beam.cpus), f"at most {CORES_MAX} CPUs")
    cpus = [
        CpuFact(
            os_index=cpu.logical,
            physical=(cpu.processor, cpu.processor_node, cpu.core),
            package=cpu.processor,
        )
        for cpu in beam.cpus
    ]
    node_cpus: dict[int, list[int]] = {}
    for cpu in beam.cpus:
        node_cpus.setdefault(max(cpu.node, cpu.processor_node, 0), []).append(cpu.logical)
    nodes = [NodeFact(node, logical) for node, logical in node_cpus.items()]
    facts = MachineFacts(cpus, [], nodes, memory_controllers=len(nodes))
    plain = assemble_topology(facts, name=name, where="BEAM topology")
    return plain if base is None else _furnish(plain, base)


def _furnish(plain: Topology, base: Topology) -> Topology:
    """Take from the base what BEAM terms do not say."""
    place_of = {index: core for core, index in enumerate(base.core_os_index.tolist())}
    missing = [index for index in plain.core_os_index.tolist() if index not in place_of]
    if missing:
        allowed = f"CPUs of {base.name}: {len(place_of)} with indexes up to {int(base.core_os_index[-1])}"
        raise TopologyError("logical", missing[0], allowed, "use a base that has all CPUs, or none")
    cores = np.array([place_of[index] for index in plain.core_os_index.tolist()])
    old_cluster = base.core_cluster[cores].tolist()
    keys = zip(old_cluster, plain.core_node.tolist(), plain.core_package.tolist(), strict=True)
    core_cluster = dense_ids(list(keys))
    cluster_bytes = dict(zip(core_cluster, base.cluster_cache_bytes[old_cluster].tolist(), strict=True))
    latency = base.core_latency_ns
    furnished = replace(
        plain,
        core_type_names=base.core_type_names,
        core_type=base.core_type[cores],
        core_speed=base.core_speed[cores],
        core_frequency_mhz=base.core_frequency_mhz[cores],
        core_cluster=np.array(core_cluster),
        private_cache_bytes=base.private_cache_bytes[cores],
        cluster_cache_bytes=np.array([cluster_bytes[cluster] for cluster in sorted(cluster_bytes)]),
        cache_line_bytes=base.cache_line_bytes,
        line_latency_ns=base.line_latency_ns,
        core_latency_ns=None if latency is None else latency[np.ix_(cores, cores)],
        caches=_kept_caches(base.caches, cores),
    )
    return _with_memory(furnished, base, cores)


def _kept_caches(caches: Iterable[CacheLevel], cores: NDArray[np.int64]) -> tuple[CacheLevel, ...]:
    """Number the cores of each cache anew; a cache without cores goes."""
    new_of = {old: new for new, old in enumerate(cores.tolist())}
    kept = []
    for cache in caches:
        fact = CacheFact(cache.level, cache.kind, cache.size_bytes, cache.line_bytes, ())
        for sharing in cache.sharing:
            members = tuple(sorted(new_of[core] for core in sharing if core in new_of))
            if members:
                kept.append((fact, members))
    return group_caches(kept)


def _with_memory(topology: Topology, base: Topology, cores: NDArray[np.int64]) -> Topology:
    """Take the base's nodes with all that they have, if they divide the cores in the same way."""
    pairs = set(zip(topology.core_node.tolist(), base.core_node[cores].tolist(), strict=True))
    is_same = len(pairs) == topology.num_nodes == len({old for _, old in pairs})
    if not is_same:
        return topology
    return replace(
        topology,
        core_node=base.core_node[cores],
        node_os_index=base.node_os_index,
        node_memory_bytes=base.node_memory_bytes,
        node_bandwidth_mb_s=base.node_bandwidth_mb_s,
        node_distance=base.node_distance,
        memory_latency_ns=base.memory_latency_ns,
        memory_controllers=base.memory_controllers,
    )
