"""Push and pull by thinned probes with N cores: the mean field of `published_probes` and its 1/N term.

A share of the cores is on: a draw among all meets one of these with probability `share`. As in
experiment=published_push_pull,
push: a request's first core is drawn among all. If it is off (1 - share), the request goes to the core beside
      it, whatever its load. If it is on and idle, the request stays; if it has work, one more core is drawn:
      to an idle one the request goes, from one with work it comes back, and if that one is off it goes to the
      one beside it, whatever its load. A random core with work is in law as its own: this too is one probe.
pull: a core probes when its work ends, and then at a rate while it has none. (Probes there come at fixed
      times; that the time between them is exponential here changes nothing as N grows, the 1/N term little.)
"""

from functools import cache

import numpy as np

from tests.validation.theory.mean_field_refined import Refined, refine
from tests.validation.theory.published_probes import pull_ratio, push_ratio

DEPTH = 70


def geometric(load: float, ratio: float) -> np.ndarray:
    """Shares of cores with at least 1, 2, .. requests."""
    return load * ratio ** np.arange(DEPTH)


def exactly(x: np.ndarray) -> np.ndarray:
    """Shares of cores with exactly 1, 2, .. requests."""
    return x - np.append(x[1:], 0.0)


@cache
def push(load: float, share: float) -> Refined:
    """The limit and its 1/N term; time is in mean demands."""
    eye = np.eye(DEPTH)
    jumps = np.concatenate([eye, -eye])

    def rates(x: np.ndarray) -> np.ndarray:
        joins = np.concatenate([[1 - x[0]], exactly(x)[:-1]])
        blind = load * ((1 - share) + share * x[0] * (1 - share)) * joins
        chosen = load * share * x[0] * share * joins
        idle = load * share * (1 - x[0]) * (1 + share * x[0])
        arrivals = blind + np.concatenate([[idle], chosen[1:]])
        return np.concatenate([arrivals, exactly(x)])

    return refine(geometric(load, push_ratio(load, share * load**2)), jumps, rates)


@cache
def pull(load: float, share: float) -> Refined:
    """The same of pull, that probes as often as push."""
    ratio = pull_ratio(load, share * load**2)
    poll_rate = load * (load - (1 - ratio)) / (1 - load)
    eye = np.eye(DEPTH)
    stolen = eye[0] - eye[1:]
    jumps = np.concatenate([eye, -eye, -eye[1:], stolen])

    def rates(x: np.ndarray) -> np.ndarray:
        own = exactly(x)
        departures = np.concatenate([own[:1] * (1 - share * x[1]), own[1:]])
        arrivals = load * np.concatenate([[1 - x[0]], own[:-1]])
        when_ended = own[0] * share * own[1:]
        polled = poll_rate * share * (1 - x[0]) * own[1:]
        return np.concatenate([arrivals, departures, when_ended, polled])

    return refine(geometric(load, ratio), jumps, rates)


def mean_time(model: Refined, load: float, cores: int) -> float:
    """Mean sojourn with N cores, in mean demands."""

    def length(x: np.ndarray) -> np.ndarray:
        return x.sum()

    return (model.limit(length) + model.coefficient(length) / cores) / load
