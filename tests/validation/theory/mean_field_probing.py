"""Idle cores that probe one random core at once and then every `poll` demands: the limit of many cores.

Random placement, `load` arrivals a core, exponential demands of mean 1, first come first served; an idle
core's probe of a core with at least 2 processes takes one of them, which it runs. Probes come at a rate
`probes` a core, to a core drawn from all. Across the cut between i and i + 1 processes, i >= 1, load p[i] =
(1 + probes) p[i+1]: so p[i+1] = ratio p[i], ratio = load / (1 + probes), and with sum of p[i], i >= 1, = load
the share with at least i is load ratio^(i-1), the mean sojourn (Little) 1 / (1 - ratio).

An idle time begins where a core with one process ends it, at rate p[1] = load (1 - ratio), with a probe. Each
probe finds nothing with probability 1 - found, found = load ratio; then the core is still idle after `poll`
with probability exp(-load poll) and probes again. So probes = p[1] / (1 - (1 - found) exp(-load poll)), one
equation for `probes`. Without polls (poll = infinity) it is stealing on idle with threshold 2.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq


@dataclass(frozen=True)
class Probing:
    """The limit: the ratio of the geometric lengths, and probes a core and a mean demand."""

    load: float
    ratio: float
    probes: float

    @property
    def length(self) -> float:
        """Mean processes a core."""
        return self.load / (1 - self.ratio)

    @property
    def steals(self) -> float:
        """Probes that find something, a core and a mean demand."""
        return self.probes * self.load * self.ratio

    def at_least(self, count: int) -> float:
        """Share of cores with at least so many processes."""
        return self.load * self.ratio ** (count - 1)


def probing(load: float, poll: float) -> Probing:
    """Solve for the rate of probes; poll in mean demands."""

    def probes(ratio: float) -> float:
        idle_on = np.exp(-load * poll)
        return load * (1 - ratio) / (1 - (1 - load * ratio) * idle_on)

    ratio = float(brentq(lambda x: x * (1 + probes(x)) - load, 0.0, load, xtol=1e-15))
    return Probing(load, ratio, float(probes(ratio)))
