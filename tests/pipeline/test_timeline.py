"""`timeline=`: the trace says what the simulator counted, read with Perfetto's messages and without."""

import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from perfetto.trace_processor import TraceProcessor, TraceProcessorConfig

import sim
from pipeline import simulate
from pipeline.config.build import Inputs
from pipeline.timelines.log import Code, LaneLog, Part, log_of
from pipeline.timelines.marks import AFFINITIES, CAUSES
from pipeline.timelines.trace import STATES, trace_of
from sim.kernels import log as kernel_log
from sim.layout import core as C
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from tests.pipeline.perfetto_trace import Read, read_trace, wire_fields
from tests.reference.compare import lane_of
from tests.reference.scenarios import random_scenario

WHOLE = 10**7
# Schedulers that keep their cores, that share them, that are re-bound, and that go offline; with the BEAM's
# rules and without; a replay.
SEEDS = (1, 9, 16, 33, 39, 55, 64, 73, 105)
SMALL = [
    "topology=two_core", "workload=mm1", "policy=balanced", "replicates=2", "simulation.horizon_ns=1000000",
    "simulation.warmup_ns=200000", "simulation.window_ns=100000",
]  # fmt: skip


def traced(seed: int, first_ns: int = 0, until_ns: int | None = None, most: int = WHOLE) -> SimpleNamespace:
    """A random lane, its log, and its trace as it is read back."""
    scene = random_scenario(seed)
    lane, simulation = lane_of(scene), scene.simulation
    inputs = Inputs(
        scene.topology, scene.workload, lane.policy, lane.cost, lane.binding, scene.timeline, simulation
    )
    names = [f"kind{i}" for i in range(len(getattr(scene.workload, "classes", ())) or 1)]
    part = Part(first_ns, simulation.horizon_ns if until_ns is None else until_ns, most)
    log = log_of(inputs, lane, part, names)
    data = trace_of(log, {"seed": str(seed)}).data
    return SimpleNamespace(scene=scene, lane=lane, log=log, read=read_trace(data), data=data)


@pytest.fixture(scope="module", params=SEEDS)
def case(request) -> SimpleNamespace:
    """A whole random lane."""
    return traced(request.param)


def track(read: Read, name: str) -> int:
    """The track of a name."""
    (found,) = [uuid for uuid, each in read.tracks.items() if each.name == name]
    return found


def cores(read: Read) -> list[int]:
    """Tracks of the hardware cores, in their order."""
    of_nodes = [u for u in read.tracks if read.path(u).startswith("node ") and read.path(u).count("/") == 2]
    return sorted(of_nodes, key=lambda uuid: read.tracks[uuid].sibling_order_rank)


def test_codes_are_those_of_the_simulator() -> None:
    names = {name: value for name, value in vars(kernel_log).items() if name.isupper() and name != "S"}
    assert {code.name: code.value for code in Code} == {n: v for n, v in names.items() if isinstance(v, int)}
    assert set(STATES) == {P.WAITING, P.CALLING, P.EDGE}
    assert [AFFINITIES[k] for k in (P.NO_AFFINITY, P.PREFERRED, P.STRICT, P.DYNAMIC, P.INHERIT)] == list(
        AFFINITIES
    )
    assert (CAUSES[C.FAILURE], CAUSES[C.POWER]) == ("failure", "power")


def test_slices_are_the_dispatches_and_last_as_long_as_cores_were_busy(case) -> None:
    """Slices of one track do not overlap: `read_trace` refuses a trace in which they do."""
    simulation, counters = case.scene.simulation, case.log.counters
    slices = case.read.of("process")
    assert len(slices) == int((case.log.code == kernel_log.DISPATCH).sum())
    assert sum(s.begin_ns > simulation.warmup_ns for s in slices) == counters["dispatch_count"]
    busy = Counter()
    for each in slices:
        busy[each.track] += max(0, each.end_ns - max(each.begin_ns, simulation.warmup_ns))
    assert [busy[uuid] for uuid in cores(case.read)] == counters["hardware_busy_ns"]
    done = [s for s in slices if s.begin_ns > simulation.warmup_ns and "reductions" in s.arguments]
    assert sum(s.arguments["reductions"] for s in done) <= counters["reductions"]
    assert {s.name.split()[0] for s in slices} <= set(case.log.classes)
    born = [each.arguments["process"] for each in case.read.marks("process") if each.name == "arrives"]
    assert len(set(born)) == len(born)


def test_flows_are_the_migrations(case) -> None:
    warmup_ns, counters = case.scene.simulation.warmup_ns, case.log.counters
    everything = [*case.read.slices, *case.read.instants]
    out = {flow: each for each in everything for flow in each.flows_out}
    into = {flow: each for each in everything for flow in each.flows_in}
    assert len(out) == sum(len(each.flows_out) for each in everything)
    assert out.keys() == into.keys()
    assert sum(each.begin_ns > warmup_ns for each in out.values()) == counters["migration_count"]
    kinds = Counter(e.arguments["mechanism"] for e in out.values() if e.begin_ns > warmup_ns)
    assert [kinds[name] for name in sim.MECHANISMS] == [counters[f"migrations_{n}"] for n in sim.MECHANISMS]
    for flow, start in out.items():
        end = into[flow]
        assert start.begin_ns <= end.begin_ns
        assert case.read.path(start.track).endswith(f"{start.arguments['from']}: events")
        if end.category == "process":
            assert end.name == start.arguments["process"]
            assert f"{end.arguments['scheduler']}" == start.arguments["to"].split()[1]
        else:
            assert case.read.path(end.track).endswith(f"{start.arguments['to']}: events")
    denials = [each for each in case.read.marks("denial") if each.begin_ns > warmup_ns]
    reasons = Counter(each.name for each in denials)
    assert [reasons[f"denied: {name}"] for name in sim.REASONS] == [
        counters[f"denied_{n}"] for n in sim.REASONS
    ]


def test_decisions_belong_to_their_migrations_and_denials(case) -> None:
    log: LaneLog = case.log
    moves = log.of(Code.MIGRATE, Code.DENY)
    columns = np.stack([log.time_ns, log.process, log.a, log.core], axis=1)[moves]
    assert np.array_equal(log.decisions[:, [0, 1, 3, 4]], columns)
    marks = [m for m in case.read.instants if m.flows_out or m.category == "denial"]
    shown = [[m.arguments["benefit_cycles"], m.arguments["cost_cycles"]] for m in marks]
    assert shown == log.decisions[:, [7, 8]].tolist()


def test_counters_are_the_state_of_the_lane(case) -> None:
    """Against a lane that is stepped: queue lengths, ready processes and schedulers that run nothing."""
    scene, read = case.scene, case.read
    live = sim.LiveLane(scene.topology, scene.workload, case.lane, scene.simulation, scene.timeline)
    queues = [uuid for uuid, each in read.tracks.items() if each.name.endswith(": queue length")]
    assert len(queues) == live.z[K.NUM_CORES]
    for part in range(11):
        time_ns = scene.simulation.horizon_ns * part // 10
        live.run_until(time_ns)
        if live.has_stopped:
            break
        rows = live.z[K.CORES : K.CORES + len(queues) * C.WIDTH].reshape(-1, C.WIDTH)
        assert [read.value(uuid, time_ns) for uuid in queues] == rows[:, C.QUEUE_LENGTH].tolist()
        idle = np.isin(rows[:, C.STATE], (C.IDLE, C.PENDING, C.WAKING)).sum()
        assert read.value(track(read, "idle schedulers"), time_ns) == idle
        assert read.value(track(read, "ready processes"), time_ns) == live.z[S.NUM_WAITING]


def test_states_are_where_schedulers_stand() -> None:
    """Schedulers that move have tracks of their own: where each stands at each moment, in one piece."""
    case = traced(16)
    read, horizon_ns = case.read, case.scene.simulation.horizon_ns
    live = sim.LiveLane(
        case.scene.topology, case.scene.workload, case.lane, case.scene.simulation, case.scene.timeline
    )
    spans = [each for each in read.of("state") if read.path(each.track).startswith("schedulers/")]
    for part in range(1, 20):
        time_ns = horizon_ns * part // 20
        live.run_until(time_ns)
        for scheduler in range(case.log.num_schedulers):
            uuid = track(read, f"scheduler {scheduler}")
            (now,) = [s for s in spans if s.track == uuid and s.begin_ns <= time_ns < s.end_ns]
            offline = live.z[K.CORES + scheduler * C.WIDTH + C.STATE] == C.OFFLINE
            assert (now.name == "offline") == offline
            assert offline or now.name.endswith(f" core {live.get_scheduler_core(scheduler)}")


def test_a_part_is_what_the_whole_says_of_it() -> None:
    whole = traced(33)
    first_ns, until_ns = whole.log.end_ns // 3, whole.log.end_ns // 2
    part = traced(33, first_ns, until_ns)
    touching = [s for s in whole.read.of("process") if s.end_ns >= first_ns and s.begin_ns <= until_ns]
    shown = Counter((s.begin_ns, s.end_ns, s.name) for s in part.read.of("process"))
    assert shown <= Counter((s.begin_ns, s.end_ns, s.name) for s in touching)
    assert len(touching) - shown.total() <= 2 * len(cores(whole.read))  # those that only touch an edge
    inside = [m for m in whole.read.instants if first_ns <= m.begin_ns <= until_ns and m.flows_out]
    assert [m.flows_out for m in part.read.instants if m.flows_out] == [m.flows_out for m in inside]
    queue = next(u for u, each in whole.read.tracks.items() if each.name.endswith(": queue length"))
    for time_ns in range(first_ns, until_ns, (until_ns - first_ns) // 50):
        assert part.read.value(queue, time_ns) == whole.read.value(queue, time_ns)
    short = traced(33, first_ns, until_ns, most=500)
    assert (short.log.is_cut, short.log.last - short.log.first) == (True, 500)
    assert first_ns < short.log.last_ns < until_ns


def test_the_file_is_a_trace_without_knowing_its_schema() -> None:
    """The encoding by itself: packets (field 1), with timestamps (8), events (11) and tracks (60) in them."""
    case = traced(9)
    packets = [dict(wire_fields(value)) for number, value in wire_fields(case.data) if number == 1]
    assert len(packets) == sum(1 for _ in wire_fields(case.data))
    events = [dict(wire_fields(packet[11])) for packet in packets if 11 in packet]
    names = [dict(wire_fields(packet[60]))[2].decode() for packet in packets if 60 in packet]
    # 9 type (1 begin, 2 end, 3 instant, 4 counter), 11 track
    kinds = Counter(event[9] for event in events)
    assert kinds[1] == kinds[2] == len(case.read.slices)
    assert (kinds[3], kinds[4]) == (len(case.read.instants), sum(map(len, case.read.counters.values())))
    assert names == [each.name for each in case.read.tracks.values()]
    assert all(packet[8] <= case.log.end_ns for packet in packets if 11 in packet)


def said(capfd, *words: str) -> dict:
    """What pipeline.simulate says as JSON."""
    capfd.readouterr()
    assert simulate.main([*SMALL, *words, "output=json"]) == 0
    return json.loads(capfd.readouterr().out)


def test_the_command_writes_one_point(capfd, tmp_path: Path) -> None:
    file = tmp_path / "lane.pftrace"
    plain, with_file = said(capfd), said(capfd, f"timeline={file}")
    timeline = with_file.pop("timeline")
    assert with_file == plain
    assert timeline["bytes"] == file.stat().st_size
    read = read_trace(file.read_bytes())
    assert timeline["slices"] == len(read.of("process")) > 100
    assert (timeline["first_ns"], timeline["last_ns"], timeline["notes"]) == (200_000, 1_000_000, [])
    assert read.path(cores(read)[1]) == "node 0/cluster 0/core 1"
    assert {s.name for s in read.of("state")} == {f"window {i}" for i in range(1, 9)}
    usual = said(capfd, "timeline=true", f"outputs.folder={tmp_path}")["timeline"]["file"]
    assert Path(usual).parent == tmp_path / "timelines"
    assert Path(usual).read_bytes() == file.read_bytes()
    other = said(capfd, f"timeline={file}", "timeline_replicate=1", "timeline_events=100")["timeline"]
    assert "timeline_from_ns=" in other["notes"][0]
    assert file.read_bytes() != Path(usual).read_bytes()


def test_the_command_writes_a_point_of_a_sweep(capfd, tmp_path: Path) -> None:
    file = tmp_path / "point.pftrace"
    assert simulate.main([*SMALL, "policy.threshold_factor=0.5,2", "point=1", f"timeline={file}"]) == 0
    out = " ".join(capfd.readouterr().out.split())
    assert f"MiB: {file}" in out
    assert "https://ui.perfetto.dev" in out
    read = read_trace(file.read_bytes())
    assert read.value(track(read, "threshold factor"), 1_000_000) == 2.0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["timeline=lane.json"], "timeline = 'lane.json': must be true, or a file ending .pftrace or"),
        (["timeline="], "timeline: must be true, or a file"),
        (["timeline=no/such/lane.pftrace"], "the folder no/such does not exist"),
        (["timeline_events=5"], "timeline_events = 5: says how, but no timeline is asked for"),
        (["timeline=true", "timeline_events=0"], "timeline_events = '0': must be a whole number from 1"),
        (["timeline=true", "timeline_event=9"], "did you mean timeline_events?"),
        (["timeline=true", "timeline_from_ns=1000001"], "must be at most simulation.horizon_ns = 1000000"),
        (["timeline=true", "timeline_until_ns=100000"], "must be above 200000, where the timeline begins"),
        (
            ["timeline=true", "timeline_from_ns=9", "timeline_until_ns=9"],
            "must be above timeline_from_ns = 9",
        ),
        (["timeline=true", "timeline_replicate=2"], "must be from 0 to 1, as there are 2 replicates"),
    ],
)
def test_bad_input_is_one_message_before_any_work(capfd, monkeypatch, words: list[str], message: str) -> None:
    monkeypatch.setattr(sim, "simulate", None)
    assert simulate.main([*SMALL, *words]) == 2
    assert message in " ".join(capfd.readouterr().err.split())


def test_without_the_package_it_says_what_to_install(capfd, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "perfetto.protos.perfetto.trace.perfetto_trace_pb2", None)
    assert simulate.main([*SMALL, f"timeline={tmp_path / 'lane.pftrace'}"]) == 2
    assert "pip install perfetto" in capfd.readouterr().err


def find_trace_processor() -> str | None:
    """Perfetto's trace processor; its package has none in it, and would download one."""
    return os.environ.get("TRACE_PROCESSOR") or shutil.which("trace_processor_shell")


@pytest.mark.skipif(
    find_trace_processor() is None, reason="no trace_processor_shell, nor TRACE_PROCESSOR=PATH"
)
def test_the_trace_processor_reads_it(tmp_path: Path) -> None:
    case = traced(33)
    file = tmp_path / "lane.pftrace"
    file.write_bytes(case.data)
    config = TraceProcessorConfig(bin_path=find_trace_processor())
    questions = {
        "select count(*) as n from slice": len(case.read.slices) + len(case.read.instants),
        "select count(*) as n from flow": case.log.of(Code.MIGRATE).size,
        "select count(*) as n from counter": sum(map(len, case.read.counters.values())),
        "select ifnull(sum(value), 0) as n from stats where severity in ('error', 'data_loss')": 0,
    }
    with TraceProcessor(trace=str(file), config=config) as processor:
        found = {question: next(iter(processor.query(question))).n for question in questions}
    assert found == questions
