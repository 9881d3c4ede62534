"""Smaller and plainer machines for a scenario; what names cores is renumbered with them."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

import sim
from sim.masks import chosen_cores
from sim.spec.base import Spec
from tests.analytic.machines import machine
from tests.reference.scenarios import Scenario
from tests.reference.shrink_specs import Attempt, without_some

PLAIN_COLUMNS = (
    "core_type", "core_speed", "core_frequency_mhz", "core_os_index", "private_cache_bytes",
    "cluster_cache_bytes", "cache_line_bytes", "node_os_index", "node_memory_bytes", "node_bandwidth_mb_s",
    "node_distance", "memory_latency_ns", "line_latency_ns", "core_latency_ns", "core_type_names", "name",
)  # fmt: skip
AFFINITIES_IN = ("classes", "program", "changes", "affinity")


def fewer_cores(scenario: Scenario) -> Iterable[Attempt]:
    """Leave cores out."""
    for rest in without_some(tuple(range(scenario.topology.num_cores))):
        if rest:
            yield lambda rest=rest: on_cores(scenario, rest)


def on_cores(scenario: Scenario, rest: tuple[int, ...]) -> Scenario:
    """The scenario on some of its cores, in an order: the others vanish from masks and from the timeline."""
    topology = scenario.topology
    number = {old: new for new, old in enumerate(rest)}

    def mask(text: str) -> str:
        chosen = np.flatnonzero(chosen_cores(topology, text, "cores", lenient=True)).tolist()
        # A mask without a core is named by one that is not there.
        return ",".join(str(number[h]) for h in chosen if h in number) or str(len(rest))

    def affinity(value: sim.Affinity) -> sim.Affinity:
        cores = None if value.cores is None else mask(value.cores)
        return replace(value, cores=cores, preferred_core=number.get(value.preferred_core))

    schedulers = scenario.binding.schedulers or len(rest)
    changes = []
    for change in scenario.timeline.changes:
        if change.core is not None and change.core not in number:
            continue
        if change.scheduler is not None and change.scheduler >= schedulers:
            continue
        cores = None if change.cores is None else mask(change.cores)
        count = None if change.count is None else min(change.count, schedulers)
        core = None if change.core is None else number[change.core]
        if cores != str(len(rest)):
            changes.append(replace(change, cores=cores, count=count, core=core))
    return replace(
        scenario,
        topology=cores_of(topology, rest),
        workload=with_affinities(scenario.workload, affinity),
        timeline=with_affinities(replace(scenario.timeline, changes=tuple(changes)), affinity),
    )


def with_affinities(value: Any, change: Callable[[sim.Affinity], sim.Affinity]) -> Any:
    """A specification with each affinity in it changed."""
    if isinstance(value, sim.Affinity):
        return change(value)
    if isinstance(value, tuple):
        return tuple(with_affinities(item, change) for item in value)
    if isinstance(value, Spec):
        inside = [name for name in AFFINITIES_IN if hasattr(value, name)]
        return replace(value, **{name: with_affinities(getattr(value, name), change) for name in inside})
    return value


def cores_of(topology: sim.Topology, rest: tuple[int, ...]) -> sim.Topology:
    """Some cores of a machine, with the clusters and nodes that they stand in; nodes of memory alone stay."""
    chosen = np.array(rest)
    columns = ("core_type", "core_speed", "core_frequency_mhz", "private_cache_bytes")
    changes: dict[str, Any] = {name: getattr(topology, name)[chosen] for name in columns}
    changes["core_os_index"] = np.sort(topology.core_os_index[chosen])
    for name in ("core_smt", "core_cluster", "core_package"):
        changes[name] = np.unique(getattr(topology, name)[chosen], return_inverse=True)[1]
    clusters = np.unique(topology.core_cluster[chosen])
    had_cores = set(topology.core_node.tolist())
    stays = set(topology.core_node[chosen].tolist())
    nodes = [node for node in range(topology.num_nodes) if node in stays or node not in had_cores]
    if topology.core_latency_ns is not None:
        changes["core_latency_ns"] = topology.core_latency_ns[np.ix_(chosen, chosen)]
    changes["core_node"] = np.searchsorted(nodes, topology.core_node[chosen])
    changes["cluster_cache_bytes"] = topology.cluster_cache_bytes[clusters]
    return replace(topology, **changes, **nodes_of(topology, nodes))


def nodes_of(topology: sim.Topology, nodes: list[int]) -> dict[str, Any]:
    """The columns of some nodes."""
    rows = {name: getattr(topology, name)[nodes] for name in (
        "node_os_index", "node_memory_bytes", "node_bandwidth_mb_s",
    )}  # fmt: skip
    square = np.ix_(nodes, nodes)
    tables = {name: getattr(topology, name)[square] for name in ("node_distance", "memory_latency_ns")}
    return {**rows, **tables}


def plainer_machines(scenario: Scenario) -> Iterable[Attempt]:
    """Let the machine be equal cores in one cluster, or one of its columns that of such a machine."""
    topology = scenario.topology
    n = topology.num_cores
    whole = machine(n, n, n)
    if topology != whole:
        yield lambda: replace(scenario, topology=whole)
    for merge in (one_node, one_cluster, no_siblings):
        yield from changed(scenario, lambda merge=merge: merge(topology))
    plain = machine(n, 1, 1)
    for name in PLAIN_COLUMNS:
        yield from changed(scenario, lambda name=name: with_column(topology, plain, name))


def changed(scenario: Scenario, make: Callable[[], sim.Topology]) -> Iterable[Attempt]:
    """The scenario on another machine, if it is another one."""
    try:
        topology = make()
    except (ValueError, IndexError):
        return
    if topology != scenario.topology:
        yield lambda: replace(scenario, topology=topology)


def with_column(topology: sim.Topology, plain: sim.Topology, name: str) -> sim.Topology:
    """One column as that of a plain machine, cut to the same shape."""
    column, model = getattr(topology, name), getattr(plain, name)
    if isinstance(model, np.ndarray) and column is not None:
        # With a node and a cluster for each core, a plain machine has as many of everything.
        model = model[tuple(slice(0, size) for size in column.shape)]
    return replace(topology, **{name: model})


def one_node(topology: sim.Topology) -> sim.Topology:
    """All cores in the first node, and no other node."""
    zeros = np.zeros(topology.num_cores, np.int32)
    return replace(topology, core_node=zeros, core_package=zeros, **nodes_of(topology, [0]))


def one_cluster(topology: sim.Topology) -> sim.Topology:
    """All cores behind one cache, in one node."""
    zeros = np.zeros(topology.num_cores, np.int32)
    return replace(
        one_node(topology), core_cluster=zeros, cluster_cache_bytes=topology.cluster_cache_bytes[:1]
    )


def no_siblings(topology: sim.Topology) -> sim.Topology:
    """Each core a physical one."""
    return replace(topology, core_smt=list(range(topology.num_cores)))
