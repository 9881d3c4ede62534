"""The report of the validation suite: it shows failures as failures, and needs no network."""

import math
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import polars as pl
import pytest

from tests.validation import run as run_module
from tests.validation.case import FULL, Case, Outcome, Plot, Scale, Series
from tests.validation.command import main
from tests.validation.judge import exact, interval
from tests.validation.report import page
from tests.validation.run import Finding, finding_of, run_case
from tests.validation.tables import case_table, check_table, overall, p_values


def finding(name: str, outcome: Outcome, error: str = "") -> Finding:
    return Finding(Case(name, "queues", "Author 1900", "What it is.", lambda _: outcome), outcome, 1.5, error)


def plot() -> Plot:
    theory = Series("theory", True, [1, 2, 3], [1.0, 0.5, 0.25])
    found = Series("simulated", False, [1, 2, 3], [1.01, 0.49, 0.0], [0.02, 0.02, 0.02])
    return Plot("<b>title</b>", "x", "y", [theory, found], is_log_y=True)


def outcomes() -> list[Finding]:
    values = np.random.default_rng(1).normal(100, 1, 30)
    good = Outcome((interval("mean", values, 100.0, FULL),), (plot(),), ("A note.",))
    bad = Outcome((interval("mean", values, 120.0, FULL), exact("bits", 1.0, 1.0)))
    return [finding("good", good), finding("bad", bad), finding("broken", Outcome(()), "ValueError: no")]


def test_a_failure_is_seen_everywhere() -> None:
    found = outcomes()
    all_of = overall(found)
    assert not all_of.is_ok
    assert (all_of.cases, all_of.cases_ok, all_of.checks, all_of.checks_ok) == (3, 1, 3, 2)
    assert case_table(found)["is_ok"].to_list() == [True, False, False]
    assert check_table(found)["is_ok"].to_list() == [True, False, True]
    html = page(found, "full", {"seed": 1})
    assert "2 of 3 checks hold, in 1 of 3 cases" in html
    assert html.count("FAILS") == 1
    assert "<pre>ValueError: no</pre>" in html
    assert overall(found[:1]).is_ok


def test_intervals_that_are_too_good_or_too_bad_are_noticed() -> None:
    rng = np.random.default_rng(2)
    narrow = [interval(f"x, load {i}", rng.normal(100, 1, 30), 100.0, FULL) for i in range(60)]
    assert overall([finding("right", Outcome(narrow))]).is_ok
    # Values that agree far better than their spread allows: the spread, or the independence, is wrong.
    evenly = np.linspace(98, 102, 30)
    lucky = [interval(f"x, load {i}", rng.permutation(evenly), 100.0, FULL) for i in range(60)]
    told = overall([finding("lucky", Outcome(lucky))])
    assert all(check.is_ok for check in lucky)
    assert not told.is_ok


def test_checks_of_one_simulation_are_one_of_its_p_values() -> None:
    values = np.random.default_rng(1).normal(100, 1, 30)
    names = ("waiting, load 0.5", "sojourn, load 0.5", "P(waiting, load 0.5 >= 3 us)", "waiting, load 0.7")
    checks = [interval(name, values, 100.0, FULL) for name in names]
    assert len(p_values([finding("x", Outcome(checks))])) == 2
    assert len(p_values([finding("x", Outcome(checks)), finding("y", Outcome(checks[:1]))])) == 3


def test_the_page_is_safe_and_offline() -> None:
    html = page(outcomes()[:1], "quick", {"<key>": "<value>"})
    assert "<b>title</b>" not in html
    assert "<key>" not in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert "https://" not in html
    assert "<script" not in html
    assert "This is the quick suite" in html
    assert "nan" not in html.replace("provenance", "").lower().split()


def test_a_case_that_breaks_off_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(scale: Scale) -> Outcome:
        raise RuntimeError(f"lanes that did not complete, {scale.name}")

    case = Case("broken", "queues", "", "", broken)
    monkeypatch.setattr(run_module, "all_cases", lambda: {"broken": case})
    task: Future[tuple[Outcome, float, str]] = Future()
    task.set_result(run_case("broken", FULL))
    found = finding_of(case, task)
    assert not found.is_ok
    assert "RuntimeError: lanes that did not complete, full" in found.error
    killed: Future[tuple[Outcome, float, str]] = Future()
    killed.set_exception(BrokenProcessPool("killed"))
    assert finding_of(case, killed).error == "BrokenProcessPool: killed"


def test_the_command_lists_and_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--only", "m/m/1"]) == 0
    assert "queues: M/M/1" in capsys.readouterr().out.splitlines()
    assert main(["--only", "no such case"]) == 2
    assert "No case has such a name" in capsys.readouterr().out


@pytest.mark.parametrize("number", ["0", "-3", "x", "100000"])
def test_a_number_of_processes_that_cannot_be_is_refused(number: str, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--processes", number])
    assert stop.value.code == 2
    assert number in capsys.readouterr().err


def test_places_that_cannot_be_written_are_refused_before_anything_runs(tmp_path, capsys) -> None:
    (tmp_path / "file").write_text("")
    for words in (
        ["--output", str(tmp_path / "file")],
        ["--output", str(tmp_path / "out"), "--markdown", str(tmp_path)],
        ["--output", str(tmp_path / "out"), "--markdown", str(tmp_path / "none" / "page.md")],
    ):
        assert main(["--only", "M/M/1", *words]) == 2
        told = capsys.readouterr()
        assert words[-1] in told.err
        assert "Compiling" not in told.out


@pytest.mark.slow
def test_the_command_writes_a_report_that_says_what_the_exit_code_says(tmp_path, capsys) -> None:
    folder = tmp_path / "out"
    code = main(["--quick", "--only", "M/M/1//N", "--processes", "1", "--output", str(folder)])
    told = capsys.readouterr().out
    assert code == 0, told
    checks = pl.read_csv(folder / "checks.csv")
    assert checks.height > 10
    assert checks["is_ok"].all()
    assert not any(math.isnan(z) for z in checks["z"])
    assert "<svg" in (folder / "report.html").read_text()
    assert pl.read_csv(folder / "cases.csv").height >= 1
