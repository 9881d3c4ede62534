"""What a clock measures of a session; none of it is in the hashed tables."""

import time
from datetime import UTC, datetime
from typing import Any

from pipeline.run.progress import process_age_s


class SessionTimes:
    """The times of one session, from when this is made.

    first_s     : from the start of the process to the first lanes that came back
    lanes_s     : of the lanes alone: from the start of the bar to the last chunk
    simulated_s : of the simulator's calls, in all workers together
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.first_s: float | None = None
        self.lanes_s: float | None = None
        self.simulated_s = 0.0

    def elapsed_s(self) -> float:
        """Of the session so far."""
        return time.monotonic() - self._started

    def add(self, simulated_s: float) -> None:
        """Book lanes that came back."""
        self.simulated_s += simulated_s
        if self.first_s is None:
            self.first_s = process_age_s()

    def facts(self) -> dict[str, Any]:
        """What the manifest says of a session that ends now."""
        return {
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": rounded(self.elapsed_s()),
            "first_lanes_s": rounded(self.first_s),
            "lanes_s": rounded(self.lanes_s),
            "simulated_s": rounded(self.simulated_s),
        }


def rounded(seconds: float | None) -> float | None:
    """Seconds to the millisecond."""
    return None if seconds is None else round(seconds, 3)
