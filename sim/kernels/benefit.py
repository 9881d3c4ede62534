"""What a migration is expected to gain, and the rules that weigh it against its cost (DESIGN §8)."""

from sim.kernels import bits, costs, queues
from sim.kernels.jit import cold, kernel, leaf
from sim.kernels.rows import core, klass, mask, process
from sim.layout import core as C
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import policy as R
from sim.layout import process as P
from sim.layout import step as T

TERM_MOST_NS = 2**40
PRODUCT_MOST = 2**62
AGE_MOST_NS = 2**48
BENEFIT_MOST = 2**46  # beyond it, benefit in Q16 exceeds PRODUCT_MOST
INFINITE = -1
ONE_Q16 = 1 << 16


@leaf
def saturated(x, most):
    """x within -most .. most."""
    return max(-most, min(most, x))


@kernel
def scaled_q20(count, x_q20, most):
    """(count * x) >> 20 within -most .. most, for count >= 0 and any x, without overflow."""
    if x_q20 != 0 and count > (most << 20) // abs(x_q20):
        return most if x_q20 > 0 else -most
    return saturated((count * x_q20) >> 20, most)


@leaf
def weighted(x_ns, weight_q16):
    """A term of the gain times its weight."""
    return x_ns if weight_q16 == ONE_Q16 else (x_ns * weight_q16) >> 16


@kernel
def remaining_reds(z, g, f, p):
    """Reductions that p is expected to run still."""
    row = process(z, p)
    reds = g[klass(g, z[row + P.CLASS]) + T.EXPECTED_REDS]
    if z[K.REMAINING] == R.STEP_LEFT and z[row + P.REMAINING] > 0:
        reds = z[row + P.REMAINING]
    elif z[K.REMAINING] == R.AGE:
        reds = max(1, z[row + P.AGE_REDS])
    return min(reds, TERM_MOST_NS)


@leaf
def waiting_ns(z, source, target, k):
    """Waiting time that a move saves: work before p at the source less work at the target."""
    saved = (
        k * z[core(z, source) + C.MEAN_SLICE_NS]
        - queues.load(z, target) * z[core(z, target) + C.MEAN_SLICE_NS]
    )
    return saturated(saved, TERM_MOST_NS)


@cold
def utilisation_ns(z, g, f, p, source, target, reds):
    """Expected run time times the difference in utilisation of the two cores."""
    run_ns = scaled_q20(reds, costs.ns_per_reduction_q20(z, g, f, p, target), TERM_MOST_NS)
    return (run_ns * (z[core(z, source) + C.UTIL_Q16] - z[core(z, target) + C.UTIL_Q16])) >> 16


@cold
def locality_cycles(z, p, source, target):
    """Bonus of entering the preferred mask and the preferred core, or the loss of leaving them."""
    row = process(z, p)
    allowed, preferred = mask(z, z[row + P.MASK]), z[row + P.PREFERRED_CORE]
    steps = (1 if bits.has(z, allowed, target) else 0) - (1 if bits.has(z, allowed, source) else 0)
    if preferred >= 0:
        steps += 1 if z[core(z, target) + C.HARDWARE] == preferred else 0
        steps -= 1 if z[core(z, source) + C.HARDWARE] == preferred else 0
    return z[K.BONUS_CYCLES] * steps


@leaf
def benefit_cycles(z, g, f, p, source, target, k):
    """Expected gain of moving p, cycles of the target: waiting, speed, utilisation and locality."""
    row = process(z, p)
    reds = remaining_reds(z, g, f, p)
    slower = costs.ns_per_reduction_q20(z, g, f, p, source) - costs.ns_per_reduction_q20(z, g, f, p, target)
    gain_ns = weighted(waiting_ns(z, source, target, k), z[K.WAITING_Q16])
    gain_ns += weighted(scaled_q20(reds, slower, TERM_MOST_NS), z[K.SPEED_Q16])
    if z[K.UTILISATION_Q16] > 0:
        gain_ns += weighted(utilisation_ns(z, g, f, p, source, target, reds), z[K.UTILISATION_Q16])
    benefit = gain_ns * z[core(z, target) + C.FREQUENCY_MHZ] // 1000
    if z[row + P.AFFINITY] == P.PREFERRED or z[row + P.AFFINITY] == P.DYNAMIC:
        benefit += locality_cycles(z, p, source, target)
    return benefit


@kernel
def factor_q16(z, g, f, p, source, target):
    """threshold_factor as it is for this process and distance, Q16; INFINITE, and 0 for the rule always."""
    if z[K.RULE] == R.ALWAYS:
        return 0
    if z[K.FACTOR_INFINITE]:
        return INFINITE
    factor = (z[S.FACTOR_Q16] * z[K.CLASS_FACTOR_0 + bits.distance(z, source, target)]) >> 16
    bound = z[K.CPU_Q16 if g[klass(g, z[process(z, p) + P.CLASS]) + T.IS_CPU_BOUND] else K.IO_Q16]
    return factor if bound == ONE_Q16 else (factor * bound) >> 16


@kernel
def exceeds(gain, cost, factor):
    """gain > cost x factor, where either side may be beyond int64; then the other decides."""
    if factor > 0 and cost > PRODUCT_MOST // factor:
        return False
    if abs(gain) >= BENEFIT_MOST:
        return gain > 0
    return (gain << 16) > cost * factor


@kernel
def life_cycles(z, p, target, k):
    """The age of p times those that it would leave behind beyond those it would meet, cycles of the target.

    Source: Harchol-Balter and Downey 1997: a process that has run for long is expected to run as long
    again, so migration pays once its age exceeds cost / (n - m), n and m the processes here and there.
    """
    behind = k - queues.load(z, target)
    if behind <= 0:
        return 0
    age_ns = min(z[process(z, p) + P.AGE_NS], AGE_MOST_NS)
    shared_ns = AGE_MOST_NS if behind > AGE_MOST_NS // max(1, age_ns) else age_ns * behind
    return shared_ns * z[core(z, target) + C.FREQUENCY_MHZ] // 1000


@leaf
def is_worth_it(z, g, f, p, source, target, k):
    """The last check of a candidate; ESTIMATE_CYCLES holds its cost. Leaves BENEFIT_CYCLES behind."""
    z[S.BENEFIT_CYCLES] = benefit_cycles(z, g, f, p, source, target, k)
    factor = factor_q16(z, g, f, p, source, target)
    z[S.FACTOR_HERE_Q16] = factor
    if z[K.RULE] == R.ALWAYS:
        return True
    if factor == INFINITE:
        return False
    gain = z[S.BENEFIT_CYCLES]
    if z[K.RULE] == R.REMAINING_LIFE:
        gain = life_cycles(z, p, target, k)
        if gain == 0:
            return False
    return exceeds(gain, z[S.ESTIMATE_CYCLES], factor)
