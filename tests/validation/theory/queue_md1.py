"""M/D/1, first come first served: the whole distribution of waiting, by two ways that share nothing.

Times in demands, so the arrival rate is the load.

- `waiting_tail_erlang`: Erlang's alternating sum (Erlang 1909; Crommelin 1932). Its terms grow like e^t while
  the sum stays below 1, so it is summed in rational numbers, where nothing cancels.
- `waiting_tail`: through the embedded queue length. A customer that arrives less than a demand before the end
  of a slot waits at most so long if and only if few enough were there a whole number of demands earlier
  (Franx 2001, "A simple solution for the M/D/c waiting time distribution"): all terms are positive.
"""

import math
from fractions import Fraction


def waiting_mean(load: float) -> float:
    """E W: half of that of M/M/1."""
    return load / (2 * (1 - load))


def queue_cumulative(load: float, length: int) -> list[float]:
    """P(N <= n) for n = 0..length, of the number N of customers present.

    The balance of steps up and down between n and n + 1, which only adds: p_{n+1} a_0 = p_0 A_n +
    sum_{i=1}^{n} p_i A_{n+1-i}, with a_0 = P(no arrival in a demand) and A_k = P(more than k arrive).
    """
    arrivals = [math.exp(-load)]
    for k in range(1, length + 60):
        arrivals.append(arrivals[-1] * load / k)
    more = [math.fsum(arrivals[k + 1 :]) for k in range(length + 2)]
    shares = [1 - load]
    for n in range(length):
        up = [shares[0] * more[n]] + [shares[i] * more[n + 1 - i] for i in range(1, n + 1)]
        shares.append(math.fsum(up) / arrivals[0])
    return [math.fsum(shares[: n + 1]) for n in range(length + 1)]


def waiting_tail(load: float, time: float) -> float:
    """P(W > time), by the embedded queue length."""
    k = math.floor(time) + 1  # (k - 1) demands <= time < k demands
    left = load * (k - time)
    queued = queue_cumulative(load, k)  # at most m waiting = at most m + 1 present
    poisson = math.exp(-left)
    below = []
    for j in range(k):
        below.append(queued[k - j] * poisson)
        poisson *= left / (j + 1)
    return 1 - math.fsum(below)


def waiting_tail_erlang(load: Fraction, time: Fraction) -> float:
    """P(W > time), by Erlang's sum: 1 - (1 - rho) sum_k (rho (k - t))^k / k! e^{-rho (k - t)}."""
    total = Fraction(0)
    power = exponential(load * time)
    step = exponential(-load)
    factorial = 1
    for k in range(math.floor(time) + 1):
        factorial *= max(1, k)
        total += (load * (k - time)) ** k / factorial * power * step**k
    return float(1 - (1 - load) * total)


def exponential(x: Fraction, terms: int = 150) -> Fraction:
    """e^x as a rational number, to more than 40 digits for |x| <= 20."""
    total = term = Fraction(1)
    for n in range(1, terms):
        term = term * x / n
        total += term
    return total.limit_denominator(10**60)
