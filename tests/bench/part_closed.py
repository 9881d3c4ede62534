"""Events a second of the closed systems beside plain C: as plain as C's, and with every feature on."""

from collections.abc import Callable, Iterator
from statistics import fmean

from tests.bench import plain_c
from tests.bench.effort import Effort
from tests.bench.features import AT_WORK, LIMITS, all_on
from tests.bench.kernel import Kernel
from tests.bench.row import Row, figure, paired
from tests.bench.systems import SIZES, System
from tests.bench.systems import closed as plain

EVENTS = 3_000_000
TARGETS = {"closed": 0.8, "features": 0.4}
DIFFERENCE = 0.05  # of utilisation between the two programs


def measure(part: str, system: System, effort: Effort, must_agree: bool = True) -> Row:
    """Kernel, then C, again and again.

    Raises
    ------
    RuntimeError if the two are not equally busy.
    """
    kernel = Kernel(system)
    facts = {
        "events": kernel.count,
        "digest": kernel.digest,
        "utilisation": kernel.metrics["utilisation"],
        "arena_bytes": kernel.arena_bytes,
    }
    facts |= {name: int(kernel.metrics[name]) for name in ("migration_count", "migration_attempt_count")}
    if not plain_c.compiler():
        effort.skip("no C compiler (cc): no ratio to plain C")
        return figure(part, system.name, "events/s", [kernel.speed() for _ in range(effort.repetitions)])
    c = plain_c.PlainC(system)
    pairs = [(kernel.speed(), c.speed()) for _ in range(effort.repetitions)]
    facts["peer_utilisation"] = fmean(c.checks)
    if must_agree and abs(facts["utilisation"] - facts["peer_utilisation"]) > DIFFERENCE:
        raise RuntimeError(f"{system.name}: not the same system as the C program: {facts}")
    if part == "features":
        facts |= {name: int(kernel.metrics[name]) for name in (*AT_WORK, *LIMITS)}
    mine, theirs = zip(*pairs, strict=True)
    return paired(part, system.name, "events/s", mine, c.name, theirs, target=TARGETS.get(part), facts=facts)


def closed(effort: Effort, say: Callable[[str], None]) -> Iterator[Row]:
    """The five sizes, with what the C program has."""
    for size in SIZES:
        system = plain(*size, effort.scaled(EVENTS))
        say(system.name)
        yield measure("closed", system, effort)


def features(effort: Effort, say: Callable[[str], None]) -> Iterator[Row]:
    """The five sizes with everything on; the C program is the plain one, as before."""
    for size in SIZES:
        system = all_on(*size, effort.scaled(EVENTS))
        say(system.name)
        yield measure("features", system, effort, must_agree=False)
