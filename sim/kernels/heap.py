"""Pending timers and arrivals: an implicit 4-ary heap of (time, code), four children in 64 bytes.

Entries are compared by time, then code: the order in which they were pushed never matters.
"""

from sim.kernels.jit import leaf
from sim.layout import lane as S


@leaf
def push(z, time_ns, code):
    """Insert (time, code)."""
    heap, hole = z[S.HEAP], z[S.HEAP_SIZE]
    z[S.HEAP_SIZE] = hole + 1
    while hole > 0:
        parent = (hole - 1) >> 2
        at = heap + 2 * parent
        if z[at] < time_ns or (z[at] == time_ns and z[at + 1] < code):
            break
        z[heap + 2 * hole] = z[at]
        z[heap + 2 * hole + 1] = z[at + 1]
        hole = parent
    z[heap + 2 * hole] = time_ns
    z[heap + 2 * hole + 1] = code


@leaf
def lesser(z, a, b):
    """Position of the lesser of two entries.

    Chosen by a mask: which it is cannot be foreseen, and a wrong guess costs more than the comparison.
    """
    is_b = (z[b] < z[a]) | ((z[b] == z[a]) & (z[b + 1] < z[a + 1]))
    return a ^ ((a ^ b) & -int(is_b))


@leaf
def least_of_four(z, first):
    """Position of the least of the four entries from `first` on."""
    return lesser(z, lesser(z, first, first + 2), lesser(z, first + 4, first + 6))


@leaf
def pop(z):
    """Remove the least entry of a heap that is not empty; the caller has read it."""
    heap, last = z[S.HEAP], z[S.HEAP_SIZE] - 1
    z[S.HEAP_SIZE] = last
    time_ns = z[heap + 2 * last]
    code = z[heap + 2 * last + 1]
    hole = 0
    while True:
        child = 4 * hole + 1
        if child >= last:
            break
        best = heap + 2 * child
        if child + 4 <= last:
            best = least_of_four(z, best)
        else:
            for other in range(best + 2, heap + 2 * last, 2):
                if z[other] < z[best] or (z[other] == z[best] and z[other + 1] < z[best + 1]):
                    best = other
        if z[best] > time_ns or (z[best] == time_ns and z[best + 1] > code):
            break
        z[heap + 2 * hole] = z[best]
        z[heap + 2 * hole + 1] = z[best + 1]
        hole = (best - heap) >> 1
    z[heap + 2 * hole] = time_ns
    z[heap + 2 * hole + 1] = code
