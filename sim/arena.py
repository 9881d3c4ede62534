"""Memory of one thread: one flat int64 array in which the kernel keeps a whole lane."""

import numpy as np

from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import erts as E
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T
from sim.layout import table as G
from sim.layout.decision import WIDTH as DECISION_WIDTH
from sim.layout.sentinel import TIME_NEVER_NS, TIME_PAST_NS
from sim.plan import Plan

# the message pool, in rows of MAIL_WIDTH: four messages a process, and enough for a burst to a few
MAIL_PER_PROCESS = 4
MAIL_LEAST = 65_536
MAIL_WIDTH = 4
LOG_WIDTH = 6
LINE = 8  # int64 in a cache line: rows that are touched together begin on one


def at(position: int) -> int:
    """Column of a parameter in Plan.parameters."""
    return position - K.BASE


def slots_needed(plan: Plan) -> int:
    """Process slots of the largest lane: closed populations never need more than their size."""
    most = int(plan.parameters[:, at(K.MAX_PROCESSES)].max())
    if plan.tables.num_trace:
        return min(most, int(plan.parameters[0, at(K.COPIES)]) * plan.tables.num_trace)
    return most if plan.spawns else max(1, plan.closed)


class Arena:
    """The array `z`, and where each part of it begins.

    About 600 bytes a process slot and 400 a core; the operating system gives the pages when they are
    first touched, so slots that are never used cost nothing. One arena serves any number of lanes, one
    after the other.

    base : position in `z` of each part of variable size, by the scalar (layout/lane.py) that holds it
    ring : entries of the rings of migration times, by limit
    """

    def __init__(self, plan: Plan, log_capacity: int = 0) -> None:
        tables, table = plan.tables, plan.parameters
        self.plan = plan
        self.num_cores = int(table[:, at(K.NUM_CORES)].max())
        self.words = (self.num_cores + 63) // 64
        self.slots = slots_needed(plan)
        self.leaves = max(2, 1 << (self.num_cores - 1).bit_length())
        self.copies = max(1, int(table[0, at(K.COPIES)]))
        self.log_capacity = log_capacity
        self.decision_capacity = int(table[0, at(K.DECISION_CAPACITY)])
        self.ring = {name: max(1, int(table[:, at(column)].max())) for name, column in (
            ("core", K.CORE_COUNT), ("system", K.SYSTEM_COUNT), ("storm", K.STORM_COUNT),
        )}  # fmt: skip
        windowed = (table[:, at(K.PROCESS_COUNT)] > 0) & (table[:, at(K.PROCESS_WINDOW_NS)] > 0)
        self.has_erts = bool(table[:, at(K.ERTS)].any())
        self.edge_words = (tables.num_edges + 63) // 64 + 1
        sizes = self.sizes(bool(windowed.any()))
        self.base: dict[int, int] = {}
        position = K.CORES + self.num_cores * C.WIDTH
        for name, size in sizes.items():
            position = -(-position // LINE) * LINE
            self.base[name] = position
            position += size
        raw = np.zeros(position + LINE, np.int64)
        skip = (-raw.ctypes.data // 8) % LINE
        self.z = raw[skip : skip + position]

    def sizes(self, has_process_rings: bool) -> dict[int, int]:
        """Length of every part of variable size, by the scalar that holds its base, in order."""
        tables, n, words = self.plan.tables, self.num_cores, self.words
        return {
            S.EVENTS: self.leaves, S.TREE: self.leaves, S.READY_RING: n,
            S.IDLE_SET: words, S.BACKLOG: words, S.SCRATCH: words, S.ONLINE_SET: words,
            S.ALL_CORES: tables.sets.shape[0] * words,
            S.HARDWARE: tables.hardware.size,
            S.FOOTPRINTS: tables.num_smt, S.SHARED_FOOTPRINTS: tables.num_clusters,
            S.NODE_USED: tables.num_nodes, S.NODE_CAPACITY: tables.num_nodes,
            S.MASK_WAITING: tables.num_masks,
            S.CORE_RINGS: n * self.ring["core"],
            S.SYSTEM_RING: self.ring["system"], S.STORM_RING: self.ring["storm"],
            S.ERTS_ROWS: n * E.WIDTH if self.has_erts else 0, S.ERTS_ORDER: n if self.has_erts else 0,
            S.CLASS_STATE: tables.num_classes * T.CLASS_STATE_WIDTH,
            S.HISTOGRAMS: 3 * N.HISTOGRAM_WIDTH,
            S.EDGES: self.copies * self.edge_words,
            S.REPLAY_SLOTS: self.copies * tables.num_trace,
            S.LOG: LOG_WIDTH * self.log_capacity,
            S.DECISIONS: DECISION_WIDTH * self.decision_capacity,
            S.HEAP: 2 * (self.slots + tables.num_classes + 1),
            S.PROCESSES: self.slots * P.WIDTH,
            S.PROCESS_RINGS: self.slots * P.RING if has_process_rings else 0,
            S.MAIL: MAIL_WIDTH * (MAIL_PER_PROCESS * self.slots + MAIL_LEAST),
        }  # fmt: skip

    def part(self, name: int, size: int) -> np.ndarray:
        """A view of the first `size` numbers of a part."""
        return self.z[self.base[name] : self.base[name] + size]

    def clear(self, index: int) -> None:
        """Make the arena that of time 0 for lane `index` of the plan.

        The parts that grow with use (heap, processes, messages) keep what the last lane left: the kernel
        writes each of their rows before it reads it.
        """
        z, tables, row = self.z, self.plan.tables, self.plan.parameters[index]
        z[: self.base[S.HEAP]] = 0
        z[K.BASE : K.BASE + row.shape[0]] = row
        self.num_now = int(row[at(K.NUM_CORES)])
        self.clear_hardware()
        self.clear_cores(self.plan.maps[index], int(row[at(K.ONLINE)]))
        if row[at(K.ERTS)]:
            self.clear_erts(int(row[at(K.ONLINE)]))
        self.part(S.NODE_CAPACITY, tables.num_nodes)[:] = self.plan.node_capacity
        self.clear_classes()
        self.part(S.REPLAY_SLOTS, self.copies * tables.num_trace)[:] = P.NONE
        self.part(S.CORE_RINGS, self.num_cores * self.ring["core"])[:] = TIME_PAST_NS
        self.part(S.SYSTEM_RING, self.ring["system"])[:] = TIME_PAST_NS
        self.part(S.STORM_RING, self.ring["storm"])[:] = TIME_PAST_NS
        self.clear_events()
        self.set_scalars(row)

    def clear_hardware(self) -> None:
        """Hardware cores: open, at their nominal frequency."""
        hardware = self.hardware()
        hardware[:] = self.plan.tables.hardware
        hardware[:, [H.HOLDER, H.FIRST_WAITER, H.LAST_WAITER]] = C.NONE
        slow = hardware[:, H.IS_EFFICIENCY] == 1
        hardware[:, H.ACTIVE_MW] = np.where(slow, self.z[K.E_ACTIVE_MW], self.z[K.P_ACTIVE_MW])

    def clear_cores(self, places: np.ndarray, online: int) -> None:
        """Schedulers: IDLE, each on its hardware core, and the sets of them; those not online are OFFLINE."""
        cores, hardware = self.cores(), self.hardware()
        on = places[:, 0]
        cores[:, C.BASE_Q20 : C.BASE_Q20 + C.FACTS] = hardware[on, : C.FACTS]
        cores[:, C.HARDWARE], cores[:, C.PINNED] = on, places[:, 1]
        cores[:, [C.PROCESS, C.LAST_SERIAL, C.NEXT_HARDWARE, C.NEXT_WAITER]] = C.NONE
        cores[:, C.FIRST : C.LAST + C.LEVELS] = C.NONE
        np.add.at(hardware[:, H.OCCUPANTS], on, 1)
        sets = self.plan.tables.sets
        here = (sets[:, on >> 6] >> (on & 63)) & 1
        bits = np.zeros((sets.shape[0], 64 * self.words), np.uint8)
        bits[:, : on.shape[0]] = here
        packed = np.packbits(bits, axis=1, bitorder="little").view(np.int64)
        self.part(S.ALL_CORES, packed.size)[:] = packed.ravel()
        bits[0, online:] = 0
        able = np.packbits(bits[0], bitorder="little").view(np.int64)
        self.part(S.IDLE_SET, self.words)[:] = able
        self.part(S.ONLINE_SET, self.words)[:] = able
        cores[online:, C.STATE], cores[online:, C.SUSPENDED] = C.OFFLINE, 1
        cores[online:, C.CAUSE] = C.POWER

    def clear_erts(self, online: int) -> None:
        """Run queues of the BEAM: as those of a machine that has had nothing to do."""
        rows = self.part(S.ERTS_ROWS, self.num_now * E.WIDTH).reshape(self.num_now, E.WIDTH)
        rows[:, E.BALANCE_REDS] = E.BALANCE_CALL_REDS
        rows[:, E.HIST : E.HIST + E.HIST_SLOTS] = E.FULL_PERIOD_REDS
        rows[:, E.HIST_SUM] = E.HIST_SLOTS * E.FULL_PERIOD_REDS
        rows[:, [E.OUT_OF_WORK, E.HALF_OUT]] = 1
        rows[:online, E.WAITING] = 1

    def clear_classes(self) -> None:
        """Classes: nothing created yet, their affinity that of the table."""
        whole, tables = self.plan.tables.whole, self.plan.tables
        rows = whole[whole[G.CLASSES] :][: tables.num_classes * T.CLASS_WIDTH].reshape(-1, T.CLASS_WIDTH)
        state = self.part(S.CLASS_STATE, tables.num_classes * T.CLASS_STATE_WIDTH)
        now = state.reshape(-1, T.CLASS_STATE_WIDTH)
        now[:, [T.NOW_MASK, T.NOW_AFFINITY]] = rows[:, [T.MASK, T.AFFINITY]]
        now[:, [T.NOW_PREFERRED, T.NOW_MAX]] = rows[:, [T.PREFERRED, T.MAX_MIGRATIONS]]

    def clear_events(self) -> None:
        """No core has an event; the winner of every match is its lowest core."""
        self.part(S.EVENTS, self.leaves)[:] = TIME_NEVER_NS
        tree = self.part(S.TREE, self.leaves)
        first = np.arange(self.leaves)
        while (first[1:] < self.leaves).any():
            first[1:] = np.where(first[1:] < self.leaves, first[1:] * 2, first[1:])
        tree[1:] = first[1:] - self.leaves

    def set_scalars(self, row: np.ndarray) -> None:
        """Bases, sizes and the initial values of a lane's scalars."""
        z, tables, words = self.z, self.plan.tables, self.words
        for name, base in self.base.items():
            z[name] = base
        # the sets lie one after the other, in the order of Tables.sets
        z[S.SMT_SETS] = z[S.ALL_CORES] + words
        z[S.CLUSTER_SETS] = z[S.SMT_SETS] + tables.num_smt * words
        z[S.NODE_SETS] = z[S.CLUSTER_SETS] + tables.num_clusters * words
        z[S.MASKS] = z[S.NODE_SETS] + tables.num_nodes * words
        z[S.WORDS], z[S.LEAVES] = words, self.leaves
        z[S.NUM_CLUSTERS], z[S.NUM_NODES] = tables.num_clusters, tables.num_nodes
        z[S.NUM_MASKS], z[S.NUM_TRACE] = tables.num_masks, tables.num_trace
        z[S.NUM_SETS] = tables.sets.shape[0]
        z[S.CORE_RING_SIZE], z[S.EDGE_WORDS] = self.ring["core"], self.edge_words
        z[S.MAIL_SIZE] = MAIL_PER_PROCESS * self.slots + MAIL_LEAST
        z[S.LOG_SIZE] = self.log_capacity
        z[[S.NUM_IDLE, S.USED, S.ACTIVE, S.LAST_ACTIVE, S.NUM_EMPTY]] = row[at(K.ONLINE)]
        z[S.LAST_ACTIVE] = self.num_now
        z[S.HALFTIME] = 1
        z[S.UNTIL_NS] = row[at(K.HORIZON_NS)]
        first = tables.whole[tables.whole[G.TIMELINE] + T.WHEN_NS]
        z[S.NEXT_ENTRY_NS] = first if tables.num_entries else TIME_NEVER_NS
        z[S.NEXT_REBIND_NS] = row[at(K.REBIND_PERIOD_NS)] or TIME_NEVER_NS
        z[S.FREE_FIRST] = z[S.MAIL_FREE] = P.NONE
        z[S.FACTOR_Q16] = row[at(K.FACTOR_Q16)]
        z[S.BALANCE_PERIOD_NS] = row[at(K.BALANCE_PERIOD_NS)]
        z[S.NEXT_BALANCE_NS] = row[at(K.BALANCE_PERIOD_NS)] or TIME_NEVER_NS
        z[S.NEXT_ADAPT_NS] = row[at(K.ADAPT_PERIOD_NS)] if row[at(K.ADAPTIVE)] else TIME_NEVER_NS
        z[S.NEXT_WINDOW_NS] = row[at(K.WARMUP_NS)]
        z[S.TOKENS] = max(0, int(row[at(K.TOKENS)])) * 1_000_000_000  # the bucket starts full
        z[S.COOLDOWN_UNTIL_NS] = TIME_PAST_NS

    def cores(self) -> np.ndarray:
        """The rows of the lane's schedulers, int64 (core, core.WIDTH)."""
        return self.z[K.CORES : K.CORES + self.num_now * C.WIDTH].reshape(self.num_now, C.WIDTH)

    def hardware(self) -> np.ndarray:
        """The rows of hardware cores, int64 (hardware core, hardware.WIDTH)."""
        return self.part(S.HARDWARE, self.plan.tables.hardware.size).reshape(-1, H.WIDTH)

    def decisions(self) -> np.ndarray:
        """The rows of the decision log that were kept, int64 (row, 12)."""
        count = min(int(self.z[S.DECISIONS_COUNT]), self.decision_capacity)
        return self.part(S.DECISIONS, DECISION_WIDTH * count).reshape(count, DECISION_WIDTH).copy()

    def counters(self) -> dict[str, int]:
        """Every counter by name."""
        return {name: int(self.z[N.BASE + i]) for i, name in enumerate(N.NAMES)}

    def histograms(self) -> np.ndarray:
        """Sojourn, waiting and slowdown, int64 (3, HISTOGRAM_WIDTH)."""
        return self.part(S.HISTOGRAMS, 3 * N.HISTOGRAM_WIDTH).reshape(3, N.HISTOGRAM_WIDTH)

    def log(self) -> np.ndarray:
        """The entries that were kept, int64 (entry, 6)."""
        count = min(int(self.z[S.LOG_COUNT]), self.log_capacity)
        return self.part(S.LOG, LOG_WIDTH * count).reshape(count, LOG_WIDTH).copy()
