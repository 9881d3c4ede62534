"""The benchmark still runs, at a size at which it says nothing about speed."""

import pytest

from tests.bench.bench_kernel import SIZES, closed_case, mm1_case, run_all, utilisation


def test_every_case_runs_and_agrees_with_plain_c(capsys: pytest.CaptureFixture[str]) -> None:
    cases = [closed_case(*SIZES[0], 60_000), closed_case(*SIZES[2], 60_000), mm1_case(400_000)]
    rows = run_all(cases, repetitions=2)
    printed = capsys.readouterr().out
    for row in rows:
        print(row["case"], row["digest"])
        assert row["count"] > 20_000
        assert row["digest"] in printed
        assert row["kernel_per_s"] > 0
        if row["c_check"] is not None:
            # not a test of speed: both are the same system, as far as so short a run can tell
            assert row["check"] == pytest.approx(row["c_check"], rel=0.15)
    assert all(row["migrations"] > 0 for row in rows[:2])


@pytest.mark.parametrize(("num_cores", "population"), SIZES)
def test_the_closed_systems_are_as_busy_as_they_say(num_cores: int, population: int) -> None:
    block_ns = float(closed_case(num_cores, population, 1000).words[4])
    assert utilisation(num_cores, population, block_ns) == pytest.approx(0.95, abs=1e-6)
