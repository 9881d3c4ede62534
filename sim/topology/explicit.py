"""The explicit form of a plain description: every core and node in columns."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.topology import defaults
from sim.topology.check import CACHE_ENTRIES_MAX, CACHE_KINDS, CACHE_LEVEL_MAX, CONTROLLERS_MAX
from sim.topology.columns import CORES_MAX, NODES_MAX, as_field_array
from sim.topology.errors import TopologyError
from sim.topology.memory import CLASS_KEYS, FIELDS, read_line_latency
from sim.topology.model import CacheLevel, Topology
from sim.topology.quantities import CPU_INDEX_MAX, format_cpu_list, format_size, read_cpu_list
from sim.topology.section import Section, is_list

EXPLICIT_KEYS = (
    "kind", "name", "core_types", "cores", "cluster_cache_bytes", "cache_line_bytes", "nodes",
    "line_latency_ns", "core_latency_ns", "caches", "memory_controllers",
)  # fmt: skip
# Key in the file, and the field of Topology that it fills.
CORE_COLUMNS = {
    "type": "core_type",
    "speed": "core_speed",
    "frequency_mhz": "core_frequency_mhz",
    "smt": "core_smt",
    "cluster": "core_cluster",
    "node": "core_node",
    "package": "core_package",
    "private_cache_bytes": "private_cache_bytes",
}
CORE_DEFAULTS = {
    "type": 0,
    "speed": 1.0,
    "frequency_mhz": defaults.FREQUENCY_MHZ,
    "node": 0,
    "package": 0,
    "private_cache_bytes": defaults.PRIVATE_CACHE_BYTES,
}
NODE_COLUMNS = {"memory_bytes": "node_memory_bytes", "bandwidth_mb_s": "node_bandwidth_mb_s"}
NODE_MATRICES = {"distance": "node_distance", "memory_latency_ns": "memory_latency_ns"}
CACHE_KEYS = ("level", "kind", "size_bytes", "line_bytes", "sharing")


def topology_from_columns(top: Section, name: str) -> Topology:
    """Build a topology from the explicit form.

    A column is a list with one value a core (or node), or a single value for all of them.
    ``os_index`` may be written as a list such as ``0-3,8``.

    Parameters
    ----------
    top  : Section with EXPLICIT_KEYS
    name : str

    Returns
    -------
    Topology

    Raises
    ------
    TopologyError
    """
    cores = Section(top.get("cores"), "cores", ("os_index", *CORE_COLUMNS))
    os_index = _read_indexes(cores, CORES_MAX)
    columns: dict[str, Any] = {"core_os_index": os_index}
    for key, field_name in CORE_COLUMNS.items():
        # A machine without SMT, and one cluster a core, are the only defaults that fit any size.
        default = CORE_DEFAULTS.get(key, list(range(len(os_index))))
        columns[field_name] = _read_column(cores, key, field_name, len(os_index), default)
    nodes = top.section("nodes", ("os_index", *NODE_COLUMNS, *NODE_MATRICES))
    node_os_index = _read_indexes(nodes, NODES_MAX) if nodes.has("os_index") else (0,)
    columns["node_os_index"] = node_os_index
    for key, field_name in NODE_COLUMNS.items():
        columns[field_name] = _read_column(nodes, key, field_name, len(node_os_index), 0)
    num_clusters = int(max(columns["core_cluster"])) + 1
    columns["cluster_cache_bytes"] = _read_column(
        top, "cluster_cache_bytes", "cluster_cache_bytes", num_clusters, 0
    )
    columns.update(_read_matrices(top, nodes, columns))
    return Topology(
        name=name,
        core_type_names=tuple(top.items("core_types", CORES_MAX, ["P"])),
        cache_line_bytes=top.get("cache_line_bytes", defaults.CACHE_LINE_BYTES),
        line_latency_ns=read_line_latency(top),
        caches=tuple(_read_caches(top, len(os_index))),
        memory_controllers=top.integer("memory_controllers", 1, CONTROLLERS_MAX, 1),
        **columns,
    )


def _read_indexes(section: Section, length_max: int) -> tuple[int, ...]:
    value, where = section.get("os_index"), section.at("os_index")
    if isinstance(value, str):
        value = read_cpu_list(value, where)
    elif isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    field = FIELDS["core_os_index" if length_max == CORES_MAX else "node_os_index"]
    return tuple(as_field_array(field, value, where).tolist())


def _read_column(section: Section, key: str, field_name: str, length: int, default: object) -> NDArray[Any]:
    value = section.get(key, default)
    if not is_list(value):
        value = [value] * length
    array = as_field_array(FIELDS[field_name], value, section.at(key))
    if array.shape != (length,):
        raise TopologyError(section.at(key), f"{array.size} values", f"{length} values, or one")
    return array


def _read_matrices(top: Section, nodes: Section, columns: dict[str, Any]) -> dict[str, Any]:
    matrices: dict[str, Any] = {}
    num_nodes = len(columns["node_os_index"])
    for key, field_name in NODE_MATRICES.items():
        if nodes.has(key):
            matrices[field_name] = as_field_array(FIELDS[field_name], nodes.get(key), nodes.at(key))
    matrices.setdefault("node_distance", defaults.default_node_distance(num_nodes))
    if matrices["node_distance"].shape != (num_nodes, num_nodes):
        shape = matrices["node_distance"].shape
        raise TopologyError("nodes.distance", shape, f"{num_nodes} rows of {num_nodes} values")
    if "memory_latency_ns" not in matrices:
        matrices["memory_latency_ns"] = _default_latency(matrices["node_distance"], columns)
    matrices["core_latency_ns"] = top.get("core_latency_ns", None)
    return matrices


def _default_latency(distance: NDArray[Any], columns: dict[str, Any]) -> NDArray[np.int64]:
    package_of = [defaults.NO_PACKAGE] * distance.shape[0]
    for node, package in zip(columns["core_node"], columns["core_package"], strict=True):
        if node >= len(package_of):
            raise TopologyError("cores.node", int(node), f"0 to {len(package_of) - 1}")
        package_of[node] = int(package)
    return defaults.default_memory_latency(distance, np.array(package_of))


def _read_caches(top: Section, num_cores: int) -> Iterable[CacheLevel]:
    if not top.has("caches") or top.get("caches") == []:
        return
    for index, value in enumerate(top.items("caches", CACHE_ENTRIES_MAX)):
        where = f"caches[{index}]"
        entry = Section(value, where, CACHE_KEYS)
        sharing = [
            read_cpu_list(str(text), f"{where}.sharing[{place}]", num_cores - 1)
            for place, text in enumerate(entry.items("sharing", CORES_MAX))
        ]
        yield CacheLevel(
            level=entry.integer("level", 1, CACHE_LEVEL_MAX),
            kind=entry.choice("kind", CACHE_KINDS, "unified"),
            size_bytes=entry.size("size_bytes", 0),
            line_bytes=entry.integer("line_bytes", 0, 1 << 16, 0),
            sharing=tuple(sharing),
        )


def columns_of(topology: Topology) -> dict[str, Any]:
    """Write a topology in the explicit form, ready for a YAML file.

    A column of one repeated value is written as that value.

    Parameters
    ----------
    topology : Topology

    Returns
    -------
    dict of plain values; ``topology_from_description`` gives the same topology back
    """
    cores: dict[str, object] = {"os_index": _format_indexes(topology.core_os_index.tolist())}
    for key, field_name in CORE_COLUMNS.items():
        cores[key] = _fold(getattr(topology, field_name).tolist())
    nodes: dict[str, object] = {"os_index": _format_indexes(topology.node_os_index.tolist())}
    for key, field_name in NODE_COLUMNS.items():
        nodes[key] = _fold(getattr(topology, field_name).tolist())
    for key, field_name in NODE_MATRICES.items():
        nodes[key] = getattr(topology, field_name).tolist()
    description = {
        "kind": "description",
        "name": topology.name,
        "core_types": list(topology.core_type_names),
        "cores": cores,
        "cluster_cache_bytes": _fold(topology.cluster_cache_bytes.tolist()),
        "cache_line_bytes": topology.cache_line_bytes,
        "nodes": nodes,
        "line_latency_ns": dict(zip(CLASS_KEYS, topology.line_latency_ns.tolist(), strict=True)),
        "caches": [_cache_entry(cache) for cache in topology.caches],
        "memory_controllers": topology.memory_controllers,
    }
    if topology.core_latency_ns is not None:
        description["core_latency_ns"] = topology.core_latency_ns.tolist()
    return description


def _format_indexes(indexes: list[int]) -> str | list[int]:
    # Indexes beyond what a list may name are rare enough to be written in full.
    text = format_cpu_list(indexes)
    return text if indexes[-1] <= CPU_INDEX_MAX else indexes


def _fold(values: list[Any]) -> object:
    return values[0] if len(set(values)) == 1 else values


def _cache_entry(cache: CacheLevel) -> dict[str, Any]:
    return {
        "level": cache.level,
        "kind": cache.kind,
        "size_bytes": format_size(cache.size_bytes),
        "line_bytes": cache.line_bytes,
        "sharing": [format_cpu_list(cores) for cores in cache.sharing],
    }
