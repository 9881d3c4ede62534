"""M/H2/1, first come first served: the distribution of waiting by partial fractions.

The Pollaczek-Khinchine transform (Kleinrock 1975, §5.7) W(s) = (1 - rho) s / (s - lambda + lambda B(s)) is a
ratio of polynomials when the demand is a mixture of exponentials, so P(W > t) is a sum of exponentials.
"""

import numpy as np

from tests.validation.theory.queue_demands import Phases


def waiting_tail(load: float, law: Phases, times: np.ndarray) -> np.ndarray:
    """P(W > t), ns."""
    rate = load / law.mean
    rates = 1 / np.array(law.means)
    whole = np.poly1d(-rates, r=True)
    served = np.poly1d([0.0])
    for i, share in enumerate(law.shares):
        served = served + share * rates[i] * np.poly1d(np.delete(-rates, i), r=True)
    below = np.poly1d([1.0, -rate]) * whole + rate * served
    reduced, _ = np.polydiv(below.coeffs, [1.0, 0.0])  # s = 0 is a root of both
    reduced = np.poly1d(reduced)
    tail = np.zeros_like(np.asarray(times, np.float64))
    for root in reduced.roots:
        # near its pole W(s) ~ a / (s - r), a density a e^{r t}, and a tail a / -r e^{r t}
        share = (1 - load) * whole(root) / reduced.deriv()(root) / -root
        tail = tail + (share * np.exp(root * times)).real
    return tail
