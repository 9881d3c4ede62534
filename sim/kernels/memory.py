"""Memory of the nodes: where a process's heaps stand, and what collections move (DESIGN §14)."""

from sim.kernels import log
from sim.kernels.jit import cold, kernel
from sim.kernels.rows import core, klass, process
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T
from sim.layout import table as G
from sim.layout.status import MEMORY_LIMIT

ROUND_UP_Q20 = (1 << 20) - 1
WORD_BYTES = 8
COPY_REDS = 10  # words copied for a reduction (OTP: erl_gc.c)


@kernel
def young_bytes(z, g, p):
    """Bytes of p's young heap."""
    row = process(z, p)
    return min(z[row + P.WORKING_SET], WORD_BYTES * g[klass(g, z[row + P.CLASS]) + T.HEAP_WORDS])


@kernel
def fits(z, node, bytes_):
    """Has the node room for so many bytes more?"""
    return z[z[S.NODE_USED] + node] + bytes_ <= z[z[S.NODE_CAPACITY] + node]


@cold
def has_room(z, p, target):
    """May p migrate to the target, as far as memory goes?"""
    node, row = z[core(z, target) + C.NODE], process(z, p)
    return z[row + P.HOME] < 0 or z[row + P.HOME] == node or fits(z, node, z[row + P.WORKING_SET])


@kernel
def node_for(z, g, p, node):
    """Node on which the memory of p is allocated by a core of `node`: the nearest one with room."""
    bytes_ = z[process(z, p) + P.WORKING_SET]
    if fits(z, node, bytes_):
        return node
    best, n = -1, g[G.NUM_NODES]
    at = g[G.MEMORY_NS] + node * n
    for x in range(n):
        if fits(z, x, bytes_) and (best < 0 or g[at + x] < g[at + best]):
            best = x
    if best >= 0:
        z[N.SPILLS] += 1
        return best
    z[N.MEMORY_OVERFLOWS] += 1
    z[S.STATUS] |= MEMORY_LIMIT
    return node


@cold
def allocate(z, g, p, node):
    """Give p its memory, at its first dispatch."""
    row = process(z, p)
    if z[K.HAS_MEMORY]:
        node = node_for(z, g, p, node)
        z[z[S.NODE_USED] + node] += z[row + P.WORKING_SET]
    z[row + P.HOME] = node
    z[row + P.OLD_HOME] = node


@cold
def release(z, g, p):
    """The memory of an exiting process is free again."""
    row = process(z, p)
    if z[row + P.HOME] >= 0:
        young = young_bytes(z, g, p)
        z[z[S.NODE_USED] + z[row + P.HOME]] -= young
        z[z[S.NODE_USED] + z[row + P.OLD_HOME]] -= z[row + P.WORKING_SET] - young


@kernel
def relocate(z, heap, node, bytes_):
    """Move a heap to a node if it is not there and fits; whether it moved. `heap` is a column of p's row."""
    if z[heap] == node or (z[K.HAS_MEMORY] and not fits(z, node, bytes_)):
        return False
    if z[K.HAS_MEMORY]:
        z[z[S.NODE_USED] + z[heap]] -= bytes_
        z[z[S.NODE_USED] + node] += bytes_
    z[heap] = node
    return True


@cold
def collect(z, g, f, p, c, reds):
    """Collections after a segment of p on c: their time is owed, the new heaps stand on c's node.

    Source: erts-scheduler §13: every collection copies the young heap to memory of the running scheduler,
    only a major one the old heap.
    """
    row = process(z, p)
    kind = klass(g, z[row + P.CLASS])
    heap_q16 = g[kind + T.HEAP_WORDS] << 16
    z[row + P.ALLOCATED_Q16] += reds * g[kind + T.WORDS_Q16]
    count = z[row + P.ALLOCATED_Q16] // heap_q16
    if count == 0:
        return
    z[row + P.ALLOCATED_Q16] -= count * heap_q16
    z[row + P.SINCE_MAJOR] += count
    is_major = z[row + P.SINCE_MAJOR] >= g[kind + T.FULLSWEEP]
    young = young_bytes(z, g, p)
    old = z[row + P.WORKING_SET] - young
    live = (g[kind + T.HEAP_WORDS] * g[kind + T.SURVIVORS_Q16]) >> 16
    cost_reds = count * max(1, live // COPY_REDS)
    z[N.COLLECTIONS] += count
    if is_major:
        z[row + P.SINCE_MAJOR] = 0
        z[N.MAJORS] += 1
        cost_reds += old // (WORD_BYTES * COPY_REDS)
    gc_ns = (cost_reds * z[core(z, c) + C.BASE_Q20] + ROUND_UP_Q20) >> 20
    z[N.GC_NS] += gc_ns
    z[core(z, c) + C.OWED_NS] += gc_ns
    node = z[core(z, c) + C.NODE]
    if relocate(z, row + P.HOME, node, young):
        z[N.YOUNG_MOVES] += 1
    if is_major and relocate(z, row + P.OLD_HOME, node, old):
        z[N.OLD_MOVES] += 1
    log.note(z, g, f, log.GC, c, p, 1 if is_major else 0, gc_ns)
