"""The files that a study reads beside its configuration, machines and recorded programs, by content."""

from collections.abc import Iterable
from typing import Any

from pipeline.config.build import build_topology, load_trace

MACHINE_FILES = ("yaml", "hwloc")


def input_digests(points: Iterable[Any]) -> dict[str, str]:
    """Input as the configuration names it -> SHA-256 of what it holds, each distinct one once.

    A machine is one whatever its file is called or how it is laid out; so is a trace.

    Parameters
    ----------
    points : grid.Point
    """
    sections: dict[int, tuple[str, Any]] = {}
    for point in points:
        for name in ("topology", "workload"):
            section = getattr(point.config, name)
            sections[id(section)] = (name, section)
    found: dict[str, str] = {}
    for name, section in sections.values():
        label = label_of(name, section)
        if label:
            loaded = build_topology(section) if name == "topology" else load_trace(section.trace)
            found[label] = loaded.digest()
    return dict(sorted(found.items()))


def label_of(name: str, section: Any) -> str:
    """How a section names the file that it reads; "" if it reads none."""
    kind = getattr(section, "kind", "")
    if name == "workload":
        return f"workload.trace={section.trace}" if kind == "replay" else ""
    if kind == "host":
        return "topology=host"
    if name == "topology" and kind == "description":
        return f"topology={section.name}"
    table = getattr(section, "latency_csv", None)
    parts = [f"topology.path={section.path}"] if kind in MACHINE_FILES else []
    return " ".join([*parts, *([f"topology.latency_csv={table}"] if table else [])])
