"""Pull by probing at regular times on many cores: the fixed point."""

import numpy as np

from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.cases.core_lengths import measured
from tests.validation.cases.equal_cores import DEMAND_NS, Farm, central_relaxation, derivative, on_idle
from tests.validation.cases.equal_cores_growth import RATIO
from tests.validation.judge import half_width, interval, rejects
from tests.validation.registry import case, seed_of
from tests.validation.theory.finite_probing import failures
from tests.validation.theory.mean_field_probing import Probing, probing
from tests.validation.theory.mean_field_stealing import length as length_of
from tests.validation.theory.mean_field_stealing import steal_on_idle

NAME = "Pull by probing, many cores"
SIZES = (32, 64)
CUSTOMERS = 25_000
COUNTS = (2, 3, 4)
EXTRAPOLATED = "from 32 and 64 cores, the 1/N term cancelled; slack: the 1/N^2 term, unknown"


def slack(load: float) -> float:
    """Of a mean, the 1/N^2 term that is left: RATIO times the 1/N term of stealing without polls."""
    return RATIO * steal_on_idle(load, 2).coefficient(length_of) / (2 * SIZES[0] ** 2)


def farm_of(num_cores: int, load: float, count: float) -> Farm:
    """Polls only add to what stealing on idle does, whose relaxation time is known."""
    relaxation = steal_on_idle(load, 2).relaxation + central_relaxation(num_cores, load)
    return Farm(num_cores, load, count, relaxation)


@case(NAME, "stealing", "mean field derived in tests/validation/theory/mean_field_probing.py (ours)")
def many_cores(scale: Scale) -> Outcome:
    """32 and 64 cores, random placement; an idle core probes one random core at once and at regular times.

    With infinitely many cores the lengths are geometric: with `probes` a core and a demand the ratio is
    load / (1 + probes), the mean sojourn 1 / (1 - ratio); the rate of probes follows from the idle times.
    Twice the value on 64 cores less that on 32 has no 1/N term. Failed probes: exact for any number of cores.
    """
    settings = [(0.7, 0.1), (0.7, 1.0), (0.9, 0.1), (0.9, 0.5), (0.8, 2.0)] if scale.is_full else [(0.7, 0.5)]
    checks: list[Check] = []
    points: dict[float, list[tuple[float, np.ndarray]]] = {}
    for load, poll in settings:
        found, sojourn = checks_at(load, poll, scale)
        checks += found
        points.setdefault(load, []).append((poll, sojourn))
    grid = np.geomspace(0.03, 10, 40).tolist()
    lines = []
    for load, every in points.items():
        curve = [1 / (1 - probing(load, poll).ratio) for poll in grid]
        widths = [half_width(values) for _, values in every]
        means = [float(values.mean()) for _, values in every]
        lines.append(Series(f"theory, load {load}", True, grid, curve))
        lines.append(Series(f"simulated, load {load}", False, [poll for poll, _ in every], means, widths))
    more, figure = lengths(0.8, 0.5, scale)
    by_poll = Plot(
        "Mean sojourn time", "demands between probes", "mean sojourn time (demands)", lines, is_log_x=True
    )
    return Outcome([*checks, *more], [by_poll, figure])


def checks_at(load: float, poll: float, scale: Scale) -> tuple[list[Check], np.ndarray]:
    """Checks at one setting, and the mean sojourn in demands by replicate."""
    policy = on_idle(2, poll_ns=int(poll * DEMAND_NS))
    at = f"load {load}, a probe every {poll} demands"
    law = probing(load, poll)
    slopes = [
        derivative(lambda x: probing(x, poll).length, load),
        derivative(lambda x: probing(x, poll).steals, load),
    ]
    lengths, steals, checks = [], [], []
    for num_cores in SIZES:
        farm = farm_of(num_cores, load, scale.length(CUSTOMERS))
        r = farm.run(policy, scale, seed_of(f"{NAME} {at} {num_cores}"))
        span = (farm.simulation.horizon_ns - farm.simulation.warmup_ns) / DEMAND_NS
        failed = farm.at_load(
            r, r["failed_steal_count"] / span / num_cores, derivative(lambda x: failures(x, poll), load)
        )
        lengths.append(farm.at_load(r, r["queue_core_mean"], slopes[0]))
        steals.append(farm.at_load(r, r["migration_rate_per_s"] * DEMAND_NS / 1e9 / num_cores, slopes[1]))
        named = f"failed probes a core and a demand, {num_cores} cores, {at}"
        checks.append(interval(named, failed, failures(load, poll), scale, unit="", narrow=0.02))
    length, stolen = (2 * many - few for few, many in (lengths, steals))
    checks += [
        interval(
            f"mean processes a core, {at}", length, law.length, scale, unit="", slack=slack(load),
            note=EXTRAPOLATED,
        ),
        interval(
            f"steals a core and a demand, {at}", stolen, law.steals, scale, unit="",
            slack=RATIO * law.steals / SIZES[0] ** 2, note=EXTRAPOLATED,
        ),
    ]  # fmt: skip
    if scale.is_full:
        never, exponential = probing(load, 1e6), exponential_polls(load, poll)
        if poll < 1:
            named = f"mean processes a core as without polls, {at}"
            checks.append(rejects(named, length, never.length, unit=""))
        else:
            named = f"steals a core and a demand as of exponential times between probes, {at}"
            checks.append(rejects(named, stolen, exponential.steals, unit=""))
    return checks, length / load


def exponential_polls(load: float, poll: float) -> Probing:
    """As if the times between probes were exponential: still idle at one with chance 1 / (1 + load poll).

    The deterministic time with the same chance has the same limit.
    """
    return probing(load, float(np.log1p(load * poll) / load))


def lengths(load: float, poll: float, scale: Scale) -> tuple[list[Check], Plot]:
    """Shares of cores by length, from the event log: geometric."""
    policy = on_idle(2, poll_ns=int(poll * DEMAND_NS))
    at = f"load {load}, a probe every {poll} demands"
    law = probing(load, poll)
    found = []
    for num_cores in SIZES:
        farm = farm_of(num_cores, load, scale.length(CUSTOMERS))
        shares, busy = measured(farm, policy, COUNTS, scale, seed_of(f"{NAME} lengths {at} {num_cores}"))
        slopes = [derivative(lambda x, i=i: probing(x, poll).at_least(i), load) for i in COUNTS]
        # the share of busy cores is the utilisation, of mean `load` exactly: a control variate
        found.append(shares - np.outer(busy - load, slopes))
    values = 2 * found[1] - found[0]
    theory = [law.at_least(count) for count in COUNTS]
    checks = [
        interval(
            f"share of cores with at least {count} processes, {at}", values[:, column], theory[column],
            scale, unit="", narrow=0.1, slack=RATIO * theory[column] / SIZES[0] ** 2, note=EXTRAPOLATED,
        )
        for column, count in enumerate(COUNTS)
    ]  # fmt: skip
    lines = (
        Series("theory", True, COUNTS, theory),
        Series("simulated", False, COUNTS, values.mean(axis=0).tolist(), [half_width(v) for v in values.T]),
    )
    return checks, Plot(f"Queue length, {at}", "processes i", "P(at least i)", lines, is_log_y=True)
