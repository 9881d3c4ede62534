"""The decision to migrate, and the move itself (DESIGN §6 and §8)."""

from sim.kernels import bits, costs, limits, log, queues
from sim.kernels.jit import kernel
from sim.kernels.rows import core, klass, mask, process
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T

GAIN_MOST_NS = 2**48
PRODUCT_MOST = 2**62
BENEFIT_MOST = 2**46  # beyond it, benefit in Q16 exceeds PRODUCT_MOST


@kernel
def benefit_cycles(z, g, f, p, source, target, k):
    """Expected gain of moving p, cycles of the target: waiting saved, speed and locality gained."""
    row = process(z, p)
    gain_ns = (
        k * z[core(z, source) + C.MEAN_SLICE_NS]
        - queues.load(z, target) * z[core(z, target) + C.MEAN_SLICE_NS]
    )
    slower = costs.ns_per_reduction_q20(z, g, f, p, source) - costs.ns_per_reduction_q20(z, g, f, p, target)
    gain_ns += (g[klass(g, z[row + P.CLASS]) + T.EXPECTED_REDS] * slower) >> 20
    # saturated, so that extreme but allowed machines do not wrap around
    gain_ns = max(-GAIN_MOST_NS, min(GAIN_MOST_NS, gain_ns))
    benefit = gain_ns * z[core(z, target) + C.FREQUENCY_MHZ] // 1000
    if z[row + P.AFFINITY] == P.PREFERRED:
        allowed = mask(z, z[row + P.MASK])
        benefit += z[K.BONUS_CYCLES] * (
            (1 if bits.has(z, allowed, target) else 0) - (1 if bits.has(z, allowed, source) else 0)
        )
    return benefit


@kernel
def is_worth_it(z, g, f, p, source, target, k):
    """benefit > cost x threshold_factor, with the factor of the distance class."""
    if z[K.ALWAYS]:
        return True
    if z[K.FACTOR_INFINITE]:
        return False
    d = bits.distance(z, source, target)
    factor_q16 = (z[S.FACTOR_Q16] * z[K.CLASS_FACTOR_0 + d]) >> 16
    benefit = benefit_cycles(z, g, f, p, source, target, k)
    cost = z[S.ESTIMATE_CYCLES]
    # either side may be beyond int64; then the other decides
    if factor_q16 > 0 and cost > PRODUCT_MOST // factor_q16:
        return False
    if abs(benefit) >= BENEFIT_MOST:
        return benefit > 0
    return (benefit << 16) > cost * factor_q16


@kernel
def refusal(z, g, f, p, source, target, k):
    """Reason why p may not move from source to target now, or PASSED, by the first check that fails.

    The cost comes last and is kept in ESTIMATE_CYCLES: the other checks are cheaper than an estimate.
    """
    t = z[S.NOW_NS]
    row = process(z, p)
    if z[row + P.AFFINITY] == P.STRICT and not bits.has(z, mask(z, z[row + P.MASK]), target):
        return N.OUTSIDE_MASK
    if z[K.QUEUE_CAPACITY] != K.UNLIMITED and z[core(z, target) + C.QUEUE_LENGTH] >= z[K.QUEUE_CAPACITY]:
        return N.CAPACITY
    if z[K.IS_LIMITED]:
        limit = limits.first_refusal(z, g, f, t, p, source, target)
        if limit != N.PASSED:
            return limit
    z[S.ESTIMATE_CYCLES] = costs.estimate_cycles(z, g, f, p, source, target)
    if not is_worth_it(z, g, f, p, source, target, k):
        return N.BENEFIT
    return N.PASSED


@kernel
def attempt(z, g, f, p, source, target, k, mechanism):
    """Try one candidate: count it, check it, and on success charge limits and cost.

    Returns whether p migrates; the caller then moves it in the queues. `mechanism` is WAKE, STEAL or
    BALANCE. Sets LAST_MIGRATION_NS and the debt of p.
    """
    z[N.ATTEMPTS] += 1
    reason = refusal(z, g, f, p, source, target, k)
    if reason != N.PASSED:
        z[N.DENIED + reason] += 1
        log.note(z, g, f, log.DENY, target, p, source, reason)
        return False
    t = z[S.NOW_NS]
    d = bits.distance(z, source, target)
    if z[K.IS_LIMITED]:
        limits.charge(z, g, f, t, p, source, target)
    z[N.MIGRATIONS] += 1
    z[N.BY_MECHANISM + mechanism] += 1
    z[N.BY_DISTANCE + d] += 1
    z[N.ESTIMATED_CYCLES] += z[S.ESTIMATE_CYCLES]
    z[N.ESTIMATED_BY_DISTANCE + d] += z[S.ESTIMATE_CYCLES]
    z[process(z, p) + P.MIGRATIONS] += 1
    z[process(z, p) + P.LAST_MIGRATION_NS] = t
    costs.charge(z, g, f, p, source, target)
    log.note(z, g, f, log.MIGRATE, target, p, source, mechanism)
    return True
