"""What is measured while a lane runs (DESIGN §10)."""

from sim.kernels import bits, log, queues, settle
from sim.kernels.jit import cold, kernel, leaf
from sim.kernels.machine import bit_length
from sim.kernels.rows import core, mask, process
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P

ONE_Q16 = 1 << 16


@leaf
def enter(z, g, f, c):
    """One more process on core c. AREA + load x t is the load integral, so a change costs one subtraction."""
    z[core(z, c) + C.AREA] -= z[S.NOW_NS]


@leaf
def leave(z, g, f, c):
    """One process less on core c."""
    z[core(z, c) + C.AREA] += z[S.NOW_NS]


@cold
def wasted_cores(z, g, f):
    """IDLE cores that are allowed to run some queued process, with masks."""
    if z[z[S.MASK_WAITING]] > 0:
        return z[S.NUM_IDLE]
    for j in range(z[S.WORDS]):
        z[z[S.SCRATCH] + j] = 0
    for i in range(1, z[S.NUM_MASKS]):
        if z[z[S.MASK_WAITING] + i] > 0:
            for j in range(z[S.WORDS]):
                z[z[S.SCRATCH] + j] |= z[mask(z, i) + j] & z[z[S.IDLE_SET] + j]
    return bits.count(z, z[S.SCRATCH])


@leaf
def advance(z, g, f, t):
    """Integrate idle and wasted core time up to t; the state has not changed since the last event."""
    elapsed = t - z[S.NOW_NS]
    z[S.NOW_NS] = t
    if elapsed > 0 and z[S.NUM_IDLE] > 0:
        z[N.IDLE_NS] += elapsed * z[S.NUM_IDLE]
        if z[S.NUM_WAITING] > 0:
            wasted = wasted_cores(z, g, f) if z[K.HAS_MASKS] else z[S.NUM_IDLE]
            z[N.WASTED_NS] += elapsed * wasted
            z[S.PERIOD_WASTED_NS] += elapsed * wasted
    if z[S.NUM_STRANDED] > 0:
        z[N.STRANDED_NS] += elapsed * z[S.NUM_STRANDED]


@leaf
def bucket(x):
    """Histogram bucket of x >= 0: exact below 64, then 64 a factor of two."""
    e = max(0, bit_length(x) - 7)
    return 64 * e + (x >> e)


@leaf
def end_activation(z, g, f, p):
    """Book sojourn, waiting and slowdown of the activation of p that ends now."""
    row = process(z, p)
    sojourn = z[S.NOW_NS] - z[row + P.START_NS]
    z[N.ACTIVATIONS] += 1
    z[N.SOJOURN_SUM_NS] += sojourn
    z[N.WAITING_SUM_NS] += z[row + P.WAIT_NS]
    z[z[S.HISTOGRAMS] + N.SOJOURN * N.HISTOGRAM_WIDTH + bucket(sojourn)] += 1
    z[z[S.HISTOGRAMS] + N.WAITING * N.HISTOGRAM_WIDTH + bucket(z[row + P.WAIT_NS])] += 1
    # without work there is no time alone to compare with: a reply that is only taken has no slowdown
    if z[row + P.IDEAL_NS] > 0:
        slowdown = (sojourn << 10) // z[row + P.IDEAL_NS]
        z[N.SLOWDOWN_SUM_Q10] += slowdown
        z[z[S.HISTOGRAMS] + N.SLOWDOWN * N.HISTOGRAM_WIDTH + bucket(slowdown)] += 1
        share = min(ONE_Q16, (z[row + P.IDEAL_NS] << 16) // max(1, sojourn))
        z[N.FAIRNESS_SUM] += share
        z[N.FAIRNESS_SQUARES] += (share * share) >> 8
    if z[row + P.OPEN_MIGRATION]:
        settle.settle(z, p)


@cold
def restart(z, g, f):
    """Begin to measure: counters to zero, running segments counted from now."""
    t = z[S.NOW_NS]
    for i in range(N.WIDTH):
        z[N.BASE + i] = 0
    for i in range(3 * N.HISTOGRAM_WIDTH):
        z[z[S.HISTOGRAMS] + i] = 0
    for c in range(z[K.NUM_CORES]):
        row = core(z, c)
        # below 0 while a segment runs: its end books the whole of it, and only the part from now on counts
        z[row + C.BUSY_NS] = z[row + C.SEGMENT_NS] - t if z[row + C.STATE] == C.RUNNING else 0
        z[row + C.BUSY_MARK_NS] = 0
        z[row + C.PRESENT_NS] = 0
    z[S.MEASURING] = 1


@leaf
def busy_ns(z, c):
    """Busy time of core c up to now, the part of its running segment included."""
    row = core(z, c)
    running = z[S.NOW_NS] - z[row + C.SEGMENT_NS] if z[row + C.STATE] == C.RUNNING else 0
    return z[row + C.BUSY_NS] + running


@leaf
def jain_q32(total, squares, n):
    """Jain's fairness index (Jain, Chiu and Hawe 1984), Q32.

    In fixed point, so that sums of it do not depend on their order.
    """
    return int(total * total / (n * squares) * 4294967296.0 + 0.5)


@cold
def end_window(z, g, f):
    """Index of busy time and of processes present by core over the window, and a new window."""
    t = z[S.NOW_NS]
    n = z[K.NUM_CORES]
    busy, busy_squares, present, present_squares = 0.0, 0.0, 0.0, 0.0
    for c in range(n):
        row = core(z, c)
        until = busy_ns(z, c)
        x = float(until - z[row + C.BUSY_MARK_NS])
        z[row + C.BUSY_MARK_NS] = until
        if z[S.MEASURING] == 1:
            z[row + C.UTIL_Q16] = int(x) * ONE_Q16 // z[K.WINDOW_NS]
        busy += x
        busy_squares += x * x
        standing = queues.load(z, c) * t
        z[row + C.PRESENT_NS] += z[row + C.AREA] + standing
        y = float(z[row + C.AREA] + standing)
        z[row + C.AREA] = -standing
        present += y
        present_squares += y * y
    if z[S.MEASURING] == 1 and busy > 0.0:
        z[S.JAIN_Q32] += jain_q32(busy, busy_squares, n)
        z[S.JAIN_WINDOWS] += 1
    if z[S.MEASURING] == 1 and present > 0.0:
        z[S.QUEUE_JAIN_Q32] += jain_q32(present, present_squares, n)
        z[S.QUEUE_JAIN_WINDOWS] += 1


@kernel
def window(z, g, f):
    """Handle the end of a metric window; the first one ends the warm-up."""
    log.note(z, g, f, log.WINDOW, -1, -1, z[S.WINDOWS], 0)
    end_window(z, g, f)
    if z[S.MEASURING] == 0:
        restart(z, g, f)
    z[S.WINDOWS] += 1
    z[S.NEXT_WINDOW_NS] += z[K.WINDOW_NS]


@cold
def finish(z, g, f):
    """At the horizon: count the part of the running segments that lies before it."""
    t = z[S.NOW_NS]
    for c in range(z[K.NUM_CORES]):
        if z[core(z, c) + C.STATE] == C.RUNNING:
            z[core(z, c) + C.BUSY_NS] += t - z[core(z, c) + C.SEGMENT_NS]
        z[N.BUSY_NS] += z[core(z, c) + C.BUSY_NS]
