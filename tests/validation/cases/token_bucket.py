"""The token bucket on migrations, under Poisson requests."""

import numpy as np

import sim
from tests.analytic.queues import cores
from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.cases.migration_requests import (
    GAP_NS,
    NUM_CORES,
    gaps_ns,
    policy,
    sleepers,
    span,
    visitors,
)
from tests.validation.judge import exact, half_width, interval, rejects
from tests.validation.registry import case, seed_of
from tests.validation.simulation import replicates
from tests.validation.theory import limit_bucket

REQUESTS = 40_000
# requests a token -> capacities, as long as the denied share is more than about a hundredth
CAPACITIES = {0.5: (1, 2, 3, 4), 0.8: (1, 2, 4, 8), 1.0: (1, 4, 8, 16), 1.5: (1, 2, 4, 16)}


def bucket(rho: float, tokens: int) -> sim.Limits:
    """`tokens` in the bucket, refilled so that rho requests come in the time of one token."""
    return sim.Limits(burst=sim.BurstLimit(capacity=tokens, refill_per_s=round(1e9 / GAP_NS / rho)))


def offered(rho: float) -> float:
    """Requests a token, the refill being a whole number of tokens a second."""
    return 1e9 / GAP_NS / round(1e9 / GAP_NS / rho)


def shares(r: dict[str, np.ndarray]) -> np.ndarray:
    """Denied share of the requests, by replicate."""
    return r["denied_burst"] / r["migration_attempt_count"]


@case(
    "Token bucket under Poisson requests",
    "queues",
    "M/D/1 with impatient customers: Gnedenko and Kovalenko 1968, §1.3; M/D/1: Crommelin 1932",
)
def token_bucket(scale: Scale) -> Outcome:
    """Wake-ups on 16 cores ask to migrate as a Poisson process; a bucket of B tokens denies some.

    What the bucket lacks is the unfinished work of an M/D/1 queue that turns away who would wait longer than
    B - 1 services, so with G = F / (1 - rho) of M/D/1 the denied share is 1 - G(B-1) / (1 + rho G(B-1)), for
    more requests than tokens (rho > 1) too. The migration rate is what is left of the requests.
    """
    checks, series = [], []
    for rho, capacities in CAPACITIES.items():
        means, widths = [], []
        for tokens in capacities:
            at = f"{rho} requests a token, {tokens} tokens"
            r = replicates(
                cores(NUM_CORES), sleepers(100, GAP_NS), policy(bucket(rho, tokens)), span(scale, REQUESTS),
                scale, seed_of(f"token bucket {at}"),
            )  # fmt: skip
            theory = limit_bucket.denied(offered(rho), tokens)
            rate = (1 - theory) * 1e9 / GAP_NS
            checks += [
                interval(f"denied share, {at}", shares(r), theory, scale, unit="", narrow=0.15),
                interval(f"migrations a second, {at}", r["migration_rate_per_s"], rate, scale, unit="1/s",
                         narrow=0.01),
            ]  # fmt: skip
            if tokens == 4 and scale.is_full:
                checks += wrong(shares(r), rho, tokens, at)
            means.append(float(shares(r).mean()))
            widths.append(half_width(shares(r)))
        grid = list(range(1, capacities[-1] + 1))
        line = [limit_bucket.denied(offered(rho), b) for b in grid]
        series += [
            Series(f"theory, {rho} requests a token", True, grid, line),
            Series(f"simulated, {rho}", False, capacities, means, widths),
        ]
    checks += [*open_requests(scale), *sums()]
    found, figure = one_token(scale)
    plots = [Plot("Denied share", "capacity (tokens)", "denied share", series, is_log_x=True, is_log_y=True)]
    return Outcome(checks + found, [*plots, figure])


def wrong(denied: np.ndarray, rho: float, tokens: int, at: str) -> list[Check]:
    """Theories that the data must refuse: whole tokens at random times, and one token more."""
    return [
        rejects(
            f"denied share, {at}, as if whole tokens came at random", denied,
            limit_bucket.denied_by_random_refill(offered(rho), tokens), unit="",
        ),
        rejects(
            f"denied share, {at}, as of one token more", denied,
            limit_bucket.denied(offered(rho), tokens + 1), unit="",
        ),
    ]  # fmt: skip


def open_requests(scale: Scale) -> list[Check]:
    """The same from processes that come from outside and ask once: blocking times of two laws."""
    checks = []
    for kind in ("deterministic", "exponential"):
        at = f"open requests, blocking {kind}, 1 request a token, 4 tokens"
        pause = sim.Distribution(kind=kind, mean=30 * GAP_NS)
        r = replicates(
            cores(NUM_CORES), visitors(GAP_NS, NUM_CORES, pause), policy(bucket(1.0, 4)),
            span(scale, REQUESTS), scale, seed_of(f"token bucket {at}"),
        )  # fmt: skip
        theory = limit_bucket.denied(offered(1.0), 4)
        checks.append(interval(f"denied share, {at}", shares(r), theory, scale, unit="", narrow=0.05))
    return checks


def sums() -> list[Check]:
    """The theory's own two ways to M/D/1: both to the twelfth digit."""
    checks = []
    for rho, x in ((0.8, 7), (1.0, 31), (1.5, 15)):
        share = limit_bucket.crommelin(rho, x) / limit_bucket.unfinished(rho, x)[-1]
        note = "Crommelin's sum / the stable recursion, rounded to 12 digits"
        of = f"G({x}) of M/D/1 at rho {rho}"
        from_both = round(float(share), 12)
        checks.append(exact(of, from_both, 1.0, note=note))
    return checks


def one_token(scale: Scale) -> tuple[list[Check], Plot]:
    """With one token the time between migrations is that of a token and an exponential one: its whole law."""
    rho = 1.0
    found = gaps_ns(
        cores(NUM_CORES), sleepers(100, GAP_NS), bucket(rho, 1), span(scale, 12_000), scale,
        seed_of("token bucket of one token"),
    )  # fmt: skip
    token_ns = 1e9 / round(1e9 / GAP_NS / rho)
    times = [token_ns * x for x in (0.999, 1.25, 2, 3, 5)]
    theory = [float(np.exp(-max(0.0, time - token_ns) / GAP_NS)) for time in times]
    tails = np.array([[(gaps >= time).mean() for time in times] for gaps in found])
    checks = [
        interval(f"P(between two migrations >= {time / 1000:.6g} us), 1 token", tails[:, i], share, scale,
                 unit="", narrow=0.1)
        for i, (time, share) in enumerate(zip(times, theory, strict=True))
    ]  # fmt: skip
    checks.append(
        rejects("P(between two migrations >= 125 us) as of a Poisson process", tails[:, 1],
                float(np.exp(-1.25 / (1 + rho))), unit="")
    )  # fmt: skip
    x = [time / 1000 for time in times]
    lines = (
        Series("theory", True, x, theory),
        Series(
            "simulated", False, x, tails.mean(axis=0).tolist(), [half_width(tails[:, i]) for i in range(5)]
        ),
    )
    title = "Time between two migrations, bucket of one token"
    return checks, Plot(title, "time (us)", "P(time between >= time)", lines, is_log_y=True)
