"""Push against pull by random probes, one at a time.

Sources: Eager, Lazowska and Zahorjan 1986 (sender- and receiver-initiated); Minnebo and Van Houdt 2012, 2014.
A core's requests come at rate `load` and need an exponential time of mean 1; s_k is the share of cores with
at least k. A probe looks at one core drawn at random; R probes a core and unit of time.
pull: a core without work probes, and takes a waiting request of the core it meets. Every core with k >= 2
      loses one at rate R beside its own departures: s_(k+1) / s_k = eta = load / (1 + R), k >= 1, s_1 = load.
push: a request that comes to a core with work probes, and goes to the core it meets if that is idle, with
      probability 1 - load. So R (1 - load) leave the cores with work, a share `load` of all: their arrivals
      fall to eta = load - R (1 - load) / load, and again s_(k+1) / s_k = eta.
The mean time is sum of s_k / load = 1 / (1 - eta). Push is better where its eta is less: where load^2 <
(1 - load)(1 + R). As R -> 0 that ends at (sqrt(5) - 1) / 2.
"""

import math

import numpy as np

GOLDEN = (math.sqrt(5) - 1) / 2


def pull_ratio(load: float, probe_rate: float) -> float:
    """eta of pull."""
    return load / (1 + probe_rate)


def push_ratio(load: float, probe_rate: float) -> float:
    """eta of push."""
    return load - probe_rate * (1 - load) / load


def mean_time(ratio: float) -> float:
    """Mean sojourn, in mean demands."""
    return 1 / (1 - ratio)


def crossing(probe_rate: float) -> float:
    """Load at which both take the same time: 2 load = sqrt(a^2 + 4a) - a, a = R + 1 (2014, abstract)."""
    a = probe_rate + 1
    return (math.sqrt(a * a + 4 * a) - a) / 2


def crossing_on_arrival(share: float) -> float:
    """The crossing if the share of requests that probe when they meet work is given: R = share x load^2."""
    low, high = 0.0, 1.0
    for _ in range(80):
        load = (low + high) / 2
        low, high = (load, high) if load < crossing(share * load * load) else (low, load)
    return low


def poll_time(load: float, share: float) -> float:
    """Time between probes of a core without work such that pull probes as often as push, R = share x load^2.

    A core probes when its work ends and then each `poll`; the draw is of a core that is on with probability
    `share`, and finds a request with p = share x s_2. Cores run out of work at rate load (1 - eta), and until
    the next arrival probe 1 + sum of (e^(-load poll) (1 - p))^j times, j >= 1. For loads above about a half:
    below, probing only when work ends is already more.
    """
    ratio = pull_ratio(load, share * load * load)
    success = share * load * ratio
    again = 1 - (1 - ratio) / load
    return math.log((1 - success) / again) / load


def failed_probes(load: float, poll: float, utilisation: np.ndarray | float, tick: float = 0.0) -> np.ndarray:
    """Probes that find nothing, a core and a mean demand, of cores that probe when work ends and each `poll`.

    Exact for any number of cores (ours): each begins a time that ends with the next probe or an arrival,
    min(poll, exponential of rate load), which has the mean (1 - exp(-load poll)) / load. Idle time, a share
    1 - utilisation, is made of these. On a clock of ticks an arrival comes in a tick with probability
    1 - exp(-load tick), and before a probe at the same time: that mean is longer by about load tick / 2.
    """
    rate = -math.expm1(-load * tick) / tick if tick > 0 else load
    return np.asarray(rate * (1 - np.asarray(utilisation)) / -math.expm1(-load * poll))
