"""Topologies from hwloc's XML files (``lstopo --of xml``), formats 1.x, 2.x and 3.x."""

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from sim.topology import defaults
from sim.topology.assemble import CacheFact, CpuFact, MachineFacts, NodeFact, assemble_topology
from sim.topology.columns import FREQUENCY_MHZ_MAX
from sim.topology.errors import TopologyError, one_line
from sim.topology.hwloc_read import read_objects
from sim.topology.hwloc_tables import (
    info_integer,
    read_cpukinds,
    read_distances,
    read_distances_1,
    read_memory_values,
)
from sim.topology.hwloc_tree import HwlocObject, HwlocTree
from sim.topology.hwloc_values import bits_to_indexes, read_bitmap
from sim.topology.hwloc_xml import Element, parse_xml, read_bytes
from sim.topology.latency import overlay_core_latency
from sim.topology.model import Topology

VERSION_PATTERN = re.compile(r"([123])\.\d{1,4}", re.ASCII)
MODEL_CLOCK_PATTERN = re.compile(r"@ ?(\d{1,2}\.\d{1,3}) ?GHz", re.ASCII)
NAME_SHOWN_MAX = 100


def topology_from_hwloc(
    path: str | os.PathLike[str],
    *,
    latency_csv: str | os.PathLike[str] | None = None,
    name: str | None = None,
) -> Topology:
    """Read the topology of a machine from an hwloc XML file.

    Only allowed CPUs become cores. What the file does not say (speeds of efficiency cores, a
    nominal clock, latencies) is filled in as ``sim.topology.defaults`` states. SLIT distances
    are taken as a ranking; latencies come from memory attributes where the file has them.

    Parameters
    ----------
    path        : path of the XML file
    latency_csv : path of a core-to-core latency table to overlay, or None
    name        : str, of the topology, or None to name it after the file

    Returns
    -------
    Topology

    Raises
    ------
    TopologyError if the file is unreadable, not such a file, or contradicts itself
    """
    topology = topology_from_tree(read_hwloc(path))
    if latency_csv is not None:
        topology = overlay_core_latency(topology, latency_csv)
    return topology if name is None else replace(topology, name=name)


def read_hwloc(path: str | os.PathLike[str]) -> HwlocTree:
    """Read an hwloc XML file as it stands, with nothing assumed or left out.

    Parameters
    ----------
    path : path

    Returns
    -------
    HwlocTree

    Raises
    ------
    TopologyError if the file is unreadable, not such a file, or contradicts itself
    """
    return parse_hwloc(read_bytes(path), one_line(Path(path).name))


def parse_hwloc(data: bytes, source: str) -> HwlocTree:
    """Parse an hwloc XML document.

    Parameters
    ----------
    data   : bytes, the document
    source : str, its name for error messages and for the topology

    Returns
    -------
    HwlocTree

    Raises
    ------
    TopologyError
    """
    document = parse_xml(data, source)
    if document.tag != "topology":
        hint = "write the file with: lstopo --of xml FILE"
        raise TopologyError(document.where, document.tag, "the element <topology>", hint)
    version = document.attributes.get("version", "1.x")
    match = VERSION_PATTERN.fullmatch(version)
    if version != "1.x" and match is None:
        raise TopologyError(f"{document.where}, version", version, "1.x, 2.x or 3.x")
    is_version_1 = match is None or match[1] == "1"
    machine = _machine_element(document)
    root = read_objects(machine, is_version_1=is_version_1)
    allowed_nodes = read_bitmap(machine, "allowed_nodeset")
    allowed_cpus = read_bitmap(machine, "allowed_cpuset")
    distances = read_distances_1(machine) if is_version_1 else read_distances(document, root)
    return HwlocTree(
        source=source,
        version=version,
        root=root,
        allowed_cpuset=root.cpuset & (-1 if allowed_cpus is None else allowed_cpus),
        allowed_nodeset=-1 if allowed_nodes is None else allowed_nodes,
        distances=distances,
        cpukinds=read_cpukinds(document),
        memory_values=read_memory_values(document, root),
    )


def _machine_element(document: Element) -> Element:
    objects = [child for child in document.children if child.tag == "object"]
    if len(objects) != 1:
        raise TopologyError(document.where, f"{len(objects)} objects", "one Machine object")
    return objects[0]


def topology_from_tree(tree: HwlocTree) -> Topology:
    """Decide what an hwloc tree means for scheduling.

    Parameters
    ----------
    tree : HwlocTree

    Returns
    -------
    Topology of the allowed CPUs, named after the tree's source

    Raises
    ------
    TopologyError if no CPU is allowed
    """
    cpus, caches = _gather(tree)
    if not cpus:
        hint = "write the file with --disallowed, or outside the container"
        raise TopologyError(f"{tree.source}: allowed CPUs", 0, "one or more", hint)
    facts = MachineFacts(
        cpus=cpus,
        caches=caches,
        nodes=_node_facts(tree),
        distances=_node_distances(tree),
        latencies_ns=_latencies(tree),
    )
    name = tree.source.removesuffix(".xml")[:NAME_SHOWN_MAX] or "hwloc"
    return assemble_topology(facts, name=name, where=tree.source)


def _gather(tree: HwlocTree) -> tuple[list[CpuFact], list[CacheFact]]:
    """Walk the tree once; each CPU learns its core, die and package from its ancestors."""
    cpus: list[CpuFact] = []
    caches: list[CacheFact] = []
    kind_of = _kind_facts(tree)
    pending: list[tuple[HwlocObject, dict[str, Any]]] = [(tree.root, {"Package": "none"})]
    while pending:
        item, above = pending.pop()
        if item.type in ("Package", "Die", "Core"):
            # The place in the tree identifies an object: OS indexes repeat or are missing.
            above = {**above, item.type: id(item)}
            if "CPUModel" in item.infos:
                above["model"] = item.infos["CPUModel"]
        if item.type == "PU" and tree.allowed_cpuset >> item.os_index & 1:
            rank, speed, clock = kind_of.get(item.os_index, (0, 1.0, 0))
            cpus.append(
                CpuFact(
                    os_index=item.os_index,
                    physical=above.get("Core", ("PU", item.os_index)),
                    package=above["Package"],
                    die=above.get("Die"),
                    rank=rank,
                    speed=speed,
                    frequency_mhz=clock or model_clock_mhz(above.get("model", "")),
                )
            )
        if item.cache_level:
            indexes = bits_to_indexes(item.cpuset)
            size, line = item.cache_bytes, item.line_bytes
            caches.append(CacheFact(item.cache_level, item.cache_kind, size, line, indexes))
        pending.extend((child, above) for child in item.children)
    return cpus, caches


def model_clock_mhz(model: str, default: int = defaults.FREQUENCY_MHZ) -> int:
    """Read the nominal clock out of the name of a CPU, such as ``... @ 2.10GHz``.

    Parameters
    ----------
    model   : str
    default : int, MHz, for a name without a clock

    Returns
    -------
    int, MHz
    """
    match = MODEL_CLOCK_PATTERN.search(model)
    return round(float(match[1]) * 1000) or default if match else default


def _kind_facts(tree: HwlocTree) -> dict[int, tuple[int, float, int]]:
    """Give rank, speed and nominal clock of each CPU from the kinds of core."""
    facts: dict[int, tuple[int, float, int]] = {}
    if not tree.cpukinds:
        return facts
    speeds = _kind_speeds(tree)
    for kind, speed in zip(tree.cpukinds, speeds, strict=True):
        clock = info_integer(kind.infos, "FrequencyBaseMHz")
        clock = clock if clock > 0 else info_integer(kind.infos, "FrequencyMaxMHz")
        clock = clock if 0 < clock <= FREQUENCY_MHZ_MAX else 0
        for os_index in bits_to_indexes(kind.cpuset):
            facts[os_index] = (kind.efficiency, speed, clock)
    # A CPU of no kind is taken for one of the fastest.
    best = max(facts.values()) if facts else (0, 1.0, 0)
    for pu in tree.objects("PU"):
        facts.setdefault(pu.os_index, best)
    return facts


def _kind_speeds(tree: HwlocTree) -> list[float]:
    kinds = tree.cpukinds
    for name in ("LinuxCapacity", "FrequencyMaxMHz"):
        values = [info_integer(kind.infos, name) for kind in kinds]
        if min(values) > 0:
            return [max(value / max(values), 0.001) for value in values]
    top = kinds[-1].efficiency
    return [1.0 if kind.efficiency == top else defaults.EFFICIENCY_CORE_SPEED for kind in kinds]


def _node_facts(tree: HwlocTree) -> list[NodeFact]:
    bandwidth: dict[int, int] = {}
    for item in tree.memory_values:
        if item.attribute == "Bandwidth":
            # MiB/s to MB/s; the local bandwidth is the largest of those seen.
            value = min(item.value * (1 << 20) // 10**6, 10**9)
            bandwidth[item.node_os_index] = max(value, bandwidth.get(item.node_os_index, 0))
    return [
        NodeFact(
            os_index=node.os_index,
            cpus=bits_to_indexes(node.cpuset),
            memory_bytes=node.memory_bytes or 0,
            bandwidth_mb_s=bandwidth.get(node.os_index, 0),
        )
        for node in tree.numanodes()
        # A disallowed node stays while its CPUs run: its memory is still their nearest.
        if tree.allowed_nodeset >> node.os_index & 1 or node.cpuset & tree.allowed_cpuset
    ]


def _node_distances(tree: HwlocTree) -> dict[tuple[int, int], int] | None:
    for matrix in tree.distances:
        if matrix.object_type == "NUMANode" and matrix.means_latency:
            return {
                (source, target): value
                for source, row in zip(matrix.indexes, matrix.rows, strict=True)
                for target, value in zip(matrix.indexes, row, strict=True)
            }
    return None


def _latencies(tree: HwlocTree) -> dict[tuple[int, int], int] | None:
    nodes = tree.numanodes()
    latencies = {
        (source.os_index, item.node_os_index): item.value
        for item in tree.memory_values
        for source in nodes
        if item.attribute == "Latency" and source.cpuset & item.initiator_cpuset
    }
    return latencies or None
