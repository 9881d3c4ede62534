"""Finished sweeps browsed: chosen, filtered, sorted; as text, as data, in the terminal, in a browser."""

import asyncio
import io
import json
import shlex
import shutil
import threading
import urllib.error
import urllib.request
from pathlib import Path

import polars as pl
import pytest

from pipeline import explore, simulate, sweep
from pipeline.config.conditions import columns_of, find_column, parse_conditions
from pipeline.errors import UserError
from pipeline.explorer.browser import server_of
from pipeline.explorer.chart import FRONT, SELECTED, Axis, Dot, scatter
from pipeline.explorer.runs import finished_runs, open_run, pick_run
from pipeline.explorer.view import Wish, rows_of

METRICS = ("slowdown_mean", "slowdown_p99", "sojourn_p99_ns", "load_imbalance", "throughput_per_s")
COLUMNS = columns_of(["policy", "policy.threshold_factor", "policy.limits.core.rate_per_s"], METRICS)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """A folder with one finished study of four points and its baseline, analysed."""
    folder = tmp_path_factory.mktemp("outputs")
    words = (
        "topology=two_core", "workload=steady", "cluster=inline", "tracking=off", "study=tiny",
        "replicates=2",
        "simulation.horizon_ns=6_000_000", "simulation.warmup_ns=1_000_000", "policy=balanced",
        "policy.threshold_factor=0,1,4,64", f"outputs.folder={folder}",
    )  # fmt: skip
    assert sweep.main(words) == 0
    return folder


@pytest.fixture(scope="module")
def run(outputs):
    return open_run(pick_run("tiny", outputs))


def told(capsys, *words):
    assert explore.main(list(words)) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("p99 slowdown", "slowdown_p99"),
        ("slowdown_p99", "slowdown_p99"),
        ("sojourn p99", "sojourn_p99_ns"),
        ("imbalance", "load_imbalance"),
        ("threshold factor", "policy.threshold_factor"),
        ("policy.threshold_factor", "policy.threshold_factor"),
        ("policy", "policy"),
    ],
)
def test_names_are_found_by_their_words(text, name):
    assert find_column(text, COLUMNS).name == name


@pytest.mark.parametrize(
    ("text", "why"),
    [("slowdown", "several"), ("slodown_p99", "no such"), ("__import__('os')", "no such"), ("", "no such")],
)
def test_names_that_mean_nothing_or_much(text, why):
    with pytest.raises(UserError, match=why):
        find_column(text, COLUMNS)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("slowdown p99 <= 3", 3.0),
        ("load imbalance < 10 %", 0.1),
        ("load_imbalance≥10%", 0.1),
        ("sojourn p99 > 2.5ms", 2.5e6),
        ("throughput >= 50k", 50_000.0),
        ("core rate = null", None),
        ("policy != none", "none"),
        ("slowdown_p99 < 1e3", 1000.0),
    ],
)
def test_values_have_the_units_of_their_columns(text, value):
    (one,) = parse_conditions(text, COLUMNS)
    assert one.value == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        "slowdown_p99",
        "slowdown_p99 <= fast",
        "slowdown_p99 < 3 ms",
        "policy < none",
        "<= 3",
        "slowdown_p99 => 1 2",
    ],
)
def test_what_is_no_condition_is_told(text):
    with pytest.raises(UserError):
        parse_conditions(text, COLUMNS)


def test_conditions_hold_together():
    row = {"slowdown_p99_mean": 2.0, "policy": "none", "policy.limits.core.rate_per_s": None, "pareto": True}

    def holds(text):
        return all(one.holds(row) for one in parse_conditions(text, COLUMNS))

    assert holds("slowdown p99 <= 2 and policy = none and core rate = null and front")
    assert not holds("slowdown p99 < 2")
    assert not holds("policy = balanced")
    assert not holds("core rate > 0")


def test_finished_sweeps_are_listed_newest_first(outputs, capsys, tmp_path):
    (found,) = json.loads(told(capsys, "list", "--json", "--outputs", str(outputs)))
    assert (found["study"], found["points"], found["replicates"]) == ("tiny", 5, 2)
    assert found["recommended"]
    assert "tiny" in told(capsys, "list", f"outputs={outputs}")
    older = outputs / "tiny" / found["run_key"]
    shutil.copytree(older, tmp_path / "tiny" / "b")
    shutil.copytree(older, tmp_path / "tiny" / "a")
    (tmp_path / "tiny" / "a" / "COMPLETE").touch()
    assert [one.key for one in finished_runs(tmp_path)] == ["a", "b"]
    (tmp_path / "tiny" / "a" / "COMPLETE").unlink()
    assert [one.key for one in finished_runs(tmp_path)] == ["b"]


def test_a_run_is_named_by_study_key_or_folder(outputs):
    folder = pick_run("tiny", outputs)
    assert pick_run(folder.name[:6], outputs) == pick_run("latest", outputs) == folder
    assert pick_run(str(folder), Path("nowhere")) == folder
    with pytest.raises(UserError, match="neither") as error:
        pick_run("tinny", outputs)
    assert "did you mean tiny?" in error.value.hint


def test_points_are_chosen_sorted_and_cut(run):
    every = rows_of(run, Wish())
    assert len(every) == run.summary.height
    assert every[0]["recommended"]
    by_value = rows_of(run, Wish(sort="-slowdown p99"))
    values = [row["slowdown_p99_mean"] for row in by_value]
    assert values == sorted(values, reverse=True)
    least = min(values)
    kept = rows_of(run, Wish(where=f"slowdown p99 <= {least!r}"))
    assert [row["slowdown_p99_mean"] for row in kept] == [v for v in values if v == least]
    assert all(row["pareto"] for row in rows_of(run, Wish(is_front=True)))
    assert len(rows_of(run, Wish(top=2))) == 2


def test_points_as_json_csv_and_text(outputs, capsys):
    where = ("tiny", f"outputs={outputs}")
    found = json.loads(told(capsys, *where, "--json", "--top", "1", "metrics=slowdown_*"))
    (best,) = found["points"]
    assert best["recommended"]
    assert set(best["metrics"]) == {f"slowdown_{k}" for k in ("mean", "p50", "p90", "p99", "p999")} & set(
        best["metrics"]
    )
    assert best["metrics"]["slowdown_p99"]["mean"] > 0
    table = pl.read_csv(io.StringIO(told(capsys, *where, "--csv", "sort=slowdown_p99")))
    assert table["slowdown_p99_mean"].is_sorted()
    text = told(capsys, *where, "--table", "--front")
    assert "python -m pipeline.simulate" in text
    assert "Traceback" not in text


def test_the_command_runs_the_point_again(run, capsys):
    row = rows_of(run, Wish(where="threshold factor = 4 and policy = balanced"))[0]
    words = shlex.split(run.command(row))
    assert words[:3] == ["python", "-m", "pipeline.simulate"]
    assert simulate.main([*words[3:], "output=json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["metrics"]["slowdown_p99"]["mean"] == pytest.approx(row["slowdown_p99_mean"], rel=1e-12)


def test_a_run_that_was_never_analysed_or_is_damaged(run, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(run.tables.folder, folder)
    (folder / "summary.parquet").unlink()
    fresh = open_run(folder)
    assert fresh.summary["recommended"].to_list() == run.summary["recommended"].to_list()
    assert not (folder / "summary.parquet").exists()
    (folder / "points.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(UserError, match="cannot be read"):
        open_run(folder)


@pytest.mark.parametrize("words", [["--top", "0"], ["--top"], ["--brwser"], ["output=xml"], ["a", "b"]])
def test_options_that_are_none(words, capsys, tmp_path):
    assert explore.main([*words, f"outputs={tmp_path}"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_interactive_browser_is_told_when_its_library_is_missing(outputs, capsys, monkeypatch):
    monkeypatch.setattr(explore.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(explore, "may_ask", lambda *_: True)
    assert explore.main([f"outputs={outputs}"]) == 2
    assert "coreshift[explore]" in capsys.readouterr().err


def test_scatter_marks_what_matters():
    axes = (Axis("x", "0", "1"), Axis("y", "0", "1"))
    text = scatter([Dot(0, 0, FRONT), Dot(1, 1, SELECTED), Dot(1, 1), Dot(0.5, 0.5)], 20, 10, axes).plain
    rows = text.splitlines()[1:-3]
    assert rows[0].rstrip()[-1] == "◆"
    assert rows[-1][1] == "●"
    assert text.count("·") == 1
    assert max(map(len, text.splitlines())) <= 20
    assert scatter([Dot(2, 3)], 20, 10, axes).plain.count("·") == 1


def test_the_report_is_served_alone_and_on_loopback(tmp_path):
    report = tmp_path / "report.html"
    report.write_text("<p>hello</p>")
    (tmp_path / "secret").write_text("x")
    server = server_of(report, 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        assert server.server_address[0] == "127.0.0.1"
        assert urllib.request.urlopen(f"{address}/", timeout=5).read() == b"<p>hello</p>"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{address}/secret", timeout=5)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_browsing_in_the_terminal(outputs, run):
    pytest.importorskip("textual")
    from textual.widgets import DataTable, Input, Static

    from pipeline.explorer.app import Explorer, PointDetails, PointTable, RunList

    async def browse():
        app = Explorer(finished_runs(outputs), None, Wish())
        async with app.run_test(size=(110, 30)) as pilot:
            await pilot.pause()
            assert isinstance(app.screen, RunList)
            await pilot.press("enter")
            await pilot.pause()
            assert isinstance(app.screen, PointTable)
            points = app.screen
            table = points.query_one("#points", DataTable)
            assert table.row_count == run.summary.height
            await pilot.press("f")
            assert table.row_count == run.summary["pareto"].sum()
            await pilot.press("f", "s")
            assert points.wish.sort == points.metrics[0]
            await pilot.press("slash", *"nonsense", "enter")
            assert table.row_count == run.summary.height
            points.query_one("#filter", Input).value = "threshold factor = 4 and policy = balanced"
            await pilot.press("enter")
            await pilot.pause()
            assert table.row_count == 1
            assert "1 of" in str(points.query_one("#heading", Static).render())
            before = list(points.axes)
            await pilot.press("x")
            assert points.axes[0] != before[0]
            await pilot.press("enter")
            await pilot.pause()
            assert isinstance(app.screen, PointDetails)
            assert "policy.threshold_factor=4" in app.screen.text().plain
            await pilot.press("escape", "escape")
            await pilot.pause()
            assert isinstance(app.screen, RunList)
            await pilot.press("q")
        return app.return_code

    assert asyncio.run(browse()) == 0
