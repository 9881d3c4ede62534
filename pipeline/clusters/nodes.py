"""The nodes of a running Ray cluster, as they come and go: how many workers, and whether they may work."""

import time
from collections.abc import Callable
from typing import Any

from pipeline.clusters.connect import unreachable
from pipeline.clusters.node import NodeReport, make_ready, report_node
from pipeline.errors import UserError

REFRESH_S = 2.0
FIRST_REPORTS_S = 60.0
# Ray ends the process when it has not reached the head node for 60 s.
LOST_AFTER_S = 20.0
GOES_ON = "What was computed is stored; the same command goes on from there."


class ClusterLostError(UserError):
    """The cluster is gone, or has nobody left to work."""

    exit_code = 1


class Nodes:
    """What is known of the nodes that have CPUs.

    ray     : the module, connected
    address : as the user gave it
    note    : shows a line to the user
    wait_s  : how long to wait when no worker is left
    """

    def __init__(self, ray: Any, address: str, note: Callable[[str], None], wait_s: float) -> None:
        self.workers = 0
        self.lost = 0
        self._ray, self._address, self._note, self._wait_s = ray, address, note, wait_s
        self._head: str = ray.get_runtime_context().gcs_address
        self._cpus: dict[str, int] = {}
        self._names: dict[str, str] = {}
        self._reports: dict[Any, str] = {}
        self._compiling: dict[Any, str] = {}
        self._shared: Any = None
        self._has_looked = False
        self._looked = self._silent_since = self._empty_since = 0.0

    def begin(self, shared: Any) -> None:
        """Look at the nodes there are, and refuse those that have other code.

        Parameters
        ----------
        shared : handle of the Program in the object store

        Raises
        ------
        UserError if there is no CPU, or a node differs from this process.
        """
        self._shared = shared
        self.look()
        if self.workers < 1:
            raise UserError(
                f"The Ray cluster at {self._address} has no CPU to offer.",
                "Add workers to it (ray start --address=...), or use cluster=local.",
            )
        until = time.monotonic() + FIRST_REPORTS_S
        while self._reports and time.monotonic() < until:
            self._hear(0.5)
        count, cpus = len(self._cpus), self.workers
        self._note(f"The cluster has {cpus} CPU(s) on {count} node(s).")

    def refresh(self, *, now: bool = False) -> bool:
        """Look again if the last look is old; whether the head node answers."""
        if not now and time.monotonic() - self._looked < REFRESH_S and not self._silent_since:
            return True
        if not self._answers():
            return False
        self.look()
        self._hear(0.0)
        self._check_not_empty()
        return True

    def look(self) -> None:
        """Read who is there."""
        self._looked = time.monotonic()
        cpus = {}
        for node in self._ray.nodes():
            count = int(node["Resources"].get("CPU", 0))
            if node["Alive"] and count > 0:
                cpus[node["NodeID"]] = count
                self._names[node["NodeID"]] = node["NodeManagerAddress"]
        gone, new = self._cpus.keys() - cpus.keys(), cpus.keys() - self._cpus.keys()
        self._cpus, was_first = cpus, not self._has_looked
        self._has_looked, self.workers = True, sum(cpus.values())
        self.lost += len(gone)
        if gone:
            self._note(f"{len(gone)} node(s) left the cluster; what ran there runs again elsewhere.")
        if new and not was_first:
            self._note(f"{len(new)} node(s) joined the cluster.")
        if (gone or new) and not was_first:
            self._note(f"It has {self.workers} CPU(s) now.")
        for node_id in sorted(new):
            self._ask(node_id)

    def _answers(self) -> bool:
        error = unreachable(self._head)
        now = time.monotonic()
        if error is None:
            self._silent_since = 0.0
            return True
        if not self._silent_since:
            self._silent_since = now
            self._note(f"The head node at {self._head} does not answer; waiting for {LOST_AFTER_S:.0f} s.")
        if now - self._silent_since >= LOST_AFTER_S:
            raise ClusterLostError(
                f"The Ray cluster at {self._address} is lost: its head node does not answer "
                f"({error.strerror or error}).",
                GOES_ON,
            )
        return False

    def _check_not_empty(self) -> None:
        now = time.monotonic()
        if self.workers:
            self._empty_since = 0.0
        elif not self._empty_since:
            self._empty_since = now
            self._note(
                f"No worker is left in the cluster; waiting {self._wait_s:.0f} s for one "
                "(ray start --address=...). Ctrl-C stops."
            )
        elif now - self._empty_since >= self._wait_s:
            raise ClusterLostError(
                f"The Ray cluster at {self._address} has had no CPU for cluster.wait_s = {self._wait_s:g} s.",
                GOES_ON,
            )

    def _on(self, node_id: str, function: Callable[..., Any]) -> Any:
        strategies = self._ray.util.scheduling_strategies
        pinned = strategies.NodeAffinitySchedulingStrategy(node_id, soft=False)
        task = self._ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=pinned)(function)
        return task.remote(self._shared)

    def _ask(self, node_id: str) -> None:
        self._reports[self._on(node_id, report_node)] = node_id

    def _hear(self, timeout_s: float) -> None:
        """Take the answers of nodes that were asked."""
        for reference in self._ready_of(self._reports, timeout_s):
            node_id = self._reports.pop(reference)
            report = self._answer_of(reference, node_id)
            if report is not None:
                self._take(node_id, report)
        for reference in self._ready_of(self._compiling, 0.0):
            name = self._compiling.pop(reference)
            try:
                self._note(f"{name} has the simulator ready after {self._ray.get(reference):.0f} s.")
            except self._ray.exceptions.RayError:
                continue  # the node is gone, or its lanes will tell

    def _ready_of(self, waiting: dict[Any, str], timeout_s: float) -> list[Any]:
        if not waiting:
            return []
        ready, _ = self._ray.wait(list(waiting), num_returns=len(waiting), timeout=timeout_s)
        return list(ready)

    def _answer_of(self, reference: Any, node_id: str) -> NodeReport | None:
        errors = self._ray.exceptions
        try:
            report: NodeReport = self._ray.get(reference)
        except errors.RuntimeEnvSetupError as error:
            raise UserError(
                f"Node {self._names[node_id]} cannot unpack the sources that it was sent: {error}",
                "Look at the free space of its temporary folder.",
            ) from error
        except errors.RayTaskError as error:
            raise UserError(
                f"Node {self._names[node_id]} cannot run Coreshift: {error.cause or error}",
                "Install the packages of requirements.lock there.",
            ) from error
        except errors.RayError:
            return None  # gone before it answered
        return report

    def _take(self, node_id: str, report: NodeReport) -> None:
        name = f"{report.host} ({self._names[node_id]})"
        if report.differs:
            raise UserError(
                f"Node {name} has other code than this process: {report.differs}.",
                "Results would not be the same bits. Install the packages of requirements.lock there.",
            )
        if not report.is_ready:
            self._note(f"{name} compiles the simulator, once: half a minute.")
            self._compiling[self._on(node_id, make_ready)] = name
