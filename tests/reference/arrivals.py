"""When processes come from outside (DESIGN §2 stream 2, §4, §15 load)."""

import math

from tests.reference.codes import EventKind
from tests.reference.numbers import exponential, mix, uniform, whole


class Arrivals:
    """The arrival stream of one class."""

    def __init__(self, kind, key: int) -> None:
        self.arrival = kind.arrival
        self.mean_ns = self.nominal_ns = 1e9 / kind.rate_per_s
        self.key, self.draw_count = key, 0
        self.count = 0  # arrivals so far
        self.on_until_ns: int | None = None
        self.counted_from_ns: int | None = None  # deterministic: after a change of load
        self.counted = 0

    def draw(self, mean: float) -> int:
        """Draw an exponential time in ns."""
        word = mix(self.key, self.draw_count)
        self.draw_count += 1
        return whole(exponential(uniform(word), mean))

    def change_load(self, factor: float, now: int) -> None:
        """Let the arrivals that are drawn from now on come `factor` times as often."""
        self.mean_ns = self.nominal_ns / factor
        self.counted_from_ns, self.counted = now, 0

    def next_ns(self, now: int) -> int:
        """Give the time of the next arrival."""
        match self.arrival.kind:
            case "deterministic":
                return self.next_counted(now)
            case "poisson":
                return now + self.draw(self.mean_ns)
        return self.next_in_burst(now)

    def next_counted(self, now: int) -> int:
        """Give an exact multiple of the gap: rounding does not add up."""
        if self.counted_from_ns is None:
            return whole((self.count + 1) * self.mean_ns)
        self.counted += 1
        return max(now, self.counted_from_ns + math.floor(self.counted * self.mean_ns + 0.5))

    def next_in_burst(self, now: int) -> int:
        """Give the next arrival of a source that is on and off in turn."""
        if self.on_until_ns is None:  # the source begins on
            self.on_until_ns = now + self.draw(self.arrival.on_ns)
        gap = self.draw(self.mean_ns)
        while now + gap > self.on_until_ns:
            # An exponential gap has no memory: the next burst draws its own.
            now = self.on_until_ns + self.draw(self.arrival.off_ns)
            self.on_until_ns = now + self.draw(self.arrival.on_ns)
            gap = self.draw(self.mean_ns)
        return now + gap


def set_arrival(lane, kind) -> None:
    """Set the time of the next arrival of a class."""
    if kind.index not in lane.arrivals:
        lane.arrivals[kind.index] = Arrivals(kind, mix(lane.stream(2), kind.index))
    lane.pending.set(EventKind.ARRIVAL, kind.index, lane.arrivals[kind.index].next_ns(lane.now))
