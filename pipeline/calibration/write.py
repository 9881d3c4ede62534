"""The files that a calibration leaves: a cost and a topology, each number with its evidence beside it."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

import sim
from pipeline.calibration.measured import Measured
from pipeline.run.files import write_atomic
from sim import Topology
from sim.topology import to_description

WIDTH = 104
FIELDS = {"wake_ns": int, "spin_ns": int, "spin_wake_ns": int, "ns_per_reduction": float}
"""Fields of a cost that are measured as they stand; dispatch_cycles needs a clock."""


def defaults() -> dict[str, Any]:
    """The defaults of a cost, by field."""
    return {field.name: field.default for field in dataclasses.fields(sim.Cost)}


def cycles(nanoseconds: Measured, frequency_mhz: float, clock: str) -> Measured:
    """A time as cycles of a clock.

    Parameters
    ----------
    clock : what the frequency is, for the note
    """
    if nanoseconds.value is None:
        return dataclasses.replace(nanoseconds, name="dispatch_cycles", unit="cycles")
    factor = frequency_mhz / 1000
    low, high = nanoseconds.low, nanoseconds.high
    note = f"{nanoseconds.value:.0f} ns at {frequency_mhz:.0f} MHz ({clock})"
    note += f"; {nanoseconds.note}" if nanoseconds.note else ""
    return dataclasses.replace(
        nanoseconds,
        name="dispatch_cycles",
        unit="cycles",
        value=nanoseconds.value * factor,
        low=None if low is None else low * factor,
        high=None if high is None else high * factor,
        note=note,
    )


def cost_text(head: Sequence[str], found: Mapping[str, Measured], classes: Sequence[Measured] = ()) -> str:
    """A cost file: every number with a comment, and what was not found at its default.

    Parameters
    ----------
    head    : lines of the comment on top
    found   : by field of `sim.Cost`, dispatch_cycles in cycles
    classes : ns_per_reduction by process class, named after it
    """
    lines = [*comment_lines("\n".join(head)), "kind: cache"]
    default = defaults()
    for name in ("dispatch_cycles", *FIELDS):
        measured = found.get(name)
        if measured is None:
            continue
        if measured.value is None:
            lines += comment_lines(f"not measured, the default: {measured.comment()}")
            lines.append(f"{name}: {plain(default[name])}")
        else:
            lines += comment_lines(measured.comment())
            lines.append(f"{name}: {field_value(name, measured.value)}")
    if classes:
        lines.append("class_times:")
    for measured in classes:
        lines += [f"  {line}" for line in comment_lines(measured.comment())]
        entry = {"process_class": measured.name, "ns_per_reduction": round(float(measured.value or 0.0), 3)}
        flow = yaml.safe_dump(entry, default_flow_style=True, sort_keys=False, width=4096).strip()
        lines.append(f"  - {flow}")
    return "\n".join(lines) + "\n"


def field_value(name: str, value: float) -> str:
    """A number as its field wants it."""
    if FIELDS.get(name) is float:
        return f"{max(value, 1e-3):.4g}"
    return str(max(round(value), 0))


def plain(value: Any) -> str:
    """A default as YAML."""
    return "null" if value is None else str(value)


def comment_lines(text: str) -> list[str]:
    """Text as YAML comments, wrapped."""
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = "#"
        for word in paragraph.split():
            if len(line) + 1 + len(word) > WIDTH and line != "#":
                lines.append(line)
                line = "#"
            line = f"{line} {word}"
        lines.append(line)
    return lines


def topology_text(topology: Topology, head: Sequence[str]) -> str:
    """A topology file: a plain description under a comment."""
    body = yaml.safe_dump({"kind": "description", **to_description(topology)}, sort_keys=False, width=100)
    return "\n".join(comment_lines("\n".join(head))) + "\n" + body


def write_files(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write files into a folder, which is made if need be, each wholly or not at all."""
    paths = []
    for name, text in texts.items():
        path = folder / name
        write_atomic(path, text.encode())
        paths.append(path)
    return paths
