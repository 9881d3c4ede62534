"""The hardware of DESIGN §3: distances, time from work and cycles, and who holds a core."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from tests.reference.codes import Cause
from tests.reference.numbers import nearest

Q16 = 1 << 16
Q20 = 1 << 20


@dataclass(eq=False)
class HardwareCore:
    """What changes about a hardware core."""

    index: int
    is_online: bool = True
    is_draining: bool = False  # powered down, but a slice still runs
    cause: Cause = Cause.FAILURE  # of the last time that it was not open
    holder: Any = None  # the scheduler that runs on it
    held_since_ns: int = 0
    waiters: deque = field(default_factory=deque)

    @property
    def is_open(self) -> bool:
        """Tell whether schedulers may work on it."""
        return self.is_online and not self.is_draining


class Machine:
    """A topology seen through plain lists and the integer arithmetic of §3; cores are hardware."""

    def __init__(self, topology, ns_per_reduction: float, remote_memory: bool) -> None:
        self.num_cores = topology.num_cores
        self.num_nodes = topology.num_nodes
        self.num_clusters = topology.num_clusters
        self.node = [int(x) for x in topology.core_node]
        self.cluster = [int(x) for x in topology.core_cluster]
        self.package = [int(x) for x in topology.core_package]
        self.smt = [int(x) for x in topology.core_smt]
        self.nominal_mhz = [int(x) for x in topology.core_frequency_mhz]
        self.mhz = list(self.nominal_mhz)
        self.type_name = [topology.core_type_names[int(x)] for x in topology.core_type]
        self.speed = [float(x) for x in topology.core_speed]
        self.nominal_q20 = [nearest(ns_per_reduction / speed * Q20) for speed in self.speed]
        self.base_q20 = list(self.nominal_q20)
        self.fastest_q20 = min(self.nominal_q20)
        self.private_cache_bytes = [int(x) for x in topology.private_cache_bytes]
        self.cluster_cache_bytes = [int(x) for x in topology.cluster_cache_bytes]
        self.line_bytes = int(topology.cache_line_bytes)
        self.line_latency_ns = [int(x) for x in topology.line_latency_ns]
        self.core_latency_ns = topology.core_latency_ns
        self.memory_latency_ns = [[int(x) for x in row] for row in topology.memory_latency_ns]
        self.node_memory_bytes = [int(x) for x in topology.node_memory_bytes]
        self.remote_memory = remote_memory
        self.stretches: dict[tuple[int, int, float], int] = {}

    def is_efficient(self, core: int) -> bool:
        """Tell an E core from a P core."""
        return self.type_name[core].startswith("E")

    def distance(self, a: int, b: int) -> int:
        """Classify the distance between two cores: 0 same physical core .. 3 other node."""
        if self.smt[a] == self.smt[b]:
            return 0
        if self.cluster[a] == self.cluster[b]:
            return 1
        return 2 if self.node[a] == self.node[b] else 3

    def measured_latency_ns(self, a: int, b: int) -> int:
        """Give the latency of a line between two cores: measured, else that of the class."""
        if self.core_latency_ns is not None:
            return int(self.core_latency_ns[a][b])
        return self.line_latency_ns[self.distance(a, b)]

    def cycles_to_ns(self, cycles: int, core: int) -> int:
        """Turn cycles of a core into ns, rounded up."""
        return (cycles * 1000 + self.mhz[core] - 1) // self.mhz[core]

    def set_frequency(self, core: int, mhz: int) -> None:
        """Change the clock of a core, and with it the time that a reduction takes."""
        work = self.nominal_q20[core] * self.nominal_mhz[core]
        self.mhz[core] = mhz
        self.base_q20[core] = max(1, (work + mhz // 2) // mhz)

    def stretch_q16(self, node: int, home: int, intensity: float) -> int:
        """Give how much longer a reduction takes on a node with memory on another."""
        if not self.remote_memory:
            return Q16
        key = (node, home, intensity)
        if key not in self.stretches:
            ratio = self.memory_latency_ns[node][home] / self.memory_latency_ns[home][home]
            self.stretches[key] = nearest((1.0 + intensity * max(0.0, ratio - 1.0)) * Q16)
        return self.stretches[key]

    def nspr(self, process, core: int) -> int:
        """Give the Q20 ns of a reduction of a process on a core."""
        if process.home < 0:
            return self.base_of(process, core)
        node, kind, old_q16 = self.node[core], process.kind, process.kind.old_q16
        young = self.stretch_q16(node, process.home, kind.intensity)
        old = self.stretch_q16(node, process.old_home, kind.intensity)
        stretch_q16 = (young * (Q16 - old_q16) + old * old_q16) >> 16
        return scaled((self.base_q20[core] * stretch_q16) >> 16, process)

    def base_of(self, process, core: int) -> int:
        """Give the Q20 ns of a reduction of a process on a core, its memory apart."""
        return scaled(self.base_q20[core], process)

    def fastest_of(self, process) -> int:
        """Give the same of the fastest core."""
        return scaled(self.fastest_q20, process)


def scaled(q20: int, process) -> int:
    """Stretch the time of a reduction as the class or the trace of a process says."""
    return max(1, (q20 * process.scale_q16) >> 16)


def work_ns(reds: int, q20: int) -> int:
    """Give the ns that reductions take, rounded up."""
    return (reds * q20 + Q20 - 1) >> 20
