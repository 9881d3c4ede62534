"""Lanes -> chunks: units of work of about a second, sized by what earlier chunks took.

Chunks never show in a result. They follow the order of parts, so that finished lanes fill one part
after another and few unfinished ones are held at a time.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.run.tables import LANES_PER_PART

# A Ray task costs 1-2 ms, a lost one costs its work: a second is far from both.
TARGET_S = 1.0
SMALLEST_TARGET_S = 0.05
LANES_MAX = 4096
SLICES_MAX = 64
UNMEASURED_LANES_MAX = 16


@dataclass(frozen=True)
class Cut:
    """Lanes of one batch, in a chunk.

    batch : index of the batch
    lanes : int64 array (lane,), lane numbers of the study
    """

    batch: int
    lanes: np.ndarray[Any, Any]


class Planner:
    """Cuts the missing lanes into chunks.

    lanes   : int64 array (lane,), lanes to compute
    batches : int64 array (lane,), index of the batch of each
    workers : chunks computed at a time
    chunk_s : seconds of work in a chunk
    """

    def __init__(
        self,
        lanes: np.ndarray[Any, Any],
        batches: np.ndarray[Any, Any],
        workers: int,
        chunk_s: float = TARGET_S,
    ) -> None:
        self.workers, self.chunk_s = workers, chunk_s
        self.remaining = int(lanes.size)
        self._waiting: deque[Cut] = deque(cuts_of(lanes, batches))
        self._alone: deque[Cut] = deque()
        self._rate: dict[int, float] = {}

    def next_chunk(self) -> tuple[list[Cut], bool]:
        """The next chunk, and whether it is a lane on its own after a crash; empty when none is left."""
        if self._alone:
            self.remaining -= 1
            return [self._alone.popleft()], True
        chunk: list[Cut] = []
        budget, room = self.target_s(), LANES_MAX
        while self._waiting and room > 0 and len(chunk) < SLICES_MAX:
            cut = self._waiting[0]
            count = min(self._lanes_for(cut.batch, budget), room, cut.lanes.size)
            if count < 1 and chunk:
                break
            count = max(1, count)
            chunk.append(Cut(cut.batch, cut.lanes[:count]))
            budget -= count * self._expected_s(cut.batch, budget)
            room -= count
            self._waiting.popleft()
            if count < cut.lanes.size:
                self._waiting.appendleft(Cut(cut.batch, cut.lanes[count:]))
                break
        self.remaining -= sum(cut.lanes.size for cut in chunk)
        return chunk, False

    def learn(self, batch: int, lane_count: int, seconds: float) -> None:
        """Book what `lane_count` lanes of a batch took."""
        if lane_count < 1:
            return
        new = max(seconds / lane_count, 1e-7)
        self._rate[batch] = (self._rate[batch] + new) / 2 if batch in self._rate else new

    def put_back_alone(self, chunk: Sequence[Cut]) -> None:
        """Hand out the lanes of a crashed chunk again, each as a chunk of its own."""
        for cut in chunk:
            self._alone.extend(Cut(cut.batch, cut.lanes[i : i + 1]) for i in range(cut.lanes.size))
            self.remaining += cut.lanes.size

    def target_s(self) -> float:
        """Seconds of work that the next chunk should have; less near the end, to end together."""
        if not self._rate:
            return SMALLEST_TARGET_S
        left = self.remaining * (sum(self._rate.values()) / len(self._rate))
        return min(self.chunk_s, max(SMALLEST_TARGET_S, left / (2 * self.workers)))

    def _lanes_for(self, batch: int, budget: float) -> int:
        if batch in self._rate:
            return int(budget / self._rate[batch])
        if not self._rate:
            return 0
        # The slowest batch known is the careful guess: sizes of machines differ a hundredfold.
        return min(UNMEASURED_LANES_MAX, int(budget / max(self._rate.values())))

    def _expected_s(self, batch: int, budget: float) -> float:
        if not self._rate:
            return budget
        return self._rate.get(batch, max(self._rate.values()))


def cuts_of(lanes: np.ndarray[Any, Any], batches: np.ndarray[Any, Any]) -> list[Cut]:
    """Lanes grouped by (part, batch), in this order, ascending inside."""
    if lanes.size == 0:
        return []
    parts = lanes // LANES_PER_PART
    order = np.lexsort((lanes, batches, parts))
    lanes, batches, parts = lanes[order], batches[order], parts[order]
    edges = np.flatnonzero((np.diff(parts) != 0) | (np.diff(batches) != 0)) + 1
    starts = [0, *edges.tolist()]
    stops = [*edges.tolist(), lanes.size]
    return [Cut(int(batches[a]), lanes[a:b]) for a, b in zip(starts, stops, strict=True)]
