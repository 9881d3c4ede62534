"""`cluster=inline`: the chunks run in this process. Also what every kind of cluster looks like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from pipeline.run.worker import Batch, Simulate, Slice, SliceResult, run_chunk


@dataclass(frozen=True)
class Outcome:
    """A chunk that came back.

    ticket  : what `submit` returned
    results : one a slice; None if the chunk was lost
    error   : why it was lost, or ""
    """

    ticket: int
    results: list[SliceResult] | None
    error: str = ""


class Cluster(Protocol):
    """Runs chunks somewhere.

    workers  : chunks that run at a time; may change while they do
    capacity : chunks that may be under way, waiting ones included
    """

    workers: int

    @property
    def capacity(self) -> int:
        """Chunks that may be under way."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def share(self, batch: Batch) -> Any:
        """A handle of a batch, cheap to hand to many chunks."""

    def submit(self, handles: Mapping[str, Any], chunk: Sequence[Slice], *, alone: bool) -> int:
        """Start a chunk; gives its ticket. `alone`: a lane that already brought a worker down."""

    def collect(self) -> list[Outcome]:
        """The chunks that came back; may be empty after a short wait."""


class InlineCluster:
    """Runs chunks in this process, one after the other; the simulator may use several threads."""

    def __init__(self, simulate: Simulate, threads: int = 1) -> None:
        self.workers, self.capacity = 1, 1
        self._simulate, self._threads = simulate, threads
        self._waiting: list[tuple[int, Mapping[str, Batch], Sequence[Slice]]] = []
        self._tickets = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._waiting.clear()

    def share(self, batch: Batch) -> Batch:
        """The batch itself."""
        return batch

    def submit(self, handles: Mapping[str, Any], chunk: Sequence[Slice], *, alone: bool) -> int:
        """Put a chunk in line."""
        self._tickets += 1
        self._waiting.append((self._tickets, handles, chunk))
        return self._tickets

    def collect(self) -> list[Outcome]:
        """Run the next chunk."""
        if not self._waiting:
            return []
        ticket, handles, chunk = self._waiting.pop(0)
        return [Outcome(ticket, run_chunk(self._simulate, handles, chunk, self._threads))]
