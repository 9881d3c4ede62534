"""Peak memory of a process by the number of its lanes, and bytes of one lane's arena."""

from collections.abc import Callable, Iterator

from tests.bench.effort import Effort
from tests.bench.fresh import ask
from tests.bench.kernel import Kernel
from tests.bench.row import Row, figure
from tests.bench.systems import SIZES, closed

LANES = (10, 100, 1000)
EVENTS_A_LANE = 2000
GROWTH_MAX = 1.1  # the columns of the results are kept, the lanes are not


def memory(effort: Effort, say: Callable[[str], None]) -> Iterator[Row]:
    """Arena by size of the system; peak by number of lanes, and how much the most need beside the fewest."""
    for size in SIZES:
        kernel = Kernel(closed(*size, 1000))
        processes = size[1]
        yield figure(
            "memory", f"arena, {kernel.system.name}", "bytes", [kernel.arena_bytes], better="low",
            facts={"bytes_a_process": kernel.arena_bytes / processes},
        )  # fmt: skip
    peaks = {}
    for count in (effort.scaled(lanes) for lanes in LANES):
        say(f"{count} lanes")
        found = [ask("memory", count, EVENTS_A_LANE)["peak_bytes"] for _ in range(min(2, effort.repetitions))]
        peaks[count] = min(found)
        yield figure("memory", f"peak of a process, {count} lanes", "bytes", found, better="low")
    fewest, most = min(peaks), max(peaks)
    facts = {"bytes_a_lane": (peaks[most] - peaks[fewest]) / max(1, most - fewest)}
    yield figure(
        "memory", f"peak, {most} lanes / {fewest} lanes", "ratio", [peaks[most] / peaks[fewest]],
        target=GROWTH_MAX, better="low", facts=facts,
    )  # fmt: skip
