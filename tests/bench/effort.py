"""How long to measure, and how to say that something is left out."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Effort:
    """Length of a run.

    repetitions : pairs of measurements
    share       : of the usual number of events, customers and tasks
    is_cold     : whether the kernel is compiled once more from nothing
    skip        : told why something is left out
    """

    repetitions: int = 5
    share: float = 1.0
    is_cold: bool = True
    skip: Callable[[str], None] = field(default=print)

    def scaled(self, count: float) -> int:
        """So many events, in proportion."""
        return max(1, int(count * self.share))


QUICK = Effort(repetitions=3, share=0.2, is_cold=False)
