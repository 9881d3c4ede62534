"""The measurement of this machine: its loops, its files, and what it does where it cannot measure."""

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import yaml

from pipeline import calibrate, simulate
from pipeline.calibration import host as host_module
from pipeline.calibration import kernels
from pipeline.calibration.beam_switch import measure_switch
from pipeline.calibration.clock import measure_clock, stated_clock
from pipeline.calibration.host import distance_pairs, measure_host
from pipeline.calibration.host_files import host_files
from pipeline.calibration.latency import latency_csv, latency_matrix, latency_note, take_turns
from pipeline.calibration.measured import Measured, missing, spread_of
from pipeline.calibration.rewarm import chain, cpu_mask
from pipeline.calibration.threads import pinning_problem, run_together, usable_cpus
from pipeline.calibration.write import cost_text, cycles
from pipeline.config.schema import CostPart
from sim.topology import read_latency_csv, topology_from_description

pytestmark = [
    pytest.mark.skipif(not kernels.IS_COMPILED, reason="NUMBA_DISABLE_JIT: nothing can be timed"),
    pytest.mark.timeout(900),
]
needs_two_cpus = pytest.mark.skipif(
    len(usable_cpus()) < 2 or bool(pinning_problem()),
    reason="two CPUs that threads can be bound to are needed",
)
WAKING = ("wake_ns", "spin_wake_ns")
RUN = ("workload=ping_pong", "policy=conservative", "simulation.horizon_ns=2000000", "simulation.warmup_ns=0")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A short measurement, written by the command in a process of its own; its JSON.

    Two threads that wake each other may hardly do so on a busy machine: then once more, for longer.
    """
    for seconds in (2, 20, 60):
        folder = tmp_path_factory.mktemp("host")
        words = ["host", f"seconds={seconds}", f"out={folder}", "output=json"]
        command = [sys.executable, "-m", "pipeline.calibrate", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=True)
        told = json.loads(done.stdout)
        if len(usable_cpus()) < 2 or all(v["count"] >= 2 for v in told["values"] if v["name"] in WAKING):
            break
    assert "measuring the clock" in done.stderr
    return folder, told


def test_values_are_physically_possible(measured):
    values = {value["name"]: value for value in measured[1]["values"]}
    for value in values.values():
        assert value["value"] is None or value["value"] > 0, value
        if value["low"] is not None:
            assert value["low"] <= value["value"] <= value["high"], value
    assert 100 < values["clock_measured"]["value"] < 10_000
    assert 1_000 < values["spin_ns"]["value"] < 1e9


@needs_two_cpus
def test_waking_is_measured_both_ways(measured):
    values = {value["name"]: value for value in measured[1]["values"]}
    for name in WAKING:
        assert values[name]["value"] > 0
        assert values[name]["count"] >= 2


@needs_two_cpus
def test_the_matrix_is_a_triangle_of_the_machine_and_lies_over_its_topology(measured):
    folder, told = measured
    matrix = read_latency_csv(folder / "core_latency.csv")
    topology = topology_from_description(yaml.safe_load((folder / "topology.yaml").read_text()))
    assert matrix.shape == (topology.num_cores,) * 2
    assert np.isnan(matrix[np.triu_indices(topology.num_cores)]).all()
    core = topology.core_latency_ns
    assert (np.diag(core) == 0).all()
    assert (core == core.T).all()
    assert (core[~np.eye(topology.num_cores, dtype=bool)] > 0).all()
    rows = told["rewarm"]
    assert {row["pattern"] for row in rows} == {"random", "sequential"}
    assert all(row["warm_ns"] > 0 for row in rows)
    assert (folder / "rewarm.csv").read_text().count("\n") == 1 + len(rows)


def test_the_files_are_used_by_a_study(measured, capsys):
    folder, told = measured
    text = (folder / "cost.yaml").read_text()
    cost = CostPart(**yaml.safe_load(text)).spec()
    values = {value["name"]: value["value"] for value in told["values"]}
    assert cost.spin_ns == round(values["spin_ns"])
    assert "# " in text.splitlines()[0]
    words = [f"topology={folder / 'topology.yaml'}", f"cost={folder / 'cost.yaml'}", *RUN, "output=json"]
    assert simulate.main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["completed"] == told["replicates"]
    assert told["labels"]["topology"] == "topology"


def test_files_are_not_overwritten_unasked(measured, capsys):
    folder, _ = measured
    before = (folder / "cost.yaml").read_bytes()
    assert calibrate.main(["host", f"out={folder}"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert (folder / "cost.yaml").read_bytes() == before


def test_without_binding_threads_there_is_no_matrix_and_it_says_so(monkeypatch):
    monkeypatch.setattr(host_module, "pinning_problem", lambda: "this system does not bind threads (macOS)")
    monkeypatch.setattr(host_module, "measure_switch", lambda _: missing("dispatch_ns", "ns", "left out"))
    found = measure_host(5.0, lambda _: None)
    found.cost["dispatch_cycles"] = found.dispatch()
    assert found.topology.core_latency_ns is None
    assert found.samples == {}
    assert found.rewarm == []
    assert any("macOS" in note for note in found.notes)
    files = host_files(found, 1.0)
    assert set(files) == {"cost.yaml", "topology.yaml"}
    assert "line_latency_ns: not measured, the defaults" in files["topology.yaml"]
    assert found.cost["spin_ns"].is_found
    assert yaml.safe_load(files["cost.yaml"])["dispatch_cycles"] == 300
    if len(usable_cpus()) >= 2:
        assert found.cost["wake_ns"].is_found


def test_with_one_cpu_what_needs_two_keeps_its_default(monkeypatch):
    monkeypatch.setattr(host_module, "usable_cpus", lambda: [0])
    monkeypatch.setattr(host_module, "measure_switch", lambda _: missing("dispatch_ns", "ns", "left out"))
    found = measure_host(1.0, lambda _: None)
    found.cost["dispatch_cycles"] = found.dispatch()
    text = host_files(found, 1.0)["cost.yaml"]
    assert "needs two CPUs" in text
    assert yaml.safe_load(text)["wake_ns"] == 3000
    assert not found.samples


def test_without_erl_the_switch_is_not_measured():
    assert "erl failed" in measure_switch(5.0, "no-such-program").note


def test_erl_that_does_not_answer_is_ended(tmp_path):
    program = tmp_path / "erl"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    assert "did not answer" in measure_switch(0.5, str(program)).note


def test_loops_that_wait_read_memory_each_time():
    for kernel in (kernels.spin_turns, kernels.swap_turns, kernels.spin):
        kernel(kernels.new_cells(), 0, 1)
        (text,) = kernel.inspect_llvm().values()
        assert "load atomic" in text
    assert "cmpxchg" in next(iter(kernels.swap_turns.inspect_llvm().values()))


def test_a_waiting_loop_ends_when_it_is_told_to():
    cells = kernels.new_cells()
    kernels.spin_turns(cells, 0, 0)
    ended = []
    thread = threading.Thread(target=lambda: ended.append(kernels.spin_turns(cells, 1, 1)), daemon=True)
    thread.start()
    cells[kernels.STOP] = 1
    thread.join(60)
    assert ended == [0]


@needs_two_cpus
@pytest.mark.parametrize("kernel", [kernels.swap_turns, kernels.spin_turns])
def test_turns_are_taken_in_turn(kernel):
    # At most: it ends with 300 samples.
    samples = take_turns(kernel, tuple(usable_cpus()[:2]), 20.0)
    assert samples
    assert all(0 < sample < 1e9 for sample in samples)


def test_a_thread_that_fails_is_told():
    def fail():
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        run_together([(None, fail)], kernels.new_cells(), 5.0)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="threads are not bound here")
def test_measuring_leaves_this_thread_where_it_was():
    before = os.sched_getaffinity(0)
    cpu = usable_cpus()[0]
    run_together([(cpu, lambda: None)], kernels.new_cells(), 5.0)
    assert os.sched_getaffinity(0) == before


def test_chain_visits_every_line_once():
    links, lines = chain(16)
    assert lines == 256
    assert links.ctypes.data % 64 == 0
    seen, at = set(), 0
    for _ in range(lines):
        seen.add(at)
        at = int(links[at])
    assert at == 0
    assert seen == set(range(0, 8 * lines, 8))


def test_mask_holds_one_cpu():
    mask = cpu_mask(70)
    assert [int(word) for word in mask[:3]] == [0, 1 << 6, 0]


def test_matrix_is_read_back_and_pairs_without_samples_stay_empty(tmp_path):
    samples = {(2, 5): [20.0, 22.0, 90.0], (2, 9): []}
    matrix = latency_matrix(samples, [2, 5, 9])
    path = tmp_path / "latency.csv"
    path.write_text(latency_csv(matrix))
    back = read_latency_csv(path)
    assert back[1, 0] == 22
    assert np.isnan(back[2]).all()


def test_cpus_that_move_are_noted():
    assert latency_note({(0, 1): [24.0] * 20}) == ""
    assert "CPU 0 to 1 took 10 ns" in latency_note({(0, 1): [10.0] * 10 + [107.0] * 10})


def test_pairs_of_cpus_stand_for_each_distance():
    topology = topology_from_description({"clusters": [{"repeat": 2, "cores": 2}]}, name="four")
    assert distance_pairs(topology, [0, 1, 2, 3]) == {"same_cluster": (0, 1), "same_node": (0, 2)}
    assert distance_pairs(topology, [1, 2]) == {"same_node": (1, 2)}
    assert distance_pairs(topology, [3]) == {}


@pytest.mark.parametrize(
    ("files", "mhz", "source"),
    [
        ({"sys/devices/system/cpu/cpu1/cpufreq/base_frequency": "2100000\n"}, 2100, "cpufreq/base_frequency"),
        ({"sys/devices/system/cpu/cpu1/cpufreq/cpuinfo_max_freq": "3200000\n"}, 3200, "cpuinfo_max_freq"),
        ({"proc/cpuinfo": "processor : 0\ncpu MHz\t\t: 2596.134\n"}, 2596.134, "/proc/cpuinfo"),
        ({"proc/cpuinfo": "processor : 0\ncpu MHz\t\t: ?\n"}, None, "does not state"),
        ({}, None, "does not state"),
    ],
)
def test_stated_clock(tmp_path, files, mhz, source):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    found = stated_clock(1, tmp_path)
    assert found.value == mhz
    assert source in found.note


def test_clock_is_measured():
    assert 100 < measure_clock(0.05).value < 10_000


def test_cost_file_says_what_is_measured_and_what_is_not():
    found = {
        "dispatch_cycles": cycles(
            Measured("dispatch_ns", 120.0, "ns", 100.0, 150.0, "range", 9), 2500.0, "stated"
        ),
        "wake_ns": missing("wake_ns", "ns", "needs two CPUs"),
        "spin_wake_ns": spread_of("spin_wake_ns", [30.2, 31.0, 40.0], "ns"),
    }
    classes = [Measured("m:f/1: x", 12.3456, "ns", 11.0, 13.0, "95 % interval", 7)]
    text = cost_text(["A head that " + "goes on " * 40], found, classes)
    data = yaml.safe_load(text)
    assert data == {
        "kind": "cache",
        "dispatch_cycles": 300,
        "wake_ns": 3000,
        "spin_wake_ns": 31,
        "class_times": [{"process_class": "m:f/1: x", "ns_per_reduction": 12.346}],
    }
    assert max(map(len, text.splitlines())) <= 110
    lines = text.splitlines()
    assert lines[lines.index("wake_ns: 3000") - 1] == "# not measured, the default: needs two CPUs"
    comments = [line for line in lines if line.startswith("#")]
    assert any("250 .. 375 cycles" in comment for comment in comments)


def test_spread_is_the_median_and_the_middle_of_the_samples():
    value = spread_of("x", list(range(101)), "ns")
    assert (value.value, value.low, value.high, value.count) == (50, 5, 95, 101)
    assert not spread_of("x", [], "ns").is_found
