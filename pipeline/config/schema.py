"""The validated configuration: what every other module of the pipeline sees.

Ranges of the simulator's settings come from its specifications (`pipeline/config/schema_spec.py`); only the
pipeline's own settings are declared here. Groups with several shapes tell them apart by `kind`.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator

import sim
from pipeline.config.schema_front import Front, Objective
from pipeline.config.schema_spec import (
    BindingPart,
    CostPart,
    FaultsPart,
    Part,
    PolicyPart,
    ProcessClassPart,
    SimulationPart,
    SpecPart,
    Switch,
    Word,
    bounded,
    one_of,
    problem,
    spec_model,
)
from pipeline.config.schema_sweep import SCALAR, SweepGrid, SweepPart

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
CLASS_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def check_name(value: Any) -> Any:
    """Refuse what cannot name a folder, a table row and a run alike."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise problem(
            "must be 1 to 64 letters, digits, and the signs _ . + -, not starting with a sign",
            value=value,
        )
    return value


def check_class_name(value: Any) -> Any:
    """Refuse what cannot be a word of a dotted key."""
    if not isinstance(value, str) or not CLASS_NAME.fullmatch(value):
        raise problem("must be 1 to 64 letters, digits, _ and -, starting with a letter", value=value)
    return value


Name = Annotated[str, BeforeValidator(check_name)]
ClassName = Annotated[str, BeforeValidator(check_class_name)]

# --- topology -------------------------------------------------------------------------------------


class TopologyBase(Part):
    """What every machine may have beside its own description."""

    latency_csv: Annotated[
        Word | None, Field(description="table of measured core-to-core latencies, ns; laid over the machine")
    ] = None


class TopologyDescription(TopologyBase):
    """A machine described by keys; `sim.topology_from_description` knows and checks them."""

    model_config = ConfigDict(extra="allow")

    kind: Literal["description"]
    name: Annotated[Word | None, Field(description="shown in tables; default: the option's name")] = None


class TopologyHwloc(TopologyBase):
    """A machine described by an hwloc XML file (`lstopo --of xml`)."""

    kind: Literal["hwloc"]
    name: Annotated[Word | None, Field(description="shown in tables; default: the option's name")] = None
    path: Annotated[Word, Field(description="of the XML file")]


class TopologyYaml(TopologyBase):
    """A machine described by a YAML file of its own, with the keys of a description."""

    kind: Literal["yaml"]
    name: Annotated[Word | None, Field(description="shown in tables; default: the option's name")] = None
    path: Annotated[Word, Field(description="of the YAML file")]


class TopologyHost(TopologyBase):
    """The machine that this program runs on."""

    kind: Literal["host"]
    name: Annotated[Word | None, Field(description="shown in tables")] = None


class TopologySct(TopologyBase):
    """A machine in the BEAM's own terms, as after `erl +sct`."""

    kind: Literal["sct"]
    name: Annotated[Word | None, Field(description="shown in tables; default: the option's name")] = None
    sct: Annotated[Word, Field(description="such as L0-3c0-3p0n0:L4-7c0-3p1n1")]


class TopologyTerm(TopologyBase):
    """A machine as `erlang:system_info(cpu_topology)` shows it."""

    kind: Literal["cpu_topology"]
    name: Annotated[Word | None, Field(description="shown in tables; default: the option's name")] = None
    term: Annotated[Word, Field(description="the Erlang term, or the path of a file that holds it")]


TopologyPart = Annotated[
    TopologyDescription | TopologyHwloc | TopologyYaml | TopologyHost | TopologySct | TopologyTerm,
    Field(discriminator="kind"),
]

# --- workload -------------------------------------------------------------------------------------


class ClassesBase(Part):
    """Checks of a workload of process classes that span classes."""

    @model_validator(mode="after")
    def check_workload(self) -> Any:
        """Make the specification once, for its rules across classes."""
        members: Mapping[str, SpecPart] = self.classes  # type: ignore[attr-defined]
        names = list(members)
        try:
            self.workload()
        except sim.SpecError as error:
            first, _, rest = error.where.partition(".")
            index, _, rest = rest.partition(".")
            where = f"{first}.{names[int(index)]}.{rest}" if index.isdigit() else error.where
            raise problem(
                f"must be {error.allowed}", where=where, value=error.value, hint=error.hint
            ) from None
        return self

    def workload(self) -> sim.Workload:
        """The simulator's workload."""
        parts: dict[str, SpecPart] = self.classes  # type: ignore[attr-defined]
        classes = tuple(part.spec(name=name) for name, part in parts.items())
        ratio: float = self.ns_per_reduction  # type: ignore[attr-defined]
        name: str = self.name or "custom"  # type: ignore[attr-defined]
        return sim.Workload(name=name, ns_per_reduction=ratio, classes=classes)


_ratio = next(f for f in sim.Workload.__dataclass_fields__.values() if f.name == "ns_per_reduction")
_meta = _ratio.metadata


class WorkloadClasses(ClassesBase):
    """Process classes by name; each has a population or arrivals, memory, affinity and a program."""

    kind: Literal["classes"]
    name: Annotated[Word | None, Field(description="shown in tables; default: the option's name")] = None
    ns_per_reduction: bounded(  # type: ignore[valid-type]
        float, _meta["low"], _meta["high"], _meta["text"], unit=_meta["unit"]
    ) = _ratio.default
    classes: Annotated[dict[ClassName, ProcessClassPart], Field(description="class name -> class")]


WorkloadReplay: Any = spec_model(
    sim.Replay,
    name="WorkloadReplay",
    leave_out=("name", "trace"),
    fixed={"trace": None},
    add={
        "kind": (Literal["replay"], ...),
        "name": (Annotated[Word | None, Field(description="shown in tables")], None),
        "trace": (
            Annotated[Word, Field(description="name in conf/traces, or a path (also of a raw recording)")],
            ...,
        ),
    },
)
WorkloadPart = Annotated[WorkloadClasses | WorkloadReplay, Field(discriminator="kind")]

# --- where it runs and where it is recorded -------------------------------------------------------


class ClusterInline(Part):
    """In this process, one chunk after the other."""

    kind: Literal["inline"]
    chunk_s: bounded(  # type: ignore[valid-type]
        float, 0.01, 600, "work in one chunk", unit="s"
    ) = 1.0


class ClusterLocal(ClusterInline):
    """Ray on this machine."""

    kind: Literal["local"]  # type: ignore[assignment]
    workers: bounded(  # type: ignore[valid-type]
        int, 1, 4096, "processes; null = one a core", optional=True
    ) = None
    retries: bounded(  # type: ignore[valid-type]
        int, 0, 100, "new tries of a chunk whose worker died"
    ) = 2


class ClusterRemote(ClusterInline):
    """A Ray cluster that is already running."""

    kind: Literal["remote"]  # type: ignore[assignment]
    address: Annotated[Word, Field(description="host:port, or auto")]
    retries: bounded(  # type: ignore[valid-type]
        int, 0, 100, "new tries of a chunk whose worker died"
    ) = 2
    wait_s: bounded(  # type: ignore[valid-type]
        float, 0, 86_400, "how long to wait for a worker when none is left", unit="s"
    ) = 600.0


ClusterPart = Annotated[ClusterInline | ClusterLocal | ClusterRemote, Field(discriminator="kind")]


class TrackingOff(Part):
    """Nothing is recorded in MLflow."""

    kind: Literal["off"]


class TrackingSqlite(Part):
    """MLflow in a SQLite file."""

    kind: Literal["sqlite"]
    file: Annotated[Word | None, Field(description="null = mlflow.db in the outputs folder")] = None
    children: bounded(  # type: ignore[valid-type]
        int, 0, 100_000, "points recorded each, at most"
    ) = 60


class TrackingServer(Part):
    """An MLflow tracking server."""

    kind: Literal["server"]
    uri: Annotated[Word, Field(description="http(s)://host:port")]
    children: bounded(  # type: ignore[valid-type]
        int, 0, 100_000, "points recorded each, at most"
    ) = 60
    timeout_s: bounded(  # type: ignore[valid-type]
        float, 0.1, 3600, "patience with the server", unit="s"
    ) = 10.0


def word_off(value: Any) -> Any:
    """YAML reads `kind: off` as a boolean; take it as the word."""
    is_off = isinstance(value, Mapping) and value.get("kind") is False
    return {**value, "kind": "off"} if is_off else value


TrackingPart = Annotated[
    TrackingOff | TrackingSqlite | TrackingServer,
    Field(discriminator="kind"),
    BeforeValidator(word_off),
]


# --- checks while lanes run -----------------------------------------------------------------------


class DebugNone(Part):
    """Lanes run at once, and nobody looks at them."""

    kind: Literal["none"]


class DebugInvariants(Part):
    """Every invariant of the simulator is looked at while lanes run; the results are the same bits."""

    kind: Literal["invariants"]
    every: bounded(  # type: ignore[valid-type]
        int, 1, 10**9, "events between two looks"
    ) = 1
    from_event: bounded(  # type: ignore[valid-type]
        int, 0, 10**15, "events that are only handled before the first look"
    ) = 0
    replicate: bounded(  # type: ignore[valid-type]
        int, 0, 99_999, "the only one that is looked at; null = each", optional=True
    ) = None


DebugPart = Annotated[DebugNone | DebugInvariants, Field(discriminator="kind")]


class Outputs(Part):
    """Where results go."""

    folder: Annotated[Word, Field(description="made if missing")] = "outputs"

    @property
    def path(self) -> Path:
        """The folder as an absolute path."""
        return Path(self.folder).expanduser().resolve()


# --- the whole ------------------------------------------------------------------------------------


def no_baseline_given() -> dict[str, str | int | float | bool | None]:
    """The policy `none`."""
    return {"policy": "none"}


def check_baseline(value: Any) -> Any:
    """A policy's name, or overrides of the policy alone."""
    if isinstance(value, str) and value:
        return {"policy": value}
    good = isinstance(value, Mapping) and value and all(isinstance(v, SCALAR) for v in value.values())
    if not good or not all(k == "policy" or str(k).startswith("policy.") for k in value):
        raise problem(
            "must be the name of a policy, or overrides of a policy",
            value=value,
            hint="write none, or {policy: conservative, policy.threshold_factor: 2}",
        )
    return dict(value)


class Config(Part):
    """One study, resolved: what is simulated, how it is swept, and where it goes."""

    study: Annotated[Name, Field(description="name of the study and of its output folder")] = "sweep"
    seed: bounded(int, 0, 2**63 - 1, "of all random numbers") = 1  # type: ignore[valid-type]
    replicates: bounded(int, 1, 100_000, "lanes a point") = 3  # type: ignore[valid-type]
    simulation: SimulationPart = Field(default_factory=SimulationPart)
    topology: TopologyPart
    workload: WorkloadPart
    policy: PolicyPart
    cost: CostPart
    binding: BindingPart = Field(default_factory=BindingPart)
    faults: FaultsPart = Field(default_factory=FaultsPart)
    sweep: SweepPart = SweepGrid()
    cluster: ClusterPart
    tracking: TrackingPart
    baseline: Annotated[
        dict[str, str | int | float | bool | None],
        BeforeValidator(check_baseline),
        Field(description="policy that the others are compared with: a name, or overrides"),
    ] = Field(default_factory=no_baseline_given)
    objective: Annotated[
        Objective | None, Field(description="metric to choose by; null = the knee of the front")
    ] = None
    front: Front = Front()
    outputs: Outputs = Outputs()
    resume: Annotated[Switch, Field(description="go on where a killed run stopped")] = True
    output: one_of(("table", "json"), "what the command prints") = "table"  # type: ignore[valid-type]
    debug: DebugPart = DebugNone(kind="none")


SIMULATED = ("topology", "workload", "policy", "cost", "binding", "faults", "simulation")
# The groups whose options name a point in tables and charts.
LABELS = ("topology", "workload", "policy", "binding", "faults")
# What all lanes of one call of the simulator have in common.
SHARED = ("topology", "workload", "faults", "simulation")
SECTIONS: dict[str, TypeAdapter[Any]] = {
    "topology": TypeAdapter(TopologyPart),
    "workload": TypeAdapter(WorkloadPart),
    "policy": TypeAdapter(PolicyPart),
    "cost": TypeAdapter(CostPart),
    "binding": TypeAdapter(BindingPart),
    "faults": TypeAdapter(FaultsPart),
    "simulation": TypeAdapter(SimulationPart),
}
UNIONS = ("topology", "workload", "sweep", "cluster", "tracking", "debug")
