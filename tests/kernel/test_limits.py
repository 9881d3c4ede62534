"""Rings, token bucket and storm detector against naive models that keep every time."""

from random import Random

import pytest

import sim
from sim import kernels
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import process as P
from sim.layout.sentinel import TIME_PAST_NS
from tests.kernel.compiled import Compiled
from tests.kernel.desk import Desk

limits = Compiled(kernels.limits)


def times_of(rng: Random, count: int, mean_ns: float):
    """Rising times, some of them equal."""
    t = 0
    for _ in range(count):
        t += rng.choice((0, 1, int(rng.expovariate(1 / mean_ns))))
        yield t


@pytest.mark.parametrize(
    ("rate", "window_ns"), [(1e6, 3000), (1e6, 1), (3.7e5, 20_000), (0.0, 10), (4e6, 10_000)]
)
def test_rings_are_sliding_windows(rate: float, window_ns: int) -> None:
    limit = sim.RateLimit(rate_per_s=rate, window_ns=window_ns)
    desk = Desk(limits=sim.Limits(system=limit, core=limit))
    z, rng = desk.z, Random(3)
    count = max(1, int(rate * window_ns / 1e9)) if rate else 0
    window = max(1, int(count * 1e9 / rate)) if rate else 0
    moved: list[tuple[int, int, int]] = []
    desk.process(0)
    denied = {"system": 0, "core": 0}

    def allowed(t: int, which: list[int]) -> bool:
        return count > 0 and sum(u > t - window for u in which) < count

    for t in times_of(rng, 3000, 700):
        a, b = rng.sample(range(8), 2)
        system = allowed(t, [m[0] for m in moved[-200:]])
        ends = {c: allowed(t, [m[0] for m in moved[-400:] if c in m[1:]]) for c in (a, b)}
        assert limits.system_allows(*desk.zgf, t) == system
        assert [limits.core_allows(*desk.zgf, t, c) for c in (a, b)] == [ends[a], ends[b]]
        denied["system"] += not system
        denied["core"] += not all(ends.values())
        if system and all(ends.values()):
            limits.charge(*desk.zgf, t, 0, a, b)
            moved.append((t, a, b))
    assert denied["system"] > 0
    assert bool(moved) == (rate > 0)
    assert z[S.STATUS] == 0


@pytest.mark.parametrize("count", [0, 1, 3, 16])
@pytest.mark.parametrize("window_ns", [None, 5000])
@pytest.mark.parametrize("interval_ns", [0, 900])
def test_limits_of_a_process(count: int, window_ns: int | None, interval_ns: int) -> None:
    limit = sim.ProcessLimit(max_migrations=count, window_ns=window_ns, min_interval_ns=interval_ns)
    desk, mine = Desk(limits=sim.Limits(process=limit)), []
    p = desk.process(2)
    ring = int(desk.z[S.PROCESS_RINGS])
    desk.z[ring + 16 * p : ring + 16 * p + 16] = TIME_PAST_NS
    for t in times_of(Random(4), 2000, 400):
        recent = [u for u in mine if window_ns is None or u > t - window_ns]
        allowed = len(recent) < count and (not mine or t - mine[-1] >= interval_ns)
        assert limits.process_allows(*desk.zgf, t, p) == allowed
        if allowed:
            limits.charge(*desk.zgf, t, p, 0, 1)
            desk.rows[p, P.MIGRATIONS] += 1
            desk.rows[p, P.LAST_MIGRATION_NS] = t
            mine.append(t)
    assert bool(mine) == (count > 0)


@pytest.mark.parametrize(
    ("capacity", "refill"), [(0, 1e6), (1, 1e6), (5, 3e5), (1_000_000, 1e9), (1_000_000, 1e-3)]
)
def test_token_bucket(capacity: int, refill: float) -> None:
    burst = sim.BurstLimit(capacity=capacity, refill_per_s=refill)
    desk, rng = Desk(limits=sim.Limits(burst=burst)), Random(5)
    full = tokens = capacity * 10**9
    rate, before, taken = max(1, int(refill + 0.5)), 0, 0
    for t in [*times_of(rng, 2000, 900), 10**13, 8 * 10**13, 86_400 * 10**9]:
        tokens, before = min(full, tokens + (t - before) * rate), t
        assert limits.bucket_allows(*desk.zgf, t) == (tokens >= 10**9)
        if tokens >= 10**9:
            limits.charge(*desk.zgf, t, desk.process(0), 0, 1)
            tokens -= 10**9
            taken += 1
        assert desk.z[S.TOKENS] == tokens
    assert bool(taken) == (capacity > 0)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_storms(count: int) -> None:
    burst = sim.BurstLimit(storm_count=count, storm_window_ns=2000, cooldown_ns=9000)
    desk, recent, storms, until = Desk(limits=sim.Limits(burst=burst)), [], 0, -1
    p = desk.process(0)
    for t in times_of(Random(6), 3000, 700):
        reason = limits.first_refusal(*desk.zgf, t, p, 0, 1, False)
        assert reason == (N.STORM if t < until else N.PASSED)
        if reason == N.PASSED:
            limits.charge(*desk.zgf, t, p, 0, 1)
            recent = [*(u for u in recent if u > t - 2000), t]
            if len(recent) == count:
                recent, storms, until = [], storms + 1, t + 9000
        assert desk.z[N.STORMS] == storms
    assert storms > 3
