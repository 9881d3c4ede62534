"""What a process must fetch into the caches of another core, and what it finds there (DESIGN §7)."""

import numpy as np

from sim.kernels import bits
from sim.kernels.jit import cold, kernel, leaf
from sim.kernels.rows import class_numbers, hardware, process
from sim.layout import counter as N
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T
from sim.layout import table as G

PRODUCT_MOST = 2**56  # 2^46 ns in Q10: 19 hours of refill
DECAY_LAST = 384  # last entry of the decay table


@leaf
def lines_of(z, bytes_):
    """Cache lines that hold some bytes, rounded up."""
    return (bytes_ + z[K.LINE_BYTES] - 1) // z[K.LINE_BYTES]


@leaf
def private_lines(z, p, x):
    """Lines of p's working set that the private cache of hardware core x can hold."""
    return lines_of(z, min(z[process(z, p) + P.WORKING_SET], z[hardware(z, x) + H.PRIVATE_BYTES]))


@leaf
def shared_lines(z, p, x, d):
    """Lines that only the cluster's cache of hardware core x can hold, if p goes as far as to lose them."""
    if d < 2 or z[K.SHARED_CACHE] == 0:
        return 0
    held = min(z[process(z, p) + P.WORKING_SET], z[hardware(z, x) + H.CLUSTER_BYTES])
    return max(0, lines_of(z, held) - private_lines(z, p, x))


@leaf
def line_price_q10(z, g, f, p, latency_ns):
    """Ns of one line at a latency, with the overlap of the process's class, Q10."""
    overlap = f[class_numbers(g, z[process(z, p) + P.CLASS]) + T.OVERLAP]
    return np.int64(np.floor(latency_ns * 1024.0 / overlap + 0.5))


@leaf
def time_ns(lines, price_q10):
    """Time to fetch lines at a price, saturated well inside int64."""
    if price_q10 > 0 and lines > PRODUCT_MOST // price_q10:
        return PRODUCT_MOST >> 10
    return (lines * price_q10) >> 10


@leaf
def homed_latency_ns(z, g, p, y, d, latency_ns):
    """Latency of a line whose memory stands on p's home node, fetched by hardware core y over distance d.

    Between clusters of one node the request goes by way of the line's home: on a 2-socket EPYC a pair in one
    socket takes 108 ns or 200 ns, as memory itself does.
    """
    home = z[process(z, p) + P.HOME]
    if d != 2 or home < 0 or z[K.LINE_HOMES] == 0:
        return latency_ns
    node = z[hardware(z, y) + H.NODE]
    near = g[g[G.MEMORY_NS] + node * g[G.NUM_NODES] + node]
    return max(latency_ns, latency_ns * g[g[G.MEMORY_NS] + node * g[G.NUM_NODES] + home] // max(1, near))


@leaf
def survived_q16(z, g, now, then, bytes_):
    """Share that survived in a cache of `bytes_` while others touched now - then bytes there."""
    return g[g[G.DECAY_Q16] + min(DECAY_LAST, (now - then) * 32 // bytes_)] if bytes_ > 0 else 0


@kernel
def forget(z, row, i):
    """Drop entry i of a process's visited cores; the later ones move up, oldest first."""
    last = z[row + P.VISITED_COUNT] - 1
    for j in range(i, last):
        z[row + P.VISITED + j] = z[row + P.VISITED + j + 1]
        z[row + P.VISITED_FOOTPRINT + j] = z[row + P.VISITED_FOOTPRINT + j + 1]
        z[row + P.VISITED_CLUSTER + j] = z[row + P.VISITED_CLUSTER + j + 1]
        z[row + P.VISITED_SHARED + j] = z[row + P.VISITED_SHARED + j + 1]
    z[row + P.VISITED_COUNT] = last


@kernel
def visit_of(z, row, smt):
    """Entry of a physical core among the visited ones, or -1."""
    for i in range(z[row + P.VISITED_COUNT]):
        if z[row + P.VISITED + i] == smt:
            return i
    return -1


@kernel
def near_q16(z, g, p, y):
    """Share of p that survived in the cluster's cache at hardware core y since p last left that cluster."""
    row, cluster = process(z, p), z[hardware(z, y) + H.CLUSTER]
    for i in range(z[row + P.VISITED_COUNT] - 1, -1, -1):
        if z[row + P.VISITED_CLUSTER + i] == cluster:
            now = z[z[S.SHARED_FOOTPRINTS] + cluster]
            return survived_q16(z, g, now, z[row + P.VISITED_SHARED + i], z[hardware(z, y) + H.CLUSTER_BYTES])
    return 0


@kernel
def remember(z, p, x):
    """Keep the core that p leaves among the last four, if p ran there: else its cache holds nothing of p."""
    row = process(z, p)
    if z[row + P.FOOTPRINT] < 0:
        return
    i = visit_of(z, row, z[hardware(z, x) + H.SMT])
    if i >= 0:
        forget(z, row, i)
    elif z[row + P.VISITED_COUNT] == P.VISITS:
        forget(z, row, 0)
    count = z[row + P.VISITED_COUNT]
    z[row + P.VISITED + count] = z[hardware(z, x) + H.SMT]
    z[row + P.VISITED_FOOTPRINT + count] = z[row + P.FOOTPRINT]
    z[row + P.VISITED_CLUSTER + count] = z[hardware(z, x) + H.CLUSTER]
    z[row + P.VISITED_SHARED + count] = z[row + P.SHARED_FOOTPRINT]
    z[row + P.VISITED_COUNT] = count + 1


@kernel
def warm_q16(z, g, p, y):
    """Share of p that survived in y's private cache since p left it; takes that visit out of the memory.

    Should p leave again before it runs, what it left there is still what it left before: FOOTPRINT keeps it.
    """
    row = process(z, p)
    z[row + P.FOOTPRINT] = P.NONE
    i = visit_of(z, row, z[hardware(z, y) + H.SMT])
    if i < 0:
        return 0
    then = z[row + P.VISITED_FOOTPRINT + i]
    z[row + P.SHARED_FOOTPRINT] = z[row + P.VISITED_SHARED + i]
    forget(z, row, i)
    z[row + P.FOOTPRINT] = then
    now = z[z[S.FOOTPRINTS] + z[hardware(z, y) + H.SMT]]
    return survived_q16(z, g, now, then, z[hardware(z, y) + H.PRIVATE_BYTES])


@cold
def owe(z, g, f, p, x, y):
    """p must fetch at hardware core y what it had at x: sets its refill debt; returns that in ns."""
    row = process(z, p)
    d = bits.distance_of(z, hardware(z, x), hardware(z, y))
    if d == 0:
        return 0
    latency_ns = g[g[G.PAIR_NS] + x * z[K.NUM_HARDWARE] + y] if z[K.HAS_PAIRS] else g[g[G.LATENCY_NS] + d]
    latency_ns = homed_latency_ns(z, g, p, y, d, latency_ns)
    private, shared = private_lines(z, p, x), shared_lines(z, p, x, d)
    survived = near_q16(z, g, p, y) if d >= 2 else 0
    remember(z, p, x)
    cold = private - ((private * warm_q16(z, g, p, y)) >> 16)
    near = (cold * survived) >> 16
    total = cold + shared - ((shared * survived) >> 16)
    price = line_price_q10(z, g, f, p, latency_ns)
    if near > 0:
        price_near = line_price_q10(z, g, f, p, g[g[G.LATENCY_NS] + 1])
        price = (near * price_near + (total - near) * price) // total
    z[row + P.REFILL_LINES] = total
    z[row + P.REFILL_PRICE] = price if total > 0 else 0
    refill_ns, private_ns = time_ns(total, price), time_ns(cold, price)
    z[N.REFILL_PRIVATE_NS] += private_ns
    z[N.REFILL_SHARED_NS] += refill_ns - private_ns
    if d == 3 and latency_ns > 0:
        cycles = refill_ns * z[hardware(z, y) + H.FREQUENCY_MHZ] // 1000
        beyond = max(0, latency_ns - g[g[G.LATENCY_NS] + 2])
        z[N.CROSSING_CYCLES] += cycles // latency_ns * beyond
    return refill_ns


@cold
def touch(z, p, x, is_other):
    """Footprints of x's physical core and cluster grow by what p touches; p remembers both."""
    row, at = process(z, p), hardware(z, x)
    own, shared = z[S.FOOTPRINTS] + z[at + H.SMT], z[S.SHARED_FOOTPRINTS] + z[at + H.CLUSTER]
    if is_other:
        z[own] += min(z[row + P.WORKING_SET], z[at + H.PRIVATE_BYTES])
        z[shared] += min(z[row + P.WORKING_SET], z[at + H.CLUSTER_BYTES])
    z[row + P.FOOTPRINT] = z[own]
    z[row + P.SHARED_FOOTPRINT] = z[shared]


@cold
def follow(z, g, f, p, y):
    """The scheduler of p was re-bound: its caches stayed behind, at another hardware core."""
    x = z[process(z, p) + P.PLACE]
    if x < 0 or x == y:
        return
    if bits.distance_of(z, hardware(z, x), hardware(z, y)) > 0:
        z[N.FOLLOWS] += 1
        owe(z, g, f, p, x, y)
