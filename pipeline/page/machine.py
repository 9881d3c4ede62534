"""The machines of a study as pictures: nodes, clusters, cores with their threads, and core types (SVG).

What is drawn is kept in the run folder as `machines.json`, so that a report made anew needs no machine file.
"""

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sim
from pipeline.config.build import build_topology
from pipeline.config.compose import compose, read_command, with_hydra
from pipeline.config.schema_errors import load_section
from pipeline.errors import UserError
from pipeline.evidence.aggregate import RunTables, write_text
from sim.topology import describe

FILE = "machines.json"
MACHINES_MOST = 6
CORES_MOST = 1024
"""Logical CPUs of a machine up to which each is drawn; of a larger one the clusters with their counts."""
WIDTH, GAP, CELL = 980, 8, 10
WIDTH_LEAST = 560
"""Pixels that a large picture keeps on a narrow screen, where its box is scrolled."""
TYPE_COLOURS = ("#0072B2", "#F0C94A", "#009E73", "#CC79A7")


def machines_of(run: RunTables) -> dict[str, Any]:
    """Name -> facts and cores of each machine, or the reason why it cannot be drawn."""
    names = run.points["topology"].unique(maintain_order=True).to_list() if "topology" in run.points else []
    names = [str(name) for name in names[:MACHINES_MOST]]
    kept = kept_machines(run)
    found = {name: kept[name] if name in kept else machine_of(run, name) for name in names}
    drawn = {name: one for name, one in found.items() if "reason" not in one}
    if drawn and drawn != kept:
        write_text(run.folder / FILE, json.dumps(drawn, sort_keys=True) + "\n")
    return found


def kept_machines(run: RunTables) -> dict[str, Any]:
    """What lies in the run folder."""
    try:
        found = json.loads((run.folder / FILE).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def machine_of(run: RunTables, name: str) -> dict[str, Any]:
    """A machine from the run's configuration, or from the group of machines where it has another name."""
    section = run.config.get("topology") or {}
    try:
        if section.get("name") != name:
            words = ["experiment=none", f"topology={name}"]
            plain, _ = with_hydra(read_command([], use_default_study=False), lambda: compose(words))
            section = plain["topology"]
        topology = build_topology(load_section("topology", section))
    except (UserError, OSError, KeyError) as error:
        return {"reason": " ".join(str(error).split())}
    if topology.name != name:
        return {"reason": f"the configuration holds another machine, {topology.name}"}
    return machine_data(topology)


def machine_data(topology: sim.Topology) -> dict[str, Any]:
    """What is drawn and told of a machine, as plain data."""
    return {
        "facts": [list(row) for row in describe(topology)],
        "types": list(topology.core_type_names),
        "package": topology.core_package.tolist(),
        "node": topology.core_node.tolist(),
        "cluster": topology.core_cluster.tolist(),
        "core": topology.core_smt.tolist(),
        "type": topology.core_type.tolist(),
    }


@dataclass(frozen=True)
class Box:
    """A part of the picture with its size, and the SVG of what is inside."""

    width: int
    height: int
    inside: str


def machine_svg(name: str, machine: Mapping[str, Any]) -> str:
    """The picture of a machine: packages, in them nodes, clusters, and physical cores with their threads."""
    tree = tree_of(machine)
    is_small = len(machine["type"]) <= CORES_MOST
    packages = []
    for package, nodes in tree.items():
        boxes = []
        for node, clusters in nodes.items():
            inner = [
                framed(f"cluster {number}", cluster_box(cores, machine) if is_small else count_box(cores), 2)
                for number, cores in clusters.items()
            ]
            boxes.append(framed(f"NUMA node {node}", flow(inner, WIDTH - 6 * GAP), 1))
        packages.append(framed(f"package {package}", flow(boxes, WIDTH - 2 * GAP), 0))
    whole = flow(packages, WIDTH)
    text = html.escape(f"{name}: {dict(map(tuple, machine['facts'])).get('cores', '')} cores", quote=True)
    size = f"max-width:{whole.width}px;min-width:{min(whole.width, WIDTH_LEAST)}px"
    return (
        f"<svg class=machine role=img aria-label='{text}' viewBox='0 0 {whole.width} {whole.height}' "
        f"style='{size}' font-family='sans-serif' font-size='10'>"
        f"<title>{text}</title>{whole.inside}</svg>"
    )


def tree_of(machine: Mapping[str, Any]) -> dict[int, dict[int, dict[int, dict[int, list[int]]]]]:
    """Package -> node -> cluster -> physical core -> logical CPUs."""
    tree: dict[int, dict[int, dict[int, dict[int, list[int]]]]] = {}
    columns = (machine[key] for key in ("package", "node", "cluster", "core"))
    for cpu, (package, node, cluster, core) in enumerate(zip(*columns, strict=True)):
        cores = tree.setdefault(package, {}).setdefault(node, {}).setdefault(cluster, {})
        cores.setdefault(core, []).append(cpu)
    return {package: dict(sorted(nodes.items())) for package, nodes in sorted(tree.items())}


def cluster_box(cores: Mapping[int, Sequence[int]], machine: Mapping[str, Any]) -> Box:
    """The physical cores of a cluster, up to eight in a row, a mark a thread."""
    parts = []
    wide = max(len(cpus) for cpus in cores.values()) * CELL + 4
    row = min(8, len(cores), max(1, -(-len(cores) // 2)))
    for place, (number, cpus) in enumerate(cores.items()):
        x, y = place % row * (wide + 3), place // row * (CELL + 7)
        names = [machine["types"][machine["type"][cpu]] for cpu in cpus]
        text = html.escape(f"core {number}, type {names[0]}, CPUs {', '.join(map(str, cpus))}", quote=True)
        marks = "".join(thread(x + 2 + i * CELL, y + 2, machine["type"][cpu]) for i, cpu in enumerate(cpus))
        edge = f"<rect x='{x}' y='{y}' width='{wide}' height='{CELL + 4}' fill='#fff' stroke='#888'/>"
        parts.append(f"<g><title>{text}</title>{edge}{marks}</g>")
    return Box(row * (wide + 3), -(-len(cores) // row) * (CELL + 7), "".join(parts))


def thread(x: int, y: int, kind: int) -> str:
    """A logical CPU: a square of the first core type, a circle of the second, a diamond of others."""
    colour = TYPE_COLOURS[min(kind, len(TYPE_COLOURS) - 1)]
    size = CELL - 2
    style = f"fill='{colour}' stroke='#333' stroke-width='.5'"
    if kind == 0:
        return f"<rect x='{x + 1}' y='{y + 1}' width='{size}' height='{size}' {style}/>"
    middle = (x + 1 + size / 2, y + 1 + size / 2)
    if kind == 1:
        return f"<circle cx='{middle[0]:g}' cy='{middle[1]:g}' r='{size / 2:g}' {style}/>"
    half = size / 2
    corners = ((0, -half), (half, 0), (0, half), (-half, 0))
    points = " ".join(f"{middle[0] + dx:g},{middle[1] + dy:g}" for dx, dy in corners)
    return f"<polygon points='{points}' {style}/>"


def count_box(cores: Mapping[int, Sequence[int]]) -> Box:
    """A cluster of a machine too large for single cores."""
    threads = sum(len(cpus) for cpus in cores.values())
    return Box(86, 16, f"<text x='0' y='11'>{len(cores)} cores, {threads} CPUs</text>")


def flow(boxes: Sequence[Box], width: int) -> Box:
    """Boxes beside each other, in as many rows as they need."""
    x = y = height = widest = 0
    parts = []
    if boxes:
        # As many rows as are needed, and rows of about the same length.
        cell = max(box.width for box in boxes) + GAP
        row = max(1, (width + GAP) // cell)
        rows = -(-len(boxes) // row)
        width = min(width, -(-len(boxes) // rows) * cell - GAP)
    for box in boxes:
        if x and x + box.width > width:
            x, y, height = 0, y + height + GAP, 0
        parts.append(f"<g transform='translate({x} {y})'>{box.inside}</g>")
        widest, height = max(widest, x + box.width), max(height, box.height)
        x += box.width + GAP
    return Box(widest, y + height, "".join(parts))


def framed(title: str, box: Box, depth: int) -> Box:
    """A box with a frame and a title; the deeper, the lighter."""
    fill, edge = (("#eef1f4", "#555"), ("#f7f9fa", "#777"), ("#ffffff", "#aaa"))[depth]
    width, height = max(box.width + 2 * GAP, 7 * len(title)), box.height + 2 * GAP + 10
    frame = f"<rect width='{width}' height='{height}' rx='4' fill='{fill}' stroke='{edge}'/>"
    words = f"<text x='{GAP}' y='12' fill='#333'>{html.escape(title)}</text>"
    return Box(width, height, f"{frame}{words}<g transform='translate({GAP} {GAP + 10})'>{box.inside}</g>")


def type_legend(machine: Mapping[str, Any]) -> str:
    """The core types with their marks; one type needs none."""
    if len(machine["types"]) < 2:
        return ""
    parts = []
    for kind, name in enumerate(machine["types"]):
        mark = f"<svg width='14' height='14' aria-hidden=true>{thread(1, 1, kind)}</svg>"
        parts.append(
            f"<span class=key>{mark} {html.escape(str(name))}: {machine['type'].count(kind)} CPUs</span>"
        )
    return f"<p class=keys>{' '.join(parts)}</p>"
