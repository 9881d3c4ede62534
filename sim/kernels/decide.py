"""The decision to migrate (DESIGN §6): the checks in their written order, and the migration itself."""

from sim.kernels import benefit, bits, costs, decisions, limits, log, memory, settle
from sim.kernels.jit import cold, leaf
from sim.kernels.rows import core, mask, process
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P


@leaf
def is_return(z, p, target):
    """Would p go back to the core that it left a short while ago?"""
    row = process(z, p)
    return (
        z[row + P.MIGRATIONS] > 0
        and target == z[row + P.LEFT_CORE]
        and z[S.NOW_NS] - z[row + P.LAST_MIGRATION_NS] < z[K.RETURN_NS]
    )


@leaf
def refusal(z, g, f, p, source, target, k):
    """Reason why p may not move from source to target now, or PASSED, by the first check that fails.

    The cost comes last and is kept in ESTIMATE_CYCLES: the other checks are cheaper than an estimate.
    """
    row = process(z, p)
    if z[K.MOVES] and not bits.has(z, z[S.ONLINE_SET], target):
        return N.OFFLINE
    if z[row + P.AFFINITY] == P.STRICT and not bits.has(z, mask(z, z[row + P.MASK]), target):
        return N.OUTSIDE_MASK
    if z[K.QUEUE_CAPACITY] != K.UNLIMITED and z[core(z, target) + C.QUEUE_LENGTH] >= z[K.QUEUE_CAPACITY]:
        return N.CAPACITY
    if z[K.HAS_MEMORY] and not memory.has_room(z, p, target):
        return N.MEMORY
    if z[K.IS_LIMITED]:
        limit = limits.first_refusal(z, g, f, z[S.NOW_NS], p, source, target, is_return(z, p, target))
        if limit != N.PASSED:
            return limit
    z[S.ESTIMATE_CYCLES] = costs.estimate_cycles(z, g, f, p, source, target)
    if not benefit.is_worth_it(z, g, f, p, source, target, k):
        return N.BENEFIT
    return N.PASSED


@leaf
def move(z, g, f, p, source, target, k):
    """Book the migration of p, its cost included; the caller moves it in the queues."""
    row, d, mechanism = process(z, p), bits.distance(z, source, target), z[S.MECHANISM]
    settle.settle(z, p)
    settle.open_migration(z, g, f, p, source, target, k)
    z[N.MIGRATIONS] += 1
    z[N.BY_MECHANISM + mechanism] += 1
    z[N.BY_DISTANCE + d] += 1
    z[N.ESTIMATED_CYCLES] += z[S.ESTIMATE_CYCLES]
    z[N.ESTIMATED_BY_DISTANCE + d] += z[S.ESTIMATE_CYCLES]
    if is_return(z, p, target):
        z[N.RETURNS] += 1
    z[row + P.MIGRATIONS] += 1
    z[row + P.LAST_MIGRATION_NS] = z[S.NOW_NS]
    z[row + P.LEFT_CORE] = source
    costs.charge(z, g, f, p, source, target)
    z[row + P.PAID_NS] = z[S.CHARGED_NS]
    if z[row + P.AFFINITY] == P.DYNAMIC:
        z[row + P.PREFERRED_CORE] = z[core(z, target) + C.HARDWARE]
    log.note(z, g, f, log.MIGRATE, target, p, source, mechanism)


@cold
def attempt(z, g, f, p, source, target, k, mechanism):
    """Try one candidate: count it, check it, and on success charge limits and cost.

    Returns whether p migrates; the caller then moves it in the queues. `mechanism` is WAKE, STEAL or
    BALANCE.
    """
    z[N.ATTEMPTS] += 1
    z[S.MECHANISM] = mechanism
    reason = refusal(z, g, f, p, source, target, k)
    if z[K.DECISION_CAPACITY] > 0:
        decisions.store(z, g, f, p, source, target, k, reason)
    if reason != N.PASSED:
        z[N.DENIED + reason] += 1
        log.note(z, g, f, log.DENY, target, p, source, reason)
        return False
    if z[K.IS_LIMITED]:
        limits.charge(z, g, f, z[S.NOW_NS], p, source, target)
    z[N.ESTIMATED_BENEFIT] += z[S.BENEFIT_CYCLES]
    move(z, g, f, p, source, target, k)
    return True


@cold
def force(z, g, f, p, source, target, mechanism):
    """Migrate p without any check, because it cannot stay; the caller moves it in the queues."""
    z[S.BATCH_LATER] = 0
    z[S.MECHANISM] = mechanism
    z[S.ESTIMATE_CYCLES] = costs.estimate_cycles(z, g, f, p, source, target)
    if z[K.DECISION_CAPACITY] > 0:
        decisions.store(z, g, f, p, source, target, 0, N.FORCED)
    move(z, g, f, p, source, target, 0)
