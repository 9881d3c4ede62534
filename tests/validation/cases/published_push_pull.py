"""Push against pull, and the load where they cross, as experiment=published_push_pull has them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.cases.published_experiments import Point, one, points, series
from tests.validation.judge import interval, order, rejects
from tests.validation.registry import case, seed_of
from tests.validation.theory.mean_field_refined import Refined
from tests.validation.theory.published_probes import (
    GOLDEN,
    crossing,
    crossing_on_arrival,
    failed_probes,
    poll_time,
)
from tests.validation.theory.published_probes_many import mean_time, pull, push

NAME = "Published: push against pull"
SOURCE = "Minnebo and Van Houdt 2012, 2014 (IEEE/ACM ToN 22:3); Eager, Lazowska and Zahorjan 1986"
CORES, MEAN_NS = 64, 10_000
STEP = 0.02
WARMUP_NS = 3_900_000  # 20 relaxation times of push at share 1/4, load 0.654, each 19.5 mean demands
SPAN_NS = 13_900_000
LOAD_KEY = "workload.classes.request.arrival.load"


@dataclass(frozen=True)
class Pair:
    """Push and pull at one load, with the same requests, and what theory says of each."""

    load: float
    push: Point
    pull: Point


@case(NAME, "published", SOURCE)
def push_pull(scale: Scale) -> Outcome:
    """64 cores, Poisson requests of exponential demand; two rules that probe equally often.

    Push: a share of the requests that come to a core with work probes one random core, and goes there if it
    is idle. Pull: cores without work probe a random core. The share is 1, 1/2 and 1/4, as of 1, 2 and 4
    cores all but one are off, and a draw falls on one that is on with that probability: R = share x load^2
    probes a core and mean demand. Pull's time between probes is set so that it probes as often, which is
    checked (the failed probes exactly, for any number of cores). Claimed (2014, abstract): push is better if
    and only if 2 load < sqrt((R+1)^2 + 4 (R+1)) - (R+1), and so for any R > 0 below load 0.618. The crossing
    here is that of a line through the differences at two loads 0.04 apart. It is held against the same line
    through theory with its 1/N term; the bend and the 64 cores put that a little below the published
    condition, as the notes say.
    """
    shares = (1.0, 0.5, 0.25) if scale.is_full else (0.5,)
    checks: list[Check] = []
    crossings, chords, rates, plots = [], [], [], []
    for share in shares:
        centre = crossing_on_arrival(share)
        loads = [round(centre - STEP, 3), round(centre + STEP, 3)]
        pairs = [pair(load, share, scale) for load in loads]
        checks += [check for each in pairs for check in pair_checks(each, share, scale)]
        found = chord(loads, [each.push["sojourn_mean_ns"] - each.pull["sojourn_mean_ns"] for each in pairs])
        chords.append(chord_of_theory(loads, share))
        checks.append(crossing_check(found, chords[-1], share, scale))
        crossings.append(found)
        rates.append(share * centre**2)
        plots.append(times_plot(pairs, share))
    if scale.is_full:
        checks += trend(crossings, chords, rates, scale)
    grid = np.linspace(0, 0.5, 40).tolist()
    lines = (
        Series("2 load = sqrt(a^2 + 4a) - a, a = R + 1", True, grid, [crossing(rate) for rate in grid]),
        Series("line through two loads, 64 cores", True, rates, chords),
        series("simulated", rates, crossings),
    )
    plot = Plot("Where push and pull cross", "probes a core and mean demand", "load", lines)
    return Outcome(checks, [plot, *plots], [note(chords, rates, shares)])


def note(chords: list[float], rates: list[float], shares: tuple[float, ...]) -> str:
    """How far the crossing that is checked is from the published one."""
    parts = [
        f"{crossing_on_arrival(share) - chord:.4f} at {rate:.3f} probes"
        for share, chord, rate in zip(shares, chords, rates, strict=True)
    ]
    return (
        "The line through theory at two loads, with 64 cores, crosses 0 below the published condition, that "
        f"of infinitely many, by {', '.join(parts)}."
    )


def pair(load: float, share: float, scale: Scale) -> Pair:
    """Both policies at a load of the cores that are on."""
    kind = "frequency_mhz: 2500, core_caches: {l1d: 65536}"
    clusters = [f"{{type: P, cores: 1, {kind}}}"]
    if share < 1:
        clusters.append(f"{{type: E, cores: {round(1 / share) - 1}, {kind}}}")
    span = WARMUP_NS + int((SPAN_NS - WARMUP_NS) * scale.size)
    words = (
        f"topology.clusters=[{', '.join(clusters)}]",
        f"simulation.horizon_ns={span}",
        f"simulation.warmup_ns={WARMUP_NS}",
        "sweep.also=[]",
        "sweep.axes={}",
        "baseline={policy: none}",
        f"{LOAD_KEY}={load * share}",
    ) + (() if share < 1 else ("faults.changes=[]",))
    poll = f"policy.stealing.poll_ns={round(MEAN_NS * poll_time(load, share))}"
    pushing = ("policy.placement.spawn=probe", "policy.placement.choices=1", "policy.stealing.victim=off")
    both = [run((*words, *policy), scale, seed_of(f"{NAME} {share} {load}")) for policy in (pushing, (poll,))]
    return Pair(load, *both)


def run(words: tuple[str, ...], scale: Scale, seed: int) -> Point:
    """The one point that is not the baseline."""
    found = points(
        "published_push_pull", *words, replicates=scale.replicates, seed=seed,
        is_wanted={"policy": "published_free"},
    )  # fmt: skip
    return one(found)


def core_time(point: Point) -> float:
    """Time that was measured on all the cores that are on, in mean demands."""
    simulation = point.inputs.simulation
    return CORES * (simulation.horizon_ns - simulation.warmup_ns) / MEAN_NS


def failed_rate(point: Point, share: float) -> np.ndarray:
    """Draws of pull that found nothing, per core that is on and mean demand, times the share."""
    return np.asarray(share * point["failed_steal_count"] / core_time(point))


def probe_rate(point: Point, share: float) -> np.ndarray:
    """Probes that met a core that is on, per such core and mean demand: all draws times the share."""
    return failed_rate(point, share) + share * point["migrations_steal"] / core_time(point)


def pair_checks(both: Pair, share: float, scale: Scale) -> list[Check]:
    """Rates of probes are the same, and each mean time is as theory has it, with the 1/N term."""
    load, at = both.load, f"load {both.load}, share {share}"
    note = "slack: 1 % of the rate, from the fixed time between probes; 0.2 % of times, beyond 1/N"
    rate = share * load**2
    poll = both.pull.inputs.policy.stealing.poll_ns / MEAN_NS
    expected = share * failed_probes(load, poll, load)
    moving = share * failed_probes(load, poll, both.pull["utilisation"] / share)
    found = [
        interval(
            f"pull's probes a core, {at}", probe_rate(both.pull, share), rate, scale, unit="per demand",
            narrow=0.04, slack=0.01 * rate, note=note,
        ),
        interval(
            f"pull's probes that find nothing, {at}", failed_rate(both.pull, share) - moving + expected,
            float(expected), scale, unit="per demand", narrow=0.02,
            note="exact; the noise of the utilisation is taken out",
        ),
    ]  # fmt: skip
    for name, point, model in (("push", both.push, push), ("pull", both.pull, pull)):
        theory = mean_time(model(load, share), load, CORES)
        found.append(
            interval(
                f"mean sojourn of {name}, {at}", point["sojourn_mean_ns"] / MEAN_NS, theory, scale,
                unit="demands", narrow=0.04, slack=0.002 * theory, note=note,
            )
        )  # fmt: skip
    return found


def chord(loads: list[float], differences: list[np.ndarray]) -> np.ndarray:
    """Where lines through two differences are 0, all with the slope of their means.

    A slope for each replicate would be nearly 0 for some, and the mean of the quotients without sense.
    """
    low, high = differences
    slope = (high.mean() - low.mean()) / (loads[1] - loads[0])
    return np.asarray((loads[0] + loads[1]) / 2 - (low + high) / 2 / slope)


def chord_of_theory(loads: list[float], share: float) -> float:
    """The same of the means of theory with the 1/N term."""

    def difference(load: float) -> np.ndarray:
        times = [mean_time(model(load, share), load, CORES) for model in (push, pull)]
        return np.array([times[0] - times[1]])

    return float(chord(loads, [difference(load) for load in loads])[0])


def crossing_check(found: np.ndarray, chord_there: float, share: float, scale: Scale) -> Check:
    """Does the crossing lie where the line through theory has it?"""
    published = crossing_on_arrival(share)
    return interval(
        f"load where push and pull cross, {share * published**2:.3f} probes", found, chord_there, scale,
        unit="", narrow=0.025, note=f"{published - chord_there:.4f} below the published condition",
    )  # fmt: skip


def trend(crossings: list[np.ndarray], chords: list[float], rates: list[float], scale: Scale) -> list[Check]:
    """The crossing falls with the rate of probes, and near to 0.618, the intercept of a line through them."""

    def intercept(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.polyfit(rates, values, 1)[1])

    theory, found = float(intercept(np.array(chords))), intercept(np.array(crossings))
    name = "the crossing as the rate of probes tends to 0"
    return [
        order(
            f"crossing at {rates[0]:.3f} probes above that at {rates[-1]:.3f}", crossings[0], crossings[-1],
            unit="",
        ),
        interval(
            name, found, theory, scale, unit="", narrow=0.025,
            note=f"of theory at the same loads, with 64 cores; {theory - GOLDEN:+.4f} from {GOLDEN:.4f}",
        ),
        rejects(name, found, 0.5, unit=""),
        rejects(name, found, crossing(1.0), unit=""),
    ]  # fmt: skip


def times_plot(pairs: list[Pair], share: float) -> Plot:
    """Mean times of both over the load."""
    grid = np.linspace(0.55, 0.72, 18).tolist()
    kinds: tuple[tuple[str, Callable[[float, float], Refined]], ...] = (("push", push), ("pull", pull))
    lines: list[Series] = []
    for name, model in kinds:
        lines.append(
            Series(f"theory, {name}", True, grid, [mean_time(model(x, share), x, CORES) for x in grid])
        )
        values = [getattr(each, name)["sojourn_mean_ns"] / MEAN_NS for each in pairs]
        lines.append(series(f"simulated, {name}", [each.load for each in pairs], values))
    return Plot(f"A share of {share} probes", "load", "mean sojourn (demands)", lines)
