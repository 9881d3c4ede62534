"""Random numbers of the kernel: counter-based keys, and distributions from + - * / and sqrt alone.

No libm call stands here: logarithm, exponential and normal quantile are built from operations that IEEE 754
rounds exactly, so that a lane gives the same bits on every machine.
"""

import numpy as np

from sim.kernels.jit import cold, kernel, leaf
from sim.layout import step as T
from sim.layout import table as G

LN2 = 0.6931471805599453
LN2_HIGH = 6.93147180369123816490e-01
LN2_LOW = 1.90821492927058770002e-10
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_A = np.uint64(0xBF58476D1CE4E5B9)
MIX_B = np.uint64(0x94D049BB133111EB)
CHILD = np.int64(np.uint64(0xC2B2AE3D27D4EB4F).astype(np.int64))
LARGEST = 2.0**40


@leaf
def mix(key, n):
    """Number n of the stream `key`, int64 holding uint64 bits: splitmix64 jumped to n.

    Source: Steele, Lea and Flood 2014.
    """
    z = np.uint64(key) + (np.uint64(n) + np.uint64(1)) * GOLDEN
    z = (z ^ (z >> np.uint64(30))) * MIX_A
    z = (z ^ (z >> np.uint64(27))) * MIX_B
    return np.int64(z ^ (z >> np.uint64(31)))


@leaf
def uniform(bits):
    """Float64 strictly between 0 and 1 from 64 random bits."""
    return (np.float64(np.uint64(bits) >> np.uint64(12)) + 0.5) * 2.220446049250313e-16


@leaf
def below(bits, n):
    """Whole number in 0..n-1 from 64 random bits, n < 2^31; bias below n / 2^32."""
    return np.int64(((np.uint64(bits) >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@leaf
def ln(x):
    """Natural logarithm of a positive normal float64, within 2 ulp.

    Argument reduction and the polynomial of fdlibm's e_log.c (Sun 1993), written with exactly rounded
    operations only.
    """
    bits = np.float64(x).view(np.int64)
    # adding 0x95f64 makes the exponent carry exactly when the mantissa is above sqrt(2)
    shifted = np.int64(bits + 0x00095F6400000000)
    e = (shifted >> 52) - 1023
    f = np.int64(bits - (e << 52)).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01))
    odd = z * (
        6.666666666666735130e-01
        + w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01))
    )
    half = 0.5 * f * f
    return e * LN2_HIGH - ((half - (s * (half + even + odd) + e * LN2_LOW)) - f)


@kernel
def exp(x):
    """Exponential of a float64 within 2 ulp, its argument held between -700 and 700.

    Reduction by ln 2, then Taylor's series to x^14 in Horner's form.
    """
    x = min(max(x, -700.0), 700.0)
    n = np.int64(np.floor(x / LN2 + 0.5))
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    total = 1.0
    for i in range(14, 0, -1):
        total = 1.0 + total * r / i
    factor = 2.0 if n > 0 else 0.5
    for _ in range(abs(n)):
        total *= factor
    return total


@kernel
def horner(x, c):
    """Polynomial with the highest coefficient first."""
    total = 0.0
    for a in c:
        total = total * x + a
    return total


@kernel
def normal_quantile(p):
    """Quantile of the standard normal distribution, 0 < p < 1.

    Source: Wichura 1988, algorithm AS 241 (PPND16), relative accuracy about 1e-16.
    """
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        top = horner(r, (
            2509.0809287301226727, 33430.575583588128105, 67265.770927008700853,
            45921.953931549871457, 13731.693765509461125, 1971.5909503065514427,
            133.14166789178437745, 3.387132872796366608,
        ))  # fmt: skip
        bottom = horner(r, (
            5226.495278852545925, 28729.085735721942674, 39307.89580009271061,
            21213.794301586595867, 5394.1960214247511077, 687.1870074920579083,
            42.313330701600911252, 1.0,
        ))  # fmt: skip
        return q * top / bottom
    r = np.sqrt(-ln(p if q < 0.0 else 1.0 - p))
    if r <= 5.0:
        r -= 1.6
        top = horner(r, (
            7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177,
            1.27045825245236838258, 3.64784832476320460504, 5.7694972214606914055,
            4.6303378461565452959, 1.42343711074968357734,
        ))  # fmt: skip
        bottom = horner(r, (
            1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966,
            0.14810397642748007459, 0.68976733498510000455, 1.6763848301838038494,
            2.05319162663775882187, 1.0,
        ))  # fmt: skip
    else:
        r -= 5.0
        top = horner(r, (
            2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386,
            0.026532189526576123093, 0.29656057182850489123, 1.7848265399172913358,
            5.4637849111641143699, 6.6579046435011037772,
        ))  # fmt: skip
        bottom = horner(r, (
            2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5,
            7.868691311456132591e-4, 0.0148753612908506148525, 0.13692988092273580531,
            0.59983220655588793769, 1.0,
        ))  # fmt: skip
    return -top / bottom if q < 0.0 else top / bottom


@cold
def sample_rare(g, f, row, u):
    """The distributions that need more than one logarithm or a table (DESIGN §2)."""
    kind = np.int64(f[row])
    if kind == T.LOGNORMAL:  # row: mu, sigma
        return exp(f[row + 1] + f[row + 2] * normal_quantile(u))
    if kind == T.HYPEREXPONENTIAL:  # row: p, mean of phase 1, mean of phase 2
        p = f[row + 1]
        return -ln(u / p) * f[row + 2] if u < p else -ln((u - p) / (1.0 - p)) * f[row + 3]
    if kind == T.PARETO:  # row: low, shape, 1 - (low/high)^shape
        return f[row + 1] * exp(-ln(1.0 - u * f[row + 3]) / f[row + 2])
    if kind == T.WEIBULL:  # row: scale, shape
        return f[row + 1] * exp(ln(-ln(u)) / f[row + 2])
    first, count = np.int64(f[row + 1]), np.int64(f[row + 2])
    return f[g[G.VALUES] + first + np.int64(np.floor(u * count))]


@leaf
def sample(g, f, which, bits):
    """One draw of distribution `which`, rounded to a whole number in 1..2^40 (DESIGN §2)."""
    row = g[G.DRAWS] + which * T.DRAW_WIDTH
    kind = np.int64(f[row])
    if kind == T.EXPONENTIAL:
        x = -ln(uniform(bits)) * f[row + 1]
    elif kind == T.DETERMINISTIC:
        x = f[row + 1]
    elif kind == T.UNIFORM:
        x = f[row + 1] + uniform(bits) * (f[row + 2] - f[row + 1])
    else:
        x = sample_rare(g, f, row, uniform(bits))
    return np.int64(min(max(1.0, np.floor(x + 0.5)), LARGEST))
