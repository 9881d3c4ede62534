"""Pending events in the total order (time, kind, id)."""

import heapq


class Pending:
    """At most one event for each (kind, id); setting it again replaces it."""

    def __init__(self) -> None:
        self.heap: list[tuple[int, int, int]] = []
        self.time_of: dict[tuple[int, int], int] = {}

    def set(self, kind: int, index: int, time_ns: int) -> None:
        """Set the event (kind, index) to a time."""
        self.time_of[kind, index] = time_ns
        heapq.heappush(self.heap, (time_ns, int(kind), index))

    def cancel(self, kind: int, index: int) -> None:
        """Forget the event (kind, index), if there is one."""
        self.time_of.pop((kind, index), None)

    def least(self) -> tuple[int, int, int] | None:
        """Give the least event without removing it."""
        while self.heap:
            time_ns, kind, index = self.heap[0]
            if self.time_of.get((kind, index)) == time_ns:
                return self.heap[0]
            heapq.heappop(self.heap)  # replaced or cancelled
        return None

    def pop(self) -> tuple[int, int, int]:
        """Remove and give the least event."""
        event = self.least()
        assert event is not None
        heapq.heappop(self.heap)
        del self.time_of[event[1], event[2]]
        return event
