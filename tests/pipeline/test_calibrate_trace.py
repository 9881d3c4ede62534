"""Constants fitted to recordings: known ones are found again, others are said not to be identifiable."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from pipeline import calibrate
from pipeline.calibration.fit import fit_trace
from pipeline.calibration.fit_wake import Wakes, fit_step, fit_wakes
from pipeline.calibration.statistics import robust_rates, shorth
from pipeline.config.schema import CostPart
from sim import TraceError
from tests.pipeline.calibrate_recording import Truth, make_recording

RECORDINGS = Path(__file__).parents[3] / "shared" / "data" / "beam-traces"
TRUTH = Truth()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_recording(tmp_path_factory.mktemp("made") / "up", TRUTH)


@pytest.fixture(scope="module")
def fitted(folder):
    return fit_trace(folder, 0.3, 2000)


def fit(tmp_path, **changes):
    return fit_trace(make_recording(tmp_path / "made", dataclasses.replace(TRUTH, **changes)), 0.3)


def assert_near(measured, truth, share=0.1):
    assert measured.low <= measured.value <= measured.high
    assert measured.value == pytest.approx(truth, rel=share)
    # Half the width of a 95 % interval is two standard errors; a single draw is within three of them.
    assert abs(measured.value - truth) <= 1.5 * (measured.high - measured.low) / 2 + 1e-9, measured


def test_switch_is_found_below_the_longer_gaps(fitted):
    switch = fitted.cost["dispatch_cycles"]
    # The recording's clock ticks in 10 ns, which are 20 cycles.
    assert abs(switch.value - TRUTH.dispatch_ns * 2) <= 20
    assert switch.low <= switch.value <= switch.high
    assert switch.held_out.startswith("held out: ")


@pytest.mark.parametrize(("name", "share"), [("wake_ns", 0.1), ("spin_wake_ns", 0.1), ("spin_ns", 0.25)])
def test_waking_is_a_step_at_the_spin_time(fitted, name, share):
    assert_near(fitted.cost[name], getattr(TRUTH, name), share)
    assert "held out: " in fitted.cost[name].held_out


def test_reductions_by_class_are_found_and_predict_what_was_held_out_better_than_one_time(fitted):
    found = {value.name: value for value in fitted.classes}
    assert set(found) == {"wl:fast/0", "wl:slow/0"}
    for name, truth in zip(("wl:fast/0", "wl:slow/0"), TRUTH.ns_per_reduction, strict=True):
        assert_near(found[name], truth)
    overall = fitted.cost["ns_per_reduction"]
    assert min(TRUTH.ns_per_reduction) < overall.value < max(TRUTH.ns_per_reduction)
    (told,) = (note for note in fitted.notes if "with times by class" in note)
    one, by_class = (float(word.rstrip("%")) for word in told.split() if word.endswith("%"))
    assert by_class < 0.5 * one


def test_counters_of_processes_are_used_where_there_are_enough(tmp_path):
    fitted = fit(tmp_path, counters=True, processes=20)
    for value, truth in zip(
        sorted(fitted.classes, key=lambda v: v.name), TRUTH.ns_per_reduction, strict=True
    ):
        assert "own counters" in value.note
        assert "held out: 6 processes" in value.held_out
        assert value.value == pytest.approx(truth, rel=0.02)


def test_classes_that_always_run_together_are_not_identifiable(tmp_path):
    fitted = fit(tmp_path, phases=False, noise=0.6)
    assert fitted.classes == []
    assert any("wl:fast/0: not identifiable" in note for note in fitted.notes)
    assert fitted.cost["ns_per_reduction"].is_found


def test_without_a_step_there_is_no_spin_time(tmp_path):
    fitted = fit(tmp_path, wake_ns=TRUTH.spin_wake_ns)
    for name in ("spin_ns", "spin_wake_ns"):
        assert not fitted.cost[name].is_found
        assert "no step" in fitted.cost[name].note


@pytest.mark.parametrize(
    ("changes", "why"), [({"sends": False}, "messages"), ({"idles": False}, "out of work")]
)
def test_what_a_recording_lacks_is_named(tmp_path, changes, why):
    fitted = fit(tmp_path, **changes)
    for name in ("wake_ns", "spin_ns", "spin_wake_ns"):
        assert not fitted.cost[name].is_found
        assert why in fitted.cost[name].note
    assert fitted.cost["dispatch_cycles"].is_found


def test_a_step_that_the_held_out_part_denies_is_none():
    size = 200
    generator = np.random.default_rng(3)
    idle_ns = np.exp(generator.uniform(np.log(3e3), np.log(2e6), size))
    fitted = np.arange(size) < size // 2
    level_ns = np.where(idle_ns < 200_000, 1_000.0, 20_000.0)
    level_ns *= np.exp(0.1 * generator.standard_normal(size))
    held = Wakes(idle_ns, level_ns, np.ones(size, bool), fitted)
    (_, spin, _) = fit_wakes(held)
    assert spin.is_found
    assert "of 100 wake-ups" in spin.held_out
    (_, spin, _) = fit_wakes(dataclasses.replace(held, latency_ns=np.where(fitted, level_ns, 1_000.0)))
    assert not spin.is_found
    assert "held-out wake-ups agree" in spin.note


def test_a_short_recording_says_how_much_is_needed(tmp_path):
    fitted = fit(tmp_path, window_ns=60_000_000)
    assert "20 are needed" in fitted.cost["ns_per_reduction"].note
    with pytest.raises(TraceError, match="constants found"):
        fit_trace(make_recording(tmp_path / "tiny", Truth(window_ns=6_000_000)), 0.3)


def test_the_file_is_a_cost_and_says_what_is_known_of_each_number(folder, tmp_path, capsys):
    out = tmp_path / "cost.yaml"
    words = ["trace", str(folder), f"out={out}", "frequency_mhz=2000", "output=json"]
    assert calibrate.main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert {value["name"] for value in told["values"]} >= {"wake_ns", "spin_ns", "ns_per_reduction"}
    text = out.read_text()
    assert "95 % interval" in text
    assert "held out" in text
    cost = CostPart(**yaml.safe_load(text)).spec()
    assert cost.dispatch_cycles == pytest.approx(960, rel=0.05)
    assert {time.process_class for time in cost.class_times} == {"wl:fast/0", "wl:slow/0"}
    assert calibrate.main(words) == 2
    assert "exists already" in capsys.readouterr().err


def test_the_same_recording_gives_the_same_file(folder, tmp_path):
    for name in ("one.yaml", "two.yaml"):
        assert calibrate.main(["trace", str(folder), f"out={tmp_path / name}"]) == 0
    assert (tmp_path / "one.yaml").read_bytes() == (tmp_path / "two.yaml").read_bytes()


def test_not_found_keeps_the_default_and_says_so(tmp_path, capsys):
    made = make_recording(tmp_path / "made", dataclasses.replace(TRUTH, sends=False))
    out = tmp_path / "cost.yaml"
    assert calibrate.main(["trace", str(made), f"out={out}"]) == 0
    assert "not found" in capsys.readouterr().out
    assert yaml.safe_load(out.read_text())["wake_ns"] == 3000
    assert "# not measured, the default: messages were not recorded" in out.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trace"], "takes one folder"),
        (["trace", "no/such/folder"], "missing or not a folder"),
        (["trace", "x", "holdout=0.9"], "holdout = 0.9"),
        (["trace", "x", "holdout=nan"], "holdout = nan"),
        (["trace", "x", "frequency_mhz=fast"], "frequency_mhz = fast"),
        (["trace", "x", "out=cost.txt"], "must end in .yaml"),
        (["trace", "x", "hold=1"], "unknown option"),
        (["host", "seconds=0"], "seconds = 0"),
        (["host", "output=xml"], "output = xml"),
        (["host", "please"], "no such word"),
        (["hosts"], "did you mean host?"),
    ],
)
def test_what_cannot_be_meant_is_one_message(words, message, capsys):
    assert calibrate.main(words) == 2
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told


def test_a_folder_without_samples_is_refused(folder, tmp_path, capsys):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "samples.parquet").unlink()
    out = tmp_path / "cost.yaml"
    assert calibrate.main(["trace", str(tmp_path), f"out={out}"]) == 2
    assert "samples.parquet" in capsys.readouterr().err
    assert not out.exists()


def test_samples_that_go_back_are_refused(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    table = pl.read_parquet(tmp_path / "samples.parquet")
    table.with_columns(pl.col("reductions").reverse()).write_parquet(tmp_path / "samples.parquet")
    with pytest.raises(TraceError, match="go back"):
        fit_trace(tmp_path, 0.3)


def test_estimators_by_hand():
    assert shorth(np.array([1, 100, 101, 102, 103, 500])) == pytest.approx(101.5)
    assert shorth(np.array([7])) == 7
    times = np.random.default_rng(1).uniform(0, 10, (40, 2))
    done = times @ np.array([2.0, 0.5])
    done[[3, 17]] += 1000  # two wild rows do not move the rest much
    assert robust_rates(times, done) == pytest.approx([2.0, 0.5], abs=0.1)
    assert np.linalg.lstsq(times, done)[0][0] > 3
    assert (robust_rates(times, -done) == 0).all()


@pytest.mark.slow
def test_intervals_of_the_step_hold_the_truth_as_often_as_they_say():
    truth = {"wake_ns": 19_000, "spin_ns": 220_000, "spin_wake_ns": 1_100}
    held = dict.fromkeys(truth, 0)
    for seed in range(1000, 1030):
        generator = np.random.default_rng(seed)
        idle_ns = np.exp(generator.uniform(np.log(3e3), np.log(2e6), 600))
        level_ns = np.where(idle_ns < truth["spin_ns"], truth["spin_wake_ns"], truth["wake_ns"])
        step, _ = fit_step(idle_ns, level_ns * np.exp(0.3 * generator.standard_normal(600)))
        for value in step:
            held[value.name] += value.low <= truth[value.name] <= value.high
    # 30 intervals of 95 % hold the truth 25 times or more, but once in a hundred cases or so.
    assert min(held.values()) >= 25, held


def test_few_wakes_are_no_step():
    step, why = fit_step(np.arange(10.0), np.ones(10))
    assert step is None
    assert "10 wake-ups" in why


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"the shared recordings are not at {RECORDINGS}")
@pytest.mark.parametrize(
    ("name", "found", "not_found"),
    [
        ("httpd-s4", {"dispatch_cycles", "wake_ns", "spin_ns", "spin_wake_ns", "ns_per_reduction"}, set()),
        ("httpd-s2", {"dispatch_cycles", "wake_ns", "ns_per_reduction"}, {"spin_ns"}),
        ("httpd-s2-prof", {"dispatch_cycles", "ns_per_reduction"}, {"spin_ns", "spin_wake_ns"}),
        ("tls-s2", {"dispatch_cycles", "ns_per_reduction"}, {"wake_ns", "spin_ns", "spin_wake_ns"}),
    ],
)
def test_real_recordings(name, found, not_found):
    fitted = fit_trace(RECORDINGS / name, 0.3)
    assert {key for key in found if fitted.cost[key].is_found} == found
    assert not any(fitted.cost[key].is_found for key in not_found)
    # Within what erts does on any machine: 3-300 ns a reduction, less than 3 us between two processes.
    assert 3 < fitted.cost["ns_per_reduction"].value < 300
    assert 250 < fitted.cost["dispatch_cycles"].value < 7500
    if "spin_ns" in found:
        # 10 000 pauses and 100 yields take 300 us on the machine that recorded it.
        assert fitted.cost["spin_ns"].low < 310_000 < fitted.cost["spin_ns"].high
