"""Common random numbers make pairs alike, and control variates narrow an interval without moving it."""

import numpy as np
import pytest
from scipy import stats

import sim
from pipeline.config.compose import read_command, with_hydra
from pipeline.config.study import make_study
from pipeline.run.lanes import LanePlan, coreshift_toolkit
from sim.programs import copies_of
from tests.analytic.queues import FREE, MEAN_NS, SHARE, STAY, cores, customers, demand, horizon
from tests.bench.statistical_speed import PointLanes, compare
from tests.statistical.controls import class_controls, delays_ns
from tests.statistical.estimators import Estimate, controlled, expected_half, plain, replicates_for
from tests.statistical.repetitions import change_intervals, hits
from tests.statistical.shares import LEVEL, share_is
from tests.validation.case import FULL

RATE = 1e9 / MEAN_NS
LOAD = 0.5
STUDIES, REPLICATES = 600, 5


def open_queue(num_cores: int, length: float) -> tuple[sim.Topology, sim.Workload, sim.Simulation]:
    """Poisson arrivals at LOAD, exponential demands, a short run."""
    rate = num_cores * LOAD * RATE
    workload = customers(demand(), rate_per_s=rate, start="random")
    return cores(num_cores), workload, horizon(length, rate)


def lanes_of(policy: sim.Policy, count: int, seed: int = 1) -> list[sim.Lane]:
    return [sim.Lane(policy, FREE, seed, replicate) for replicate in range(count)]


def test_pairs_are_alike_beyond_chance_and_other_replicates_are_not():
    topology, workload, simulation = open_queue(2, 400)
    apart, together = (
        sim.simulate(topology, workload, lanes_of(policy, 40), simulation).columns for policy in (STAY, SHARE)
    )
    for name in ("utilisation", "throughput_per_s", "waiting_mean_ns"):
        x, y = (np.asarray(columns[name]) for columns in (apart, together))
        assert stats.pearsonr(x, y, alternative="greater").pvalue < 1e-4
        assert stats.pearsonr(x, np.roll(y, 1)).pvalue > 1e-3
        assert np.var(x - y) < np.var(x) + np.var(y)


@pytest.fixture(scope="module")
def short_runs() -> tuple[np.ndarray, np.ndarray]:
    """Utilisation of M/M/1 and its control, the work that came: (study, replicate) each."""
    topology, workload, simulation = open_queue(1, 200)
    lanes = lanes_of(STAY, STUDIES * REPLICATES)
    columns = sim.simulate(topology, workload, lanes, simulation).columns
    controls = class_controls(topology, workload, simulation, lanes)
    work = np.sum(list(controls.values()), axis=0)
    return columns["utilisation"].reshape(STUDIES, -1), work.reshape(STUDIES, -1)


def covering(found: list[Estimate]) -> np.ndarray:
    return np.array([abs(one.mean - LOAD) <= one.half for one in found])


def test_controlled_means_are_unbiased_narrower_and_hold_the_truth_as_often_as_stated(short_runs):
    values, work = short_runs
    usual = [plain(row) for row in values]
    found = [controlled(row, {"work": control}) for row, control in zip(values, work, strict=True)]
    assert abs(stats.ttest_1samp([one.mean for one in found], LOAD).statistic) < 4
    assert share_is("controlled", covering(found), LEVEL, FULL, narrow=0.7).is_ok
    assert np.mean([one.half for one in found]) < 0.8 * np.mean([one.half for one in usual])
    assert np.var([one.mean for one in found]) < 0.5 * np.var([one.mean for one in usual])


def test_a_control_of_another_expectation_is_found_out(short_runs):
    values, work = short_runs
    found = [controlled(row, {"work": control + 0.1}) for row, control in zip(values, work, strict=True)]
    assert not share_is("wrong", covering(found), LEVEL, FULL, narrow=0.7).is_ok


def test_a_control_that_explains_nothing_widens_the_interval_by_the_stated_loss(short_runs):
    values, _ = short_runs
    noise = np.random.default_rng(5).standard_normal(values.shape)
    found = [controlled(row, {"noise": each}) for row, each in zip(values, noise, strict=True)]
    widened = np.var([one.mean for one in found]) / np.var(values.mean(axis=1))
    assert widened == pytest.approx((REPLICATES - 2) / (REPLICATES - 3), rel=0.15)
    assert share_is("noise", covering(found), LEVEL, FULL, narrow=0.7).is_ok


def test_changes_hold_the_truth_as_often_as_stated_where_the_noise_is_skewed():
    rng = np.random.default_rng(8)
    base, values = np.exp(0.15 * rng.standard_normal((2, STUDIES * REPLICATES)))
    changes = change_intervals(0.1 * values, base, REPLICATES)
    assert share_is("change", hits(changes, -0.9), LEVEL, FULL, narrow=0.7).is_ok
    assert not share_is("wrong", hits(changes, -0.91), LEVEL, FULL, narrow=0.7).is_ok


def test_controls_are_drawn_as_the_kernel_draws_them():
    rate = 0.05 * RATE
    workload = customers(demand(), rate_per_s=rate)
    simulation = sim.Simulation(
        horizon_ns=20_000_000, warmup_ns=0, window_ns=20_000_000, quantum_reds=0, max_processes=1000
    )
    lanes = lanes_of(STAY, 6)
    columns = sim.simulate(cores(1), workload, lanes, simulation).columns
    controls = class_controls(cores(1), workload, simulation, lanes)
    expected = rate * simulation.horizon_ns / 1e9
    arrived = np.rint((controls["customer arrivals"] + 1) * expected)
    assert arrived.tolist() == columns["created_count"].tolist()
    done = columns["completed_count"] == columns["created_count"]
    assert done.sum() >= 3
    busy = columns["utilisation"] * simulation.horizon_ns
    work = (controls["customer arrivals"] + controls["customer work"] + 1) * expected * MEAN_NS
    assert work[done] == pytest.approx(busy[done], rel=1e-4)


def test_delays_are_drawn_as_the_kernel_draws_them():
    times = ("simulation.horizon_ns=12000000", "simulation.warmup_ns=2000000")
    words = ["topology=apple_m1_pro", "sweep=none", "policy=none", *times, "tracking=off", "cluster=inline"]
    command = read_command(words)
    plan = LanePlan(with_hydra(command, lambda: make_study(command)), coreshift_toolkit())
    batch, lane = plan.batch(0), plan.spec(0)
    log, _ = sim.simulate_logged(batch.topology, batch.workload, lane, batch.simulation, capacity=200_000)
    delays = delays_ns(batch.workload.stagger_ns, copies_of(batch.topology, batch.workload), lane)
    assert np.isin(delays, log[:, 0]).all()
    assert delays.min() == log[0, 0]


@pytest.mark.parametrize("controls", [0, 1, 3])
@pytest.mark.parametrize("half", [0.1, 0.5, 2.0])
def test_the_replicates_for_a_width_are_the_least(controls, half):
    count = replicates_for(half, 1.0, controls)
    assert expected_half(1.0, count, controls) <= half < expected_half(1.0, count - 1, controls)


def test_too_few_replicates_or_a_constant_control_are_refused():
    with pytest.raises(ValueError, match="at least 3 replicates"):
        controlled(np.arange(2.0), {"a": np.arange(2.0)})
    with pytest.raises(ValueError, match="constant"):
        controlled(np.arange(4.0), {"a": np.ones(4)})


def test_the_benchmark_finds_the_factors_that_were_put_in():
    rng = np.random.default_rng(7)
    count = 400
    work, common, own, other = rng.standard_normal((4, count))
    base = 100 + 6 * work + 3 * common + other
    columns = {"slowdown_p99": 10 + 6 * work + 3 * common + own}
    point, baseline = PointLanes("a", columns, 2.0), PointLanes("none", {"slowdown_p99": base}, 1.0)
    rows = {(row.quantity, row.method): row for row in compare("made up", point, baseline, {"work": work})}
    wanted = {
        ("mean", "control"): 46 / 10,
        ("difference", "common"): 92 / 2,
        ("change", "common + control"): 46.46 / (2.7**2 + 1.01),
    }
    for place, factor in wanted.items():
        assert rows[place].low < factor < rows[place].high
        assert rows[place].high < 1.5 * rows[place].low
    independent = rows["difference", "independent"]
    assert independent.cpu_s == 3.0 * independent.replicates
    assert rows["change", "common"].spread < independent.spread
