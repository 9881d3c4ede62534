"""Laws between lanes: pairs that must be equal to the bit, and what holds in the limit and in law."""

from itertools import pairwise

import numpy as np

import sim
from tests.analytic.queues import FREE, MEAN_NS, SHARE, cores, customers, demand, horizon, waiting_mmc
from tests.metamorphic.laws import LAWS, hold
from tests.metamorphic.time_scale import scaled
from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.judge import exact, half_width, interval, order, rejects
from tests.validation.registry import case, seed_of
from tests.validation.simulation import replicates

RATE = 1e9 / MEAN_NS
PAIRS = 100
FACTORS = (1, 2, 4, 8, 16, 32)
CORES, LOAD = 4, 0.8
COSTS_NS = (16_000, 6_000, 2_000, 600, 200, 0)
EQUAL = 5


def held(family: str, scale: Scale, pairs: int = PAIRS) -> tuple[list[Check], list[str]]:
    """One check for each law of a family, and one for each wrong law beside it."""
    checks, notes = [], []
    seeds = range(1000, 1000 + (pairs if scale.is_full else 4))
    for law in LAWS.values():
        if law.family != family:
            continue
        verdict = hold(law, seeds)
        checks.append(exact(f"{law.name}: pairs of {verdict.lanes} that differ", len(verdict.broken), 0))
        notes += [f"{law.name}, seed {seed}: {text}" for seed, text in list(verdict.broken.items())[:3]]
        if law.wrong and scale.is_full:
            shows = int(len(hold(law, seeds, is_wrong=True).broken) > 0)
            checks.append(exact(f"{law.name}: wrong forms of it that are refused", shows, 1))
    return checks, notes


@case(
    "Laws: time scaled", "laws", "sim/DESIGN.md §1-§10: no time is absolute; tests/metamorphic/time_scale.py"
)
def time_scaled(scale: Scale) -> Outcome:
    """All times, works and prices k times as long, all rates k times as low, k = 8.

    Random lanes of the oracle with inputs that divide: the event log, every counter and every decision
    scale exactly. The plot: the mean sojourn time of 16 processes on 4 cores that run for exponential
    demands and block for whole times, so that no time that is drawn is rounded.
    """
    checks, notes = held("time scaled", scale)
    run = sim.Step(op="run", draw=demand())
    block = sim.Step(op="block", draw=sim.Distribution(kind="empirical", values=(9_000.0, 70_000.0)))
    workload = sim.Workload(
        ns_per_reduction=1.0,
        classes=(sim.ProcessClass(name="one", count=16, program=(run, block), start="first"),),
    )
    simulation = sim.Simulation(horizon_ns=4_000_000, warmup_ns=0, window_ns=4_000_000, quantum_reds=4000)
    means = []
    for k in FACTORS:
        parts = [scaled(part, k) for part in (workload, SHARE, FREE, simulation)]
        columns = sim.simulate(
            cores(CORES, core_frequency_mhz=[1000] * CORES), parts[0],
            [sim.Lane(parts[1], parts[2], seed_of("Laws: time scaled"))], parts[3],
        ).columns  # fmt: skip
        means.append(float(columns["sojourn_mean_ns"][0]))
    checks += [
        exact(f"mean sojourn time, k = {k}", mean, k * means[0], unit="ns")
        for k, mean in zip(FACTORS, means, strict=True)
    ]
    lines = (
        Series("theory", True, FACTORS, [float(k) for k in FACTORS]),
        Series("simulated", False, FACTORS, [mean / means[0] for mean in means]),
    )
    plot = Plot(
        "Time scaled by k", "k", "mean sojourn time, of that at k = 1", lines, is_log_x=True, is_log_y=True
    )
    return Outcome(checks, [plot], notes)


@case("Laws: renumbered", "laws", "sim/DESIGN.md §3 (ties); tests/metamorphic/relabelled.py")
def renumbered(scale: Scale) -> Outcome:
    """Numbers are labels.

    To the bit: hardware cores renumbered in the order of a bind type, schedulers bound in that order; nodes,
    packages, clusters and physical cores renumbered. In law: equal cores, Poisson arrivals at random cores,
    stealing from the nearest, which turns round with the cores: every core is busy for the offered load.
    """
    checks, notes = held("renumbered", scale)
    workload = customers(demand(), rate_per_s=EQUAL * 0.6 * RATE, start="random")
    simulation = horizon(scale.length(150_000), EQUAL * 0.6 * RATE)
    policy = sim.Policy(decision=sim.Decision(rule="always"), stealing=sim.Stealing(victim="nearest"))
    busy = utilisations(workload, policy, simulation, scale)
    at = "load 0.6"
    checks += [
        interval(f"utilisation of core {c}, {at}", busy[:, c], 0.6, scale, unit="", narrow=0.03)
        for c in range(EQUAL)
    ]
    if scale.is_full:
        first = customers(demand(), rate_per_s=EQUAL * 0.6 * RATE, start="first")
        uneven = utilisations(first, policy, simulation, scale)
        checks.append(rejects("utilisation of core 0, all arrive there", uneven[:, 0], 0.6, unit=""))
    lines = (
        Series("theory", True, range(EQUAL), [0.6] * EQUAL),
        Series(
            "simulated", False, range(EQUAL), busy.mean(axis=0).tolist(),
            [half_width(busy[:, c]) for c in range(EQUAL)],
        ),
    )  # fmt: skip
    return Outcome(checks, [Plot("Equal cores", "core", "utilisation", lines)], notes)


def utilisations(
    workload: sim.Workload, policy: sim.Policy, simulation: sim.Simulation, scale: Scale
) -> np.ndarray:
    """Busy share of each core, (replicate, core)."""
    lanes = [
        sim.Lane(policy, FREE, seed_of("Laws: renumbered"), number) for number in range(scale.replicates)
    ]
    result = sim.simulate(cores(EQUAL), workload, lanes, simulation)
    if not (result.columns["status"] == sim.LaneStatus.COMPLETED).all():
        raise RuntimeError(f"lanes that did not complete: status {np.unique(result.columns['status'])}")
    return result.core_utilisation


@case("Laws: limits and parts that are off", "laws", "sim/DESIGN.md §6, §9; tests/metamorphic")
def without_effect(scale: Scale) -> Outcome:
    """A limit that never binds, a part that is off, an infinite threshold: the same lane to the bit.

    Each kind of limit, wide enough that nothing meets it, against no limit; each part of a policy that is
    off, with any settings of it; threshold_factor infinite against the policy none, for migration that must
    be worth it. The plot: migrations of one lane by the factor that its threshold has, against those of none.
    """
    checks, notes = [], []
    for family in ("a limit that never binds", "what is off is absent", "threshold_factor infinite is none"):
        found, told = held(family, scale, PAIRS // 5)
        checks += found
        notes += told
    factors = (0.0, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0, float("inf"))
    workload = customers(demand(), rate_per_s=CORES * 0.6 * RATE, start="random")
    lanes = [
        sim.Lane(sim.Policy(threshold_factor=factor), sim.Cost(), seed_of("Laws: threshold"))
        for factor in (*factors, 0.0)
    ]
    simulation = horizon(scale.length(50_000), CORES * 0.6 * RATE)
    counts = sim.simulate(cores(CORES), workload, lanes, simulation).columns["migration_count"].tolist()
    checks.append(exact("migrations under an infinite threshold", counts[len(factors) - 1], 0))
    x = [max(factor, 1e-3) for factor in factors[:-1]]
    lines = (
        Series("none", True, x, [0.0] * len(x)),
        Series("simulated", False, x, [float(count) for count in counts[: len(x)]]),
    )
    title = "Migrations by threshold factor (0 is shown at 0.001)"
    return Outcome(checks, [Plot(title, "threshold_factor", "migrations", lines, is_log_x=True)], notes)


@case("Laws: free migration is the central queue", "laws", "Erlang 1917 (M/M/c) as the limit of no cost")
def central_queue(scale: Scale) -> Outcome:
    """Four cores at load 0.8; an idle core takes the head of the longest queue, at a price in time.

    At no price the queues are one: the mean sojourn time is that of M/M/4. The lower the price, the nearer,
    in strict order, pair by pair under the same random numbers.
    """
    rate = CORES * LOAD * RATE
    workload, simulation = customers(demand(), rate_per_s=rate), horizon(scale.length(150_000), rate)
    theory = waiting_mmc(CORES, LOAD) + MEAN_NS
    found = {}
    for price_ns in COSTS_NS:
        # 1000 MHz: a cycle is 1 ns
        cost = sim.Cost(
            kind="flat", dispatch_cycles=0, wake_ns=0, context_switch_cycles=price_ns,
            synchronisation_cycles=(0, 0, 0, 0), misses=(0, 0, 0, 0), remote_accesses=(0, 0, 0, 0),
            numa_crossing_cycles=0, remote_memory=False,
        )  # fmt: skip
        machine = cores(CORES, core_frequency_mhz=[1000] * CORES)
        seed = seed_of("Laws: central queue")
        found[price_ns] = replicates(machine, workload, SHARE, simulation, scale, seed, cost)[
            "sojourn_mean_ns"
        ]
    at = f"load {LOAD}"
    checks = [interval(f"mean sojourn time, no price, {at}", found[0], theory, scale, narrow=0.03)]
    checks += [
        order(f"mean sojourn time, a move for {dear} ns above {cheap} ns", found[dear], found[cheap])
        for dear, cheap in pairwise(COSTS_NS)
    ]
    if scale.is_full:
        checks.append(rejects("mean sojourn time, a move for 600 ns", found[600], theory))
    x = [max(price_ns, 20) / 1000 for price_ns in COSTS_NS]
    lines = (
        Series("M/M/4", True, x, [theory / 1000] * len(x)),
        Series(
            "simulated", False, x, [float(found[c].mean()) / 1000 for c in COSTS_NS],
            [half_width(found[c]) / 1000 for c in COSTS_NS],
        ),
    )  # fmt: skip
    title = "Mean sojourn time by the price of a move (none is shown at 0.02 us)"
    return Outcome(
        checks, [Plot(title, "price of a move (us)", "mean sojourn time (us)", lines, is_log_x=True)]
    )
