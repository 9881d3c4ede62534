"""A cost of switching where its effect has a closed form: customers in turn, and a closed population."""

import numpy as np

import sim
from tests.analytic.queues import MEAN_NS, STAY, cores, demand
from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.cases.queue_switches import ANY_LAW, priced
from tests.validation.cases.queue_waits import one_core
from tests.validation.judge import exact, half_width, interval, rejects
from tests.validation.registry import case, seed_of
from tests.validation.simulation import edges_near, histograms, replicates, tail_checks
from tests.validation.theory.queue_demands import Atoms, Law, Phases, Shifted, hyperexponential
from tests.validation.theory.queue_mg1 import waiting_mean, waiting_tail_bounds

TURN = "M/G/1 with a cost of switching"
CLOSED = "Round robin of a closed population: efficiency q / (q + d)"
COSTS_NS = (500, 2000, 4000)
LAWS: dict[str, tuple[sim.Distribution, Law]] = {
    "exponential": (demand(), Phases((1.0,), (MEAN_NS,))),
    "deterministic": (demand("deterministic"), Atoms((MEAN_NS,))),
    "hyper-exponential": (demand("hyperexponential", cv=2.0), hyperexponential(MEAN_NS, 2.0)),
}
LOAD = 0.5
# The relaxation time, 2 rho E S^2 / (E S)^2 / (1 - rho)^2 mean demands, is 50 for cv 2 and the greatest
# cost, which makes the load 0.7. The warm-up is 20 000 demands, 5000 at the quick scale.
CUSTOMERS = 100_000


def lanes(draw: sim.Distribution, scale: Scale) -> tuple[sim.Workload, sim.Simulation]:
    """Customers in turn, so many that demands alone make the load."""
    return one_core(draw, ANY_LAW, LOAD, scale.length(CUSTOMERS))


@case(TURN, "queues", "Pollaczek 1930; Khinchine 1932; Beneš 1957: each demand longer by d")
def in_turn(scale: Scale) -> Outcome:
    """One core, Poisson arrivals, no quantum; another process than the last one costs d.

    Every customer is a new process, also one that gets the slot of one that has left, so each pays d once:
    M/G/1 with demand S + d. Known are the mean waiting time, the mean sojourn and the utilisation, and the
    whole distribution of waiting between two bounds (half of their distance is the slack).
    """
    checks: list[Check] = []
    lines = []
    for name, (draw, law) in LAWS.items():
        means, widths = [], []
        for cost_ns in COSTS_NS:
            workload, simulation = lanes(draw, scale)
            seed = seed_of(f"{TURN} {name} {cost_ns}")
            r = replicates(cores(1), workload, STAY, simulation, scale, seed, priced(cost_ns))
            longer = Shifted(law, cost_ns)
            load = LOAD * longer.mean / MEAN_NS
            waiting = waiting_mean(load, longer)
            at = f"{name}, cost {cost_ns / 1000:g} us"
            checks += [
                interval(f"mean waiting time, {at}", r["waiting_mean_ns"], waiting, scale, narrow=0.08),
                interval(
                    f"mean sojourn, {at}", r["sojourn_mean_ns"], waiting + longer.mean, scale, narrow=0.08
                ),
                interval(f"utilisation, {at}", r["utilisation"], load, scale, unit="", narrow=0.02),
            ]
            means.append(r["waiting_mean_ns"].mean() / 1000)
            widths.append(half_width(r["waiting_mean_ns"]) / 1000)
            if scale.is_full and cost_ns == 2000:
                free = waiting_mean(LOAD, law)
                like = Phases((1.0,), (longer.mean,)) if name != "exponential" else Atoms((longer.mean,))
                checks += [
                    rejects(f"mean waiting time, {at}, as if free", r["waiting_mean_ns"], free),
                    rejects(
                        f"mean waiting time, {at}, other law", r["waiting_mean_ns"], waiting_mean(load, like)
                    ),
                ]
        grid = np.linspace(0, COSTS_NS[-1], 40)
        theory = [waiting_mean(LOAD * (1 + d / MEAN_NS), Shifted(law, d)) / 1000 for d in grid]
        lines.append(Series(f"theory, {name}", True, (grid / 1000).tolist(), theory))
        lines.append(Series(f"simulated, {name}", False, [d / 1000 for d in COSTS_NS], means, widths))
    found, figure = distribution(scale)
    return Outcome([*checks, *found], [Plot("Mean waiting time", "cost (us)", "waiting (us)", lines), figure])


def distribution(scale: Scale, cost_ns: int = 2000) -> tuple[list[Check], Plot]:
    """The whole distribution of waiting, exponential demands."""
    draw, law = LAWS["exponential"]
    longer = Shifted(law, cost_ns)
    load = LOAD * longer.mean / MEAN_NS
    workload, simulation = lanes(draw, scale)
    seed = seed_of(f"{TURN} tail")
    found = histograms(cores(1), workload, STAY, simulation, scale, seed, "waiting", priced(cost_ns))
    edges = edges_near([share * MEAN_NS for share in (0.1, 0.5, 1, 2, 4)])
    # a wait of whole ns is at least `edge` when the real one is at least about half a ns less
    lower, upper = waiting_tail_bounds(load, longer, np.array(edges) - 0.5, step=8.0, size=1 << 19)
    slack = float(np.max(upper - lower) / 2)
    theory = ((lower + upper) / 2).tolist()
    name = f"waiting, exponential, cost {cost_ns / 1000:g} us"
    checks, lines = tail_checks(name, found, edges, theory, scale, narrow=0.1, slack=slack)
    return checks, Plot("Waiting time", "time (us)", "P(waiting >= time)", lines, is_log_y=True)


@case(
    CLOSED,
    "queues",
    "Silberschatz, Galvin and Gagne, Operating System Concepts, §5.3 (choice of the quantum)",
)
def closed(scale: Scale) -> Outcome:
    """Processes that always run, on one core: each slice is d of switching and q of work.

    Over whole slices the work done is q / (q + d) of the time, to the last reduction, whatever the law of the
    run steps, for a quantum goes on through the end of one; each of n processes has a slice every n (q + d).
    A process that is alone is switched to once and for all: its efficiency is 1.
    """
    slices = scale.length(4000)
    checks: list[Check] = []
    lines = []
    for cost_ns in (500, 3000):
        found = []
        for quantum in (500, 1000, 4000, 20_000, 100_000):
            counters = always_running(3, quantum, cost_ns, slices)
            at = f"quantum {quantum / 1000:g} us, cost {cost_ns / 1000:g} us"
            checks += [
                exact(f"reductions done, {at}", counters["reductions"], slices * quantum, unit="reds"),
                exact(f"slices, {at}", counters["dispatch_count"], slices),
                exact(f"preemptions, {at}", counters["preemption_count"], slices),
            ]
            found.append(counters["reductions"] / (slices * (quantum + cost_ns)))
        x = [0.5, 1.0, 4.0, 20.0, 100.0]
        grid = np.geomspace(0.5, 100, 60)
        name = f"cost {cost_ns / 1000:g} us"
        share = (grid / (grid + cost_ns / 1000)).tolist()
        lines.append(Series(f"theory, {name}", True, grid.tolist(), share))
        # A lane has no randomness: over whole slices it does the same work whatever is drawn.
        lines.append(Series(f"simulated, {name}", False, x, found, [0.0] * len(x)))
    alone = always_running(1, 4000, 0, slices, charged_ns=3000)
    what = "reductions done, one process alone"
    checks.append(exact(what, alone["reductions"], slices * 4000, unit="reds"))
    return Outcome(
        checks, [Plot("Efficiency", "quantum (us)", "share of time at work", lines, is_log_x=True)]
    )


def always_running(
    count: int, quantum: int, cost_ns: int, slices: int, charged_ns: int | None = None
) -> dict[str, int]:
    """Counters over so many whole slices, after a hundred others; `charged_ns` is paid once, before them."""
    program = (sim.Step(op="run", draw=demand()),)
    workload = sim.Workload(
        ns_per_reduction=1.0, classes=(sim.ProcessClass(name="busy", count=count, program=program),)
    )
    first_ns = 0 if charged_ns is None else charged_ns
    span_ns = slices * (quantum + cost_ns)
    warmup_ns = first_ns + 100 * (quantum + cost_ns)
    simulation = sim.Simulation(
        horizon_ns=warmup_ns + span_ns, warmup_ns=warmup_ns, window_ns=span_ns, quantum_reds=quantum
    )
    lane = sim.Lane(STAY, priced(cost_ns if charged_ns is None else charged_ns), seed_of(CLOSED), 0)
    _, counters = sim.simulate_logged(cores(1), workload, lane, simulation, capacity=1)
    # the log has no room on purpose: only the counters are read
    if counters["status"] & ~sim.LaneStatus.LOG_FULL != sim.LaneStatus.COMPLETED:
        raise RuntimeError(f"a lane that did not complete: status {counters['status']}")
    return counters
