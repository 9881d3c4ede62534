"""Numbers of DESIGN §2: keys, uniform draws, and whole-number samples of distributions."""

import math
from statistics import NormalDist

import numpy as np

# The kernel has an ln, an exp and a quantile of its own, the same bits on every machine. These are
# other implementations, right to about one unit in the last place; after the rounding of a sample
# to a whole number both give the same but for about one draw in 10^12.
ln, exp, normal_quantile = math.log, math.exp, NormalDist().inv_cdf

WORD = (1 << 64) - 1
LARGEST_SAMPLE = 1 << 40
CHILD = 0xC2B2AE3D27D4EB4F


def mix(key: int, n: int) -> int:
    """Give word n of the sequence that belongs to `key`."""
    z = (key + (n + 1) * 0x9E3779B97F4A7C15) & WORD
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


def uniform(word: int) -> float:
    """Map a word to a float64 strictly between 0 and 1."""
    return ((word >> 12) + 0.5) * 2.0**-52


def below(word: int, n: int) -> int:
    """Map a word to 0..n-1."""
    return ((word >> 32) * n) >> 32


def lane_key(seed: int, replicate: int) -> int:
    """Give the key that every stream of a lane comes from."""
    return int(np.random.SeedSequence([seed, replicate]).generate_state(1, np.uint64)[0])


def whole(x: float) -> int:
    """Round a sample to a whole number from 1 to 2^40."""
    return min(max(1, math.floor(x + 0.5)), LARGEST_SAMPLE)


def nearest(x: float) -> int:
    """Round to the nearest whole number."""
    return math.floor(x + 0.5)


def sample(dist, word: int) -> int:
    """Draw from a sim.Distribution with one word."""
    return whole(sample_float(dist, uniform(word)))


def sample_float(dist, u: float) -> float:
    """Give the u-quantile of a distribution (each kind takes one number)."""
    match dist.kind:
        case "deterministic":
            return dist.mean
        case "exponential":
            return exponential(u, dist.mean)
        case "uniform":
            return dist.low + u * (dist.high - dist.low)
        case "lognormal":
            s2 = ln(1.0 + dist.cv * dist.cv)
            return exp(ln(dist.mean) - s2 / 2.0 + math.sqrt(s2) * normal_quantile(u))
        case "hyperexponential":
            return hyperexponential(u, dist.mean, dist.cv)
        case "bounded_pareto":
            tail = exp(dist.shape * ln(dist.low / dist.high))
            return dist.low * exp(-ln(1.0 - u * (1.0 - tail)) / dist.shape)
        case "weibull":
            return dist.mean / math.gamma(1.0 + 1.0 / dist.shape) * exp(ln(-ln(u)) / dist.shape)
        case "empirical":
            return dist.values[math.floor(u * len(dist.values))]
    raise ValueError(dist.kind)


def exponential(u: float, mean: float) -> float:
    """Give the u-quantile (from above) of the exponential distribution."""
    return -ln(u) * mean


def hyperexponential(u: float, mean: float, cv: float) -> float:
    """Draw from two balanced exponential phases with one number."""
    square = cv * cv
    p = (1.0 + math.sqrt((square - 1.0) / (square + 1.0))) / 2.0
    if u < p:
        return -ln(u / p) * (mean / (2.0 * p))
    return -ln((u - p) / (1.0 - p)) * (mean / (2.0 * (1.0 - p)))


def distribution_mean(dist) -> float:
    """Give the mean of a distribution before rounding."""
    match dist.kind:
        case "uniform":
            return (dist.low + dist.high) / 2.0
        case "empirical":
            return sum(dist.values) / len(dist.values)
        case "bounded_pareto":
            low, high, a = dist.low, dist.high, dist.shape
            tail = 1.0 - (low / high) ** a
            if a == 1.0:
                return low * math.log(high / low) / tail
            return low**a / tail * a / (a - 1.0) * (low ** (1.0 - a) - high ** (1.0 - a))
    return dist.mean


def histogram_bucket(x: int) -> int:
    """Give the bucket of DESIGN §10: exact below 64, then 64 buckets for each doubling."""
    if x < 64:
        return x
    e = x.bit_length() - 7
    return 64 * e + (x >> e)
