"""Limits on migrations within a time, under Poisson requests: N in a window, pauses, storms, returns."""

from dataclasses import dataclass

import numpy as np

import sim
from tests.analytic.queues import cores
from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.cases.migration_requests import (
    GAP_NS,
    NUM_CORES,
    gaps_ns,
    policy,
    sleepers,
    span,
    visitors,
)
from tests.validation.judge import half_width, interval, rejects
from tests.validation.registry import case, seed_of
from tests.validation.simulation import replicates
from tests.validation.theory import limit_windows
from tests.validation.theory.queue_mmc import erlang_b

REQUESTS = 22_000
# places N -> offered loads: requests in the time of a window
WINDOWS = {1: (0.2, 1.0, 3.0), 2: (0.5, 2.0), 5: (2.0, 5.0, 10.0), 16: (10.0, 16.0), 64: (60.0,)}
PLACES = {1: (0.5, 2.0), 4: (2.0, 4.0, 8.0), 16: (12.0,)}  # of one process
PROCESSES = 10


def rate_limit(places: int, window_ns: float) -> sim.RateLimit:
    """At most `places` migrations in any window_ns.

    The specification's own window is half a migration longer, or its floor(rate x window) might lose one.
    """
    rate = places * 1e9 / window_ns
    return sim.RateLimit(rate_per_s=rate, window_ns=int(window_ns * (1 + 0.5 / places)))


def share(r: dict[str, np.ndarray], reason: str) -> np.ndarray:
    """Denied share of the requests, by replicate."""
    return r[f"denied_{reason}"] / r["migration_attempt_count"]


@dataclass
class Findings:
    """Checks of denied shares, and what a plot of one parameter needs of them."""

    scale: Scale
    checks: list[Check]
    means: list[float]
    widths: list[float]

    def add(self, quantity: str, denied: np.ndarray, theory: float, narrow: float = 0.06) -> None:
        """One more denied share against its theory."""
        self.checks.append(interval(quantity, denied, theory, self.scale, unit="", narrow=narrow))
        self.means.append(float(denied.mean()))
        self.widths.append(half_width(denied))

    def series(self, name: str, x: tuple[float, ...]) -> Series:
        """The points of the shares added since the last such call."""
        found = Series(name, False, x, self.means, self.widths)
        self.means, self.widths = [], []
        return found


@case(
    "Sliding-window rate limit under Poisson requests",
    "queues",
    "Erlang 1917 (loss formula); Sevastyanov 1957 (insensitivity); Kelly 1986, §1 (loss networks)",
)
def windows(scale: Scale) -> Outcome:
    """Wake-ups ask to migrate as a Poisson process; at most N migrations are allowed in any window W.

    Limit of the system: each migration holds one of N places for exactly W, so that the denied share is
    Erlang's B(N, rate x W). Limit of each core: a migration holds a place on both of its cores; on two cores
    that is Erlang's formula again, on three and four a loss network with a product form. Limit of a process:
    Erlang's formula with the rate of one process. With N = 1 the whole law of the time between migrations.
    """
    found = Findings(scale, [], [], [])
    series = []
    for places, offers in WINDOWS.items():
        for offered in offers:
            at = f"{places} in a window, {offered} requests a window"
            r = replicates(
                cores(NUM_CORES),
                sleepers(100, GAP_NS),
                policy(sim.Limits(system=rate_limit(places, offered * GAP_NS))),
                span(scale, REQUESTS),
                scale,
                seed_of(f"rate window {at}"),
            )
            denied = share(r, "system_limit")
            theory = erlang_b(places, offered)
            found.add(f"denied share, system, {at}", denied, theory)
            if places == 5:
                wrong = erlang_b(places + 1, offered)
                found.checks.append(rejects(f"denied share, system, {at}", denied, wrong, unit=""))
        x = tuple(each / places for each in offers)
        grid = np.linspace(0.1, 3, 60)
        line = [erlang_b(places, places * y) for y in grid]
        series += [
            Series(f"theory, {places} in a window", True, grid.tolist(), line),
            found.series(f"simulated, {places}", x),
        ]
    title = "Denied share, limit of the system"
    plots = [Plot(title, "requests / migrations allowed", "denied share", series)]
    plots += [of_cores(found), of_a_process(found), one_in_a_window(found)]
    return Outcome(found.checks, plots)


def of_cores(found: Findings) -> Plot:
    """The limit of each core, counted at both ends of a migration."""
    series, offers = [], (0.5, 1.5)
    for num_cores, places in ((2, 3), (3, 3), (4, 2)):
        pairs = num_cores * (num_cores - 1) // 2
        for offered in offers:  # of the requests of a pair of cores in a window
            at = f"{num_cores} cores, {places} in a window, {offered} requests of a pair of cores a window"
            pause = sim.Distribution(kind="deterministic", mean=10 * GAP_NS)
            limits = sim.Limits(core=rate_limit(places, offered * pairs * GAP_NS))
            r = replicates(
                cores(num_cores),
                visitors(GAP_NS, num_cores, pause),
                policy(limits),
                span(found.scale, REQUESTS),
                found.scale,
                seed_of(f"core window {at}"),
            )
            denied = share(r, "core_limit")
            found.add(f"denied share, core, {at}", denied, limit_windows.network(num_cores, places, offered))
            if (
                num_cores == 3
            ):  # as if a migration asked each of its cores apart, each with what it is offered
                apart = 1 - (1 - erlang_b(places, 2 * offered)) ** 2
                found.checks.append(rejects(f"denied share, core, {at}, cores apart", denied, apart, unit=""))
        grid = np.linspace(0.1, 2, 30)
        series += [
            Series(
                f"theory, {num_cores} cores, {places} in a window",
                True,
                grid.tolist(),
                [limit_windows.network(num_cores, places, y) for y in grid],
            ),
            found.series(f"simulated, {num_cores} cores", offers),
        ]
    title = "Denied share, limit of each core"
    return Plot(title, "requests of a pair of cores a window", "denied share", series)


def of_a_process(found: Findings) -> Plot:
    """Each process by itself: N migrations in a window."""
    series = []
    for places, offers in PLACES.items():
        for offered in offers:
            at = f"{places} in a window, {offered} requests a window"
            window_ns = round(offered * PROCESSES * GAP_NS)
            limit = sim.ProcessLimit(max_migrations=places, window_ns=window_ns)
            r = replicates(
                cores(NUM_CORES),
                sleepers(PROCESSES, GAP_NS),
                policy(sim.Limits(process=limit)),
                span(found.scale, 1.5 * REQUESTS),
                found.scale,
                seed_of(f"process window {at}"),
            )
            theory = erlang_b(places, offered)
            found.add(f"denied share, process, {at}", share(r, "process_limit"), theory)
        grid = np.linspace(0.1, 3, 60)
        line = [erlang_b(places, places * y) for y in grid]
        series += [
            Series(f"theory, {places} in a window", True, grid.tolist(), line),
            found.series(f"simulated, {places}", tuple(each / places for each in offers)),
        ]
    title = "Denied share, limit of each process"
    return Plot(title, "requests / migrations allowed", "denied share", series)


def one_in_a_window(found: Findings) -> Plot:
    """With one migration in a window W the time between two is W and an exponential one."""
    window_ns = 2 * GAP_NS
    samples = gaps_ns(
        cores(NUM_CORES),
        sleepers(100, GAP_NS),
        sim.Limits(system=rate_limit(1, window_ns)),
        span(found.scale, 12_000),
        found.scale,
        seed_of("rate window, times between"),
    )
    times = [GAP_NS * x for x in (1.999, 2.2, 3, 4, 5)]
    theory = [float(np.exp(-max(0.0, time - window_ns) / GAP_NS)) for time in times]
    tails = np.array([[(gaps >= time).mean() for time in times] for gaps in samples])
    for i, (time, tail) in enumerate(zip(times, theory, strict=True)):
        found.add(
            f"P(between two migrations >= {time / 1000:.6g} us), 1 in 200 us", tails[:, i], tail, narrow=0.1
        )
    x = tuple(time / 1000 for time in times)
    lines = (Series("theory", True, x, theory), found.series("simulated", x))
    title = "Time between two migrations, one in a window of 200 us"
    return Plot(title, "time (us)", "P(time between >= time)", lines, is_log_y=True)


@case(
    "Pauses between migrations: interval, return, storm",
    "queues",
    "renewal theory: Feller 1948 (counters of type I); a cycle from clear to clear for returns and storms",
)
def pauses(scale: Scale) -> Outcome:
    """Wake-ups ask to migrate as a Poisson process; each limit closes the door for a time of its own.

    A process may not migrate again within an interval T: denied is a T / (1 + a T) at a requests a second of
    a process. It may not go back within a time to the core that it left; and where it may, the share of
    returns is known. One, two or three migrations within a window are a storm, after which nothing migrates
    for a while. All from the renewal-reward theorem, three in a window by a differential equation.
    """
    found = Findings(scale, [], [], [])
    plots = [intervals(found), going_back(found), storms(found)]
    return Outcome(found.checks, plots)


def intervals(found: Findings) -> Plot:
    """The least time between two migrations of a process."""
    offers = (0.3, 1.0, 3.0)
    for offered in offers:
        at = f"{offered} requests an interval"
        limit = sim.ProcessLimit(min_interval_ns=round(offered * PROCESSES * GAP_NS))
        r = replicates(
            cores(NUM_CORES),
            sleepers(PROCESSES, GAP_NS),
            policy(sim.Limits(process=limit)),
            span(found.scale, REQUESTS),
            found.scale,
            seed_of(f"interval {at}"),
        )
        denied = share(r, "process_limit")
        found.add(f"denied share, least interval, {at}", denied, limit_windows.dead_time(offered), 0.03)
        prolonged = 1 - float(np.exp(-offered))  # a counter of type II, which denied requests keep closed
        found.checks.append(rejects(f"denied share, {at}, as of type II", denied, prolonged, unit=""))
    grid = np.linspace(0.05, 3.5, 60)
    line = [limit_windows.dead_time(x) for x in grid]
    lines = (Series("theory", True, grid.tolist(), line), found.series("simulated", offers))
    return Plot("Least time between migrations of a process", "requests an interval", "denied share", lines)


def going_back(found: Findings) -> Plot:
    """Returns: their share where they are allowed, and what is denied where they are not."""
    offers, series = (0.5, 2.0), []
    for num_cores in (2, 4):
        for is_forbidden in (False, True):
            for offered in offers:
                kind = "forbidden" if is_forbidden else "allowed"
                at = f"{num_cores} cores, {kind}, {offered} requests in the window"
                limit = sim.ProcessLimit(
                    return_window_ns=round(offered * PROCESSES * GAP_NS), forbid_return=is_forbidden
                )
                r = replicates(
                    cores(num_cores),
                    sleepers(PROCESSES, GAP_NS, num_cores),
                    policy(sim.Limits(process=limit)),
                    span(found.scale, REQUESTS),
                    found.scale,
                    seed_of(f"return {at}"),
                )
                if is_forbidden:
                    theory, values = limit_windows.forbidden_returns(num_cores, offered), share(r, "return")
                else:
                    theory, values = limit_windows.returns(num_cores, offered), r["return_share"]
                found.add(f"share of returns, {at}", values, theory, 0.03)
            grid = np.linspace(0.05, 2.5, 40)
            known = limit_windows.forbidden_returns if is_forbidden else limit_windows.returns
            name = f"{num_cores} cores, {kind}"
            series += [
                Series(f"theory, {name}", True, grid.tolist(), [known(num_cores, x) for x in grid]),
                found.series(f"simulated, {name}", offers),
            ]
    title = "Returns: share of migrations where allowed, of requests denied where forbidden"
    return Plot(title, "requests in the return window", "share", series)


def storms(found: Findings) -> Plot:
    """A storm closes the door; its history is then forgotten."""
    pause, series, offers = 4.0, [], (0.5, 1.0, 2.0)
    for count in (1, 2, 3):
        for offered in offers if count > 1 else offers[:1]:
            at = f"{count} within a window are a storm, {offered} requests a window"
            limit = sim.BurstLimit(
                storm_count=count,
                storm_window_ns=round(offered * GAP_NS),
                cooldown_ns=round(pause * GAP_NS),
            )
            simulation = span(found.scale, REQUESTS)
            r = replicates(
                cores(NUM_CORES),
                sleepers(100, GAP_NS),
                policy(sim.Limits(burst=limit)),
                simulation,
                found.scale,
                seed_of(f"storm {at}"),
            )
            theory = limit_windows.storm(count, offered, pause)
            found.add(f"denied share, {at}", share(r, "storm"), theory, 0.05)
            until = limit_windows.until_storm(count, offered)
            a_second = 1e9 / GAP_NS / (until + pause)
            seconds = (simulation.horizon_ns - simulation.warmup_ns) / 1e9
            found.checks.append(
                interval(
                    f"storms a second, {at}",
                    r["storm_count"] / seconds,
                    a_second,
                    found.scale,
                    unit="1/s",
                    narrow=0.05,
                )
            )
            if count == 3:  # as if two short gaps made a storm only when both were within the window each
                chance = -np.expm1(-offered)
                wrong = pause / (1 + 1 / chance + 1 / chance**2 + pause)
                found.checks.append(
                    rejects(f"denied share, {at}, as of two short gaps", share(r, "storm"), wrong, unit="")
                )
        grid = np.linspace(0.1, 2.5, 40)
        line = [limit_windows.storm(count, x, pause) for x in grid]
        name = f"{count} are a storm"
        series += [
            Series(f"theory, {name}", True, grid.tolist(), line),
            found.series(f"simulated, {name}", offers if count > 1 else offers[:1]),
        ]
    title = "Denied share after storms, pause of 4 mean gaps"
    return Plot(title, "requests a storm window", "denied share", series)
