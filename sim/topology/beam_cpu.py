"""A machine in the BEAM's own terms: six identifiers for each CPU, and nothing else.

The model of ``erl_cpu_topology.c``. It knows no caches, no distances and no memory.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter

from sim.topology.errors import TopologyError

NO_ID = -1
ID_MAX = 65535
ID_NAMES = ("node", "processor", "processor_node", "core", "thread", "logical")
NODE_NAMES = ("node", "processor_node")
SAME_PLACE = 5  # the first five identifiers say where a CPU is, the sixth what it is called
# Much faster than dataclasses.astuple, which copies: a machine may have 65536 CPUs.
ids_of = attrgetter(*ID_NAMES)


@dataclass(frozen=True, slots=True)
class BeamCpu:
    """One logical CPU, as the BEAM places it.

    A core id is unique in its processor and a thread id in its core; all others in the machine.
    A CPU has a node around its processor, a node within it, or none.
    """

    node: int  # 0 to 65535, NUMA node that holds the whole processor; NO_ID = none
    processor: int  # 0 to 65535, package
    processor_node: int  # 0 to 65535, NUMA node within the processor; NO_ID = none
    core: int  # 0 to 65535
    thread: int  # 0 to 65535
    logical: int  # 0 to 65535, the operating system's index


@dataclass(frozen=True)
class BeamTopology:
    """All CPUs of a machine, in stored order.

    Stored order is by processor, node, processor_node, core and thread. The constructor takes any
    order and any iterable. Two topologies are equal when all identifiers are.

    Raises
    ------
    TopologyError if there is no CPU; an identifier is out of range; two CPUs have one logical id
    or one place; some CPUs have a NUMA node and others none, or one has both kinds; or CPUs of
    one processor have different external nodes

    Source
    ------
    OTP ``erl_cpu_topology.c: verify_topology, processor_order_cmp``. OTP overlooks both kinds of
    node on the first CPU; this does not.
    """

    cpus: tuple[BeamCpu, ...]

    def __post_init__(self) -> None:
        cpus = tuple(self.cpus)
        for index, cpu in enumerate(cpus):
            _check_ids(cpu, f"cpus[{index}]")
        # By the logical id at last, so that an error names the same CPU whatever order was given.
        object.__setattr__(self, "cpus", tuple(sorted(cpus, key=lambda cpu: (stored_key(cpu), cpu.logical))))
        _check_unique(self.cpus)
        _check_nodes(self.cpus)

    @property
    def has_nodes(self) -> bool:
        """Tell whether the CPUs lie in NUMA nodes: either all do or none."""
        return self.cpus[0].node != NO_ID or self.cpus[0].processor_node != NO_ID

    @property
    def logical_ids(self) -> tuple[int, ...]:
        """Give the logical ids in stored order."""
        return tuple(cpu.logical for cpu in self.cpus)


def stored_key(cpu: BeamCpu) -> tuple[int, ...]:
    """Give the key of the stored order.

    Parameters
    ----------
    cpu : BeamCpu

    Returns
    -------
    tuple of int: processor, node, processor_node, core, thread

    Source
    ------
    OTP ``erl_cpu_topology.c: processor_order_cmp``
    """
    return cpu.processor, cpu.node, cpu.processor_node, cpu.core, cpu.thread


def _check_ids(cpu: BeamCpu, where: str) -> None:
    if not isinstance(cpu, BeamCpu):
        raise TopologyError(where, cpu, "a BeamCpu")
    for name, value in zip(ID_NAMES, ids_of(cpu), strict=True):
        low = NO_ID if name in NODE_NAMES else 0
        is_integer = isinstance(value, int) and not isinstance(value, bool)
        if not is_integer or not low <= value <= ID_MAX:
            hint = "the BEAM has 16 bits for an identifier"
            raise TopologyError(f"{where}.{name}", value, f"an integer {low} to {ID_MAX}", hint)


def _check_unique(cpus: Iterable[BeamCpu]) -> None:
    place_of: dict[int, tuple[int, ...]] = {}
    logical_of: dict[tuple[int, ...], int] = {}
    for cpu in cpus:
        if cpu.logical in place_of:
            hint = "give each CPU a logical id of its own"
            raise TopologyError("logical", cpu.logical, "each logical id once", hint)
        place = ids_of(cpu)[:SAME_PLACE]
        if place in logical_of:
            where = f"CPUs {logical_of[place]} and {cpu.logical}"
            hint = "give them different thread, core or processor ids"
            raise TopologyError(where, _place_text(cpu), "one CPU at each place", hint)
        place_of[cpu.logical] = place
        logical_of[place] = cpu.logical
    if not place_of:
        raise TopologyError("cpus", (), "at least one CPU")


def _check_nodes(cpus: tuple[BeamCpu, ...]) -> None:
    has_node = cpus[0].node != NO_ID or cpus[0].processor_node != NO_ID
    hint = "name a node for every CPU, or for none"
    previous = cpus[0]
    for cpu in cpus:
        count = (cpu.node != NO_ID) + (cpu.processor_node != NO_ID)
        if count != int(has_node):
            allowed = "one NUMA node, around the processor or within it" if has_node else "no NUMA node"
            raise TopologyError(f"CPU {cpu.logical}", _place_text(cpu), allowed, hint)
        if cpu.processor == previous.processor and cpu.node != previous.node:
            where = f"CPUs {previous.logical} and {cpu.logical} of processor {cpu.processor}"
            allowed = "one external node for a processor"
            hint = "write nodes within a processor as internal ones: n before p in +sct"
            raise TopologyError(where, f"nodes {previous.node} and {cpu.node}", allowed, hint)
        previous = cpu


def _place_text(cpu: BeamCpu) -> str:
    names = zip(ID_NAMES[:SAME_PLACE], ids_of(cpu), strict=False)
    return ", ".join(f"{name} {value}" for name, value in names if value != NO_ID)
