"""Placement: the run queue proposed for a new or a woken process (DESIGN §5)."""

import numpy as np

from sim.kernels import bits, draw, queues
from sim.kernels.jit import cold, kernel
from sim.kernels.rows import core, mask, process
from sim.layout import core as C
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import policy as R
from sim.layout import process as P

PLACEMENT_STREAM = 4


@kernel
def allowed_near(z, g, f, p, proposal):
    """The proposal, or if p's strict mask excludes it the first allowed core in cyclic-nearest order."""
    row = process(z, p)
    if z[row + P.AFFINITY] != P.STRICT or bits.has(z, mask(z, z[row + P.MASK]), proposal):
        return proposal
    found = bits.nearest(z, mask(z, z[row + P.MASK]), z[S.ALL_CORES], proposal)
    return found if found >= 0 else proposal


@kernel
def fit(z, g, f, p, proposal):
    """The proposal, or the nearest available and allowed core; without any, where p waits for one."""
    if z[K.MOVES] == 0:
        return allowed_near(z, g, f, p, proposal)
    row = process(z, p)
    allowed = mask(z, z[row + P.MASK]) if z[row + P.AFFINITY] == P.STRICT else z[S.ALL_CORES]
    if bits.has(z, z[S.ONLINE_SET], proposal) and bits.has(z, allowed, proposal):
        return proposal
    found = bits.nearest(z, z[S.ONLINE_SET], allowed, proposal)
    return found if found >= 0 else allowed_near(z, g, f, p, proposal)


@kernel
def random_core(z, g, f):
    """A core drawn from the placement stream of the policy."""
    bits_ = draw.mix(draw.mix(z[K.KEY], PLACEMENT_STREAM), z[S.PLACEMENT_DRAWS])
    z[S.PLACEMENT_DRAWS] += 1
    return draw.below(bits_, z[K.NUM_CORES])


@kernel
def least_loaded(z, g, f, p, reference, within):
    """Least loaded of the allowed cores in the set `within`, or -1; ties: the reference, then cyclic-nearest.

    IDLE cores come first, so while there is one the sets answer without a scan of the cores.
    """
    row = process(z, p)
    allowed = mask(z, z[row + P.MASK]) if z[row + P.AFFINITY] == P.STRICT else z[S.ALL_CORES]
    if z[S.NUM_IDLE] > 0:
        if (
            bits.has(z, z[S.IDLE_SET], reference)
            and bits.has(z, allowed, reference)
            and bits.has(z, within, reference)
        ):
            return reference
        for i in range(z[S.WORDS]):
            z[z[S.SCRATCH] + i] = z[z[S.IDLE_SET] + i] & z[within + i]
        found = bits.nearest(z, z[S.SCRATCH], allowed, reference)
        if found >= 0:
            return found
    n = z[K.NUM_CORES]
    best, best_rank = -1, 0
    for c in range(n):
        if bits.has(z, allowed, c) and bits.has(z, within, c) and bits.has(z, z[S.ONLINE_SET], c):
            # one number for (load, distance class with the reference itself before all, cyclic step)
            step = c - reference if c >= reference else c - reference + n
            d = bits.distance(z, reference, c) if c != reference else -1
            rank = (queues.load(z, c) * 5 + d + 1) * n + step
            if best < 0 or rank < best_rank:
                best, best_rank = c, rank
    return best


@cold
def best_of(z, g, f, p):
    """The least loaded of `choices` random cores; ties to the first drawn.

    Source: Mitzenmacher 2001, power of d choices.
    """
    best = allowed_near(z, g, f, p, random_core(z, g, f))
    for _ in range(1, z[K.CHOICES]):
        other = allowed_near(z, g, f, p, random_core(z, g, f))
        if queues.load(z, other) < queues.load(z, best):
            best = other
    return best


@cold
def probe(z, g, f, p, reference):
    """The reference if its load is below a limit, else the first of `choices` random cores where it is.

    Source: Eager, Lazowska and Zahorjan 1986, sender-initiated, threshold location policy.
    """
    own = allowed_near(z, g, f, p, reference)
    if queues.load(z, own) < z[K.PROBE_LOAD]:
        return own
    for _ in range(z[K.CHOICES]):
        other = allowed_near(z, g, f, p, random_core(z, g, f))
        if queues.load(z, other) < z[K.PROBE_LOAD]:
            return other
    return own


@cold
def numa_local(z, g, f, p, reference):
    """Least loaded core of p's home node, else of the machine; without a home, the reference's node.

    Unified memory has one node: there the cluster takes its place.
    """
    home = z[process(z, p) + P.HOME]
    if z[S.NUM_NODES] == 1:
        near = z[S.CLUSTER_SETS] + z[core(z, reference) + C.CLUSTER] * z[S.WORDS]
    else:
        near = z[S.NODE_SETS] + (home if home >= 0 else z[core(z, reference) + C.NODE]) * z[S.WORDS]
    found = least_loaded(z, g, f, p, reference, near)
    return found if found >= 0 else anywhere(z, g, f, p, reference)


@cold
def anywhere(z, g, f, p, reference):
    """Least loaded core of the machine; the reference if none is available."""
    found = least_loaded(z, g, f, p, reference, z[S.ALL_CORES])
    return found if found >= 0 else reference


@kernel
def where_preferred(z, p, last):
    """First scheduler on p's preferred core, unless more waits there than at the last core."""
    preferred = z[process(z, p) + P.PREFERRED_CORE]
    if preferred >= 0:
        for c in range(z[K.NUM_CORES]):
            if z[core(z, c) + C.HARDWARE] == preferred:
                return c if queues.load(z, c) <= queues.load(z, last) else last
    return last


@kernel
def has_other(z, within, c):
    """Does a set hold an available core other than c?"""
    for i in range(z[S.WORDS]):
        word = np.uint64(z[within + i]) & np.uint64(z[z[S.ONLINE_SET] + i])
        if i == c >> 6:
            word &= ~(bits.ONE << np.uint64(c & 63))
        if word != bits.ZERO:
            return True
    return False


@cold
def refuge(z, g, f, p, c):
    """Where p goes when it cannot stay on core c: the least loaded available core that suits it, or NONE."""
    row = process(z, p)
    allowed, kind = z[S.ALL_CORES], z[row + P.AFFINITY]
    own = mask(z, z[row + P.MASK])
    if kind == P.STRICT or (kind != P.NO_AFFINITY and has_other(z, own, c)):
        allowed = own
    n = z[K.NUM_CORES]
    best, best_rank = P.NONE, 0
    for x in range(n):
        if x != c and bits.has(z, z[S.ONLINE_SET], x) and bits.has(z, allowed, x):
            step = x - c if x >= c else x - c + n
            rank = (queues.load(z, x) * 4 + bits.distance(z, c, x)) * n + step
            if best < 0 or rank < best_rank:
                best, best_rank = x, rank
    return best


@cold
def propose(z, g, f, p, rule, reference):
    """Core proposed by a placement rule; `reference` is the parent's, the start or the last core."""
    if rule == R.PARENT:
        return allowed_near(z, g, f, p, reference)
    if rule == R.ROUND_ROBIN:
        c = z[S.ROUND_ROBIN] % z[K.NUM_CORES]
        z[S.ROUND_ROBIN] += 1
        return allowed_near(z, g, f, p, c)
    if rule == R.RANDOM:
        return allowed_near(z, g, f, p, random_core(z, g, f))
    if rule == R.LEAST_LOADED:
        return anywhere(z, g, f, p, reference)
    if rule == R.BEST_OF:
        return best_of(z, g, f, p)
    if rule == R.PROBE:
        return probe(z, g, f, p, reference)
    if rule == R.WHERE_PREFERRED:
        return where_preferred(z, p, reference)
    return numa_local(z, g, f, p, reference)
