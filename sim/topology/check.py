"""What must hold between the fields of a topology, checked when one is constructed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sim.topology.columns import ARRAY_FIELDS, CORE_TYPES_MAX, SIZE_BYTES_MAX
from sim.topology.errors import TopologyError

if TYPE_CHECKING:
    from sim.topology.model import CacheLevel, Topology

NAME_LENGTH_MAX = 120
CACHE_ENTRIES_MAX = 256
CACHE_LEVEL_MAX = 9
CACHE_KINDS = ("data", "unified", "instruction")
LINE_BYTES_MAX = 4096
CONTROLLERS_MAX = 65536


def check_topology(topology: Topology) -> None:
    """Check everything that one field of a topology implies about another.

    Types and ranges of the arrays have been enforced before (``as_field_array``).

    Parameters
    ----------
    topology : Topology, read only

    Raises
    ------
    TopologyError naming the field, the value, and what is allowed
    """
    check_name("name", topology.name)
    _check_type_names(topology)
    _check_shapes(topology)
    for field in ("core_smt", "core_cluster", "core_package"):
        _check_dense(field, getattr(topology, field))
    _check_below("core_type", topology.core_type, len(topology.core_type_names))
    _check_below("core_cluster", topology.core_cluster, topology.num_clusters)
    _check_below("core_node", topology.core_node, topology.num_nodes)
    _check_increasing("core_os_index", topology.core_os_index)
    _check_increasing("node_os_index", topology.node_os_index)
    _check_nesting(topology)
    _check_integer("memory_controllers", topology.memory_controllers, 1, CONTROLLERS_MAX)
    check_line_bytes("cache_line_bytes", topology.cache_line_bytes)
    _check_caches(topology)


def check_name(where: str, name: object) -> None:
    """Refuse a name that could not stand in a table, a path or a log line.

    Parameters
    ----------
    where : str, the dotted key for the message
    name  : object, should be str, 1 to NAME_LENGTH_MAX printable characters

    Raises
    ------
    TopologyError
    """
    if not isinstance(name, str) or not 1 <= len(name) <= NAME_LENGTH_MAX or not name.isprintable():
        raise TopologyError(where, name, f"1 to {NAME_LENGTH_MAX} printable characters")


def check_line_bytes(where: str, value: Any) -> None:
    """Refuse a cache line size that no machine has.

    Parameters
    ----------
    where : str, the dotted key for the message
    value : object, should be int, a power of two from 1 to LINE_BYTES_MAX

    Raises
    ------
    TopologyError
    """
    _check_integer(where, value, 1, LINE_BYTES_MAX)
    if value & (value - 1):
        raise TopologyError(where, value, f"a power of two from 1 to {LINE_BYTES_MAX}")


def _check_integer(where: str, value: Any, low: int, high: int) -> None:
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if not is_integer or not low <= value <= high:
        raise TopologyError(where, value, f"an integer {low} to {high}")


def _check_type_names(topology: Topology) -> None:
    names = topology.core_type_names
    if not isinstance(names, tuple) or not 1 <= len(names) <= CORE_TYPES_MAX:
        raise TopologyError("core_type_names", names, f"1 to {CORE_TYPES_MAX} names")
    for index, name in enumerate(names):
        check_name(f"core_type_names[{index}]", name)
    if len(set(names)) != len(names):
        raise TopologyError("core_type_names", names, "different names")


def _check_shapes(topology: Topology) -> None:
    sizes = {
        "core": topology.core_type.shape[0],
        "cluster": topology.cluster_cache_bytes.shape[0],
        "node": topology.node_os_index.shape[0],
        "class": 4,
    }
    for field in ARRAY_FIELDS:
        array = getattr(topology, field.name)
        expected = tuple(sizes[axis] for axis in field.axes)
        if array is not None and array.shape != expected:
            axes = ", ".join(field.axes)
            raise TopologyError(f"{field.name}.shape", array.shape, f"{expected} = ({axes})")


def _check_dense(name: str, ids: np.ndarray) -> None:
    used = np.unique(ids)
    if not np.array_equal(used, np.arange(used.size)):
        gap = int(np.flatnonzero(used != np.arange(used.size))[0])
        raise TopologyError(name, used[-8:].tolist(), f"dense ids from 0; {gap} is not used")


def _check_below(name: str, ids: np.ndarray, bound: int) -> None:
    if int(ids.max()) >= bound:
        core = int(ids.argmax())
        raise TopologyError(f"{name}[{core}]", int(ids[core]), f"0 to {bound - 1}")


def _check_increasing(name: str, indexes: np.ndarray) -> None:
    wrong = np.flatnonzero(np.diff(indexes) <= 0)
    if wrong.size:
        place = int(wrong[0]) + 1
        allowed = f"more than {int(indexes[place - 1])}: indexes increase strictly"
        raise TopologyError(f"{name}[{place}]", int(indexes[place]), allowed)


def _check_nesting(topology: Topology) -> None:
    """Siblings share a cluster, and a cluster lies in one node and one package."""
    for inner_name, outer_name in (
        ("core_smt", "core_cluster"),
        ("core_cluster", "core_node"),
        ("core_cluster", "core_package"),
    ):
        inner, outer = getattr(topology, inner_name), getattr(topology, outer_name)
        outer_of_inner = np.full(int(inner.max()) + 1, -1, np.int64)
        # From the back, so that the first core sets the rule and a later one breaks it.
        outer_of_inner[inner[::-1]] = outer[::-1]
        wrong = np.flatnonzero(outer_of_inner[inner] != outer)
        if wrong.size:
            core = int(wrong[0])
            group = int(inner[core])
            allowed = f"one value for all cores with {inner_name} {group}"
            raise TopologyError(f"{outer_name}[{core}]", int(outer[core]), allowed)
    empty = topology.num_clusters - int(topology.core_cluster.max()) - 1
    if empty:
        allowed = f"{int(topology.core_cluster.max()) + 1} entries, one a cluster with cores"
        raise TopologyError("cluster_cache_bytes", topology.num_clusters, allowed)


def _check_caches(topology: Topology) -> None:
    caches = topology.caches
    if not isinstance(caches, tuple) or len(caches) > CACHE_ENTRIES_MAX:
        raise TopologyError("caches", caches, f"at most {CACHE_ENTRIES_MAX} CacheLevel entries")
    for index, cache in enumerate(caches):
        _check_cache(cache, f"caches[{index}]", topology.num_cores)


def _check_cache(cache: CacheLevel, where: str, num_cores: int) -> None:
    if not hasattr(cache, "sharing") or not isinstance(cache.sharing, tuple):
        raise TopologyError(where, cache, "a CacheLevel whose sharing is a tuple of tuples")
    _check_integer(f"{where}.level", cache.level, 1, CACHE_LEVEL_MAX)
    if cache.kind not in CACHE_KINDS:
        raise TopologyError(f"{where}.kind", cache.kind, ", ".join(CACHE_KINDS))
    _check_integer(f"{where}.size_bytes", cache.size_bytes, 0, SIZE_BYTES_MAX)
    if cache.line_bytes != 0:
        check_line_bytes(f"{where}.line_bytes", cache.line_bytes)
    is_seen = bytearray(num_cores)
    for index, cores in enumerate(cache.sharing):
        place = f"{where}.sharing[{index}]"
        if not isinstance(cores, tuple) or not cores:
            raise TopologyError(place, cores, "a non-empty tuple of core indexes")
        for core in cores:
            _check_integer(place, core, 0, num_cores - 1)
            if is_seen[core]:
                raise TopologyError(place, core, "each core in at most one set of a level")
            is_seen[core] = True
