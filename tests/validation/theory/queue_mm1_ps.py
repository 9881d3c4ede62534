"""M/M/1 with processor sharing: the whole distribution of the sojourn, through the tagged customer's chain.

Beside n others the tagged customer leaves at rate 1/(n+1), another one leaves at n/(n+1) and one arrives
at rate rho (times in mean demands); it finds n others with probability (1 - rho) rho^n. The chain is
stopped when the tagged customer leaves, and P(T > t) is what is left of it (the approach of Coffman, Muntz
and Trotter 1970, "Waiting time distributions for processor-sharing systems", whose variance is the check).
"""

import numpy as np
from scipy.linalg import expm

OTHERS = 200  # most that are kept; rho^200 of the customers find more


def sojourn_tail(load: float, times: np.ndarray) -> np.ndarray:
    """P(T > t), times ascending, in mean demands."""
    n = np.arange(OTHERS)
    rates = np.zeros((OTHERS, OTHERS))
    rates[n[:-1], n[1:]] = load
    rates[n[1:], n[:-1]] = n[1:] / (n[1:] + 1)
    # every state is left at rate 1 + rho (but the last one, which takes no more arrivals), 1/(n+1) for good
    rates[n, n] = -(1 + load)
    rates[-1, -1] = -1
    there = (1 - load) * load**n
    now, found, steps = 0.0, [], {}
    for time in times:
        step = round(float(time - now), 9)
        if step not in steps:  # equal steps share one exponential
            steps[step] = expm(rates * step)
        there = there @ steps[step]
        now = time
        found.append(there.sum())
    return np.array(found)


def sojourn_variance(load: float) -> float:
    """Var T, in squared mean demands (Coffman, Muntz and Trotter 1970)."""
    return (2 + load) / ((2 - load) * (1 - load) ** 2)
