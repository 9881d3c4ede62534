"""M/G/1 under round robin with a quantum: mean sojourn and slowdown, exactly, for any quantum and demand.

Mean-value analysis by stage, a stage being the quanta a customer has had (Wolff 1970; Sakata, Noguchi and
Oizumi 1971, "An analysis of the M/G/1 queue under round-robin scheduling"). A customer whose quantum is over
goes to the tail, behind those who came meanwhile; switching is free.

Let lambda_j = lambda P(S > j q) be the rate of slices of stage j and beta_j = lambda_j E(length of such a
slice) the share of time in them. W_k, the mean wait of a customer before its slice k, is the work ahead of
it:

- at its arrival lambda_j W_j customers of stage j are queued (Little) and one is in service at stage j with
  probability beta_j, so W_0 = sum_j beta_j W_j + the mean residual slice;
- k passes later, ahead of it are those found then (k stages on, the one in service then included, if its
  demand did not end) and those who came during pass i, now at stage k - 1 - i: W_k = rho q + sum_{j<k}
  beta_j W_{k-1-j} + sum_{j>=k} beta_j W_{j-k}.

The rows of that system sum to rho < 1, so repeated substitution converges like rho^n.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import fftconvolve

from tests.validation.theory.queue_demands import Law

TOLERANCE = 1e-11  # of the greatest wait, and of the share of customers of a stage that is left out


@dataclass(frozen=True)
class RoundRobin:
    """waits_ns : float64 (stage,), mean wait before each slice; starts_ns : demand served when it begins."""

    waits_ns: np.ndarray
    starts_ns: np.ndarray
    law: Law

    @property
    def sojourn_mean_ns(self) -> float:
        """E T."""
        return float(self.law.survival(self.starts_ns) @ self.waits_ns) + self.law.mean

    @property
    def slowdown_mean(self) -> float:
        """E T / S; of demands bounded away from 0 alone."""
        return 1 + float(self.law.inverse_above(self.starts_ns) @ self.waits_ns)


def round_robin(load: float, law: Law, quantum: float) -> RoundRobin:
    """Solve for the waits before each slice."""
    stages = 1
    while law.survival(np.array(stages * quantum)) > TOLERANCE:
        stages *= 2
    starts = np.arange(stages) * quantum
    rate = load / law.mean
    excess = law.excess(np.arange(stages + 1) * quantum)
    busy = -rate * np.diff(excess)
    # sum of E(slice^2): twice the integral of y P(S > j q + y) over the slices, by parts
    squares = law.second - 2 * quantum * excess[1:].sum()
    constant = np.full(stages, load * quantum)
    constant[0] = rate * squares / 2
    waits = np.zeros(stages)
    while True:
        new = constant.copy()
        new[1:] += fftconvolve(busy, waits)[: stages - 1]
        new += fftconvolve(busy, waits[::-1])[stages - 1 :]  # entry k: sum over j >= k of busy_j waits_{j-k}
        if np.abs(new - waits).max() <= TOLERANCE * new.max():
            return RoundRobin(new, starts, law)
        waits = new
