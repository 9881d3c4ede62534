"""The machine of DESIGN §3: distances, orders of cores, and time from work and cycles."""

from tests.reference.numbers import nearest

Q16 = 1 << 16
Q20 = 1 << 20


class Machine:
    """A topology seen through plain lists and the integer arithmetic of §3."""

    def __init__(self, topology, ns_per_reduction: float, remote_memory: bool) -> None:
        self.num_cores = n = topology.num_cores
        self.num_nodes = topology.num_nodes
        self.num_clusters = topology.num_clusters
        self.node = [int(x) for x in topology.core_node]
        self.cluster = [int(x) for x in topology.core_cluster]
        self.package = [int(x) for x in topology.core_package]
        self.smt = [int(x) for x in topology.core_smt]
        self.mhz = [int(x) for x in topology.core_frequency_mhz]
        self.type_name = [topology.core_type_names[int(x)] for x in topology.core_type]
        self.speed = [float(x) for x in topology.core_speed]
        self.base_q20 = [nearest(ns_per_reduction / speed * Q20) for speed in self.speed]
        self.private_cache_bytes = [int(x) for x in topology.private_cache_bytes]
        self.line_bytes = int(topology.cache_line_bytes)
        self.line_latency_ns = [int(x) for x in topology.line_latency_ns]
        self.core_latency_ns = topology.core_latency_ns
        self.memory_latency_ns = [[int(x) for x in row] for row in topology.memory_latency_ns]
        self.remote_memory = remote_memory
        self.order = [self.cyclic_nearest(core) for core in range(n)]

    def distance(self, a: int, b: int) -> int:
        """Classify the distance between two cores: 0 same physical core .. 3 other node."""
        if self.smt[a] == self.smt[b]:
            return 0
        if self.cluster[a] == self.cluster[b]:
            return 1
        return 2 if self.node[a] == self.node[b] else 3

    def cyclic_nearest(self, core: int) -> list[int]:
        """List the other cores, nearest class first, then upwards from `core`, cyclically."""
        n = self.num_cores
        others = [other for other in range(n) if other != core]
        return sorted(others, key=lambda x: (self.distance(core, x), (x - core) % n))

    def measured_latency_ns(self, a: int, b: int) -> int:
        """Give the latency of a line between two cores: measured, else that of the class."""
        if self.core_latency_ns is not None:
            return int(self.core_latency_ns[a][b])
        return self.line_latency_ns[self.distance(a, b)]

    def cycles_to_ns(self, cycles: int, core: int) -> int:
        """Turn cycles of a core into ns, rounded up."""
        return (cycles * 1000 + self.mhz[core] - 1) // self.mhz[core]

    def ns_per_reduction_q20(self, core: int, home: int, intensity: float) -> int:
        """Give the Q20 ns of a reduction on `core` with memory on node `home` (-1: none yet)."""
        if home < 0 or not self.remote_memory:
            return self.base_q20[core]
        row_local = self.memory_latency_ns[home][home]
        ratio = self.memory_latency_ns[self.node[core]][home] / row_local
        stretch_q16 = nearest((1.0 + intensity * max(0.0, ratio - 1.0)) * Q16)
        return (self.base_q20[core] * stretch_q16) >> 16


def work_ns(reds: int, q20: int) -> int:
    """Give the ns that reductions take, rounded up."""
    return (reds * q20 + Q20 - 1) >> 20
