"""Topologies: what a machine is made of, where it is read from, and what distance costs on it."""

from sim.topology.assemble import CacheFact, CpuFact, MachineFacts, NodeFact, assemble_topology
from sim.topology.build import topology_from_description
from sim.topology.describe import describe, to_description
from sim.topology.errors import TopologyError
from sim.topology.host import topology_from_host, topology_from_sysctl
from sim.topology.hwloc import parse_hwloc, read_hwloc, topology_from_hwloc, topology_from_tree
from sim.topology.hwloc_tree import HwlocTree
from sim.topology.latency import overlay_core_latency, overlay_latency_matrix, read_latency_csv
from sim.topology.model import CacheLevel, DistanceClass, Topology

__all__ = [
    "CacheFact",
    "CacheLevel",
    "CpuFact",
    "DistanceClass",
    "HwlocTree",
    "MachineFacts",
    "NodeFact",
    "Topology",
    "TopologyError",
    "assemble_topology",
    "describe",
    "overlay_core_latency",
    "overlay_latency_matrix",
    "parse_hwloc",
    "read_hwloc",
    "read_latency_csv",
    "to_description",
    "topology_from_description",
    "topology_from_host",
    "topology_from_hwloc",
    "topology_from_sysctl",
    "topology_from_tree",
]
