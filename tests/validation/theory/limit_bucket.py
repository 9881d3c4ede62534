"""A token bucket under Poisson requests.

A bucket of B tokens that refills continuously at rate r lacks V = B - level tokens. V falls at rate r; a
request that finds V <= B - 1 is granted and adds 1, any other is denied and changes nothing. With 1 / r as
the unit of time V is the unfinished work of M/D/1 whose customers go away where they would wait longer than
B - 1. Up to B - 1 its distribution is that of plain M/D/1 but for a constant, P(V <= x) = p G(x), with G(x)
= F(x) / (1 - rho) and G(0) = 1, which makes sense for rho >= 1 too (Gnedenko and Kovalenko 1968, §1.3; de
Kok and Tijms 1985). Granted tokens a unit of time are refilled ones: rho p G(B - 1) = 1 - p. So

    P(granted) = p G(B - 1) = G(B - 1) / (1 + rho G(B - 1)).
"""

from decimal import Decimal, localcontext

import numpy as np
from scipy.stats import poisson


def unfinished(rho: float, most: int) -> np.ndarray:
    """G(0), G(1), .., G(most).

    P(V <= k) = P(at most k customers) at whole k, for with n customers V is in (n - 1, n]; and the numbers
    left behind by departures of M/D/1 follow from the balance of crossing n upwards and downwards, a sum of
    positive terms (Ramaswami 1988): it is stable where Crommelin's alternating sum is not.
    """
    more = poisson.sf(np.arange(most + 2), rho)  # P(more than k arrivals in a service)
    none = np.exp(-rho)
    left = np.zeros(most + 1)
    left[0] = 1.0
    for n in range(most):
        left[n + 1] = (left[0] * more[n] + left[1 : n + 1] @ more[n - np.arange(1, n + 1) + 1]) / none
    return np.cumsum(left)


def crommelin(rho: float, x: int, digits: int = 120) -> float:
    """G(x) by the sum of Crommelin 1932, whose terms alternate: in so many digits that it does not matter."""
    with localcontext() as context:
        context.prec = digits
        r, total, factorial = Decimal(rho), Decimal(0), Decimal(1)
        for k in range(x + 1):
            factorial *= max(k, 1)
            y = r * (k - x)
            power = y**k if k else Decimal(1)
            total += power / factorial * (-y).exp()
        return float(total)


def denied(rho: float, tokens: int) -> float:
    """Share of requests that find less than one token; rho = request rate / refill rate."""
    granted = unfinished(rho, tokens - 1)[-1]
    return float(1 - granted / (1 + rho * granted))


def denied_by_random_refill(rho: float, tokens: int) -> float:
    """The same if whole tokens came as a Poisson process: M/M/1 with room for `tokens`; a wrong theory."""
    weights = rho ** np.arange(tokens + 1)
    return float(weights[-1] / weights.sum())
