"""Sets of cores as words of the arena, searched in the cyclic-nearest order of a core (DESIGN §3).

A set is the position of its first word. Bits are handled as uint64; int64 words hold the same bits.
"""

import numpy as np

from sim.kernels.jit import kernel, leaf
from sim.kernels.machine import lowest, ones
from sim.kernels.rows import core
from sim.layout import core as C
from sim.layout import lane as S

ONE = np.uint64(1)
ZERO = np.uint64(0)
ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@leaf
def has(z, words, c):
    """Is core c in the set?"""
    return (np.uint64(z[words + (c >> 6)]) >> np.uint64(c & 63)) & ONE != ZERO


@leaf
def add(z, words, c):
    """Put core c into the set."""
    at = words + (c >> 6)
    z[at] = np.int64(np.uint64(z[at]) | (ONE << np.uint64(c & 63)))


@leaf
def drop(z, words, c):
    """Take core c out of the set."""
    at = words + (c >> 6)
    z[at] = np.int64(np.uint64(z[at]) & ~(ONE << np.uint64(c & 63)))


@kernel
def count(z, words):
    """Number of cores in the set."""
    total = 0
    for i in range(z[S.WORDS]):
        total += ones(np.uint64(z[words + i]))
    return total


@kernel
def common(z, i, a, b, c):
    """Word i of the intersection of three sets."""
    return np.uint64(z[a + i]) & np.uint64(z[b + i]) & np.uint64(z[c + i])


@kernel
def first_cyclic(z, words, within, allowed, c):
    """First core of the intersection at or after c, going round; -1 if it is empty."""
    n = z[S.WORDS]
    start = c >> 6
    low = ALL << np.uint64(c & 63)
    found = common(z, start, words, within, allowed)
    if found & low != ZERO:
        return start * 64 + lowest(found & low)
    for i in range(1, n):
        at = start + i if start + i < n else start + i - n
        word = common(z, at, words, within, allowed)
        if word != ZERO:
            return at * 64 + lowest(word)
    if found != ZERO:
        return start * 64 + lowest(found)
    return -1


@kernel
def nearest(z, words, allowed, c):
    """First core of words & allowed in the cyclic-nearest order of c, itself excepted; -1 if there is none.

    The sets of a core's physical core, cluster, node and machine are nested, so the first level that
    holds one decides: what a smaller level holds was found there before. The core itself is hidden
    while searching.
    """
    hidden = has(z, words, c)
    if hidden:
        drop(z, words, c)
    row, width = core(z, c), z[S.WORDS]
    found = first_cyclic(z, words, z[S.SMT_SETS] + z[row + C.SMT] * width, allowed, c)
    if found < 0:
        found = first_cyclic(z, words, z[S.CLUSTER_SETS] + z[row + C.CLUSTER] * width, allowed, c)
    if found < 0:
        found = first_cyclic(z, words, z[S.NODE_SETS] + z[row + C.NODE] * width, allowed, c)
    if found < 0:
        found = first_cyclic(z, words, z[S.ALL_CORES], allowed, c)
    if hidden:
        add(z, words, c)
    return found


@leaf
def distance_of(z, x, y):
    """Distance class of what stands in two rows of facts: positions of BASE_Q20 in core or hardware rows."""
    smt, cluster, node = C.SMT - C.BASE_Q20, C.CLUSTER - C.BASE_Q20, C.NODE - C.BASE_Q20
    if z[x + smt] == z[y + smt]:
        return 0
    if z[x + cluster] == z[y + cluster]:
        return 1
    return 2 if z[x + node] == z[y + node] else 3


@kernel
def distance(z, a, b):
    """Distance class of two cores: 0 same physical core, 1 same cluster, 2 same node, 3 other node."""
    x, y = core(z, a), core(z, b)
    if z[x + C.SMT] == z[y + C.SMT]:
        return 0
    if z[x + C.CLUSTER] == z[y + C.CLUSTER]:
        return 1
    return 2 if z[x + C.NODE] == z[y + C.NODE] else 3
