"""A scenario as a YAML file: plain data that people read, `hunt --file` runs again, and the pipeline takes.

The file is one of the pipeline's experiments, with its groups and keys: whatever differs from the default is
written, and the machine in full. The oracle runs the last of its `replicates`. From the folder above
`experiment/`, the pipeline simulates the same configuration with

    python -m pipeline.simulate --config-dir FOLDER experiment=NAME

A replay's trace stands in the file row by row. That is the one thing that the pipeline does not take: its
traces are files of their own.
"""

import dataclasses
from typing import Any

import numpy as np
import yaml

import sim
from pipeline.build import build_topology, build_workload
from pipeline.schema_errors import load_section
from sim.topology import to_description
from sim.workload.replay import ReplayOp
from tests.reference.scenarios import Scenario

HEAD = "# @package _global_\n"
WIDTH = 100
GROUPS = ("topology", "workload", "policy", "cost", "binding", "faults")
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


def read_yaml(text: str) -> Scenario:
    """Make the scenario that such a file describes; the pipeline's own checks apply."""
    data = yaml.safe_load(text)
    sections = {
        name: load_section(name, data.get(name) or {})
        for name in ("policy", "cost", "binding", "faults", "simulation")
    }
    specs = {name: section.spec() for name, section in sections.items()}
    return Scenario(
        topology=build_topology(load_section("topology", data["topology"])),
        workload=read_workload(data["workload"]),
        timeline=specs.pop("faults"),
        seed=data["seed"],
        replicate=data["replicates"] - 1,
        **specs,
    )


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


def read_workload(data: dict[str, Any]) -> sim.Workload | sim.Replay:
    """Make the workload again."""
    if data["kind"] == "classes":
        return build_workload(load_section("workload", data))
    section = load_section("workload", {**data, "trace": "in this file"})
    name = {"name": section.name} if section.name else {}
    return section.spec(trace=read_trace(data["trace"]), **name)


def trace_data(trace: sim.ReplayTrace) -> dict[str, Any]:
    """Write a trace as its header and its rows: [process, operation, value, peer]."""
    columns = (trace.process, trace.op, trace.value, trace.peer)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {
        **{name: getattr(trace, name) for name in HEADER},
        "rows": [[process, ReplayOp(op).name, value, peer] for process, op, value, peer in rows],
    }


def read_trace(data: dict[str, Any]) -> sim.ReplayTrace:
    """Make the trace again."""
    process, op, value, peer = zip(*data["rows"], strict=True)
    return sim.ReplayTrace(
        **{name: data[name] for name in HEADER},
        process=np.array(process, np.int32),
        op=np.array([ReplayOp[name] for name in op], np.int8),
        value=np.array(value, np.int64),
        peer=np.array(peer, np.int32),
    )
