"""Waiting, sojourn and utilisation of queues with a known solution."""

import math

import pytest
from scipy import stats

import sim
from tests.analytic.queues import (
    MEAN_NS,
    SHARE,
    STAY,
    agrees,
    assert_agrees,
    cores,
    customers,
    demand,
    erlang_c,
    finite_source,
    horizon,
    replicate,
    waiting_mg1,
    waiting_mmc,
)

RATE = 1e9 / MEAN_NS  # of one core, customers a second


def test_erlang_c_is_that_of_the_tables() -> None:
    assert erlang_c(1, 0.8) == pytest.approx(0.8)
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert erlang_c(5, 4.0) == pytest.approx(0.554113, abs=1e-6)


@pytest.mark.parametrize("load", [0.3, 0.8])
def test_mm1(load: float) -> None:
    workload = customers(demand(), rate_per_s=load * RATE)
    r = replicate(cores(1), workload, STAY, horizon(80_000, load * RATE))
    waiting = waiting_mmc(1, load)
    assert waiting == pytest.approx(load / (1 - load) * MEAN_NS)
    assert_agrees(r["waiting_mean_ns"], waiting)
    assert_agrees(r["sojourn_mean_ns"], waiting + MEAN_NS)
    assert_agrees(r["utilisation"], load, narrow=0.01)
    assert_agrees(r["departure_rate_per_s"], load * RATE, narrow=0.01)
    # The same data reject a theory that is wrong by the width of an interval: the test can fail.
    for wrong in (waiting * 1.06, waiting * 0.94):
        assert not agrees(r["waiting_mean_ns"], wrong)
    assert not agrees(r["utilisation"], load * 1.01)
    assert not agrees(r["waiting_mean_ns"], waiting_mg1(load, MEAN_NS, MEAN_NS**2))


def test_mm1_sojourn_is_exponential() -> None:
    load = 0.7
    workload = customers(demand(), rate_per_s=load * RATE)
    r = replicate(cores(1), workload, STAY, horizon(80_000, load * RATE))
    mean = MEAN_NS / (1 - load)
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        theory = -math.log(1 - share) * mean
        # a value of the histogram is the middle of a bucket that is at most 1/64 of its values wide
        assert_agrees(r[f"sojourn_{name}_ns"], theory, narrow=0.06, slack=theory / 128)


@pytest.mark.parametrize("load", [0.5, 0.9])
@pytest.mark.parametrize("num_cores", [2, 6])
def test_free_stealing_is_one_queue_for_all_cores(num_cores: int, load: float) -> None:
    rate = num_cores * load * RATE
    workload = customers(demand(), load=load, start="random")
    r = replicate(cores(num_cores), workload, SHARE, horizon(120_000, rate))
    waiting = waiting_mmc(num_cores, load)
    assert_agrees(r["waiting_mean_ns"], waiting, narrow=0.08)
    assert_agrees(r["sojourn_mean_ns"], waiting + MEAN_NS)
    assert_agrees(r["utilisation"], load, narrow=0.01)
    assert (r["wasted_core_share"] == 0).all()
    assert (r["migration_count"] > 0).all()


def test_exponential_demands_do_not_see_the_quantum() -> None:
    load, num_cores = 0.8, 3
    rate = num_cores * load * RATE
    workload = customers(demand(), load=load)
    simulation = horizon(60_000, rate, quantum_reds=MEAN_NS // 3)
    r = replicate(cores(num_cores), workload, SHARE, simulation)
    assert (r["preemption_count"] > 0).all()
    assert_agrees(r["sojourn_mean_ns"], waiting_mmc(num_cores, load) + MEAN_NS)


def test_no_stealing_is_one_queue_a_core() -> None:
    load, num_cores = 0.6, 4
    workload = customers(demand(), load=load, start="random")
    r = replicate(cores(num_cores), workload, STAY, horizon(100_000, num_cores * load * RATE))
    assert_agrees(r["waiting_mean_ns"], waiting_mmc(1, load))
    assert not agrees(r["waiting_mean_ns"], waiting_mmc(num_cores, load))


def pareto(low: float, high: float, shape: float) -> tuple[sim.Distribution, float, float]:
    """A bounded Pareto demand and its first two moments."""
    law = stats.truncpareto(shape, high / low, scale=low)
    return demand("bounded_pareto", low=low, high=high, shape=shape), law.mean(), law.moment(2)


MG1 = {
    "deterministic": (demand("deterministic"), MEAN_NS, MEAN_NS**2),
    "uniform": (demand("uniform", low=5000, high=15_000), MEAN_NS, MEAN_NS**2 * (1 + 1 / 12)),
    "hyperexponential": (demand("hyperexponential", cv=2.0), MEAN_NS, MEAN_NS**2 * 5),
    "lognormal": (demand("lognormal", cv=1.5), MEAN_NS, MEAN_NS**2 * 3.25),
    "bounded Pareto": pareto(3000, 300_000, 1.5),
    "two values": (demand("empirical", values=(2000, 18_000)), MEAN_NS, (4e6 + 324e6) / 2),
}


@pytest.mark.parametrize("name", MG1)
def test_mg1_waits_as_pollaczek_and_khinchine_say(name: str) -> None:
    draw, mean, second = MG1[name]
    load = 0.6
    rate = load / mean * 1e9
    r = replicate(cores(1), customers(draw, load=load), STAY, horizon(100_000, rate))
    waiting = waiting_mg1(load, mean, second)
    assert_agrees(r["waiting_mean_ns"], waiting)
    assert_agrees(r["sojourn_mean_ns"], waiting + mean)
    assert_agrees(r["utilisation"], load, narrow=0.02)
    if name != "uniform":
        assert not agrees(r["waiting_mean_ns"], waiting_mg1(load, mean, 2 * mean**2))  # M/M/1


@pytest.mark.parametrize("kind", ["deterministic", "hyperexponential"])
def test_small_quanta_share_the_processor(kind: str) -> None:
    """The sojourn of processor sharing depends on the mean demand alone (Sakata, Noguchi and Oizumi 1969).

    Extrapolated from two quanta to a quantum of zero, with the same customers, so that no error of
    first order in the quantum is left.
    """
    load = 0.6
    draw = demand(kind, **({"cv": 2.0} if kind == "hyperexponential" else {}))
    workload = customers(draw, load=load)
    fine, coarse = (
        replicate(cores(1), workload, STAY, horizon(20_000, load * RATE, quantum))["sojourn_mean_ns"]
        for quantum in (MEAN_NS // 20, MEAN_NS // 10)
    )
    theory = MEAN_NS / (1 - load)
    assert_agrees(2 * fine - coarse, theory)
    first_come = MEAN_NS + waiting_mg1(load, MEAN_NS, MEAN_NS**2 * (5 if kind == "hyperexponential" else 1))
    assert not agrees(2 * fine - coarse, first_come)


@pytest.mark.parametrize("block", ["exponential", "deterministic"])
@pytest.mark.parametrize(("num_cores", "population"), [(1, 6), (3, 10)])
def test_finite_source(num_cores: int, population: int, block: str) -> None:
    """M/M/c//N; of the time of blocking only the mean matters (Bunday and Scraton 1980)."""
    think_ns = 3 * MEAN_NS
    program = (
        sim.Step(op="run", draw=demand()),
        sim.Step(op="block", draw=sim.Distribution(kind=block, mean=think_ns)),
    )
    kind = sim.ProcessClass(name="machine", count=population, program=program)
    workload = sim.Workload(ns_per_reduction=1.0, classes=(kind,))
    utilisation, sojourn = finite_source(num_cores, population, think_ns)
    simulation = horizon(40_000, utilisation * num_cores * RATE)
    r = replicate(cores(num_cores), workload, SHARE, simulation)
    assert_agrees(r["utilisation"], utilisation, narrow=0.01)
    assert_agrees(r["sojourn_mean_ns"], sojourn, narrow=0.02)
    assert_agrees(r["throughput_per_s"], utilisation * num_cores * RATE, narrow=0.01)
    assert not agrees(r["utilisation"], utilisation * 1.02)


@pytest.mark.parametrize("kind", ["poisson", "deterministic", "on_off"])
def test_utilisation_is_the_offered_load(kind: str) -> None:
    load, num_cores = 0.55, 3
    bursts = {"on_ns": 2e5, "off_ns": 1e5} if kind == "on_off" else {}
    workload = customers(demand("lognormal", cv=1.0), load=load, kind=kind, **bursts)
    r = replicate(cores(num_cores), workload, SHARE, horizon(60_000, num_cores * load * RATE))
    assert_agrees(r["utilisation"], load, narrow=0.03)
    assert_agrees(r["departure_rate_per_s"], num_cores * load * RATE, narrow=0.03)
    assert_agrees(r["reductions_per_s"], num_cores * load * 1e9, narrow=0.03)
