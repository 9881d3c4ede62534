"""The four rate limits (DESIGN §6): sliding windows, a token bucket and a storm detector.

A window of N migrations is a ring of the last N times: the entry that would be overwritten next is the
oldest, so one comparison tells whether N of them are too recent.
"""

from sim.kernels.jit import cold, kernel
from sim.kernels.rows import core, core_ring, process, process_ring
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout.sentinel import TIME_PAST_NS

TOKEN = 1_000_000_000  # units of the bucket: one token is a second at one token a second


@kernel
def process_allows(z, g, f, t, p):
    """Limits of the process itself."""
    row = process(z, p)
    own = z[row + P.MAX_MIGRATIONS]
    if own >= 0 and z[row + P.MIGRATIONS] >= own:
        return False
    if z[row + P.MIGRATIONS] == 0:
        return z[K.PROCESS_COUNT] != 0
    if t - z[row + P.LAST_MIGRATION_NS] < z[K.PROCESS_INTERVAL_NS]:
        return False
    count = z[K.PROCESS_COUNT]
    if count == K.UNLIMITED:
        return True
    if z[K.PROCESS_WINDOW_NS] == K.UNLIMITED:
        return z[row + P.MIGRATIONS] < count
    if count == 0:
        return False
    return z[process_ring(z, p) + z[row + P.WINDOW_POSITION]] <= t - z[K.PROCESS_WINDOW_NS]


@kernel
def core_allows(z, g, f, t, c):
    """Limit of a core, which counts migrations into and out of it."""
    if z[K.CORE_COUNT] == K.UNLIMITED:
        return True
    if z[K.CORE_COUNT] == 0:
        return False
    return z[core_ring(z, c) + z[core(z, c) + C.LIMIT_POSITION]] <= t - z[K.CORE_WINDOW_NS]


@kernel
def system_allows(z, g, f, t):
    """Limit of the machine."""
    if z[K.SYSTEM_COUNT] == K.UNLIMITED:
        return True
    if z[K.SYSTEM_COUNT] == 0:
        return False
    return z[z[S.SYSTEM_RING] + z[S.SYSTEM_POSITION]] <= t - z[K.SYSTEM_WINDOW_NS]


@kernel
def bucket_allows(z, g, f, t):
    """Refill the token bucket up to t; is there a token?"""
    if z[K.TOKENS] == K.UNLIMITED:
        return True
    full = z[K.TOKENS] * TOKEN
    elapsed = t - z[S.TOKENS_NS]
    # the product below cannot overflow: it is formed only while it stays under the capacity
    if elapsed > (full - z[S.TOKENS]) // z[K.TOKEN_RATE]:
        z[S.TOKENS] = full
    else:
        z[S.TOKENS] += elapsed * z[K.TOKEN_RATE]
    z[S.TOKENS_NS] = t
    return z[S.TOKENS] >= TOKEN


@cold
def first_refusal(z, g, f, t, p, source, target, is_return):
    """First limit that refuses a migration at t, as a reason of denial, or PASSED."""
    if not process_allows(z, g, f, t, p):
        return N.PROCESS_LIMIT
    if is_return and z[K.FORBID_RETURN]:
        return N.RETURN
    if not (core_allows(z, g, f, t, source) and core_allows(z, g, f, t, target)):
        return N.CORE_LIMIT
    if not system_allows(z, g, f, t):
        return N.SYSTEM_LIMIT
    if t < z[S.COOLDOWN_UNTIL_NS]:
        return N.STORM
    if not bucket_allows(z, g, f, t):
        return N.BURST
    return N.PASSED


@kernel
def charge_core(z, g, f, t, c):
    """Enter a migration at t into the ring of core c."""
    at = z[core(z, c) + C.LIMIT_POSITION]
    z[core_ring(z, c) + at] = t
    z[core(z, c) + C.LIMIT_POSITION] = at + 1 if at + 1 < z[K.CORE_COUNT] else 0


@kernel
def charge_storm(z, g, f, t):
    """Enter a migration into the storm detector; a storm starts the cool-down and clears the history."""
    at = z[S.STORM_POSITION]
    count = z[K.STORM_COUNT]
    z[z[S.STORM_RING] + at] = t
    at = at + 1 if at + 1 < count else 0
    z[S.STORM_POSITION] = at
    if z[z[S.STORM_RING] + at] > t - z[K.STORM_WINDOW_NS]:
        z[S.COOLDOWN_UNTIL_NS] = t + z[K.COOLDOWN_NS]
        z[N.STORMS] += 1
        for i in range(count):
            z[z[S.STORM_RING] + i] = TIME_PAST_NS


@cold
def charge(z, g, f, t, p, source, target):
    """Enter a migration at t into every limit that is set."""
    row = process(z, p)
    if z[K.PROCESS_COUNT] > 0 and z[K.PROCESS_WINDOW_NS] != K.UNLIMITED:
        at = z[row + P.WINDOW_POSITION]
        z[process_ring(z, p) + at] = t
        z[row + P.WINDOW_POSITION] = at + 1 if at + 1 < z[K.PROCESS_COUNT] else 0
    if z[K.CORE_COUNT] > 0:
        charge_core(z, g, f, t, source)
        charge_core(z, g, f, t, target)
    if z[K.SYSTEM_COUNT] > 0:
        at = z[S.SYSTEM_POSITION]
        z[z[S.SYSTEM_RING] + at] = t
        z[S.SYSTEM_POSITION] = at + 1 if at + 1 < z[K.SYSTEM_COUNT] else 0
    if z[K.TOKENS] != K.UNLIMITED:
        z[S.TOKENS] -= TOKEN
    if z[K.STORM_COUNT] != K.UNLIMITED:
        charge_storm(z, g, f, t)
