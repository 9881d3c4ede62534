"""The check of a replay against its recording, and the description of a trace."""

import io
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from pipeline.beam_trace.check_metrics import figures_of
from pipeline.beam_trace.schedule import (
    BLOCK,
    DISPATCH,
    EXIT,
    NOT_WOKEN,
    PREEMPT,
    SEGMENT,
    WAIT,
    Schedule,
    simulated_schedule,
)
from pipeline.charts.trace import busy_shares
from pipeline.errors import UserError
from pipeline.replay_check import (
    Checked,
    check_trace,
    compare,
    differing_settings,
    recorded_flags,
    repeated_migrations,
    switch_ns_of,
)
from pipeline.replay_check_text import checks_markdown, heading, print_checks, title
from pipeline.trace import main
from pipeline.trace_check import check
from tests.unit.beam_trace.recording import summary, write_recording

EDGE = 6
WORK, CALL = "lists:foldl_1/3", "gen:do_call/4"


def schedule(rows: list[tuple[int, int, int, int, int]]) -> Schedule:
    """Slices as (process, scheduler, start, stop, woken)."""
    process, scheduler, start, stop, woken = (np.array(c, dtype=np.int64) for c in zip(*rows, strict=True))
    return Schedule(process, scheduler, start, stop, woken, stop - start)


def test_figures_of_a_schedule_written_by_hand():
    slices = schedule(
        [
            (-5, 1, 0, 100, NOT_WOKEN),
            (1, 0, 0, 400, NOT_WOKEN),
            (1, 1, 500, 600, NOT_WOKEN),
            (1, 1, 700, 900, NOT_WOKEN),
            (2, 0, 400, 1000, NOT_WOKEN),
            (2, 0, 1500, 1600, NOT_WOKEN),
        ]
    )
    found = figures_of(slices, 2, 0, 1000)
    assert found["migrations_per_1000_slices"] == 250.0
    assert found["switches_per_s"] == 4e6
    assert (found["busy_share_1"], found["busy_share_2"]) == (1.0, 0.4)
    assert found["slice_us_p50"] == pytest.approx(0.3)
    assert "wake_to_run_us_p50" not in found


def test_the_log_of_a_lane_becomes_slices():
    log = [
        (0, DISPATCH, 0, 7, 0, 0),
        (0, WAIT, 0, 7, EDGE, 0),  # nothing run: no slice
        (10, DISPATCH, 0, 8, 0, 0),
        (10, SEGMENT, 0, 8, 50, 500),
        (15, DISPATCH, 1, 7, 0, 5),
        (15, SEGMENT, 1, 7, 10, 100),
        (115, EXIT, 1, 7, 0, 0),
        (510, PREEMPT, 0, 8, 3, 0),
        (520, DISPATCH, 0, 7, 0, 9),  # the slot's next process
        (520, SEGMENT, 0, 7, 1, 30),
        (550, BLOCK, 0, 7, 900, 0),
        (560, DISPATCH, 1, 8, 0, 50),
        (560, SEGMENT, 1, 8, 1, 40),  # cut by the horizon: no slice
    ]
    ports = np.zeros(9, dtype=bool)
    ports[8] = True
    found = simulated_schedule(np.array(log, dtype=np.int64), ports, dispatch_ns=4)
    rows = sorted(zip(found.start_ns, found.stop_ns, found.scheduler, found.woken_ns, strict=True))
    assert [tuple(int(v) for v in row) for row in rows] == [
        (14, 510, 0, NOT_WOKEN),
        (19, 115, 1, 5),
        (524, 550, 0, NOT_WOKEN),
    ]
    assert found.process[found.start_ns == 14] < 0
    assert len(set(found.process.tolist())) == 3


def test_bands_follow_the_repeats():
    right = {"migrations_per_1000_slices": 12.0, "busy_share_1": 0.56, "wake_to_run_us_p50": 41.0}
    assert compare("t", "migrations_per_1000_slices", 9.0, right, []).verdict == "wrong"
    row = compare("t", "migrations_per_1000_slices", 9.0, right, [8.0, 10.0])
    assert (row.low, row.high, row.verdict) == (6.0, 12.5, "right")
    assert compare("t", "busy_share_1", 0.5, right, []).verdict == "wrong"
    assert compare("t", "wake_to_run_us_p50", 20.0, right, []).verdict == "wrong"
    assert compare("t", "slice_us_p50", 1.0, right, []).verdict == "shown"


@pytest.mark.parametrize(
    ("recorded", "band"), [(0.02, (0.0, 0.07)), (0.5, (0.45, 0.55)), (0.98, (0.93, 1.0))]
)
def test_bands_of_shares_stay_between_nothing_and_all(recorded, band):
    row = compare("t", "busy_share_mean", recorded, {"busy_share_mean": recorded}, [])
    assert (row.low, row.high) == pytest.approx(band)
    assert row.verdict == "right"


def checked(share: float, replayed_with: str = "") -> Checked:
    figures = {"busy_share_mean": share, "run_queue_mean_1": 2.8}
    rows = tuple(compare("t", metric, value, figures, []) for metric, value in figures.items())
    return Checked("t", rows, 0.1, 1.0, "+S 2 +sbt u", (), 0, replayed_with)


def test_recording_that_hardly_runs_is_too_idle_to_check():
    assert "too idle to check" in heading(checked(0.049))
    assert checked(0.049).as_json()["too_idle_to_check"]
    assert "idle" not in heading(checked(0.051))
    assert not checked(0.051).as_json()["too_idle_to_check"]


def test_sampled_queues_are_said_to_be_sampled():
    shown = Console(record=True, file=io.StringIO(), width=200)
    print_checks([checked(0.5)], shown)
    text = shown.export_text()
    assert "run queue, mean at the sampler's ticks, scheduler 1" in text
    assert "Recorded run queues are sampled" in text
    assert "ticks" in title("run_queue_mean_1")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], ""),
        (["policy.erts.S=2", "cost.wake_ns=10000"], ""),
        (["policy.erts.S=1"], "+S 1 +sbt u"),
        (["policy.erts.S=1", "cost.wake_ns=3"], "+S 1 +sbt u cost.wake_ns=3"),
        (["policy.erts.scl=false"], "+S 2 +sbt u +scl false"),
        (["policy=balanced"], "policy=balanced"),
    ],
)
def test_settings_of_the_replay_are_told_where_they_differ(words, told):
    own = ("policy=erts", "cost.wake_ns=10000", "policy.erts.S=2", "policy.erts.sbt=u")
    assert differing_settings({"S": "2", "sbt": "u"}, own, words) == told


def test_title_says_what_was_recorded_and_what_replayed():
    assert heading(checked(0.5)).startswith("t: 1.00 s, +S 2 +sbt u; slowed")
    told = "t: 1.00 s, recorded with +S 2 +sbt u, replayed with +S 1 +sbt u; slowed"
    assert heading(checked(0.5, "+S 1 +sbt u")).startswith(told)


def test_time_of_a_switch_is_the_median_between_close_slices():
    rows = [(1, 0, 0, 100, -1), (2, 0, 103, 200, -1), (3, 0, 205, 300, -1), (4, 0, 90_000, 90_001, -1)]
    assert switch_ns_of(schedule(rows)) == 4


def test_busy_share_of_each_bin():
    rows = [(1, 0, 0, 50, -1), (1, 0, 75, 125, -1), (2, 1, 0, 200, -1)]
    edges = np.array([0.0, 100.0, 200.0])
    assert busy_shares(schedule(rows), 0, edges).tolist() == [0.75, 0.25]
    assert busy_shares(schedule(rows), 1, edges).tolist() == [1.0, 1.0]


@pytest.fixture
def recording(tmp_path):
    """A recording of a client that calls a server a hundred times, over two schedulers."""
    rows = []
    for turn in range(100):
        at = turn * 900
        rows += [
            (at, "in", 20, 1, None, CALL),
            (at + 100, "send", 20, 1, 21, None),
            (at + 150, "out", 20, 1, None, CALL),
            (at + 200, "in", 21, 2, None, "gen_server:loop/7"),
            (at + 300, "send", 21, 2, 20, None),
            (at + 350, "out", 21, 2, None, "gen_server:loop/7"),
        ]
    about = summary()
    about["system"]["cmdline"] = ["beam", "-S", "2:2", "-sbt", "db", "--"]
    samples = pl.DataFrame(
        {
            "t_ns": [0, 50_000, 100_000], "window": ["B"] * 3, "reductions": [0, 500, 1000],
            "run_queue_1": [0, 1, 0], "run_queue_2": [0, 0, 0],
        }
    )  # fmt: skip
    return write_recording(tmp_path / "calls", rows, summary=about, samples=samples)


def test_check_prints_json_and_writes_markdown(recording, tmp_path, capsys):
    markdown = tmp_path / "new" / "table.md"
    assert check([str(recording), "output=json", f"markdown={markdown}", "policy=balanced"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["flags"] == "+S 2:2 +sbt db"
    assert found["replayed_with"] == "policy=balanced"
    rows = {row["metric"]: row for row in found["rows"]}
    assert rows["migrations_per_1000_slices"]["recorded"] == 0
    assert rows["switches_per_s"]["recorded"] == pytest.approx(2 / 900e-9, rel=0.05)
    assert rows["switches_per_s"]["simulated"] > 0
    assert rows["run_queue_mean_1"]["recorded"] == pytest.approx(1 / 3)
    text = markdown.read_text()
    assert "| calls, 2 | " in text
    markdown.write_text(f"Before.\n{text}After.\n")
    assert check([str(recording), "output=json", f"markdown={markdown}", "policy=balanced"]) == 0
    assert markdown.read_text() == f"Before.\n{text}After.\n"
    assert len(list(markdown.parent.iterdir())) == 1


def test_check_is_deterministic(recording, capsys):
    outputs = []
    for _ in range(2):
        assert check([str(recording), "output=json", "policy=balanced"]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "one or more recordings"),
        (["/nowhere"], "is not a folder"),
        (["output=xml", "x"], "must be one of table, json"),
    ],
)
def test_check_tells_what_is_wrong(words, told):
    with pytest.raises(UserError, match=told):
        check(words)


def test_folder_without_recordings_and_a_bad_setting(tmp_path, recording, capsys):
    assert main(["check", str(tmp_path / "calls" / "..")]) == 0
    empty = tmp_path / "empty"
    empty.mkdir()
    assert main(["check", str(empty)]) == 2
    assert main(["check", str(recording), "cost.wake_ns=-3"]) == 2
    assert main(["check", str(recording), "policy=balanced,erts"]) == 2
    err = capsys.readouterr().err
    assert "holds no recording" in err
    assert "Traceback" not in err


def test_flags_and_repeats_that_are_unusable_are_told(recording):
    from pipeline.beam_trace import read_beam_trace
    from sim import TraceError

    (recording.parent / "repeats.json").write_text('{"calls": [{"migrations_per_1000_ins": 2.5}]}')
    assert repeated_migrations(recording) == [2.5]
    (recording.parent / "repeats.json").write_text('{"calls": [3]}')
    with pytest.raises(TraceError, match=r"repeats\.json"):
        repeated_migrations(recording)
    about = summary() | {"system": {"schedulers": 2, "otp": "25", "cmdline": 3}}
    (recording / "summary.json").write_text(json.dumps(about))
    with pytest.raises(TraceError, match="cmdline"):
        recorded_flags(read_beam_trace(recording))


def test_markdown_of_nothing_is_still_a_table():
    assert checks_markdown([]).startswith("| recording |")


def test_show_of_a_recording_as_json_with_each_kind_of_picture(recording, tmp_path, capsys):
    for ending in ("png", "svg", "html"):
        picture = tmp_path / f"p.{ending}"
        assert main(["show", str(recording), "output=json", f"picture={picture}"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["picture"] == str(picture)
        assert picture.stat().st_size > 1000
    assert found["recorded"]["slices"] == 200
    assert found["recorded"]["wake_to_run_us_p50"] > 0
    assert found["replay"]["processes"] == 2


def test_show_of_a_replay_file_beside_it(recording, tmp_path, capsys):
    assert main(["import", str(recording), f"out={tmp_path / 'r.parquet'}"]) == 0
    assert main(["show", str(tmp_path / "r.parquet")]) == 0
    assert (tmp_path / "r.png").read_bytes()[:4] == b"\x89PNG"
    out = capsys.readouterr().out
    assert "waits known from" in out
    assert main(["show", str(tmp_path / "r.parquet"), "picture=none"]) == 0
    assert "Picture" not in capsys.readouterr().out


@pytest.mark.parametrize("words", [["show"], ["show", "x", "output=xml"], ["show", "x", "picture=a.gif"]])
def test_show_tells_what_is_wrong(words, capsys):
    assert main(words) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_picture_that_cannot_be_written_is_told_only_if_asked_for(recording, capsys):
    assert main(["show", str(recording), "picture=/proc/none/p.png"]) == 2
    assert "cannot be written" in capsys.readouterr().err


SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "beam-traces"


@pytest.mark.skipif(not (SHARED / "httpd-s2-prof").is_dir(), reason=f"no recordings in {SHARED}")
def test_a_recorded_server_migrates_as_often_in_its_replay():
    checked = check_trace(SHARED / "httpd-s2-prof")
    verdicts = {row.metric: row.verdict for row in checked.rows}
    assert checked.flags == "+S 2:2 +sbt u"
    for metric in ("migrations_per_1000_slices", "busy_share_mean", "wake_to_run_us_p50"):
        assert verdicts[metric] == "right", metric
    found = {row.metric: row for row in checked.rows}
    assert found["switches_per_s"].ratio == pytest.approx(1, abs=0.05)
