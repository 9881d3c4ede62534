"""Rate limits of DESIGN §6, each a list of past times."""

import math

LARGEST_WINDOW_COUNT = 16
TOKEN = 10**9


class Window:
    """At most `count` migrations with times > t - `window_ns`."""

    def __init__(self, count: int | None, window_ns: int) -> None:
        self.count = count  # None: no limit
        self.window_ns = window_ns

    def allows(self, times: list[int], now: int) -> bool:
        """Tell whether one more migration at `now` is within the limit."""
        if self.count is None:
            return True
        return sum(time > now - self.window_ns for time in times) < self.count


def rate_window(limit) -> Window:
    """Turn a sim.RateLimit into a count and the effective window in which it holds."""
    rate = limit.rate_per_s
    if rate is None:
        return Window(None, 0)
    if rate == 0:
        return Window(0, 1)
    count = max(1, math.floor(rate * limit.window_ns / 1e9))
    return Window(count, max(1, math.floor(count * 1e9 / rate)))


class ProcessLimits:
    """The limits of one process: in its lifetime or in a window, and the least interval."""

    def __init__(self, limit) -> None:
        self.lifetime = limit.max_migrations if limit.window_ns is None else None
        self.window = Window(None, 0)
        if limit.window_ns is not None and limit.max_migrations is not None:
            # A process keeps its last 16 migrations only (§6).
            count = min(limit.max_migrations, LARGEST_WINDOW_COUNT)
            self.window = Window(count, limit.window_ns)
        self.min_interval_ns = limit.min_interval_ns

    def allows(self, process, now: int) -> bool:
        """Tell whether the process may migrate at `now`."""
        for most in (self.lifetime, process.affinity.max_migrations):
            if most is not None and process.migration_count >= most:
                return False
        if not self.window.allows(process.migration_times, now):
            return False
        has_moved = process.migration_count > 0
        return not has_moved or now - process.last_migration_ns >= self.min_interval_ns


class Bucket:
    """A token bucket in units of 1e-9 token."""

    def __init__(self, limit) -> None:
        self.is_on = limit.capacity is not None
        self.full = self.tokens = (limit.capacity or 0) * TOKEN
        self.rate = max(1, round(limit.refill_per_s))
        self.last_ns = 0

    def has_token(self, now: int) -> bool:
        """Refill up to `now`, and tell whether a migration may be paid."""
        if not self.is_on:
            return True
        self.tokens = min(self.full, self.tokens + (now - self.last_ns) * self.rate)
        self.last_ns = now
        return self.tokens >= TOKEN

    def take(self) -> None:
        """Pay one migration."""
        if self.is_on:
            self.tokens -= TOKEN


class Storm:
    """Counts recent migrations; too many of them start a cool-down."""

    def __init__(self, limit) -> None:
        self.count = limit.storm_count
        self.window_ns = limit.storm_window_ns
        self.cooldown_ns = limit.cooldown_ns
        self.times: list[int] = []
        self.cool_until_ns = 0

    def is_cooling(self, now: int) -> bool:
        """Tell whether migrations are paused."""
        return now < self.cool_until_ns

    def note(self, now: int) -> bool:
        """Record a migration; tell whether it made a storm."""
        if self.count is None:
            return False
        self.times = [time for time in self.times if time > now - self.window_ns] + [now]
        if len(self.times) < self.count:
            return False
        self.times = []
        self.cool_until_ns = now + self.cooldown_ns
        return True
