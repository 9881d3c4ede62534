"""What a migration costs (DESIGN §7).

The estimate of the decision and the charge of the simulation use one formula; they differ in what they
know: the estimate takes nothing as warm and the latency of the distance class.
"""

import numpy as np

from sim.kernels import bits
from sim.kernels.jit import kernel, leaf
from sim.kernels.rows import class_numbers, core, process
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T
from sim.layout import table as G

REFILL_PRODUCT_MOST = 2**56  # 2^46 ns in Q10: 19 hours of refill
DECAY_LAST = 384  # last entry of the decay table


@leaf
def cycles_to_ns(z, g, f, c, cycles):
    """Cycles of core c in ns, rounded up."""
    f = z[core(z, c) + C.FREQUENCY_MHZ]
    return (cycles * 1000 + f - 1) // f


@leaf
def stretch_at(z, g, p, c, home):
    """Where in g the memory stretch of p on core c stands, for memory on node `home`."""
    n = g[G.NUM_NODES]
    return g[G.STRETCH_Q16] + (z[process(z, p) + P.CLASS] * n + z[core(z, c) + C.NODE]) * n + home


@leaf
def ns_per_reduction_q20(z, g, f, p, c):
    """Ns per reduction of process p on core c with its memory where it is, Q20."""
    home = z[process(z, p) + P.HOME]
    base = z[core(z, c) + C.BASE_Q20]
    if home < 0 or z[K.REMOTE_MEMORY] == 0:
        return base
    return (base * g[stretch_at(z, g, p, c, home)]) >> 16


@kernel
def direct_cycles(z, g, f, d, latency_ns, target):
    """Direct part of a migration over distance class d, cycles of the target."""
    cycles = z[K.DIRECT_0 + d]
    if z[K.IS_CACHE] and d > 0:
        cycles += z[K.SYNC_LINES] * latency_ns * z[core(z, target) + C.FREQUENCY_MHZ] // 1000
    return cycles


@kernel
def lines_of(z, g, f, p, source):
    """Cache lines of p's working set that its old private cache can hold."""
    held = min(z[process(z, p) + P.WORKING_SET], z[core(z, source) + C.PRIVATE_BYTES])
    return (held + z[K.LINE_BYTES] - 1) // z[K.LINE_BYTES]


@kernel
def line_price_q10(z, g, f, p, latency_ns):
    """Ns of one line at a latency, with the overlap of the process's class, Q10."""
    overlap = f[class_numbers(g, z[process(z, p) + P.CLASS]) + T.OVERLAP]
    return np.int64(np.floor(latency_ns * 1024.0 / overlap + 0.5))


@leaf
def refill_ns_of(lines, price_q10):
    """Time to fetch lines at a price, saturated well inside int64."""
    if price_q10 > 0 and lines > REFILL_PRODUCT_MOST // price_q10:
        return REFILL_PRODUCT_MOST >> 10
    return (lines * price_q10) >> 10


@kernel
def estimate_cycles(z, g, f, p, source, target):
    """The policy's estimate: nothing is warm, the latency is that of the distance class."""
    d = bits.distance(z, source, target)
    latency_ns = g[g[G.LATENCY_NS] + d]
    cycles = direct_cycles(z, g, f, d, latency_ns, target)
    if z[K.IS_CACHE] and d > 0:
        refill_ns = refill_ns_of(lines_of(z, g, f, p, source), line_price_q10(z, g, f, p, latency_ns))
        cycles += refill_ns * z[core(z, target) + C.FREQUENCY_MHZ] // 1000
    return cycles


@kernel
def forget(z, row, i):
    """Drop entry i of a process's visited cores; the later ones move up, oldest first."""
    last = z[row + P.VISITED_COUNT] - 1
    for j in range(i, last):
        z[row + P.VISITED + j] = z[row + P.VISITED + j + 1]
        z[row + P.VISITED_FOOTPRINT + j] = z[row + P.VISITED_FOOTPRINT + j + 1]
    z[row + P.VISITED_COUNT] = last


@kernel
def visit_of(z, row, place):
    """Entry of a physical core among the visited ones, or -1."""
    for i in range(z[row + P.VISITED_COUNT]):
        if z[row + P.VISITED + i] == place:
            return i
    return -1


@kernel
def remember(z, p, source):
    """Keep the core that p leaves among the last four, if p ran there: else its cache holds nothing of p."""
    row = process(z, p)
    if z[row + P.FOOTPRINT] < 0:
        return
    place = z[core(z, source) + C.SMT]
    i = visit_of(z, row, place)
    if i >= 0:
        forget(z, row, i)
    elif z[row + P.VISITED_COUNT] == P.VISITS:
        forget(z, row, 0)
    count = z[row + P.VISITED_COUNT]
    z[row + P.VISITED + count] = place
    z[row + P.VISITED_FOOTPRINT + count] = z[row + P.FOOTPRINT]
    z[row + P.VISITED_COUNT] = count + 1


@kernel
def warm_q16(z, g, p, target):
    """Share of p's footprint that survived on the target since p left it; takes that visit out of the memory.

    Should p leave again before it runs, what it left there is still what it left before: FOOTPRINT keeps it.
    """
    row = process(z, p)
    z[row + P.FOOTPRINT] = P.NONE
    i = visit_of(z, row, z[core(z, target) + C.SMT])
    if i < 0:
        return 0
    then, bytes_ = z[row + P.VISITED_FOOTPRINT + i], z[core(z, target) + C.PRIVATE_BYTES]
    forget(z, row, i)
    z[row + P.FOOTPRINT] = then
    if bytes_ == 0:
        return 0
    touched = z[core(z, z[core(z, target) + C.SMT_FIRST]) + C.FOOTPRINT] - then
    return g[g[G.DECAY_Q16] + min(DECAY_LAST, touched * 32 // bytes_)]


@kernel
def charge(z, g, f, p, source, target):
    """Book the realised cost of a migration as the process's debt; returns it in cycles of the target."""
    row = process(z, p)
    d = bits.distance(z, source, target)
    latency_ns = (
        g[g[G.PAIR_NS] + source * z[K.NUM_CORES] + target] if z[K.HAS_PAIRS] else g[g[G.LATENCY_NS] + d]
    )
    cycles = direct_cycles(z, g, f, d, latency_ns, target)
    z[row + P.DEBT_NS] += cycles_to_ns(z, g, f, target, cycles)
    if z[K.IS_CACHE] and d > 0:
        lines = lines_of(z, g, f, p, source)
        remember(z, p, source)
        cold = lines - ((lines * warm_q16(z, g, p, target)) >> 16)
        z[row + P.REFILL_LINES] = cold
        z[row + P.REFILL_PRICE] = line_price_q10(z, g, f, p, latency_ns)
        refill_ns = refill_ns_of(cold, z[row + P.REFILL_PRICE])
        cycles += refill_ns * z[core(z, target) + C.FREQUENCY_MHZ] // 1000
    z[N.REALISED_CYCLES] += cycles
    z[N.REALISED_BY_DISTANCE + d] += cycles
    return cycles
