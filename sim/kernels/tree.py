"""Next core event: a tournament tree, so that one core's change costs log2(cores) comparisons."""

from sim.kernels.jit import leaf
from sim.layout import lane as S


@leaf
def set_event(z, c, time_ns):
    """Give core c its next event time and replay its matches; ties go to the lower core id.

    The tree has a power of two >= 2 of leaves; entry 1 is the winner.
    """
    event, tree = z[S.EVENTS], z[S.TREE]
    z[event + c] = time_ns
    winner = c & ~1
    if z[event + winner + 1] < z[event + winner]:
        winner += 1
    node = (c + z[S.LEAVES]) >> 1
    z[tree + node] = winner
    while node > 1:
        sibling = z[tree + (node ^ 1)]
        a, b = z[event + winner], z[event + sibling]
        if b < a or (b == a and sibling < winner):
            winner = sibling
        node >>= 1
        z[tree + node] = winner
