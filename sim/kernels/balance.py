"""Periodic balancing (push) and the adaptive control law (DESIGN §6 and §9)."""

from sim.kernels import bits, decide, log, measure, queues
from sim.kernels.jit import cold
from sim.kernels.rows import core
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import policy as R

NODE_EVERY = 4  # a pass over nodes after three over clusters, ...
MACHINE_EVERY = 16  # ... and one over the machine: as Linux lengthens its interval by domain size


@cold
def extremes(z, within):
    """Busiest core that has a queued process and its load; least loaded available core and its load.

    A core is -1 where there is none.
    """
    busiest, most, least, fewest = -1, 0, -1, 0
    for c in range(z[K.NUM_CORES]):
        if bits.has(z, within, c):
            load = queues.load(z, c)
            if (least < 0 or load < fewest) and bits.has(z, z[S.ONLINE_SET], c):
                least, fewest = c, load
            if z[core(z, c) + C.QUEUE_LENGTH] > 0 and (busiest < 0 or load > most):
                busiest, most = c, load
    return busiest, most, least, fewest


@cold
def push_last(z, g, f, source, target, is_later):
    """Move the process that source would run last, if the decision lets it; returns whether it moved."""
    level = C.LEVELS - 1
    while z[core(z, source) + C.LAST + level] < 0:
        level -= 1
    p = z[core(z, source) + C.LAST + level]
    # all that are queued run before the last of them, less itself, and the running one
    k = z[core(z, source) + C.QUEUE_LENGTH]
    z[S.BATCH_LATER] = 1 if is_later else 0
    passed = decide.attempt(z, g, f, p, source, target, k, N.BALANCE)
    z[S.BATCH_LATER] = 0
    if not passed:
        return False
    queues.remove(z, g, f, source, p)
    measure.leave(z, g, f, source)
    measure.enter(z, g, f, target)
    queues.append(z, g, f, target, p)
    if z[core(z, target) + C.STATE] == C.IDLE:
        queues.make_due(z, g, f, target, z[S.NOW_NS])
    return True


@cold
def balance_group(z, g, f, within):
    """Move processes from the busiest to the least loaded core of a group until it is balanced enough."""
    last_source, last_target = -1, -1
    for _ in range(z[K.BALANCE_BATCH]):
        busiest, most, least, fewest = extremes(z, within)
        if busiest < 0 or least < 0 or busiest == least or most - fewest < z[K.IMBALANCE]:
            return
        if not push_last(z, g, f, busiest, least, busiest == last_source and least == last_target):
            return
        last_source, last_target = busiest, least


@cold
def node_load(z, node):
    """Load of the available cores of a node, and how many they are."""
    within = z[S.NODE_SETS] + node * z[S.WORDS]
    total, count = 0, 0
    for c in range(z[K.NUM_CORES]):
        if bits.has(z, within, c) and bits.has(z, z[S.ONLINE_SET], c):
            total += queues.load(z, c)
            count += 1
    return total, count


@cold
def balance_averages(z, g, f):
    """Move processes from the node of the greatest average load to that of the least, whatever its cores do.

    Source: the group imbalance of Linux's CFS, Lozi et al. 2016.
    """
    last_source, last_target = -1, -1
    for _ in range(z[K.BALANCE_BATCH]):
        high, high_total, high_count = -1, 0, 1
        low, low_total, low_count = -1, 0, 1
        for node in range(z[S.NUM_NODES]):
            total, count = node_load(z, node)
            if count > 0:
                if low < 0 or total * low_count < low_total * count:
                    low, low_total, low_count = node, total, count
                if high < 0 or total * high_count > high_total * count:
                    high, high_total, high_count = node, total, count
        difference = high_total * low_count - low_total * high_count
        if high < 0 or high == low or difference < z[K.IMBALANCE] * high_count * low_count:
            return
        source = extremes(z, z[S.NODE_SETS] + high * z[S.WORDS])[0]
        target = extremes(z, z[S.NODE_SETS] + low * z[S.WORDS])[2]
        if source < 0 or not push_last(
            z, g, f, source, target, source == last_source and target == last_target
        ):
            return
        last_source, last_target = source, target


@cold
def balance(z, g, f):
    """One balancing pass over the groups whose turn it is."""
    z[S.BALANCE_PASSES] += 1
    z[S.NEXT_BALANCE_NS] += z[S.BALANCE_PERIOD_NS]
    turn = z[S.BALANCE_PASSES]
    by_node = z[K.SCOPE] == R.NODE_AVERAGE
    if z[K.SCOPE] == R.MACHINE or (not by_node and turn % MACHINE_EVERY == 0):
        balance_group(z, g, f, z[S.ALL_CORES])
    elif by_node or turn % NODE_EVERY == 0:
        for node in range(z[S.NUM_NODES]):
            balance_group(z, g, f, z[S.NODE_SETS] + node * z[S.WORDS])
    else:
        for cluster in range(z[S.NUM_CLUSTERS]):
            balance_group(z, g, f, z[S.CLUSTER_SETS] + cluster * z[S.WORDS])
    if by_node:
        balance_averages(z, g, f)


@cold
def scale_up(x, step_q16, high):
    """x times step, at most `high`."""
    return min(x * step_q16 >> 16, high)


@cold
def scale_down(x, step_q16, low):
    """x over step, at least `low` and 1."""
    return max(max((x << 16) // step_q16, low), 1)


@cold
def adapt(z, g, f):
    """Feedback: migrations that cost too much raise the threshold and the period, wasted cores lower them."""
    step = z[K.STEP_Q16]
    z[S.NEXT_ADAPT_NS] += z[K.ADAPT_PERIOD_NS]
    overhead, busy, wasted = z[S.PERIOD_OVERHEAD_NS], z[S.PERIOD_BUSY_NS], z[S.PERIOD_WASTED_NS]
    up = busy > 0 and (overhead << 16) > z[K.OVERHEAD_Q16] * busy
    down = (wasted << 16) > z[K.WASTE_Q16] * (z[K.NUM_CORES] * z[K.ADAPT_PERIOD_NS])
    if up or down:
        z[N.ADJUSTMENTS] += 1
        factor, period = z[S.FACTOR_Q16], z[S.BALANCE_PERIOD_NS]
        if up:
            factor = scale_up(factor, step, z[K.FACTOR_HIGH_Q16])
            period = scale_up(period, step, z[K.PERIOD_HIGH_NS])
        else:
            factor = scale_down(factor, step, z[K.FACTOR_LOW_Q16])
            period = scale_down(period, step, z[K.PERIOD_LOW_NS])
        if z[S.FACTOR_Q16] > 0:
            z[S.FACTOR_Q16] = factor
        if z[S.BALANCE_PERIOD_NS] > 0:
            z[S.BALANCE_PERIOD_NS] = period
        log.note(z, g, f, log.ADJUST, -1, -1, z[S.FACTOR_Q16], z[S.BALANCE_PERIOD_NS])
    z[S.PERIOD_OVERHEAD_NS] = 0
    z[S.PERIOD_BUSY_NS] = 0
    z[S.PERIOD_WASTED_NS] = 0
