"""`cluster=local` and `cluster=remote`: the chunks are Ray tasks.

A chunk whose worker dies is tried again a few times, since its own lanes may be why. One that goes with
its node is sent again, and no lane is blamed for that.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from pipeline.clusters.connect import available_cpus, check_answers, last_line, start_ray
from pipeline.clusters.inline import Outcome
from pipeline.clusters.node import OtherSourcesError, Program, run_task
from pipeline.clusters.nodes import Nodes
from pipeline.errors import UserError
from pipeline.run.worker import Batch, Slice

__all__ = ["OtherSourcesError", "Program", "RayCluster", "available_cpus", "check_answers", "start_ray"]

RETRIES = 2
NODE_LOSSES_MAX = 10
WAIT_S = 0.5
# To store costs the driver several times what a chunk does: the chunks of many workers are stored together.
GATHER_S, MANY_WORKERS = 0.1, 8
NO_WORKER_S = 600.0
CHUNKS_PER_WORKER = 2


def say_nothing(text: str) -> None:
    """For callers that show nothing."""


@dataclass
class Flight:
    """A chunk under way.

    ticket  : as the caller knows it
    handles : name -> handle of a batch
    chunk   : its slices
    retries : new tries that its lanes have left
    losses  : times that it went with a node
    lost    : nodes that the cluster had lost when it was sent
    """

    ticket: int
    handles: Mapping[str, Any]
    chunk: Sequence[Slice]
    retries: int
    losses: int = 0
    lost: int = 0


class RayCluster:
    """Runs chunks as Ray tasks, on this machine or on a running cluster.

    program : what tasks run; pickled once
    workers : processes of a local cluster; None = one a CPU
    address : host:port of a running cluster; None = start one on this machine
    retries : new tries of a chunk whose worker died
    note    : shows a line to the user
    wait_s  : how long to wait when a running cluster has no worker left
    """

    def __init__(
        self,
        program: Program,
        workers: int | None = None,
        address: str | None = None,
        retries: int = RETRIES,
        *,
        note: Callable[[str], None] = say_nothing,
        wait_s: float = NO_WORKER_S,
    ) -> None:
        self.workers = workers or available_cpus()
        self.address = address
        self._plain_program, self._retries = program, retries
        self._note, self._wait_s = note, wait_s
        self._pending: dict[Any, Flight] = {}
        self._held: list[Flight] = []
        self._tickets = 0
        self._ray: Any = None
        self._nodes: Nodes | None = None

    @property
    def capacity(self) -> int:
        """Chunks that may be under way, waiting ones included; so many are in memory at most."""
        return CHUNKS_PER_WORKER * max(1, self.workers)

    def __enter__(self) -> Self:
        self._ray = start_ray(self.workers, self.address)
        try:
            self._prepare()
        except BaseException:
            self._ray.shutdown()
            raise
        return self

    def _prepare(self) -> None:
        # Ray's own retries do not tell a lost node from a lane that ends its worker.
        self._task = self._ray.remote(num_cpus=1, max_retries=0)(run_task)
        self._program = self._ray.put(self._plain_program)
        if self.address is not None:
            self._nodes = Nodes(self._ray, self.address, self._note, self._wait_s)
            self._nodes.begin(self._program)
            self.workers = self._nodes.workers

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pending.clear()
        self._held.clear()
        self._ray.shutdown()

    def share(self, batch: Batch) -> Any:
        """Put the batch's arrays into the object store, once for all tasks."""
        return self._ray.put(batch)

    def submit(self, handles: Mapping[str, Any], chunk: Sequence[Slice], *, alone: bool) -> int:
        """Start a task; one that brought a worker down before gets fewer retries."""
        self._tickets += 1
        retries = min(1, self._retries) if alone else self._retries
        self._send(Flight(self._tickets, handles, chunk, retries))
        return self._tickets

    def _send(self, flight: Flight) -> None:
        flight.lost = self._nodes.lost if self._nodes is not None else 0
        names, handles = list(flight.handles), list(flight.handles.values())
        # In a list the handles stay references, so that a task can have any number of batches.
        reference = self._task.remote(self._program, names, handles, list(flight.chunk))
        self._pending[reference] = flight

    def collect(self) -> list[Outcome]:
        """All tasks that ended; waits for the first one, for half a second at most."""
        if not self._refresh():
            time.sleep(WAIT_S)
            return []
        if not self._pending:
            return []
        waiting = list(self._pending)
        ready, _ = self._ray.wait(waiting, num_returns=1, timeout=WAIT_S)
        if ready and self.workers >= MANY_WORKERS:
            # Those that wait behind them keep the workers busy meanwhile.
            some = min(len(waiting), self.workers // 4)
            ready, _ = self._ray.wait(waiting, num_returns=some, timeout=GATHER_S)
        if ready:
            ready, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=0)
        outcomes = [self._outcome(reference) for reference in ready]
        return [outcome for outcome in outcomes if outcome is not None]

    def _refresh(self) -> bool:
        """See who is there, and send again what was held back; False while nobody can be asked."""
        if self._nodes is not None:
            if not self._nodes.refresh(now=bool(self._held)):
                return False
            self.workers = self._nodes.workers
        held, self._held = self._held, []
        for flight in held:
            self._send(flight)
        return True

    def _outcome(self, reference: Any) -> Outcome | None:
        """What came of a task; None if it is tried again."""
        flight = self._pending.pop(reference)
        errors = self._ray.exceptions
        gone = (errors.NodeDiedError, errors.ObjectLostError, errors.LocalRayletDiedError)
        try:
            return Outcome(flight.ticket, self._ray.get(reference))
        except errors.RayTaskError as error:
            if isinstance(error.cause, OtherSourcesError):
                raise UserError(
                    "The workers have other sources of the simulator than this process, or other packages: "
                    f"{error.cause}.",
                    "Install the same version on the cluster; after an edit of sim/, start again.",
                ) from None
            return Outcome(flight.ticket, None, last_line(error))
        except gone as error:
            return self._after_loss(flight, error)
        except errors.WorkerCrashedError:
            return self._after_crash(flight, "the worker process died while it ran")
        except errors.OutOfMemoryError:
            return self._after_crash(flight, "the worker process ran out of memory and was ended")
        except errors.RuntimeEnvSetupError as error:
            raise UserError(
                f"A worker cannot unpack the sources that it was sent: {last_line(error)}",
                "Look at the free space of the nodes' temporary folders.",
            ) from error
        except errors.RayError as error:
            return Outcome(flight.ticket, None, f"{type(error).__name__}: {last_line(error)}")

    def _after_loss(self, flight: Flight, error: Exception) -> Outcome | None:
        if self._nodes is None:
            raise UserError(
                f"Ray on this machine died: {last_line(error)}",
                "What was stored is kept: the same command goes on from there (with cluster=inline: no Ray).",
            )
        flight.losses += 1
        if flight.losses > NODE_LOSSES_MAX:
            return Outcome(flight.ticket, None, f"it went with {flight.losses} nodes: {last_line(error)}")
        self._held.append(flight)
        return None

    def _after_crash(self, flight: Flight, text: str) -> Outcome | None:
        # A machine that is being stopped may end its workers before its Ray.
        if self._nodes is not None and self._nodes.refresh(now=True) and self._nodes.lost > flight.lost:
            return self._after_loss(flight, RuntimeError(text))
        if flight.retries < 1:
            return Outcome(flight.ticket, None, text)
        flight.retries -= 1
        self._held.append(flight)
        return None
