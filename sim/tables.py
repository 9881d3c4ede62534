"""A topology and a workload to the read-only tables of the kernel."""

from typing import NamedTuple

import numpy as np

from sim.binding import is_efficiency
from sim.layout import hardware as H
from sim.layout import process as P
from sim.layout import step as T
from sim.layout import table as G
from sim.masks import words_of
from sim.programs import ProgramTables
from sim.spec.workload import Memory
from sim.timeline import TimelineTables
from sim.topology.model import Topology

DECAY_STEPS = 385  # e^-12 and less is 0 in Q16


class Tables(NamedTuple):
    """What every lane of a batch reads and none changes.

    whole : int64 (n,), `g` of the kernel: header (layout/table.py), then steps, classes, replay, memory
    real  : float64 (n,), `f` of the kernel: distributions, class numbers, values
    hardware : int64 (hardware core, hardware.WIDTH), the facts of the machine in their columns, the rest zero
    sets  : int64 (set, word) of hardware cores: every core, physical cores, clusters, nodes, masks
    has_masks : whether strict processes can occur; has_preferred : whether preferred or dynamic ones can;
    has_own_limits : whether processes with max_migrations of their own can
    has_unbinding : whether the timeline unbinds a scheduler
    is_live : whether the lane is changed from outside while it runs (sim.LiveLane)
    """

    whole: np.ndarray
    real: np.ndarray
    hardware: np.ndarray
    sets: np.ndarray
    num_smt: int
    num_clusters: int
    num_nodes: int
    num_masks: int
    num_classes: int
    num_trace: int
    num_edges: int
    num_entries: int
    has_masks: bool
    has_preferred: bool
    has_own_limits: bool
    has_unbinding: bool
    is_live: bool = False


def sets_of(ids: np.ndarray, count: int) -> list[np.ndarray]:
    """The set of cores of each id 0..count-1, as int64 words."""
    return [words_of(ids == i) for i in range(count)]


def hardware_table(topology: Topology, ns_per_reduction: float) -> np.ndarray:
    """Facts of the machine in the columns of a hardware row, int64 (hardware core, hardware.WIDTH)."""
    table = np.zeros((topology.num_cores, H.WIDTH), np.int64)
    table[:, H.BASE_Q20] = np.maximum(1, np.rint(ns_per_reduction / topology.core_speed * 2**20))
    table[:, H.FREQUENCY_MHZ] = topology.core_frequency_mhz
    table[:, H.NODE] = topology.core_node
    table[:, H.CLUSTER] = topology.core_cluster
    table[:, H.SMT] = topology.core_smt
    table[:, H.PRIVATE_BYTES] = topology.private_cache_bytes
    table[:, H.CLUSTER_BYTES] = topology.cluster_cache_bytes[topology.core_cluster]
    table[:, H.NOMINAL_Q20] = table[:, H.BASE_Q20]
    table[:, H.NOMINAL_MHZ] = table[:, H.FREQUENCY_MHZ]
    table[:, H.IS_EFFICIENCY] = is_efficiency(topology)
    return table


def stretch_q16(topology: Topology, memories: list[Memory]) -> np.ndarray:
    """How much remote memory slows a class, int64 (class, node, home), Q16 (DESIGN §3)."""
    latency = topology.memory_latency_ns.astype(np.float64)
    penalty = np.maximum(latency / np.maximum(np.diag(latency), 1e-9)[None, :] - 1.0, 0.0)
    intensity = np.array([memory.intensity for memory in memories])
    return np.rint((1.0 + intensity[:, None, None] * penalty[None, :, :]) * 65536).astype(np.int64)


def machine_sets(topology: Topology, masks: list[np.ndarray]) -> np.ndarray:
    """Every set of hardware cores that the kernel knows, int64 (set, word), in the order of Tables.sets."""
    sets = [
        words_of(np.ones(topology.num_cores, bool)),
        *sets_of(topology.core_smt, topology.num_physical_cores),
        *sets_of(topology.core_cluster, topology.num_clusters),
        *sets_of(topology.core_node, topology.num_nodes),
        *masks,
    ]
    return np.stack(sets).view(np.int64)


def tables_of(
    topology: Topology,
    program: ProgramTables,
    ns_per_reduction: float,
    memories: list[Memory],
    timeline: TimelineTables,
) -> Tables:
    """Everything that the lanes of a batch read, packed into two flat arrays and two tables."""
    pairs = topology.core_latency_ns
    whole = [
        (G.STEPS, program.steps), (G.CLASSES, program.classes),
        (G.REPLAY_OP, program.replay_op), (G.REPLAY_VALUE, program.replay_value),
        (G.REPLAY_PEER, program.replay_peer), (G.REPLAY_FIRST, program.replay_first),
        (G.REPLAY_SCALE, program.replay_scale),
        (G.STRETCH_Q16, stretch_q16(topology, memories)), (G.MEMORY_NS, topology.memory_latency_ns),
        (G.PAIR_NS, np.zeros(1) if pairs is None else pairs), (G.LATENCY_NS, topology.line_latency_ns),
        (G.DECAY_Q16, np.rint(65536 * np.exp(-np.arange(DECAY_STEPS) / 32))),
        (G.TIMELINE, timeline.rows), (G.TIMELINE_FIRST, timeline.first),
    ]  # fmt: skip
    real = [
        (G.DRAWS, program.draws), (G.NUMBERS, program.numbers), (G.VALUES, program.values),
        (G.FACTORS, timeline.factors),
    ]  # fmt: skip
    sets = machine_sets(topology, program.masks)
    whole.append((G.SETS, sets))
    header = np.zeros(G.WIDTH, np.int64)
    header[G.NUM_NODES] = topology.num_nodes
    header[G.NUM_ENTRIES] = timeline.first.shape[0] - 1
    header[G.SET_WORDS] = sets.shape[1]
    packed, position = [], G.WIDTH
    for name, array in whole:
        header[name] = position
        packed.append(np.ascontiguousarray(array, np.int64).ravel())
        position += packed[-1].size
    floats, position = [], 0
    for name, array in real:
        header[name] = position
        floats.append(np.ascontiguousarray(array, np.float64).ravel())
        position += floats[-1].size
    affine = program.steps[program.steps[:, T.OP] == T.AFFINE]
    changed = timeline.rows[timeline.rows[:, T.WHAT] == T.CHANGE_AFFINITY]
    kinds = {*program.classes[:, T.AFFINITY], *affine[:, T.NEW_TYPE], *changed[:, T.NEW + 1]}
    limits = [*program.classes[:, T.MAX_MIGRATIONS], *affine[:, T.NEW_MAX], *changed[:, T.NEW + 3]]
    return Tables(
        whole=np.concatenate([header, *packed]),
        real=np.concatenate(floats),
        hardware=hardware_table(topology, ns_per_reduction),
        sets=sets,
        num_smt=topology.num_physical_cores, num_clusters=topology.num_clusters,
        num_nodes=topology.num_nodes,
        num_masks=len(program.masks), num_classes=program.classes.shape[0],
        num_trace=program.replay_first.shape[0] - 1 if program.replay_first[-1] > 0 else 0,
        num_edges=int((program.replay_op == T.WAIT_TRACE).sum()),
        num_entries=timeline.first.shape[0] - 1,
        has_masks=P.STRICT in kinds,
        has_preferred=bool({P.PREFERRED, P.DYNAMIC} & kinds),
        has_own_limits=max(limits) >= 0,
        has_unbinding=bool((timeline.rows[:, T.WHAT] == T.UNBIND).any()),
    )  # fmt: skip
