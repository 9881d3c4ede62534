"""A scenario as a YAML file: plain data that people read, `hunt --file` runs again, and the pipeline takes.

The file is one of the pipeline's experiments, with its groups and keys: whatever differs from the default is
written, and the machine in full. The oracle runs the last of its `replicates`. From the folder above
`experiment/`, the pipeline simulates the same configuration with

    python -m pipeline.simulate --config-dir FOLDER experiment=NAME

A replay's trace stands in the file row by row. That is the one thing that the pipeline does not take: its
traces are files of their own.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import sim
from pipeline.config.build import build_topology, build_workload
from pipeline.config.schema_errors import load_section
from pipeline.errors import ConfigError, UserError, did_you_mean
from sim.topology import to_description
from sim.workload.replay import ReplayOp
from tests.reference.scenarios import Scenario

HEAD = "# @package _global_\n"
WIDTH = 100
GROUPS = ("topology", "workload", "policy", "cost", "binding", "faults")
KEYS = ("defaults", "seed", "replicates", *GROUPS, "simulation")
FILE_BYTES_MAX = 5_000_000
WHOLE_MAX = 2**63 - 1
FILE_HINT = "it takes files that hunt itself wrote: see outputs/oracle/experiment/"
HEADER = ("name", "window_ns", "ns_per_reduction", "schedulers", "busy_ns")


def write_yaml(scenario: Scenario) -> str:
    """Write a scenario down."""
    s = scenario
    data = {
        "defaults": [{f"override /{group}": None} for group in GROUPS],
        "seed": s.seed,
        "replicates": s.replicate + 1,
        "topology": to_description(s.topology),
        "workload": workload_data(s.workload),
        "policy": given(s.policy),
        "cost": given(s.cost),
        "binding": given(s.binding),
        "faults": given(s.timeline),
        "simulation": given(s.simulation),
    }
    return HEAD + yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=WIDTH)


def read_file(path: Path) -> Scenario:
    """Make the scenario that a file describes.

    Raises
    ------
    UserError naming the file, what is wrong in it, and what is taken
    """
    try:
        if path.exists() and not path.is_file():
            raise UserError("it is not a file")
        size = path.stat().st_size
        if not 0 < size <= FILE_BYTES_MAX:
            raise UserError(f"it has {size} bytes; 1 to {FILE_BYTES_MAX} are taken")
        return read_yaml(path.read_text(encoding="utf-8"))
    except UserError as error:
        hint = f"{error.hint}; {FILE_HINT}" if error.hint else FILE_HINT
        raise UserError(f"{path}: {error.message}", hint) from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: it is not text", FILE_HINT) from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}", FILE_HINT) from None
    except ValueError as error:  # of the specifications
        raise UserError(f"{path}: {error}", FILE_HINT) from None


def read_yaml(text: str) -> Scenario:
    """Make the scenario that such a text describes; the pipeline's own checks apply.

    Raises
    ------
    UserError for a text that is no scenario, and the specifications' own errors
    """
    data = read_mapping(text)
    sections = {
        name: load_section(name, data.get(name) or {})
        for name in ("policy", "cost", "binding", "faults", "simulation")
    }
    specs = {name: section.spec() for name, section in sections.items()}
    return Scenario(
        topology=build_topology(load_section("topology", data["topology"])),
        workload=read_workload(data["workload"]),
        timeline=specs.pop("faults"),
        seed=read_whole(data, "seed", 0),
        replicate=read_whole(data, "replicates", 1) - 1,
        **specs,
    )


def read_mapping(text: str) -> dict[str, Any]:
    """Read the text as YAML, and see that its keys are a scenario's."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
        raise UserError(f"it is not YAML{line}: {what}") from None
    except RecursionError:
        raise UserError("it is nested too deeply") from None
    if not isinstance(data, dict):
        raise UserError("it does not hold a scenario: there are no keys with values")
    missing = [key for key in ("seed", "replicates", "topology", "workload") if key not in data]
    if missing:
        raise UserError(f"it does not hold a scenario: there is no {', no '.join(missing)}")
    for key in data:
        if key not in KEYS:
            raise UserError(f"{key}: unknown key", did_you_mean(key, KEYS))
    return data


def read_whole(data: dict[str, Any], key: str, least: int) -> int:
    """Read a whole number that the kernel can hold, `least` or more."""
    value = data[key]
    if type(value) is not int or not least <= value <= WHOLE_MAX:
        raise ConfigError(key, value, f"must be a whole number from {least} to 2**63 - 1")
    return value


def given(spec: Any) -> dict[str, Any]:
    """List the fields of a specification that differ from their default."""
    found = {}
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        if is_required(field) or value != default_of(field):
            found[field.name] = data_of(value)
    return found


def is_required(field: dataclasses.Field) -> bool:
    """Tell whether a field may not be left out."""
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def default_of(field: dataclasses.Field) -> Any:
    """Give a field's default."""
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def data_of(value: Any) -> Any:
    """Turn specifications and tuples into what YAML can hold."""
    if dataclasses.is_dataclass(value):
        return given(value)
    return [data_of(item) for item in value] if isinstance(value, (list, tuple)) else value


def workload_data(workload: sim.Workload | sim.Replay) -> dict[str, Any]:
    """Write a workload as the pipeline's group does: classes by name, or a replay."""
    data = given(workload)
    if isinstance(workload, sim.Replay):
        return {"kind": "replay", **data, "trace": trace_data(workload.trace)}
    classes = {kind.pop("name"): kind for kind in data.pop("classes")}
    return {"kind": "classes", **data, "classes": classes}


def read_workload(data: Any) -> sim.Workload | sim.Replay:
    """Make the workload again."""
    if not isinstance(data, dict) or data.get("kind") != "replay":
        return build_workload(load_section("workload", data))
    section = load_section("workload", {**data, "trace": "in this file"})
    name = {"name": section.name} if section.name else {}
    return section.spec(trace=read_trace(data.get("trace")), **name)


def trace_data(trace: sim.ReplayTrace) -> dict[str, Any]:
    """Write a trace as its header and its rows: [process, operation, value, peer]."""
    columns = (trace.process, trace.op, trace.value, trace.peer)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {
        **{name: getattr(trace, name) for name in HEADER},
        "rows": [[process, ReplayOp(op).name, value, peer] for process, op, value, peer in rows],
    }


def read_trace(data: Any) -> sim.ReplayTrace:
    """Make the trace again."""
    wanted = {*HEADER, "rows"}
    if not isinstance(data, dict) or set(data) != wanted:
        raise UserError(f"workload.trace: must have the keys {', '.join((*HEADER, 'rows'))}")
    try:
        process, op, value, peer = zip(*data["rows"], strict=True)
        columns = {
            "process": np.array(process, np.int32),
            "op": np.array([ReplayOp[name] for name in op], np.int8),
            "value": np.array(value, np.int64),
            "peer": np.array(peer, np.int32),
        }
    except (KeyError, TypeError, ValueError, OverflowError):
        operations = ", ".join(ReplayOp.__members__)
        allowed = f"each must be [process, operation, value, peer], the operation one of {operations}"
        raise UserError(f"workload.trace.rows: {allowed}") from None
    return sim.ReplayTrace(**{name: data[name] for name in HEADER}, **columns)
