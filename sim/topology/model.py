"""The frozen description of a machine that everything else in ``sim`` reads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sim.topology.check import check_topology
from sim.topology.columns import ARRAY_FIELDS, as_field_array

DIGEST_VERSION = b"coreshift-topology-1"


class DistanceClass(IntEnum):
    """How far apart two cores are, from the nearest class to the farthest."""

    SAME_CORE = 0  # the same logical CPU, or an SMT sibling on the same physical core
    SAME_CLUSTER = 1  # behind the same innermost shared cache above SMT
    SAME_NODE = 2  # another cluster of the same NUMA node
    OTHER_NODE = 3  # another NUMA node, in the same package or not


@dataclass(frozen=True)
class CacheLevel:
    """All caches of a machine that have one level, kind, size and line size.

    Two cores share such a cache exactly when one of its sharing sets holds both.
    """

    level: int  # 1 is nearest to the core, at most 9
    kind: str  # data, unified or instruction
    size_bytes: int  # of one cache; 0 = unknown
    line_bytes: int  # 0 = unknown
    sharing: tuple[tuple[int, ...], ...]  # core indexes of each cache, increasing, disjoint


@dataclass(frozen=True, eq=False)
class Topology:
    """A machine: its cores, the caches they share, its memory, and what distance costs.

    A core is a logical CPU, on which one scheduler can run. Cores stand in the order of their
    operating-system indexes, nodes likewise. Arrays are C-contiguous and read-only, and the
    constructor accepts anything that converts to them without loss. Two topologies are equal
    when their contents are.

    Raises
    ------
    TopologyError naming the field, the value, and what is allowed
    """

    name: str
    core_type_names: tuple[str, ...]  # such as ("P", "E"); fastest first by convention
    core_type: NDArray[Any]  # int8 (core,), index into core_type_names
    core_speed: NDArray[Any]  # float64 (core,), work per time relative to 1.0, > 0
    core_frequency_mhz: NDArray[Any]  # int64 (core,), nominal clock, > 0
    core_smt: NDArray[Any]  # int32 (core,), dense id of the physical core
    core_cluster: NDArray[Any]  # int32 (core,), dense id of the cluster
    core_node: NDArray[Any]  # int32 (core,), NUMA node index
    core_package: NDArray[Any]  # int32 (core,), dense id of the package
    core_os_index: NDArray[Any]  # int32 (core,), strictly increasing
    private_cache_bytes: NDArray[Any]  # int64 (core,), largest cache of the physical core alone
    cluster_cache_bytes: NDArray[Any]  # int64 (cluster,), cache the cluster shares, 0 = none
    cache_line_bytes: int  # bytes, a power of two
    node_os_index: NDArray[Any]  # int32 (node,), strictly increasing
    node_memory_bytes: NDArray[Any]  # int64 (node,), 0 = unknown
    node_bandwidth_mb_s: NDArray[Any]  # int64 (node,), MB/s, 0 = unknown
    node_distance: NDArray[Any]  # int32 (node, node), SLIT: only the order of values has a meaning
    memory_latency_ns: NDArray[Any]  # int64 (node, node), core in node i to memory of node j
    line_latency_ns: NDArray[Any]  # int64 (4,), one cache line by DistanceClass
    core_latency_ns: NDArray[Any] | None = None  # int32 (core, core), measured, ns
    caches: tuple[CacheLevel, ...] = ()
    memory_controllers: int = 1  # on the whole machine

    if TYPE_CHECKING:
        # The generated constructor, as it behaves: it takes whatever converts to the arrays.
        def __init__(self, *fields: Any, **named_fields: Any) -> None: ...

    def __post_init__(self) -> None:
        for field in ARRAY_FIELDS:
            value = getattr(self, field.name)
            if not (field.optional and value is None):
                object.__setattr__(self, field.name, as_field_array(field, value))
        for name in ("core_type_names", "caches"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        check_topology(self)

    def __eq__(self, other: object) -> bool:
        return self.digest() == other.digest() if isinstance(other, Topology) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.digest())

    def __repr__(self) -> str:
        return (
            f"Topology({self.name!r}, cores={self.num_cores}, clusters={self.num_clusters}, "
            f"nodes={self.num_nodes}, digest={self.digest()[:12]})"
        )

    @property
    def num_cores(self) -> int:
        """Give the number of cores (logical CPUs)."""
        return int(self.core_type.shape[0])

    @property
    def num_physical_cores(self) -> int:
        """Give the number of physical cores, each with one or more SMT siblings."""
        return int(self.core_smt.max()) + 1

    @property
    def num_clusters(self) -> int:
        """Give the number of clusters."""
        return int(self.cluster_cache_bytes.shape[0])

    @property
    def num_nodes(self) -> int:
        """Give the number of NUMA nodes, those without cores included."""
        return int(self.node_os_index.shape[0])

    @property
    def num_packages(self) -> int:
        """Give the number of packages (sockets)."""
        return int(self.core_package.max()) + 1

    def distance_class_matrix(self) -> NDArray[np.int8]:
        """Classify the distance between every two cores.

        Returns
        -------
        int8 array (core, core) of DistanceClass, symmetric, SAME_CORE on the diagonal
        """
        classes = np.full((self.num_cores, self.num_cores), DistanceClass.OTHER_NODE, np.int8)
        # From the widest set to the narrowest, so that the nearest class is written last.
        for ids, distance in (
            (self.core_node, DistanceClass.SAME_NODE),
            (self.core_cluster, DistanceClass.SAME_CLUSTER),
            (self.core_smt, DistanceClass.SAME_CORE),
        ):
            classes[ids[:, None] == ids[None, :]] = distance
        return classes

    def line_latency_matrix(self) -> NDArray[np.int32]:
        """Give the time for one cache line to pass between every two cores.

        The measured matrix where there is one, otherwise the latency of the distance class.

        Returns
        -------
        int32 array (core, core), ns
        """
        if self.core_latency_ns is not None:
            return self.core_latency_ns
        by_class: NDArray[np.int32] = self.line_latency_ns.astype(np.int32)
        return by_class[self.distance_class_matrix()]

    def digest(self) -> str:
        """Give the SHA-256 of the whole content, the same on every machine.

        Returns
        -------
        str, 64 hexadecimal digits
        """
        # Not cached in the instance: a frozen value with hidden state would pickle unequal.
        sha = hashlib.sha256(DIGEST_VERSION)
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                little = np.ascontiguousarray(value, value.dtype.newbyteorder("<"))
                sha.update(f"{field.name} {little.dtype.str} {little.shape}\n".encode())
                sha.update(little.tobytes())
            else:
                sha.update(f"{field.name} {value!r}\n".encode())
        return sha.hexdigest()
