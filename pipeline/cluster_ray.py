"""`cluster=local` and `cluster=remote`: the chunks are Ray tasks.

Ray is told everything by environment variables, before it is imported: no usage statistics, no port
beyond loopback for a local cluster. `ray stop` is never called: it ends every Ray on the machine.
"""

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipeline.cluster_inline import Outcome
from pipeline.errors import UserError
from pipeline.worker import Batch, Simulate, Slice, SliceResult, run_chunk

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Ray's default is to try for ever.
    "RAY_task_oom_retries": "2",
}
# "Not a cluster" in Ray's words. Without it Ray replaces 127.0.0.1 by the machine's address and its
# servers listen on every interface, whatever `_node_ip_address` says (measured with Ray 2.60).
LOOPBACK_ONLY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
OBJECT_STORE_BYTES = 200 * 2**20
RETRIES = 2
AUTO = "auto"
WAIT_S = 0.5
CONNECT_TIMEOUT_S = 5.0


class OtherSourcesError(RuntimeError):
    """A worker imported other sources of the simulator than those that the run key names."""


@dataclass(frozen=True)
class Program:
    """What every task runs.

    simulate      : the simulator's call
    source_digest : digest of the sources that the caller finds; looked at in the worker
    expected      : the driver's
    """

    simulate: Simulate
    source_digest: Callable[[], str]
    expected: str


def run_task(
    program: Program, names: Sequence[str], handles: Sequence[Any], chunk: Sequence[Slice]
) -> list[SliceResult]:
    """A chunk in a Ray worker; repeatable, as it writes nothing."""
    import ray

    if program.source_digest() != program.expected:
        raise OtherSourcesError
    batches = dict(zip(names, ray.get(list(handles)), strict=True))
    return run_chunk(program.simulate, batches, chunk)


class RayCluster:
    """Runs chunks as Ray tasks, on this machine or on a running cluster.

    program : what tasks run; pickled once
    workers : processes of a local cluster; None = one a CPU
    address : host:port of a running cluster; None = start one on this machine
    retries : new tries of a chunk whose worker died
    """

    def __init__(
        self,
        program: Program,
        workers: int | None = None,
        address: str | None = None,
        retries: int = RETRIES,
    ) -> None:
        self.workers = workers or available_cpus()
        self.capacity = 0
        self.address = address
        self._plain_program, self._retries = program, retries
        self._pending: dict[Any, int] = {}
        self._tickets = 0
        self._ray: Any = None

    def __enter__(self) -> Self:
        self._ray = start_ray(self.workers, self.address)
        try:
            self._prepare()
        except BaseException:
            self._ray.shutdown()
            raise
        return self

    def _prepare(self) -> None:
        if self.address is not None:
            self.workers = int(self._ray.cluster_resources().get("CPU", 0))
            if self.workers < 1:
                raise UserError(
                    f"The Ray cluster at {self.address} has no CPU to offer.",
                    "Add workers to it (ray start --address=...), or use cluster=local.",
                )
        self.capacity = 2 * self.workers
        self._task = self._ray.remote(num_cpus=1, max_retries=self._retries)(run_task)
        self._program = self._ray.put(self._plain_program)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pending.clear()
        self._ray.shutdown()

    def share(self, batch: Batch) -> Any:
        """Put the batch's arrays into the object store, once for all tasks."""
        return self._ray.put(batch)

    def submit(self, handles: Mapping[str, Any], chunk: Sequence[Slice], *, alone: bool) -> int:
        """Start a task; one that brought a worker down before gets fewer retries."""
        self._tickets += 1
        task = self._task.options(max_retries=min(1, self._retries)) if alone else self._task
        # In a list the handles stay references, so that a task can have any number of batches.
        reference = task.remote(self._program, list(handles), list(handles.values()), list(chunk))
        self._pending[reference] = self._tickets
        return self._tickets

    def collect(self) -> list[Outcome]:
        """All tasks that ended; waits for the first one, for half a second at most."""
        if not self._pending:
            return []
        waiting = list(self._pending)
        ready, _ = self._ray.wait(waiting, num_returns=1, timeout=WAIT_S)
        if ready:
            ready, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=0)
        return [self._outcome(reference) for reference in ready]

    def _outcome(self, reference: Any) -> Outcome:
        ticket = self._pending.pop(reference)
        try:
            return Outcome(ticket, self._ray.get(reference))
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, OtherSourcesError):
                raise UserError(
                    "The workers have other sources of the simulator than this process.",
                    "Install the same version on the cluster; after an edit of sim/, start again.",
                ) from None
            return Outcome(ticket, None, last_line(error))
        except self._ray.exceptions.WorkerCrashedError:
            return Outcome(ticket, None, "the worker process died while it ran")
        except self._ray.exceptions.OutOfMemoryError:
            return Outcome(ticket, None, "the worker process ran out of memory and was ended")
        except self._ray.exceptions.RayError as error:
            return Outcome(ticket, None, f"{type(error).__name__}: {last_line(error)}")


def start_ray(workers: int, address: str | None) -> Any:
    """Start Ray on this machine, or connect to `address`; gives the module.

    Raises
    ------
    UserError if nobody answers, or Ray cannot start.
    """
    if address is not None and address != AUTO:
        check_answers(address)
    for name, value in (ENVIRONMENT | (LOOPBACK_ONLY if address is None else {})).items():
        os.environ.setdefault(name, value)
    import ray

    try:
        if address is None:
            ray.init(
                address="local",
                num_cpus=workers,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level="ERROR",
                _node_ip_address="127.0.0.1",
            )
        else:
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level="ERROR",
                runtime_env={"py_modules": source_folders()},
            )
    except (RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        where = "on this machine" if address is None else f"at {address}"
        raise UserError(
            f"Ray cannot be used {where}: {last_line(error)}",
            "cluster=inline runs the same study in one process, without Ray.",
        ) from error
    return ray


def check_answers(address: str) -> None:
    """Raise UserError unless something listens at host:port; Ray itself takes 81 s to notice."""
    plain = address.removeprefix("ray://")
    host, _, port = plain.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise UserError(
            f"cluster.address = {address!r} is not an address.", "Write host:port, say 10.0.0.5:6379."
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_S):
            pass
    except OSError as error:
        raise UserError(
            f"No Ray cluster answers at {address}: {error.strerror or error}.",
            "Start one there (ray start --head), correct cluster.address, or use cluster=local.",
        ) from error


def source_folders() -> list[str]:
    """The packages that workers on other machines need, as they are here."""
    root = Path(__file__).resolve().parent.parent
    return [str(root / "sim"), str(root / "pipeline")]


def available_cpus() -> int:
    """CPUs that this process may use (containers and taskset count)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def last_line(error: BaseException) -> str:
    """The last line of a message with text in it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
