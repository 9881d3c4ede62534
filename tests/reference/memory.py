"""Memory of the nodes, and the collections of the processes (DESIGN §14)."""

from tests.reference.codes import LogCode
from tests.reference.machine import work_ns
from tests.reference.numbers import nearest


class Memory:
    """How many bytes each node has, and how many are used."""

    def __init__(self, simulation, machine) -> None:
        self.latency_ns = machine.memory_latency_ns
        self.capacity = list(machine.node_memory_bytes)
        given = simulation.node_memory_bytes
        if given is not None:
            has_none = not any(self.capacity)
            self.capacity = [given if has_none or size else 0 for size in self.capacity]
        self.is_unlimited = not any(self.capacity)
        self.used = [0] * machine.num_nodes

    def has_room(self, node: int, size: int) -> bool:
        """Tell whether so many bytes more fit on a node."""
        return self.is_unlimited or self.used[node] + size <= self.capacity[node]

    def choose(self, node: int, size: int) -> tuple[int, str]:
        """Give the node that an allocation on `node` gets, and how it came to that."""
        if self.has_room(node, size):
            return node, "fits"
        able = [other for other in range(len(self.used)) if self.has_room(other, size)]
        if able:
            return min(able, key=lambda other: (self.latency_ns[node][other], other)), "spill"
        return node, "overflow"

    def release(self, process) -> None:
        """Free the memory of a process that exits."""
        if process.home >= 0:
            self.used[process.home] -= process.young_bytes
            self.used[process.old_home] -= process.old_bytes


def allocate(lane, process, node: int) -> None:
    """Give a process its memory at its first dispatch."""
    memory, size = lane.memory, process.working_set_bytes
    process.home, how = memory.choose(node, size)
    process.old_home = process.home
    memory.used[process.home] += size
    if how != "fits":
        lane.count(f"memory_{how}_count")
    if how == "overflow":
        lane.exhausted.add("MEMORY_LIMIT")


def collect(lane, core, process, reds: int) -> None:
    """Collect garbage at the end of a segment, if the young heap has been filled."""
    spec = process.kind.memory
    words_q16 = nearest(spec.words_per_reduction * 65536)
    process.allocated_q16 += reds * words_q16
    heap_q16 = spec.heap_words << 16
    times = process.allocated_q16 // heap_q16
    if times == 0:
        return
    process.allocated_q16 -= times * heap_q16
    process.minor_count += times
    is_major = process.minor_count >= spec.fullsweep_after
    live = (spec.heap_words * nearest(spec.survivors * 65536)) >> 16
    work = times * max(1, live // 10)
    lane.count("gc_count", times)
    if is_major:
        process.minor_count = 0
        work += process.old_bytes // 80
        lane.count("major_gc_count")
    length_ns = work_ns(work, lane.machine.base_q20[core.hw])
    core.owed_other_ns += length_ns
    lane.count("gc_ns", length_ns)
    lane.note(LogCode.GC, core.index, process, is_major, length_ns)
    bring_home(lane, process, lane.machine.node[core.hw], is_major)


def bring_home(lane, process, node: int, is_major: bool) -> None:
    """Let what a collection copies come to the node where it runs, if there is room."""
    memory = lane.memory
    if process.home != node and memory.has_room(node, process.young_bytes):
        memory.used[process.home] -= process.young_bytes
        memory.used[node] += process.young_bytes
        process.home = node
        lane.count("young_move_count")
    if is_major and process.old_home != node and memory.has_room(node, process.old_bytes):
        memory.used[process.old_home] -= process.old_bytes
        memory.used[node] += process.old_bytes
        process.old_home = node
        lane.count("old_move_count")
