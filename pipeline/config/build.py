"""From a validated configuration to the simulator's objects; the only module that knows both."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

import conf
import sim
from pipeline.config.beam_terms import beam_machine
from pipeline.config.schema import Config, WorkloadClasses
from pipeline.errors import ConfigError, did_you_mean, shorten
from sim import ReplayTrace, Topology, TopologyError, TraceError, plan_of
from sim.topology import (
    overlay_core_latency,
    topology_from_description,
    topology_from_host,
    topology_from_hwloc,
)

TRACES = Path(str(conf.__path__[0])) / "traces"
YAML_BYTES_MAX = 16 << 20


@dataclass(frozen=True)
class Inputs:
    """Everything that a lane is simulated from, but seed and replicate."""

    topology: Topology
    workload: sim.Workload | sim.Replay
    policy: sim.Policy
    cost: sim.Cost
    binding: sim.Binding
    faults: sim.Timeline
    simulation: sim.Simulation


def build(config: Config) -> Inputs:
    """The simulator's objects for one configuration.

    Machines and traces are kept from call to call. Build in the process that composed the study:
    `topology=host` and files mean that machine, not the one that simulates.

    Raises
    ------
    ConfigError naming the setting, for a machine or trace that cannot be used too
    """
    return Inputs(
        topology=build_topology(config.topology),
        workload=build_workload(config.workload),
        policy=config.policy.spec(),
        cost=config.cost.spec(),
        binding=config.binding.spec(),
        faults=config.faults.spec(),
        simulation=config.simulation.spec(),
    )


def canonical(section: Any) -> str:
    """A section as text that is the same whenever its settings are."""
    return json.dumps(section.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


def section_digest(name: str, section: Any) -> str:
    """SHA-256 of what a section means: of a machine's or trace's content, not of its file name."""
    text = canonical(section)
    if name == "topology":
        text = build_topology(section).digest()
    elif name == "workload" and section.kind == "replay":
        text += load_trace(section.trace).digest()
    return hashlib.sha256(f"{name}\n{text}".encode()).hexdigest()


# --- machines -------------------------------------------------------------------------------------


def build_topology(section: Any) -> Topology:
    """The machine that a topology section describes, read once."""
    return _topology(canonical(section))


@lru_cache(maxsize=256)
def _topology(text: str) -> Topology:
    section = json.loads(text)
    table = section.pop("latency_csv", None)
    machine = described_topology(section)
    try:
        return overlay_core_latency(machine, table) if table else machine
    except TopologyError as error:
        fault = f"has {shorten(error.value)}, must have {error.allowed}"
        raise ConfigError("topology.latency_csv", table, fault, error.hint) from None
    except OSError as error:
        raise ConfigError("topology.latency_csv", table, f"cannot be read: {error.strerror}") from None


def described_topology(section: dict[str, Any]) -> Topology:
    """The machine of a section's plain data, without a table of latencies."""
    kind, name = section.pop("kind"), section.pop("name", None)
    try:
        if kind == "description":
            return topology_from_description(section, name=name)
        if kind == "yaml":
            return topology_from_description(read_yaml(section["path"]), name=name)
        if kind == "hwloc":
            return topology_from_hwloc(section["path"])
        if kind in ("sct", "cpu_topology"):
            return beam_machine(kind, section["sct" if kind == "sct" else "term"], name or kind)
        return topology_from_host()
    except TopologyError as error:
        raise topology_problem(error, section.get("path")) from None
    except OSError as error:
        path = section.get("path", "")
        raise ConfigError("topology.path", path, f"cannot be read: {error.strerror}", "check it") from None


def topology_problem(error: TopologyError, path: str | None = None) -> ConfigError:
    """A machine that cannot be used, as a setting that is wrong; `path` is its file, if any."""
    if path is None:
        allowed = f"must be {error.allowed}"
        return ConfigError(f"topology.{error.where}", error.value, allowed, error.hint)
    fault = f"{error.where} is {shorten(error.value)}, must be {error.allowed}"
    return ConfigError("topology.path", path, fault, error.hint)


def read_yaml(path: str) -> Mapping[str, Any]:
    """The mapping in a YAML file.

    Raises
    ------
    ConfigError naming the file, and the line at fault
    """
    try:
        if Path(path).stat().st_size > YAML_BYTES_MAX:
            raise ConfigError("topology.path", path, f"must be at most {YAML_BYTES_MAX >> 20} MiB")
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError("topology.path", path, f"is not YAML: {shorten(reason, 160)}") from None
    if not isinstance(data, Mapping):
        raise ConfigError("topology.path", path, "must hold a mapping of keys to values", "see conf/topology")
    return data


# --- workloads ------------------------------------------------------------------------------------


def build_workload(section: Any) -> sim.Workload | sim.Replay:
    """The processes that a workload section describes."""
    if isinstance(section, WorkloadClasses):
        return section.workload()
    replay: sim.Replay = section.spec(name=section.name or section.trace, trace=load_trace(section.trace))
    return replay


@lru_cache(maxsize=32)
def load_trace(text: str) -> ReplayTrace:
    """The trace of a replay: a name in conf/traces, a replay file, or a raw recording's folder.

    Raises
    ------
    ConfigError naming `workload.trace` and the column, row or file at fault
    """
    # Here, as reading a recording takes PyArrow, which no other workload needs.
    from pipeline.beam_trace import convert_trace, read_beam_trace, read_replay

    path = trace_path(text)
    try:
        if path.is_dir():
            return convert_trace(read_beam_trace(path)).trace
        return read_replay(path)
    except TraceError as error:
        raise trace_problem(error, text) from None


def trace_path(text: str) -> Path:
    """Where a trace lies."""
    named = TRACES / f"{text}.parquet"
    if named.is_file():
        return named
    path = Path(text).expanduser()
    if path.exists():
        return path
    names = sorted(p.stem for p in TRACES.glob("*.parquet"))
    hint = did_you_mean(text, names) or "import one with python -m pipeline.trace import FOLDER"
    raise ConfigError(
        "workload.trace", text, f"is neither a file nor one of {', '.join(names) or '(none)'}", hint
    )


def trace_problem(error: TraceError, text: str) -> ConfigError:
    """A trace that cannot be used, as a setting that is wrong."""
    fault = f"{error.where} is {shorten(error.value)}, must be {error.allowed}"
    return ConfigError("workload.trace", text, fault, error.hint)


# --- rules across sections ------------------------------------------------------------------------


def check_together(configs: Sequence[Config]) -> None:
    """Raise ConfigError for settings that are right by themselves but not together.

    The simulator checks them when it lays out its tables: a mask without a core of the machine, a
    horizon behind the end of the trace, more processes at the start than there is room for, ...

    Parameters
    ----------
    configs : one or more that share topology, workload, faults and simulation
    """
    inputs = build(configs[0])
    lanes = [
        sim.Lane(policy=c.policy.spec(), cost=c.cost.spec(), seed=c.seed, binding=c.binding.spec())
        for c in configs
    ]
    # A plan takes lanes that agree on the time of a reduction; the workload is checked with each of them.
    groups: dict[object, list[sim.Lane]] = {}
    for lane in lanes:
        groups.setdefault(lane.times, []).append(lane)
    try:
        for group in groups.values():
            plan_of(inputs.topology, inputs.workload, group, inputs.simulation, inputs.faults)
    except sim.SpecError as error:
        raise spec_problem(error, configs[0]) from None


def spec_problem(error: sim.SpecError, config: Config) -> ConfigError:
    """An error of the simulator's, with the key as one writes it on the command line."""
    path = error.where.split(".")
    if path[0] == "classes":
        path.insert(0, "workload")
    if path[:2] == ["workload", "classes"] and path[2:3] and path[2].isdecimal():
        path[2] = list(config.workload.classes)[int(path[2])]
    if path[:2] == ["faults", "changes"] and path[2:3] and path[2].isdecimal():
        path[2] = str(written_order(config.faults)[int(path[2])])
    return ConfigError(".".join(path), error.value, f"must be {error.allowed}", error.hint)


def written_order(faults: Any) -> list[int]:
    """Places of a timeline's entries as written, in the order in which they happen."""
    changes = faults.changes
    return sorted(range(len(changes)), key=lambda place: changes[place].time_ns)
