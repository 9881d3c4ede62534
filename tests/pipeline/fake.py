"""A study in miniature: configurations, points and a simulator whose lanes do what a test asks for."""

import hashlib
import json
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from pipeline.run.lanes import Toolkit


@dataclass(frozen=True)
class Section:
    """A section of a configuration, or a specification: just its values."""

    values: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "values":
            raise AttributeError(name)
        return self.values.get(name)

    def spec(self) -> "Section":
        return self

    def model_dump(self, mode: str = "json") -> dict[str, Any]:
        return dict(self.values)


@dataclass(frozen=True)
class Config:
    topology: Section
    workload: Section
    simulation: Section
    policy: Section
    cost: Section
    binding: Section
    faults: Section
    cluster: Section
    outputs: Section
    resume: bool = True
    sweep: Section = Section({"kind": "grid"})
    front: Section = Section({})

    def model_dump(self, mode: str = "json") -> dict[str, Any]:
        dumped = {k: v.model_dump() for k, v in vars(self).items() if isinstance(v, Section)}
        return dumped | {"resume": self.resume}


@dataclass(frozen=True)
class Point:
    index: int
    axes: dict[str, Any]
    config: Config
    labels: dict[str, str]
    digest: str
    baseline_index: int = 0


@dataclass(frozen=True)
class Study:
    name: str
    points: tuple[Point, ...]
    baseline_index: int
    axes: tuple[str, ...]
    replicates: int
    seed: int
    config: Config
    command: list[str] = field(default_factory=lambda: ["sweep"])


@dataclass(frozen=True)
class Lane:
    policy: Section
    cost: Section
    seed: int
    replicate: int
    binding: Section


def fake_study(
    folder: Path,
    factors: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0),
    topologies: tuple[str, ...] = ("small", "large"),
    replicates: int = 5,
    cluster: dict[str, Any] | None = None,
    resume: bool = True,
    **behaviour: Any,
) -> Study:
    """A grid of topologies x factors. `behaviour` goes into the workload: see `simulate`."""
    workload = Section({"name": "fake", **behaviour})
    where = Section({"kind": "inline", "chunk_s": 0.05, "retries": 2, **(cluster or {})})
    points = []
    for topology in topologies:
        machine = Section({"name": topology})
        for factor in factors:
            policy = Section({"name": "p", "threshold_factor": factor, "limits": {"rate": None}})
            config = Config(
                topology=machine,
                workload=workload,
                simulation=Section({"horizon_ns": 10}),
                policy=policy,
                cost=Section({"kind": "flat"}),
                binding=Section({"mode": "static"}),
                faults=Section({"name": "none", "changes": []}),
                cluster=where,
                outputs=Section({"folder": str(folder)}),
                resume=resume,
            )
            axes = {"topology": topology, "policy.threshold_factor": factor}
            labels = {"topology": topology, "workload": "fake", "policy": "p"}
            digest = section_digest("point", Section(axes))
            points.append(Point(len(points), axes, config, labels, digest))
    return Study(
        name="tiny",
        points=tuple(points),
        baseline_index=0,
        axes=("topology", "policy.threshold_factor"),
        replicates=replicates,
        seed=7,
        config=points[0].config,
    )


def simulate(
    topology: Section,
    workload: Section,
    lanes: list[Lane],
    simulation: Section,
    faults: Section,
    threads: int = 1,
) -> SimpleNamespace:
    """Numbers that depend on (topology, policy, seed, replicate) alone, like the real ones.

    The workload may say: `sleep_s` a lane; `counter`, a file that grows by a byte a lane; and for the
    lanes of one `factor` with replicate 1 (`only`): `then` = raise, limit, kill, or kill_once.
    """
    rows = []
    for lane in lanes:
        if workload.counter:
            with Path(workload.counter).open("ab") as file:
                file.write(b".")
        time.sleep(workload.sleep_s or 0.0)
        rows.append(one_lane(topology, workload, lane))
    names = rows[0].keys()
    return SimpleNamespace(columns={name: np.array([row[name] for row in rows]) for name in names})


def one_lane(topology: Section, workload: Section, lane: Lane) -> dict[str, Any]:
    key = f"{topology.name}/{lane.policy.threshold_factor}/{lane.seed}/{lane.replicate}"
    rng = np.random.default_rng(list(hashlib.sha256(key.encode()).digest()))
    status = 1
    if lane.policy.threshold_factor == workload.only and lane.replicate == 1:
        if workload.then == "raise":
            raise RuntimeError("this lane cannot be")
        if workload.then == "limit":
            status = 2
        if workload.then == "kill" or (workload.then == "kill_once" and first_time(workload.mark)):
            os.kill(os.getpid(), signal.SIGKILL)
    return {
        "status": np.uint32(status),
        "event_count": np.int64(rng.integers(1, 1000)),
        "load_imbalance": rng.random(),
        "migration_overhead_share": rng.random() if lane.replicate else float("nan"),
    }


def first_time(mark: str) -> bool:
    """Whether nobody called this before with the same file."""
    try:
        Path(mark).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def section_digest(name: str, section: Section) -> str:
    text = json.dumps([name, section.values], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def fake_toolkit(**changes: Any) -> Toolkit:
    """The simulator above; `changes` replace parts of it."""
    parts: dict[str, Any] = {
        "simulate": simulate,
        "compile_kernels": lambda: 0.0,
        "source_digest": lambda: "fake-1",
        "make_lane": Lane,
        "describe_status": lambda bits: f"stopped early: bits {bits}",
        "build": lambda config: config,
        "section_digest": section_digest,
    }
    return Toolkit(**parts | changes)


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every table in a run folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.parquet"))
    }
