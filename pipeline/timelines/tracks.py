"""Tracks of a timeline: cores by cluster and node as the topology has them, schedulers where they move."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

import sim
from pipeline.timelines.log import Code, LaneLog
from sim import Topology


@dataclass(frozen=True)
class Track:
    """One track: what `parent` (0 = none) it stands under, and where among its siblings.

    unit : of a counter; None for a track of slices
    """

    uuid: int
    name: str
    parent: int = 0
    rank: int = 0
    description: str = ""
    unit: str | None = None


@dataclass
class Tracks:
    """All tracks of a timeline, and which is whose.

    core             : by hardware core; the slices of processes
    state            : by scheduler; what it stands on, or when it is offline
    events, queue    : by scheduler
    machine          : of the whole machine, by name
    is_moving        : schedulers have tracks of their own, since they change cores or share one
    """

    every: list[Track] = field(default_factory=list)
    core: list[int] = field(default_factory=list)
    state: list[int] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    queue: list[int] = field(default_factory=list)
    machine: dict[str, int] = field(default_factory=dict)
    is_moving: bool = False

    def add(
        self, name: str, parent: int = 0, rank: int = 0, description: str = "", unit: str | None = None
    ) -> int:
        """A new track; gives its id."""
        uuid = len(self.every) + 1
        self.every.append(Track(uuid, name, parent, rank, description, unit))
        return uuid


COUNTERS = {
    "ready processes": "processes", "idle schedulers": "schedulers", "migrations so far": "migrations",
    "denials so far": "denials", "threshold factor": "", "balancing period": "ns",
}  # fmt: skip
TUNED = ("threshold factor", "balancing period")  # not by the BEAM's own rules


def tracks_of(log: LaneLog, description: str) -> Tracks:
    """The tracks of a lane.

    Parameters
    ----------
    description : what was simulated, for the track of the machine
    """
    topology, tracks = log.inputs.topology, Tracks()
    tracks.is_moving = np.unique(log.homes).size < log.homes.size or log.of(Code.REBIND).size > 0
    machine = tracks.add(f"machine {topology.name}", 0, 0, description)
    tracks.machine["windows"] = tracks.add("metric windows", machine, 0)
    tracks.machine["changes"] = tracks.add("faults and changes", machine, 1)
    for rank, (name, unit) in enumerate(COUNTERS.items(), 2):
        if name not in TUNED or is_tuned(log.inputs.policy):
            tracks.machine[name] = tracks.add(name, machine, rank, unit=unit)
    add_cores(tracks, topology)
    add_schedulers(tracks, log)
    return tracks


def is_tuned(policy: sim.Policy) -> bool:
    """Has a policy a threshold that can be drawn?"""
    return not policy.erts.enabled and math.isfinite(policy.threshold_factor)


def add_cores(tracks: Tracks, topology: Topology) -> None:
    """Nodes, their clusters, and the cores of those."""
    uuids = {}
    for node in np.unique(topology.core_node).tolist():
        members = np.flatnonzero(topology.core_node == node)
        above = tracks.add(f"node {node}", 0, 1 + node, node_text(topology, node))
        for cluster in np.unique(topology.core_cluster[members]).tolist():
            shared = int(topology.cluster_cache_bytes[cluster])
            text = f"shares a cache of {shared / 1024:,.0f} KiB" if shared else "no shared cache known"
            group = tracks.add(f"cluster {cluster}", above, cluster, text)
            for core in members[topology.core_cluster[members] == cluster].tolist():
                name, text = core_name(topology, core), core_text(topology, core)
                uuids[core] = tracks.add(name, group, core, text)
    tracks.core = [uuids[core] for core in range(topology.num_cores)]


def node_text(topology: Topology, node: int) -> str:
    """What else is known of a node."""
    packages = np.unique(topology.core_package[topology.core_node == node]).tolist()
    return f"NUMA node {topology.node_os_index[node]}, package " + ", ".join(map(str, packages))


def core_name(topology: Topology, core: int) -> str:
    """A core's number, its type where there are several, and the operating system's number if it differs."""
    notes = []
    if len(topology.core_type_names) > 1:
        notes.append(topology.core_type_names[int(topology.core_type[core])])
    if topology.core_os_index[core] != core:
        notes.append(f"CPU {topology.core_os_index[core]}")
    return f"core {core}" + (f" ({', '.join(notes)})" if notes else "")


def core_text(topology: Topology, core: int) -> str:
    """What else is known of a core."""
    siblings = np.flatnonzero(topology.core_smt == topology.core_smt[core])
    others = [str(other) for other in siblings.tolist() if other != core]
    clock = f"{topology.core_frequency_mhz[core]} MHz, speed {topology.core_speed[core]:g}"
    return clock + (f", SMT sibling of core {', '.join(others)}" if others else "")


def seats(tracks: Tracks, log: LaneLog) -> Iterator[tuple[str, int]]:
    """By scheduler: how it is called, and the track that its events and its queue stand under."""
    if not tracks.is_moving:
        for scheduler, core in enumerate(log.homes.tolist()):
            yield (f"core {core}" if core == scheduler else f"scheduler {scheduler}"), tracks.core[core]
        return
    group = tracks.add("schedulers", 0, 1 + log.inputs.topology.num_nodes, "their cores change or are shared")
    for scheduler in range(log.num_schedulers):
        yield f"scheduler {scheduler}", tracks.add(f"scheduler {scheduler}", group, scheduler)


def add_schedulers(tracks: Tracks, log: LaneLog) -> None:
    """Events and queue lengths: under the core that a scheduler keeps to itself, else under the scheduler."""
    for name, seat in seats(tracks, log):
        tracks.state.append(seat)
        tracks.events.append(tracks.add(f"{name}: events", seat, 0))
        tracks.queue.append(tracks.add(f"{name}: queue length", seat, 1, unit="processes"))
