"""What a study asked, in its report: machines, workload, what was swept, goals, and the configuration."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

import sim
from pipeline.config.goals import goals_of
from pipeline.evidence.aggregate import RunTables
from pipeline.page.machine import machine_svg, machines_of, type_legend
from pipeline.page.text import escape
from pipeline.plain import plain, plain_name

VALUES_MOST = 12
CONFIG_MOST = 60_000
"""Characters of the configuration that are shown; config.yaml has it whole."""
FACTS_OPEN = ("cores", "core types", "packages", "NUMA nodes", "clusters")


def asked_part(run: RunTables) -> str:
    """Study, machines, workload and configuration."""
    return "".join(
        (
            "<h3>The study</h3>", facts(study_facts(run)),
            *[machine_part(name, one) for name, one in machines_of(run).items()],
            "<h3>Workload</h3>", workload_part(run.config.get("workload") or {}),
            config_part(run),
        )
    )  # fmt: skip


def facts(rows: Mapping[str, str]) -> str:
    """Rows of a name and a text."""
    lines = [
        f"<tr><td>{escape(key)}</td><td class=left>{escape(text)}</td></tr>" for key, text in rows.items()
    ]
    return f"<div class=wide><table class=facts>{''.join(lines)}</table></div>"


def study_facts(run: RunTables) -> dict[str, str]:
    """What was varied, how often and how long, and what was wanted."""
    found = {"study": str(run.manifest.get("study", "study"))}
    design = (run.config.get("sweep") or {}).get("kind")
    found["design"] = f"{design or 'grid'}, {run.points.height:,} settings"
    found["replicates"] = f"{run.manifest.get('replicates')}, seed {run.manifest.get('seed')}"
    simulation = run.config.get("simulation") or {}
    if "horizon_ns" in simulation:
        span, before = simulation["horizon_ns"] / 1e6, simulation.get("warmup_ns", 0) / 1e6
        found["simulated time"] = f"{span:g} ms a lane, of which {before:g} ms are warm-up and not measured"
    goals = goals_of(run.config)
    ways = ["more" if sign < 0 else "less" for sign in goals.signs]
    pairs = zip(goals.objectives, ways, strict=True)
    found["objectives"] = ", ".join(f"{name} ({way} is better)" for name, way in pairs)
    if goals.weights is not None:
        weights = zip(goals.objectives, goals.weights, strict=True)
        found["weights"] = ", ".join(f"{name} {weight:.3g}" for name, weight in weights)
    found["constraints"] = ", ".join(one.text for one in goals.constraints) or "none"
    if run.config.get("objective"):
        objective = run.config["objective"]
        found["chosen by"] = f"{objective['metric']}, keeping {objective['keep'] or 'nothing'}"
    for axis in run.axes:
        values = run.points[axis].unique().sort(nulls_last=True).to_list()
        text = ", ".join(plain(value) for value in values[:VALUES_MOST])
        found[plain_name(axis)] = text + (f", … ({len(values)} values)" if len(values) > VALUES_MOST else "")
    return found


def machine_part(name: str, machine: Mapping[str, Any]) -> str:
    """The picture of a machine with its facts, or why there is none."""
    head = f"<h3>Machine: {escape(name)}</h3>"
    if "reason" in machine:
        return f"{head}<p class=none>No picture: {escape(machine['reason'])}.</p>"
    rows = {label: text for label, text in machine["facts"] if label != "name"}
    shown = {label: rows[label] for label in FACTS_OPEN if label in rows}
    rest = {label: text for label, text in rows.items() if label not in FACTS_OPEN}
    return (
        f"{head}<figure><div class=wide tabindex=0 role=region aria-label='machine {escape(name)}'>"
        f"{machine_svg(name, machine)}</div>{type_legend(machine)}"
        "<figcaption>Each box of marks is a physical core, each mark a logical CPU (thread) of it; a cluster "
        "shares a cache.</figcaption></figure>"
        f"{facts(shown)}<details><summary>Caches, memory and distances</summary>{facts(rest)}</details>"
    )


def workload_part(workload: Mapping[str, Any]) -> str:
    """Classes of processes with their programs, or the recorded trace, and the load."""
    classes = workload.get("classes")
    if not isinstance(classes, Mapping) or not classes:
        return facts({k: plain_text(v) for k, v in workload.items() if not isinstance(v, Mapping)})
    plain_keys = [k for k, v in workload.items() if not isinstance(v, (Mapping, list))]
    names = dict.fromkeys(k for one in classes.values() for k in one)
    scalar = [
        n for n in names if not any(isinstance(one.get(n), (Mapping, list)) for one in classes.values())
    ]
    # A class with arrivals has a count of 0 at the start, which alone would say that there is nothing of it.
    scalar += ["arrival"] if "arrival" in names and "arrival" not in scalar else []
    head = "".join(f"<th scope=col>{escape(n.replace('_', ' '))}</th>" for n in ("class", *scalar, "program"))
    lines = [
        f"<tr><td>{escape(name)}</td>"
        + "".join(f"<td>{escape(kind_text(one.get(n)))}</td>" for n in scalar)
        + f"<td class=left>{escape(program_text(one.get('program')))}</td></tr>"
        for name, one in classes.items()
    ]
    table = f"<div class=wide><table><tr>{head}</tr>{''.join(lines)}</table></div>"
    return facts({k: plain_text(workload[k]) for k in plain_keys}) + table


def plain_text(value: Any) -> str:
    """A setting in a cell of a table."""
    return json.dumps(value, default=str) if isinstance(value, (Mapping, list)) else plain(value)


def kind_text(value: Any) -> str:
    """A setting in a cell; of a group with a kind, the kind and the numbers that are given."""
    if not isinstance(value, Mapping):
        return plain_text(value)
    numbers = [f"{k} {plain_text(v)}" for k, v in value.items() if k != "kind" and v not in (None, [])]
    return f"{value.get('kind', '')} {', '.join(numbers)}"


def program_text(program: Any) -> str:
    """The steps of a program in a line."""
    if not isinstance(program, list):
        return plain_text(program)
    steps = []
    for step in program:
        draw = step.get("draw") if isinstance(step, Mapping) else None
        if not isinstance(step, Mapping):
            steps.append(str(step))
        elif isinstance(draw, Mapping):
            steps.append(f"{step.get('op')} {kind_text(draw)}")
        else:
            steps.append(str(step.get("op")))
    return " → ".join(steps)


def config_part(run: RunTables) -> str:
    """The resolved configuration, folded away, and what the metrics mean."""
    text = yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True, width=100)
    more = "\n# ... cut off here; config.yaml has all" if len(text) > CONFIG_MOST else ""
    lines = [
        f"<tr><td>{escape(name)}</td><td class=left>{escape(sim.METRICS[name].unit)}</td>"
        f"<td class=left>{escape(sim.METRICS[name].text)}</td></tr>"
        for name in run.metrics
        if name in sim.METRICS
    ]
    titles = (("metric", ""), ("unit", " class=left"), ("meaning", " class=left"))
    head = f"<tr>{''.join(f'<th scope=col{kind}>{title}</th>' for title, kind in titles)}</tr>"
    return (
        "<details><summary>Configuration (config.yaml)</summary>"
        f"<pre id=config>{escape(text[:CONFIG_MOST] + more)}</pre></details>"
        "<details><summary>What the metrics mean</summary>"
        f"<div class=wide><table>{head}{''.join(lines)}</table></div></details>"
    )
