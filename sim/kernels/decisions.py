"""Decision log: why did it (not) migrate? Bounded, off unless a capacity is given (DESIGN §8)."""

from sim.kernels import benefit, costs, queues
from sim.kernels.jit import cold
from sim.kernels.rows import process
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout.decision import WIDTH


@cold
def store(z, g, f, p, source, target, k, verdict):
    """Append one row if there is room; benefit, cost and factor are computed whatever refused.

    The columns are those of sim.DECISION_COLUMNS.
    """
    at = z[S.DECISIONS_COUNT]
    z[S.DECISIONS_COUNT] = at + 1
    if at >= z[K.DECISION_CAPACITY]:
        return
    row = z[S.DECISIONS] + WIDTH * at
    z[row + 0] = z[S.NOW_NS]
    z[row + 1] = p
    z[row + 2] = z[process(z, p) + P.CLASS]
    z[row + 3] = source
    z[row + 4] = target
    z[row + 5] = z[S.MECHANISM]
    z[row + 6] = verdict
    z[row + 7] = benefit.benefit_cycles(z, g, f, p, source, target, k)
    z[row + 8] = costs.estimate_cycles(z, g, f, p, source, target)
    z[row + 9] = benefit.factor_q16(z, g, f, p, source, target)
    z[row + 10] = k
    z[row + 11] = queues.load(z, target)
