"""Hold the kernel against the naive simulator: log entry by entry, counters, histograms."""

import math

import sim
from tests.reference.codes import LogCode
from tests.reference.measure import COUNTERS
from tests.reference.scenarios import Scenario
from tests.reference.simulator import ReferenceResult, simulate_reference

CAPACITY = 100_000
DECISIONS = 10_000
HISTOGRAMS = ("sojourn", "waiting", "slowdown")
ENTRIES_BEFORE = 5
METRIC_TOLERANCE = (1e-15, 1e-9)
DECISION_COLUMNS = (
    "time_ns process class source target mechanism verdict benefit cost factor_q16 k load".split()
)
ENDS = {"HORIZON": "COMPLETED", "EVENT_LIMIT": "EVENT_LIMIT", "STUCK": "STUCK"}


def run_reference(scenario: Scenario, log: bool = True, check=None) -> ReferenceResult:
    """Simulate a scenario naively."""
    s = scenario
    parts = (s.topology, s.workload, s.policy, s.cost, s.simulation, s.seed, s.replicate)
    return simulate_reference(*parts, log=log, check=check, binding=s.binding, timeline=s.timeline)


def lane_of(scenario: Scenario) -> sim.Lane:
    """Give the lane that the kernel is to run."""
    s = scenario
    return sim.Lane(policy=s.policy, cost=s.cost, seed=s.seed, replicate=s.replicate, binding=s.binding)


def run_kernel(scenario: Scenario) -> tuple[list[tuple[int, ...]], dict]:
    """Simulate a scenario with the compiled kernel."""
    s = scenario
    log, counters = sim.simulate_logged(
        s.topology, s.workload, lane_of(s), s.simulation, s.timeline, capacity=CAPACITY, decisions=DECISIONS
    )
    return [tuple(entry) for entry in log.tolist()], counters


def difference(scenario: Scenario) -> str | None:
    """Compare both; describe the first difference, or give None."""
    ours = run_reference(scenario)
    their_log, theirs = run_kernel(scenario)
    found = (
        log_difference(ours.log[:CAPACITY], their_log)
        or decision_difference(ours.decisions[:DECISIONS], theirs["decisions"])
        or counter_difference(ours, theirs)
        or status_difference(ours, theirs["status"])
    )
    if ours.status == "HORIZON":
        found = found or metric_difference(scenario, ours)
    return found


def decision_difference(ours: list[tuple[int, ...]], theirs) -> str | None:
    """Describe the first row of the logs of decisions that differs."""
    rows = [tuple(row) for row in theirs.tolist()]
    for at, (mine, other) in enumerate(zip(ours, rows, strict=False)):
        if mine != other:
            pairs = zip(DECISION_COLUMNS, mine, other, strict=True)
            lines = [f"  {name}: reference {x}, kernel {y}{' <--' * (x != y)}" for name, x, y in pairs]
            return f"decision {at} differs\n" + "\n".join(lines)
    if len(ours) != len(rows):
        return f"{len(ours)} decisions (reference), {len(rows)} (kernel)"
    return None


def status_difference(ours: ReferenceResult, status: int) -> str | None:
    """Compare how the lanes ended."""
    expected = sim.LaneStatus[ENDS[ours.status]]
    for name in ours.exhausted:
        expected |= sim.LaneStatus[name]
    if len(ours.log) > CAPACITY:
        expected |= sim.LaneStatus.LOG_FULL
    if len(ours.decisions) > DECISIONS:
        expected |= sim.LaneStatus.DECISIONS_FULL
    found = sim.LaneStatus(status)
    return None if found == expected else f"status: reference {expected!r}, kernel {found!r}"


def metric_difference(scenario: Scenario, ours: ReferenceResult) -> str | None:
    """Compare what the log and the counters do not show: windows, cores, means."""
    s = scenario
    result = sim.simulate(s.topology, s.workload, [lane_of(s)], s.simulation, s.timeline)
    elapsed_ns = s.simulation.horizon_ns - s.simulation.warmup_ns
    expected = {f"busy share of core {i}": ns / elapsed_ns for i, ns in enumerate(ours.hardware_busy_ns)}
    found = {f"busy share of core {i}": x for i, x in enumerate(result.core_utilisation[0])}
    for name, values in ours.jain_values.items():
        if values:
            expected[name] = math.fsum(values) / len(values)
    count = ours.counters["activation_count"]
    for name in ("sojourn", "waiting") if count else ():
        expected[f"{name}_mean_ns"] = ours.sums[name] / count
    found |= {name: float(column[0]) for name, column in result.columns.items()}
    lines = [
        f"  {name}: reference {value!r}, kernel {found[name]!r}"
        for name, value in expected.items()
        # The kernel sums Jain's index in units of about 1e-10.
        if not math.isclose(
            value, found[name], rel_tol=1e-12, abs_tol=METRIC_TOLERANCE[name in ours.jain_values]
        )
    ]
    return "metrics differ\n" + "\n".join(lines) if lines else None


def log_difference(ours: list, theirs: list) -> str | None:
    """Describe the first entry that differs, with those before it."""
    for at, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
        if mine != other:
            return report(ours, theirs, at)
    if len(ours) != len(theirs):
        return report(ours, theirs, min(len(ours), len(theirs)))
    return None


def report(ours: list, theirs: list, at: int) -> str:
    """Write down both logs around an entry."""
    lines = [f"first difference at entry {at} of {len(ours)} (reference) and {len(theirs)} (kernel)"]
    lines.append("  (time_ns, code, core, process, a, b)")
    lines += [f"  both      {show(entry)}" for entry in ours[max(0, at - ENTRIES_BEFORE) : at]]
    for name, log in (("reference", ours), ("kernel   ", theirs)):
        following = [show(entry) for entry in log[at : at + 3]] or ["(end)"]
        lines += [f"  {name} {text}" for text in following]
    return "\n".join(lines)


def show(entry: tuple) -> str:
    """Write an entry with the name of its code."""
    time_ns, code, core, process, a, b = entry
    name = LogCode(code).name if code in set(LogCode) else str(code)
    return f"{time_ns:>9} {name:<8} core={core} process={process} a={a} b={b}"


def counter_difference(ours: ReferenceResult, theirs: dict) -> str | None:
    """Describe the counters and histograms that differ."""
    lines = []
    for name in COUNTERS:
        if name not in theirs:
            lines.append(f"  {name}: the kernel has none")
        elif ours.counters[name] != theirs[name]:
            lines.append(f"  {name}: reference {ours.counters[name]}, kernel {theirs[name]}")
    for name in HISTOGRAMS:
        mine, other = ours.histograms[name], theirs[f"histogram_{name}"]
        if mine != other:
            lines.append(f"  histogram {name}: reference {mine}, kernel {other}")
    for name in ("energy_pj", "hardware_busy_ns"):
        mine, other = getattr(ours, name), list(theirs[name])
        if mine != other:
            lines.append(f"  {name}: reference {mine}, kernel {other}")
    return "counters differ\n" + "\n".join(lines) if lines else None
