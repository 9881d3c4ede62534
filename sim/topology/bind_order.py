"""Which CPU each scheduler is bound to: the orders of ``erl +sbt``."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from sim.topology.beam_cpu import NO_ID, BeamCpu, BeamTopology
from sim.topology.errors import TopologyError

BIND_TYPES = ("ns", "ts", "ps", "s", "nnts", "nnps", "tnnps", "db")
BIND_ATOMS = {
    "no_spread": "ns",
    "thread_spread": "ts",
    "processor_spread": "ps",
    "spread": "s",
    "no_node_thread_spread": "nnts",
    "no_node_processor_spread": "nnps",
    "thread_no_node_processor_spread": "tnnps",
    "default_bind": "db",
}
UNBOUND = ("u", "unbound")


@dataclass(frozen=True, slots=True)
class _Ranks:
    """Where a CPU stands, with every level numbered densely."""

    node: int  # of either kind, through the machine; NO_ID if there are none
    processor: int  # within its external node, or its stretch of processors without one
    internal: int  # node within the processor; 0 if there are none
    core: int  # within processor and internal node
    thread: int  # within the core
    joined_node: int  # as the three "no node" types count nodes; see _joined_nodes
    package: int  # the processor, through the machine


KEYS: dict[str, Callable[[_Ranks], tuple[int, ...]]] = {
    "ns": lambda at: (at.node, at.processor, at.internal, at.core, at.thread),
    "ts": lambda at: (at.thread, at.node, at.processor, at.internal, at.core),
    "ps": lambda at: (at.thread, at.internal, at.core, at.node, at.processor),
    "s": lambda at: (at.thread, at.core, at.internal, at.processor, at.node),
    "nnts": lambda at: (at.joined_node, at.thread, at.package, at.core),
    "nnps": lambda at: (at.joined_node, at.thread, at.core, at.package),
    "tnnps": lambda at: (at.thread, at.joined_node, at.core, at.package),
}
KEYS["db"] = KEYS["tnnps"]


def bind_order(beam: BeamTopology, bind_type: str) -> tuple[int, ...]:
    """Give the CPUs in the order in which schedulers are bound to them.

    Parameters
    ----------
    beam      : BeamTopology
    bind_type : str, one of BIND_TYPES as after ``+sbt``, or the atom as in BIND_ATOMS

    Returns
    -------
    tuple of int, logical ids: each CPU once

    Raises
    ------
    TopologyError for any other bind type, ``unbound`` too: it has no order

    Complexity and determinism
    --------------------------
    O(CPUs log CPUs); the keys of two CPUs never tie

    Source
    ------
    OTP ``erl_cpu_topology.c: cpu_bind_order_sort, make_cpudata_id_seq``
    """
    short = BIND_ATOMS.get(bind_type, bind_type)
    if short not in KEYS:
        hint = "unbound schedulers have no order" if bind_type in UNBOUND else ""
        raise TopologyError("bind_type", bind_type, ", ".join((*BIND_TYPES, *BIND_ATOMS)), hint)
    key = KEYS[short]
    ranked = zip(_ranks(beam), beam.cpus, strict=True)
    return tuple(cpu.logical for _, cpu in sorted(ranked, key=lambda pair: key(pair[0])))


def scheduler_map(
    order: Sequence[int], schedulers: int, allowed: Collection[int] | None = None
) -> tuple[int | None, ...]:
    """Give each scheduler its CPU.

    The k-th CPU of the order that the process may use is that of the k-th scheduler. With fewer
    schedulers the last CPUs stay without one, with more the last schedulers stay unbound. Only
    the number of schedulers created counts, not that of schedulers online.

    Parameters
    ----------
    order      : sequence of int, logical ids, from ``bind_order``
    schedulers : int, >= 1
    allowed    : collection of int, the CPU affinity mask of the process; None = every CPU

    Returns
    -------
    tuple of int or None, one a scheduler by its index from 0; None = unbound

    Raises
    ------
    TopologyError if ``schedulers`` is below 1

    Source
    ------
    OTP ``erl_cpu_topology.c: signal_schedulers_bind_change, write_schedulers_bind_change``
    """
    if not isinstance(schedulers, int) or isinstance(schedulers, bool) or schedulers < 1:
        raise TopologyError("schedulers", schedulers, "an integer of at least 1")
    mask = None if allowed is None else frozenset(allowed)
    usable = [cpu for cpu in order if mask is None or cpu in mask]
    unbound = [None] * max(schedulers - len(usable), 0)
    return (*usable[:schedulers], *unbound)


def _ranks(beam: BeamTopology) -> list[_Ranks]:
    """Number each level from 0 in stored order, anew wherever the level above changes."""
    ranks: list[_Ranks] = []
    last: BeamCpu | None = None
    node = processor = internal = core = thread = package = -1
    for cpu, joined_node in zip(beam.cpus, _joined_nodes(beam.cpus), strict=True):
        is_new_outer = last is None or cpu.node != last.node
        is_new_processor = last is None or cpu.processor != last.processor
        is_new_inner = is_new_processor or (last is not None and cpu.processor_node != last.processor_node)
        is_new_core = is_new_inner or (last is not None and cpu.core != last.core)
        if (is_new_outer and cpu.node != NO_ID) or (is_new_inner and cpu.processor_node != NO_ID):
            node += 1
        if is_new_processor:
            processor = 0 if is_new_outer else processor + 1
            package += 1
        if is_new_inner:
            internal = 0 if is_new_processor else internal + 1
        if is_new_core:
            core = 0 if is_new_inner else core + 1
        thread = 0 if is_new_core else thread + 1
        ranks.append(_Ranks(node, processor, internal, core, thread, joined_node, package))
        last = cpu
    return ranks


def _joined_nodes(cpus: Sequence[BeamCpu]) -> list[int]:
    """Number the nodes as the "no node" types do: a node goes on until another id of its kind comes.

    The same as the plain numbers if no id names two nodes, as it should be. A repeated id is where
    OTP joins two internal nodes of neighbouring processors, or an external node and what lies
    between its processors.
    """
    joined: list[int] = []
    count, external, internal = -1, NO_ID, NO_ID
    for cpu in cpus:
        is_new = cpu.node != external if cpu.node != NO_ID else cpu.processor_node != internal
        if is_new and (cpu.node, cpu.processor_node) != (NO_ID, NO_ID):
            count += 1
        external = cpu.node if cpu.node != NO_ID else external
        internal = cpu.processor_node
        joined.append(count)
    return joined
