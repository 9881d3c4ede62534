"""Customers a second of M/M/1 and M/M/4, beside SimPy, Ciw and plain C; all must wait as theory says."""

import math
from collections.abc import Callable, Iterator

from tests.bench import plain_c
from tests.bench.effort import Effort
from tests.bench.kernel import Kernel
from tests.bench.peers import NAMES, QueuePeer, is_installed
from tests.bench.row import Row, paired
from tests.bench.systems import LOAD, RUN_NS, SERVERS, queue
from tests.validation.theory.queue_mmc import waiting_mean

CUSTOMERS = 1_000_000
TARGETS = {("mm1", "SimPy"): 37.0}
ERRORS = 6.0  # standard errors of a mean wait that a right program stays within


def theory_ns(servers: int) -> float:
    """Mean waiting time."""
    return waiting_mean(servers, LOAD) * RUN_NS


def error_ns(servers: int, customers: int) -> float:
    """Standard error of the mean wait of so many customers, by M/M/1 at `servers` times the speed.

    Whitt 1989 (Planning queueing simulations, Management Science 35, table 1), from Daley 1968: waits are
    correlated over many customers.
    """
    numerator = LOAD * (2 + 5 * LOAD - 4 * LOAD**2 + LOAD**3)
    return math.sqrt(numerator / (1 - LOAD) ** 4 / customers) * RUN_NS / servers


def assert_waits(name: str, servers: int, found_ns: float, customers: int) -> None:
    """Raise RuntimeError if this is another queue than the one that is to be measured."""
    theory, allowed = theory_ns(servers), ERRORS * error_ns(servers, customers)
    if abs(found_ns - theory) > allowed:
        raise RuntimeError(
            f"{name}: customers wait {found_ns:.0f} ns, by theory {theory:.0f} +- {allowed:.0f} "
            f"({customers} customers): not M/M/{servers} at load {LOAD}"
        )


def queues(part: str, servers: int, effort: Effort) -> Iterator[Row]:
    """A row for each peer; within a repetition, Coreshift and all peers run one after the other."""
    system = queue(servers, effort.scaled(CUSTOMERS))
    kernel = Kernel(system)
    assert_waits("Coreshift", servers, kernel.metrics["waiting_mean_ns"], kernel.count)
    others: list[QueuePeer] = []
    for module in NAMES:
        if is_installed(module):
            others.append(QueuePeer(module, servers, RUN_NS / LOAD / servers, RUN_NS, effort.share))
        else:
            effort.skip(f"{NAMES[module]} is not installed: no row for it")
    c = plain_c.PlainC(system) if servers == 1 and plain_c.compiler() else None
    peers = [*others, *([c] if c else [])]
    mine: list[float] = []
    theirs: dict[str, list[float]] = {peer.name: [] for peer in peers}
    for _ in range(effort.repetitions):
        mine.append(kernel.speed())
        for peer in peers:
            theirs[peer.name].append(peer.speed())
    waits = {peer.name: (peer.waiting_mean(), sum(n for _, n in peer.waits)) for peer in others}
    if c:
        waits[c.name] = (sum(c.checks) / len(c.checks), kernel.count * len(c.checks))
    for name, speeds in theirs.items():
        assert_waits(name, servers, *waits[name])
        facts = {
            "waiting_ns": kernel.metrics["waiting_mean_ns"],
            "peer_waiting_ns": waits[name][0],
            "theory_ns": theory_ns(servers),
            "digest": kernel.digest,
        }
        target = TARGETS.get((part, name))
        yield paired(part, system.name, "customers/s", mine, name, speeds, target=target, facts=facts)


def mm1(effort: Effort, _: Callable[[str], None]) -> Iterator[Row]:
    """One core, first come first served."""
    yield from queues("mm1", 1, effort)


def mmc(effort: Effort, _: Callable[[str], None]) -> Iterator[Row]:
    """Four cores, one queue, first come first served."""
    yield from queues("mmc", SERVERS, effort)
