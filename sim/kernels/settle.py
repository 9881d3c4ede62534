"""Was a migration worth it? What was expected, what was paid, and what came of it (DESIGN §8)."""

from sim.kernels import benefit, costs
from sim.kernels.jit import leaf
from sim.kernels.rows import core, process
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import process as P

REALISED_MOST_NS = 2**42


@leaf
def settle(z, p):
    """Book the open migration of p: the waiting it saved, the speed it gained, and whether that paid."""
    row = process(z, p)
    if z[row + P.OPEN_MIGRATION] == 0:
        return
    z[row + P.OPEN_MIGRATION] = 0
    first_ns = z[row + P.FIRST_NS] if z[row + P.FIRST_NS] >= 0 else z[S.NOW_NS]
    gained = benefit.scaled_q20(z[row + P.MOVED_REDS], z[row + P.SPEED_Q20], REALISED_MOST_NS)
    realised = z[row + P.EXPECTED_NS] - (first_ns - z[row + P.LAST_MIGRATION_NS]) + gained
    z[N.SETTLED] += 1
    z[N.REALISED_BENEFIT_NS] += realised
    if realised > z[row + P.PAID_NS]:
        z[N.PAID_OFF] += 1


@leaf
def open_migration(z, g, f, p, source, target, k):
    """Keep what is expected of the migration of p that happens now; `k` = 0 if it is forced."""
    row = process(z, p)
    z[row + P.OPEN_MIGRATION] = 1
    z[row + P.EXPECTED_NS] = k * z[core(z, source) + C.MEAN_SLICE_NS]
    slower = costs.ns_per_reduction_q20(z, g, f, p, source) - costs.ns_per_reduction_q20(z, g, f, p, target)
    z[row + P.SPEED_Q20] = slower
    z[row + P.MOVED_REDS] = 0
    z[row + P.FIRST_NS] = P.NONE
