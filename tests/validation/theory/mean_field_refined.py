"""The refined mean field (Gast and Van Houdt 2017, POMACS 1, 28): the limit of many cores, and its 1/N term.

X is the share of cores by state. A transition of kind t moves X by jump[t] / N at rate N rate[t](X). Then
dx/dt = f(x) = sum of rate x jump; at its fixed point p, with A = Df(p), B = D2f(p) and Q = sum over t of
rate[t](p) jump jump', stationary expectations are h(p) + (Dh V + D2h.W / 2) / N + O(1/N2), where W solves the
Lyapunov equation A W + W A' + Q = 0 and V = -A^-1 (B.W / 2). B.W is the sum over the eigenvectors w of W of
the second derivative of f along w times sqrt(eigenvalue): by a central difference, which is exact for
polynomials up to the third degree.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigvals, solve, solve_continuous_lyapunov

Function = Callable[[np.ndarray], np.ndarray]
STEP = 1e-2


@dataclass(frozen=True)
class Refined:
    """What is known near a fixed point.

    point      : the fixed point
    shift      : V, the factor of 1/N in the mean
    covariance : W, the factor of 1/N in the covariance
    relaxation : time of the slowest mode
    """

    point: np.ndarray
    shift: np.ndarray
    covariance: np.ndarray
    relaxation: float

    def limit(self, value: Function) -> float:
        """Expectation of a function of the shares with infinitely many cores."""
        return float(value(self.point))

    def coefficient(self, value: Function) -> float:
        """The factor of 1/N in the expectation of a function of the shares."""
        slope = (value(self.point + STEP * self.shift) - value(self.point - STEP * self.shift)) / (2 * STEP)
        return float(slope + bend(value, self.point, self.covariance) / 2)


def bend(value: Function, point: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """The second derivative of a function, contracted with a symmetric matrix."""
    sizes, vectors = np.linalg.eigh(covariance)
    total = np.zeros_like(value(point), dtype=float)
    for size, vector in zip(sizes, vectors.T, strict=True):
        there = value(point + STEP * vector) + value(point - STEP * vector) - 2 * value(point)
        total = total + size * there / STEP**2
    return total


def jacobian(drift: Function, point: np.ndarray) -> np.ndarray:
    """Derivatives by a complex step: exact to rounding."""
    columns = [drift(point + 1e-30j * unit).imag / 1e-30 for unit in np.eye(len(point))]
    return np.array(columns).T


def refine(point: np.ndarray, jumps: np.ndarray, rates: Function) -> Refined:
    """Solve for the 1/N term at a fixed point.

    Parameters
    ----------
    point : float64 (state,)
    jumps : float64 (kind, state)
    rates : of each kind at x, (kind,); a polynomial of at most the third degree that takes complex numbers

    Raises
    ------
    ValueError if the drift at the point is not zero
    """

    def drift(x: np.ndarray) -> np.ndarray:
        return rates(x) @ jumps

    if np.abs(drift(point)).max() > 1e-9:
        raise ValueError(f"not a fixed point: drift {np.abs(drift(point)).max():.3g}")
    slope = jacobian(drift, point)
    noise = jumps.T @ (rates(point)[:, None] * jumps)
    covariance = solve_continuous_lyapunov(slope, -noise)
    covariance = (covariance + covariance.T) / 2
    shift = solve(slope, -bend(drift, point, covariance) / 2)
    return Refined(point, shift, covariance, float(-1 / eigvals(slope).real.max()))
