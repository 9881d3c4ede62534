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
    node = c + z[S.LEAVES]
    winner, least_ns = c, time_ns
    rival = c ^ 1
    while True:
        rival_ns = z[event + rival]
        # chosen by a mask: who wins is a coin's toss, and a wrong guess costs more than the whole match
        lost = -int((rival_ns < least_ns) | ((rival_ns == least_ns) & (rival < winner)))
        winner ^= (winner ^ rival) & lost
        least_ns ^= (least_ns ^ rival_ns) & lost
        node >>= 1
        z[tree + node] = winner
        if node == 1:
            break
        rival = z[tree + (node ^ 1)]
