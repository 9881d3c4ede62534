"""Idle cores beside waiting work under balancing by node averages, as experiment=published_node_averages."""

from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.cases.published_experiments import Point, one, points, series
from tests.validation.judge import interval, order
from tests.validation.registry import case, seed_of

NAME = "Published: idle cores hidden by node averages"
SOURCE = "Lozi, Lepers, Funston, Gaud, Quéma and Fedorova, EuroSys 2016, §3.1 (Group Imbalance)"
CORES = 16
WARMUP_NS, SPAN_NS = (
    100_000_000,
    400_000_000,
)  # 50 mean jobs; the transient is the first spreading of the jobs


@case(NAME, "published", SOURCE)
def node_averages(scale: Scale) -> Outcome:
    """Two nodes of eight cores: on six of one, three bound processes each; on the other, `make -j32`.

    Claimed: balancing by the average load of nodes leaves cores idle beside waiting threads, as threads of
    great load on a node conceal its idle cores; comparing cores mends it. The averages are 18/8 and 32/8,
    less than the imbalance of 2 apart, so that two of 16 cores stay idle, a share of 1/8, and the jobs get 8
    cores. Balanced over the machine they get the two as well, and now and then a bound process's turn: jobs a
    second grow by more than 10/8. With one or two bound processes a core the averages differ by more than 2,
    and the idle cores get jobs: it is the average that hides them. How much is wasted on the way there is not
    known; that it is less than half is checked.
    """
    span = WARMUP_NS + int((SPAN_NS - WARMUP_NS) * scale.size)
    words = (f"simulation.horizon_ns={span}", f"simulation.warmup_ns={WARMUP_NS}")
    found = points("published_node_averages", *words, replicates=scale.replicates, seed=seed_of(NAME))
    average = one(found, scope="node_average", victim="off")
    machine = one(found, scope="machine")
    steal = one(found, victim="nearest")
    share, rate = "wasted_core_share", "departure_rate_per_s"
    checks: list[Check] = [
        interval("wasted core share, node averages", average[share], 2 / CORES, scale, unit="", narrow=0.005,
                 slack=0.0003, note="slack: the job between its parent's message and its start"),
        order("wasted core share: averages above 10 machine", average[share], 10 * machine[share], unit=""),
        order("wasted core share: averages above 100 stealing", average[share], 100 * steal[share], unit=""),
    ]  # fmt: skip
    if scale.is_full:
        for name, values in (("machine", machine[rate]), ("stealing", steal[rate])):
            checks.append(
                order(f"jobs a second: {name} above 1.2 of averages", values, 1.2 * average[rate], unit="1/s")
            )
    counts, wasted = [3, 2, 1], [average[share]]
    for count in counts[1:]:
        fewer = with_bound(count, words, scale)
        wasted.append(fewer[share])
        quantity = f"wasted core share: 3 bound processes a core above twice that of {count}"
        checks.append(order(quantity, average[share], 2 * fewer[share], unit=""))
    lines = (
        Series("two idle cores of 16", True, [1.0, 3.0], [2 / CORES] * 2),
        series("node averages", counts, wasted),
    )
    plot = Plot("Two idle cores of 16", "bound processes on each of six cores", "wasted core share", lines)
    gain = float((machine[rate] / average[rate]).mean())
    return Outcome(checks, [plot], [f"Comparing cores gives {gain:.3f} times the jobs a second."])


def with_bound(count: int, words: tuple[str, ...], scale: Scale) -> Point:
    """Node averages with so many bound processes a core, 1 or 2."""
    none = [f"workload.classes.bound_{i}.count=0" for i in range(count + 1, 4)]
    found = points(
        "published_node_averages", *words, "sweep.axes={}", "sweep.also=[]", *none,
        replicates=scale.replicates, seed=seed_of(NAME),
    )  # fmt: skip
    return found[0]
