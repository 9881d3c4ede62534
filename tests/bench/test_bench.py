"""The benchmark still runs, at a size at which it says nothing about speed."""

import json
from pathlib import Path

import pytest

from tests.bench import __main__ as command
from tests.bench.effort import Effort
from tests.bench.features import AT_WORK, LIMITS, all_on
from tests.bench.kernel import Kernel
from tests.bench.part_closed import measure
from tests.bench.part_count import SIZE, counts_of, systems
from tests.bench.part_growth import exponent, logarithm
from tests.bench.part_memory import memory
from tests.bench.part_queues import assert_waits, error_ns, queues, theory_ns
from tests.bench.part_scaling import scaling
from tests.bench.part_tasks import calls_ms, chunks_ms, study_ms
from tests.bench.plain_c import PlainC, compiler
from tests.bench.row import figure, paired, row_of
from tests.bench.systems import SIZES, block_mean, closed, utilisation
from tests.bench.table import line, short

TINY = Effort(repetitions=2, share=0.05, is_cold=False)


@pytest.mark.parametrize("size", [SIZES[0], SIZES[2]])
def test_the_closed_system_is_that_of_the_c_program(size: tuple[int, int]) -> None:
    kernel = Kernel(closed(*size, 60_000))
    assert kernel.count > 20_000
    assert kernel.metrics["migration_count"] > 0
    assert kernel.speed() > 0
    if compiler():
        c = PlainC(kernel.system)
        assert c.speed() > 0
        # not a test of speed: both are the same system, as far as so short a run can tell
        assert kernel.metrics["utilisation"] == pytest.approx(c.checks[0], rel=0.15)


@pytest.mark.parametrize(("num_cores", "population"), SIZES)
def test_the_closed_systems_are_as_busy_as_they_say(num_cores: int, population: int) -> None:
    block_ns = block_mean(num_cores, population)
    assert utilisation(num_cores, population, block_ns) == pytest.approx(0.95, abs=1e-6)


def test_every_feature_is_at_work() -> None:
    row = measure("features", all_on(*SIZE, 400_000), TINY, must_agree=False)
    metrics = Kernel(all_on(*SIZE, 400_000)).metrics
    assert {name for name in AT_WORK if metrics[name] == 0} == set()
    refused = sum(metrics[name] for name in LIMITS)
    assert refused < 0.01 * metrics["migration_attempt_count"]
    assert metrics["utilisation"] == pytest.approx(0.95, abs=0.05)
    assert row.value > 0


@pytest.mark.parametrize("servers", [1, 4])
def test_every_peer_simulates_the_same_queue(servers: int) -> None:
    rows = list(queues("mm1", servers, TINY))
    assert {"SimPy", "Ciw"} <= {row.peer for row in rows}
    assert all(row.ratio > 0 and row.peer_value > 0 for row in rows)


def test_another_queue_is_noticed() -> None:
    customers = 100_000
    assert_waits("right", 4, theory_ns(4) + 5 * error_ns(4, customers), customers)
    with pytest.raises(RuntimeError, match="not M/M/4"):
        assert_waits("four queues", 4, theory_ns(1), customers)


def test_the_executor_in_this_process_carries_trivial_lanes() -> None:
    from pipeline.clusters.inline import InlineCluster
    from tests.pipeline.fake import simulate

    assert calls_ms(20) > 0
    assert chunks_ms(InlineCluster(simulate), 20) > 0
    assert study_ms(InlineCluster(simulate), 20, 0.0) > 0


@pytest.mark.ray
@pytest.mark.slow
def test_ray_carries_trivial_lanes_and_real_ones() -> None:
    from tests.bench.part_tasks import tasks

    rows = [*tasks(Effort(1, 0.02), print), *scaling(Effort(1, 0.01), print)]
    assert {"plain Ray tasks", "plain calls"} <= {row.peer for row in rows}
    assert all(row.value > 0 and row.ratio > 0 for row in rows)


def test_memory_is_of_a_process_with_so_many_lanes(monkeypatch) -> None:
    monkeypatch.setattr("tests.bench.part_memory.LANES", (1, 20))
    rows = list(memory(Effort(1), print))
    assert [row.case for row in rows][-2] == "peak of a process, 20 lanes"
    assert all(row.value > 0 for row in rows)


def test_a_law_of_growth_is_found() -> None:
    sizes = [16, 64, 256, 1024]
    assert exponent(sizes, [n**2 for n in sizes]) == pytest.approx(2)
    law = logarithm(sizes, [10 + 3 * n.bit_length() for n in sizes])
    assert law["ns_a_doubling"] == pytest.approx(3)
    assert law["worst_residual"] == pytest.approx(0, abs=1e-9)


def test_instructions_are_read_in_the_order_of_the_dumps(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        (tmp_path / f"out.{number}").write_text(f"version: 1\ntotals: {number * 100}\n")
    assert counts_of(tmp_path) == [100, 200, 1000]
    for short_one, long_one in systems(1000, 4000):
        assert short_one.simulation.horizon_ns == pytest.approx(long_one.simulation.horizon_ns / 4, rel=1e-3)


def test_ratios_are_formed_within_repetitions() -> None:
    fast = paired("p", "speed", "events/s", [10.0, 40.0, 30.0], "peer", [5.0, 10.0, 10.0], target=3.0)
    assert (fast.ratio, fast.ratio_spread, fast.meets_target) == (3.0, (2.0, 4.0), True)
    slow = paired("p", "time", "ms", [4.0], "peer", [1.0], better="low")
    assert slow.ratio == 0.25
    assert figure("p", "import", "s", [0.4, 0.7, 0.6], target=0.5, better="low").meets_target is False
    assert row_of(json.loads(json.dumps(fast.plain()))) == fast


def test_the_table_says_ratio_spread_and_goal() -> None:
    row = paired("p", "a case", "events/s", [4e6, 6e6], "C", [8e6, 8e6], target=0.8)
    assert "0.62 (0.50-0.75)" in line(row)
    assert ">=0.8 no" in line(row)
    assert [short(x) for x in (None, 0.5, 7, 1234.0, 2.5e7)] == ["", "0.50", "7", "1.23k", "25.00M"]


def test_the_command_measures_draws_and_writes(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("tests.bench.plots.FOLDER", tmp_path)
    monkeypatch.setattr("tests.bench.__main__.QUICK", TINY)
    monkeypatch.setattr("tests.bench.plots.draw.__defaults__", (tmp_path,))
    assert command.main(["--quick", "--only", "mmc", "--json", str(tmp_path / "rows.json")]) == 0
    printed = capsys.readouterr().out
    assert "M/M/4 at load 0.8 / SimPy" in printed
    kept = json.loads((tmp_path / "rows.json").read_text())
    assert {row["peer"] for row in kept["rows"]} == {"SimPy", "Ciw"}
    assert kept["machine"]["processor"]
    assert (tmp_path / "ratios.svg").stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "closd"], "parts are mm1"),
        (["--repetitions", "0"], "from 1 to 100"),
        (["--record", "--quick"], "leave out --quick"),
        (["--note", "x"], "add --record"),
        (["--json", "/nowhere/at/all.json"], "no such folder"),
    ],
)
def test_a_wrong_command_line_is_refused_at_once(words: list[str], said: str, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        command.main(words)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err
