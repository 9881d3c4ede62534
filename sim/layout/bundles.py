"""Former name of sim.layout.sentinel."""

from sim.layout.sentinel import TIME_NEVER_NS, TIME_PAST_NS

__all__ = ["TIME_NEVER_NS", "TIME_PAST_NS"]
