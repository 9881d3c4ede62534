"""Pull by probing at regular times, exact for two and three cores."""

from dataclasses import dataclass

import numpy as np

from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.cases.equal_cores import DEMAND_NS, Farm, central_relaxation, derivative, on_idle
from tests.validation.judge import half_width, interval, rejects
from tests.validation.registry import case, seed_of
from tests.validation.theory.finite_probing import Found, failures, probing_chain, staged

NAME = "Pull by probing, a few cores"
CUSTOMERS = 55_000
PHASES = {2: 16, 3: 4}
SECOND = 1e9 / DEMAND_NS
"""A rate a second, of one a mean demand."""
NEAR = "slack: of the chain, what twice its stages change"


@dataclass(frozen=True)
class Setting:
    """Cores, load, and the time between probes in mean demands."""

    num_cores: int
    load: float
    poll: float

    def chain(self, phases: int, load: float | None = None) -> Found:
        """The stationary law, cut off far out."""
        at = self.load if load is None else load
        bound = 25 if at <= 0.55 else {2: 60, 3: 30}[self.num_cores]
        return probing_chain(self.num_cores, at, self.poll, phases, bound)

    def exponential(self) -> Found:
        """As if the times between probes were exponential."""
        return staged(self.num_cores, self.load, self.poll, 1, 60)

    def __str__(self) -> str:
        return f"{self.num_cores} cores, load {self.load}, a probe every {self.poll} demands"


FULL = [Setting(2, load, poll) for load in (0.5, 0.8) for poll in (0.2, 1.0, 4.0)]
FULL += [Setting(3, 0.5, 0.5), Setting(3, 0.7, 2.0)]


@case(NAME, "stealing", "Eager, Lazowska and Zahorjan 1986 (receiver-initiated); solved as a chain of stages")
def few_cores(scale: Scale) -> Outcome:
    """2 and 3 cores, random placement; an idle core probes one random core at once and then at regular times.

    A probe takes one process of a core that has at least 2, one of them running; it may meet the prober
    itself and then finds nothing. With Erlang times between probes this is a Markov chain, and the values for
    deterministic ones are extrapolated from 16 and 32 stages (3 cores: 4 and 8): an error of order 1 /
    stages^2, which is the slack. The rate of failed probes is exact without any chain.
    """
    checks: list[Check] = []
    by_load: dict[tuple[int, float], list[tuple[float, np.ndarray]]] = {}
    settings = FULL if scale.is_full else [Setting(2, 0.5, 1.0), Setting(2, 0.8, 0.2)]
    for setting in settings:
        found, sojourn = checks_at(setting, scale)
        checks += found
        by_load.setdefault((setting.num_cores, setting.load), []).append((setting.poll, sojourn))
    lines = []
    for (num_cores, load), points in by_load.items():
        if num_cores == 2:
            lines += curve(load, points, scale)
    plot = Plot(
        "Mean sojourn time, 2 cores", "demands between probes", "mean sojourn time (demands)", lines,
        is_log_x=True,
    )  # fmt: skip
    left = max(setting.chain(PHASES[setting.num_cores]).at_bound for setting in settings)
    return Outcome(checks, [plot], [f"P(a core at the cut-off of the chain) is at most {left:.2g}."])


def curve(load: float, points: list[tuple[float, np.ndarray]], scale: Scale) -> list[Series]:
    """Mean sojourn by time between probes, 2 cores."""
    grid = np.geomspace(0.1, 10, 9 if scale.is_full else 4).tolist()
    theory = [Setting(2, load, poll).chain(4).length / load for poll in grid]
    polls, sojourns = zip(*points, strict=True)
    widths = [half_width(each) for each in sojourns]
    return [
        Series(f"theory, load {load}", True, grid, theory),
        Series(f"simulated, load {load}", False, polls, [float(s.mean()) for s in sojourns], widths),
    ]


def checks_at(setting: Setting, scale: Scale) -> tuple[list[Check], np.ndarray]:
    """Checks at one setting, and the mean sojourn in demands by replicate."""
    load, num_cores = setting.load, setting.num_cores
    phases = PHASES[num_cores]
    law, coarse = setting.chain(phases), setting.chain(phases // 2)
    farm = Farm(num_cores, load, scale.length(CUSTOMERS), central_relaxation(1, load))
    policy = on_idle(2, poll_ns=int(setting.poll * DEMAND_NS))
    r = farm.run(policy, scale, seed_of(f"{NAME} {setting}"))
    slope = derivative(lambda x: setting.chain(2, x).length, load)
    length = farm.at_load(r, r["queue_core_mean"], slope)
    sojourn = farm.at_load(r, r["sojourn_mean_ns"], (slope - law.length / load) / load * DEMAND_NS)
    each_s = num_cores * SECOND
    span_s = (farm.simulation.horizon_ns - farm.simulation.warmup_ns) / 1e9
    failed = r["failed_steal_count"] / span_s
    apart, stolen_apart = abs(law.length - coarse.length), abs(law.steals - coarse.steals)
    checks = [
        interval(
            f"mean processes a core, {setting}", length, law.length, scale, unit="", slack=apart, note=NEAR
        ),
        interval(
            f"mean sojourn time, {setting}", sojourn, law.length / load * DEMAND_NS, scale,
            slack=apart / load * DEMAND_NS, note=NEAR,
        ),
        interval(
            f"migrations a second, {setting}", r["migration_rate_per_s"], law.steals * each_s, scale,
            unit="1/s", slack=stolen_apart * each_s, note=NEAR,
        ),
        interval(
            f"failed probes a second, {setting}", failed, failures(load, setting.poll) * each_s, scale,
            unit="1/s",
        ),
    ]  # fmt: skip
    if scale.is_full and num_cores == 2 and load == 0.8 and setting.poll >= 1:
        wrong = setting.exponential()
        checks += [
            rejects(f"mean sojourn time as of random placement, {setting}", sojourn, DEMAND_NS / (1 - load)),
            rejects(
                f"migrations a second as of exponential times between probes, {setting}",
                r["migration_rate_per_s"], wrong.steals * each_s, unit="1/s",
            ),
        ]  # fmt: skip
    return checks, sojourn / DEMAND_NS
