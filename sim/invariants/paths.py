"""Invariants of erts lanes: paths lead where the last balance call or entry laid them (DESIGN §20)."""

import numpy as np

from sim.invariants.erts import erts_invariant
from sim.invariants.registry import first_bad
from sim.invariants.view import View
from sim.layout import erts as E
from sim.layout import lane as S
from sim.layout import parameter as K


def paths_of(view: View) -> np.ndarray:
    """Paths, int64 (scheduler, priority, PATH_WIDTH)."""
    rows = view.erts[:, E.PATH : E.PATH + E.PRIORITIES * E.PATH_WIDTH]
    return rows.reshape(view.num_cores, E.PRIORITIES, E.PATH_WIDTH)


def strays(view: View, paths: np.ndarray) -> np.ndarray:
    """Paths that nothing may have laid: to oneself, to nobody online, of no kind; bool (q, priority)."""
    kind, partner, made = paths[..., E.KIND], paths[..., E.PARTNER], paths[..., E.MADE]
    own = np.arange(view.num_cores)[:, None]
    bad = (partner < 0) | (partner >= view.online) | (partner == own)
    bad |= (paths[..., E.LIMIT_HERE] < 0) | (paths[..., E.LIMIT_OTHER] < 0)
    bad |= (paths[..., E.EVACUATE] & ~1 != 0) | (made < E.MADE_BALANCE) | (made > E.MADE_UTIL)
    bad |= (made == E.MADE_COMPACT) & ((view.z[K.SCL] == 0) | (own < view.z[S.LAST_ACTIVE]))
    bad |= (made == E.MADE_UTIL) & ((view.z[K.SUB] == 0) | (paths[..., E.EVACUATE] != 0))
    found: np.ndarray = (kind < E.NO_PATH) | (kind > E.IMMIGRATE) | ((kind != E.NO_PATH) & bad)
    return found


@erts_invariant("paths")
def check_paths(view: View) -> str:
    """A path leads to another scheduler online, with limits that a queue can have."""
    paths = paths_of(view)
    bad = strays(view, paths)
    return first_bad(bad, "path", kind=paths[..., E.KIND], partner=paths[..., E.PARTNER])


@erts_invariant("paths of the suspended")
def check_pushed(view: View) -> str:
    """From the first entry on they push all to q mod used; the others have none then."""
    paths, used = paths_of(view), view.online
    q = np.arange(used, view.num_cores)[:, None]
    rest = paths[used:]
    if view.counts_done.size:
        pushes = (rest[..., E.KIND] == E.EMIGRATE) & (rest[..., E.PARTNER] == q % used)
        pushes &= (rest[..., E.EVACUATE] == 1) & (rest[..., E.MADE] == E.MADE_BALANCE)
        bad = ~pushes | (rest[..., E.LIMIT_HERE] != 0) | (rest[..., E.LIMIT_OTHER] != 0)
    else:
        bad = rest[..., E.KIND] != E.NO_PATH
    lost = view.z[S.FORCED] == 1 or not view.z[K.BALANCES] or used == 1
    early = paths[:used, :, E.KIND] != E.NO_PATH
    return first_bad(bad, "path beyond", kind=rest[..., E.KIND], partner=rest[..., E.PARTNER]) or (
        first_bad(early, "path online", kind=paths[:used, :, E.KIND]) if lost else ""
    )


@erts_invariant("compacted paths")
def check_compacted(view: View) -> str:
    """While compacted, the inactive push all to q mod active, the others nothing."""
    last, used = int(view.z[S.LAST_ACTIVE]), view.online
    paths = paths_of(view)[:used]
    made = (paths[..., E.KIND] != E.NO_PATH) & (paths[..., E.MADE] == E.MADE_COMPACT)
    if view.z[S.FORCED] or last >= used:
        return first_bad(made, "path of no compaction", partner=paths[..., E.PARTNER])
    q = np.arange(used)[:, None]
    good = made & (paths[..., E.KIND] == E.EMIGRATE) & (paths[..., E.PARTNER] == q % last)
    good &= (paths[..., E.EVACUATE] == 0) & (paths[..., E.LIMIT_HERE] == 0) & (paths[..., E.LIMIT_OTHER] == 0)
    good = np.where(q >= last, good, paths[..., E.KIND] == E.NO_PATH)
    return first_bad(~good, "path", kind=paths[..., E.KIND], partner=paths[..., E.PARTNER], active=last)


def unpaired(paths: np.ndarray) -> np.ndarray:
    """Of one priority: who is on a path that its partner does not know as the written rule lays it."""
    q = np.arange(paths.shape[0])
    kind, partner = paths[:, E.KIND], paths[:, E.PARTNER]
    out, into = kind == E.EMIGRATE, kind == E.IMMIGRATE
    some = out | into
    other = np.where(some, partner, q)
    mate = paths[other]
    bad: np.ndarray = some & (kind + mate[:, E.KIND] != E.EMIGRATE + E.IMMIGRATE)
    few = into if into.sum() <= out.sum() else out  # each of the fewer is the partner of its own partner
    bad |= few & (partner[other] != q)
    shares = np.bincount(partner[some & ~few], minlength=q.size)[few]
    if shares.size and np.ptp(shares) > 1:  # and the others are dealt out in turn
        bad |= few
    bad |= some & (mate[:, E.LIMIT_HERE] != paths[:, E.LIMIT_OTHER])
    bad |= into & (mate[:, E.EVACUATE] != paths[:, E.EVACUATE])
    return bad


@erts_invariant("paired paths")
def check_pairs(view: View) -> str:
    """Outside compaction paths run in pairs, at most one kind a run queue, in turn."""
    if view.z[S.LAST_ACTIVE] < view.online and not view.z[S.FORCED]:
        return ""
    paths = paths_of(view)[: view.online]
    kinds = np.unique(paths[..., E.MADE][paths[..., E.KIND] != E.NO_PATH])
    if kinds.size > 1:
        return f"paths made as {kinds.tolist()} beside each other"
    shown = np.where(paths[..., [E.KIND]] != E.NO_PATH, paths, 0)
    if kinds.tolist() == [E.MADE_UTIL] and (shown != shown[:, :1]).any():
        return "paths by utilisation that differ between priorities"
    bad = np.stack([unpaired(paths[:, level]) for level in range(E.PRIORITIES)], axis=1)
    return first_bad(bad, "path", kind=paths[..., E.KIND], partner=paths[..., E.PARTNER])
