"""M/G/1, first come first served: moments of waiting, and its whole distribution between two bounds.

Sources: Pollaczek 1930 and Khinchine 1932 (mean), Takács 1962 (second moment), Beneš 1957 (waiting as a
geometric number of residual demands).
"""

import numpy as np

from tests.validation.theory.queue_demands import Law


def waiting_mean(load: float, law: Law) -> float:
    """E W."""
    return load * law.second / law.mean / (2 * (1 - load))


def waiting_second(load: float, law: Law) -> float:
    """E W^2 = 2 (E W)^2 + lambda E S^3 / (3 (1 - rho)) (Takács 1962)."""
    return 2 * waiting_mean(load, law) ** 2 + load * law.third / law.mean / (3 * (1 - load))


def waiting_tail_bounds(
    load: float, law: Law, times: np.ndarray, step: float, size: int = 1 << 21
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bound of P(W >= t), t > 0.

    W is the sum of N residual demands, P(N = n) = (1 - rho) rho^n. Rounded down to the grid each of them
    gives a lower bound, rounded up an upper one. A compound geometric law is one division of transforms.

    Parameters
    ----------
    step : of the grid, ns; `size` steps must hold practically all of W (what is beyond comes back at 0)
    """
    grid = np.arange(size + 1) * step
    mass = -np.diff(law.excess(grid)) / law.mean
    found = []
    for shift in (0, 1):
        rounded = np.concatenate([np.zeros(shift), mass[: size - shift]])
        transform = np.fft.rfft(rounded)
        waiting = np.fft.irfft((1 - load) / (1 - load * transform), size)
        tail = np.cumsum(waiting[::-1])[::-1]
        found.append(tail[np.ceil(np.asarray(times) / step - 1e-9).astype(int)])
    return found[0], found[1]
