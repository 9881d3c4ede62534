"""Memory of the nodes, and what a process remembers of caches."""

import numpy as np

from sim.invariants.registry import first_bad, invariant
from sim.invariants.view import View
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import status as bits
from sim.layout import step as T


@invariant("node memory")
def check_memory(view: View) -> str:
    """NODE_USED is the sum over live processes of young and old bytes on the node."""
    nodes = int(view.z[S.NUM_NODES])
    used, capacity = view.array(S.NODE_USED, nodes), view.array(S.NODE_CAPACITY, nodes)
    expected = np.zeros(nodes, np.int64)
    if view.z[K.HAS_MEMORY]:
        rows = view.process[view.live]
        rows = rows[rows[:, P.HOME] >= 0]
        total = rows[:, P.WORKING_SET]
        young = np.minimum(total, 8 * view.facts.classes[rows[:, P.CLASS], T.HEAP_WORDS])
        np.add.at(expected, rows[:, P.HOME], young)
        np.add.at(expected, rows[:, P.OLD_HOME], total - young)
        if (used > capacity).any() and not view.z[S.STATUS] & bits.MEMORY_LIMIT:
            return f"used {used.tolist()} of {capacity.tolist()}, and no overflow was noted"
    return first_bad(used != expected, "node", used=used, expected=expected)


@invariant("homes")
def check_homes(view: View) -> str:
    """A process has a home from its first dispatch on, and not before."""
    rows = view.process[view.live]
    has_run = (rows[:, P.STATE] == P.RUNNING) | (rows[:, P.LAST_CORE] >= 0)
    if view.facts.is_replay:  # its copies begin with a last core
        has_run = (rows[:, P.STATE] == P.RUNNING) | (rows[:, P.HOME] >= 0)
    bad = has_run != (rows[:, P.HOME] >= 0)
    return first_bad(bad, "live process", slot=view.live, state=rows[:, P.STATE])


@invariant("cache history")
def check_history(view: View) -> str:
    """A process remembers four different cores at most, with what was touched by then."""
    if not view.z[K.IS_CACHE]:
        return ""
    rows, tables = view.process[view.live], view.facts.tables
    own = view.array(S.FOOTPRINTS, tables.num_smt)
    shared = view.array(S.SHARED_FOOTPRINTS, tables.num_clusters)
    count = rows[:, P.VISITED_COUNT]
    bad = (count < 0) | (count > P.VISITS)
    seen = np.full((rows.shape[0], P.VISITS), -1)
    for i in range(P.VISITS):
        used = count > i
        smt, cluster = np.where(used, rows[:, P.VISITED + i], 0), rows[:, P.VISITED_CLUSTER + i]
        bad |= used & (rows[:, P.VISITED_FOOTPRINT + i] > own[smt])
        bad |= used & (rows[:, P.VISITED_SHARED + i] > shared[np.where(used, cluster, 0)])
        bad |= used & (seen == smt[:, None]).any(axis=1)
        seen[:, i] = np.where(used, smt, -1)
    return first_bad(bad, "live process", slot=view.live, visits=count)
