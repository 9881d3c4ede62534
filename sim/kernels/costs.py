"""What a migration costs (DESIGN §7): the direct part, and the price of time.

The estimate of the decision and the charge of the simulation use one formula; they differ in what they
know: the estimate takes nothing as warm and the latency of the distance class.
"""

from sim.kernels import bits, refill
from sim.kernels.jit import kernel, leaf
from sim.kernels.rows import core, hardware, klass, process
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T
from sim.layout import table as G

COMPONENTS = 5  # context switch, synchronisation, misses, remote accesses, crossing of nodes


@leaf
def cycles_to_ns(z, g, f, c, cycles):
    """Cycles of core c in ns, rounded up."""
    f = z[core(z, c) + C.FREQUENCY_MHZ]
    return (cycles * 1000 + f - 1) // f


@leaf
def stretch_q16(z, g, p, c, home):
    """Memory stretch of p on core c for memory on node `home`."""
    n = g[G.NUM_NODES]
    return g[g[G.STRETCH_Q16] + (z[process(z, p) + P.CLASS] * n + z[core(z, c) + C.NODE]) * n + home]


@kernel
def mixed_stretch_q16(z, g, p, c, home, old_home):
    """Memory stretch of p on core c whose heaps stand on two nodes."""
    old = g[klass(g, z[process(z, p) + P.CLASS]) + T.OLD_Q16]
    return (stretch_q16(z, g, p, c, home) * (65536 - old) + stretch_q16(z, g, p, c, old_home) * old) >> 16


@leaf
def scaled_q20(z, p, base_q20):
    """Ns per reduction of p where others need base_q20, Q20: its class has a time of its own."""
    if z[K.HAS_SCALES] == 0:
        return base_q20
    return max(1, (base_q20 * z[process(z, p) + P.SCALE_Q16]) >> 16)


@leaf
def ns_per_reduction_q20(z, g, f, p, c):
    """Ns per reduction of process p on core c with its memory where it is, Q20."""
    home = z[process(z, p) + P.HOME]
    base = z[core(z, c) + C.BASE_Q20]
    if home >= 0 and z[K.REMOTE_MEMORY]:
        if z[K.HAS_GC] and z[process(z, p) + P.OLD_HOME] != home:
            base = (base * mixed_stretch_q16(z, g, p, c, home, z[process(z, p) + P.OLD_HOME])) >> 16
        else:
            base = (base * stretch_q16(z, g, p, c, home)) >> 16
    return scaled_q20(z, p, base)


@leaf
def component_cycles(z, g, f, i, d, latency_ns, target):
    """One component of the direct part over distance class d, cycles of the target."""
    if z[K.IS_CACHE]:
        if i == 0:
            cycles = z[K.SWITCH_CYCLES]
        elif i == 1 and d > 0:
            cycles = z[K.SYNC_LINES] * latency_ns * z[core(z, target) + C.FREQUENCY_MHZ] // 1000
        else:
            cycles = 0
    elif d == 0:
        cycles = 0
    elif i == 0:
        cycles = z[K.SWITCH_CYCLES]
    elif i == 1:
        cycles = z[K.SYNC_0 + d]
    elif i == 2:
        cycles = z[K.MISS_0 + d]
    elif i == 3:
        cycles = z[K.FAR_0 + d]
    else:
        cycles = z[K.CROSSING] if d == 3 else 0
    return (cycles * z[K.BATCH_Q16]) >> 16 if z[S.BATCH_LATER] else cycles


@leaf
def direct_cycles(z, g, f, d, latency_ns, target):
    """Direct part of a migration over distance class d, cycles of the target."""
    total = 0
    for i in range(COMPONENTS):
        total += component_cycles(z, g, f, i, d, latency_ns, target)
    return total


@leaf
def pair_latency_ns(z, g, x, y, d):
    """Measured latency of a line between two hardware cores, or that of their distance class."""
    return g[g[G.PAIR_NS] + x * z[K.NUM_HARDWARE] + y] if z[K.HAS_PAIRS] else g[g[G.LATENCY_NS] + d]


@leaf
def cached_at(z, p, source):
    """Hardware core whose caches hold p: where it last ran, or the core that it would leave."""
    place = z[process(z, p) + P.PLACE]
    return place if place >= 0 else z[core(z, source) + C.HARDWARE]


@leaf
def estimate_cycles(z, g, f, p, source, target):
    """The policy's estimate: nothing is warm, the latency is that of the distance class."""
    d = bits.distance(z, source, target)
    cycles = direct_cycles(z, g, f, d, g[g[G.LATENCY_NS] + d], target)
    if z[K.IS_CACHE]:
        x, y = cached_at(z, p, source), z[core(z, target) + C.HARDWARE]
        far = bits.distance_of(z, hardware(z, x), hardware(z, y))
        if far > 0:
            latency_ns = refill.homed_latency_ns(z, g, p, y, far, g[g[G.LATENCY_NS] + far])
            lines = refill.private_lines(z, p, x) + refill.shared_lines(z, p, x, far)
            refill_ns = refill.time_ns(lines, refill.line_price_q10(z, g, f, p, latency_ns))
            cycles += refill_ns * z[core(z, target) + C.FREQUENCY_MHZ] // 1000
    return cycles


@leaf
def charge(z, g, f, p, source, target):
    """Book the realised cost of a migration as the process's debt; its ns are left in CHARGED_NS."""
    row = process(z, p)
    d = bits.distance(z, source, target)
    x, y = cached_at(z, p, source), z[core(z, target) + C.HARDWARE]
    latency_ns = pair_latency_ns(z, g, z[core(z, source) + C.HARDWARE], y, d)
    cycles = 0
    for i in range(COMPONENTS):
        part = component_cycles(z, g, f, i, d, latency_ns, target)
        z[N.COMPONENTS + i] += part
        cycles += part
    debt_ns = cycles_to_ns(z, g, f, target, cycles)
    z[row + P.DEBT_NS] += debt_ns
    z[S.CHARGED_NS] = debt_ns
    if z[K.IS_CACHE]:
        refill_ns = refill.owe(z, g, f, p, x, y)
        z[S.CHARGED_NS] += refill_ns
        cycles += refill_ns * z[core(z, target) + C.FREQUENCY_MHZ] // 1000
    z[row + P.PLACE] = y
    z[N.REALISED_CYCLES] += cycles
    z[N.REALISED_BY_DISTANCE + d] += cycles
