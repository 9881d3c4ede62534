"""A topology in words and as plain data."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.topology.explicit import columns_of
from sim.topology.model import DistanceClass, Topology
from sim.topology.quantities import format_size

LETTERS = {"data": "d", "instruction": "i", "unified": ""}


def describe(topology: Topology) -> list[tuple[str, str]]:
    """Sum a topology up in rows of a two-column table.

    Parameters
    ----------
    topology : Topology

    Returns
    -------
    list of (label, text)
    """
    rows = [
        ("name", topology.name),
        ("cores", _cores_text(topology)),
        ("core types", _types_text(topology)),
        ("packages", str(topology.num_packages)),
        ("NUMA nodes", _nodes_text(topology)),
        ("clusters", _clusters_text(topology)),
        ("private cache", _counted(topology.private_cache_bytes, "a core")),
    ]
    rows.extend(_cache_rows(topology))
    rows.append(("cache line", f"{topology.cache_line_bytes} bytes"))
    for label, values in (
        ("memory", _counted(topology.node_memory_bytes, "a node")),
        ("memory bandwidth", _bandwidth_text(topology)),
        ("memory latency", _latency_text(topology)),
        ("SLIT distances", _values_text(topology.node_distance)),
        ("memory controllers", str(topology.memory_controllers)),
    ):
        rows.append((label, values))
    rows.append(("cache line transfer", _line_text(topology)))
    is_measured = topology.core_latency_ns is not None
    rows.append(("core latency matrix", "measured" if is_measured else "by distance class"))
    rows.append(("digest", topology.digest()))
    return rows


def to_description(topology: Topology) -> dict[str, Any]:
    """Write a topology as a plain description, for a YAML file.

    Parameters
    ----------
    topology : Topology

    Returns
    -------
    dict of plain values; ``topology_from_description`` gives the same topology back
    """
    return columns_of(topology)


def _cores_text(topology: Topology) -> str:
    physical = topology.num_physical_cores
    if physical == topology.num_cores:
        return str(physical)
    return f"{topology.num_cores} on {physical} physical cores"


def _types_text(topology: Topology) -> str:
    parts = []
    for index, name in enumerate(topology.core_type_names):
        cores = np.flatnonzero(topology.core_type == index)
        if cores.size:
            speeds = _values_text(topology.core_speed[cores])
            clocks = _values_text(topology.core_frequency_mhz[cores])
            parts.append(f"{cores.size} {name} (speed {speeds}, {clocks} MHz)")
    return ", ".join(parts)


def _nodes_text(topology: Topology) -> str:
    empty = topology.num_nodes - np.unique(topology.core_node).size
    text = f"{topology.num_nodes}"
    return f"{text}, {empty} of them without cores" if empty else text


def _clusters_text(topology: Topology) -> str:
    sizes = np.bincount(topology.core_cluster).tolist()
    pairs = Counter(zip(sizes, topology.cluster_cache_bytes.tolist(), strict=True))
    parts = []
    for (size, cache_bytes), count in pairs.items():
        shared = f"sharing {format_size(cache_bytes)}" if cache_bytes else "no shared cache known"
        parts.append(f"{count} x {size} cores, {shared}")
    return "; ".join(parts)


def _cache_rows(topology: Topology) -> list[tuple[str, str]]:
    texts: dict[str, list[str]] = {}
    for cache in topology.caches:
        size = format_size(cache.size_bytes) if cache.size_bytes else "unknown size"
        label = f"L{cache.level}{LETTERS[cache.kind]}"
        sizes = sorted({len(cores) for cores in cache.sharing})
        cores = "/".join(map(str, sizes))
        texts.setdefault(label, []).append(f"{len(cache.sharing)} x {size} for {cores} cores")
    return [(label, "; ".join(parts)) for label, parts in texts.items()]


def _counted(values: NDArray[Any], unit: str) -> str:
    parts = []
    for value, count in Counter(values.tolist()).items():
        parts.append(f"{format_size(value) if value else 'unknown'} {unit} (x {count})")
    return "; ".join(parts[:8]) + ("; ..." if len(parts) > 8 else "")


def _bandwidth_text(topology: Topology) -> str:
    if not topology.node_bandwidth_mb_s.any():
        return "unknown"
    return f"{_values_text(topology.node_bandwidth_mb_s)} MB/s a node"


def _latency_text(topology: Topology) -> str:
    latency = topology.memory_latency_ns
    local = _values_text(np.diag(latency))
    remote = latency[~np.eye(topology.num_nodes, dtype=bool)]
    return f"{local} ns local" + (f", {_values_text(remote)} ns remote" if remote.size else "")


def _line_text(topology: Topology) -> str:
    words = [distance.name.lower().replace("_", " ") for distance in DistanceClass]
    pairs = zip(words, topology.line_latency_ns.tolist(), strict=True)
    return ", ".join(f"{word} {value} ns" for word, value in pairs)


def _values_text(values: NDArray[Any]) -> str:
    distinct = [f"{value:g}" for value in np.unique(values).tolist()]
    return "/".join(distinct if len(distinct) <= 6 else (distinct[0], "...", distinct[-1]))
