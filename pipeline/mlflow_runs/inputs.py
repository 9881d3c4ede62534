"""The inputs of a run as MLflow's datasets: the machine and the recorded program, by content."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag

from pipeline.config.build import build_topology, load_trace
from pipeline.config.schema_errors import load_section
from pipeline.errors import UserError
from pipeline.evidence.aggregate import RunTables

CONTEXT = "mlflow.data.context"
# MLflow's column holds 36 characters; the whole digest stands in the profile.
DIGEST_LENGTH = 32


@dataclass(frozen=True)
class Input:
    """One thing that a study reads.

    kind   : topology, trace or workload
    name   : as the points' table names it
    source : where it comes from: a file, or words of the configuration
    digest : SHA-256 of what it holds
    """

    kind: str
    name: str
    source: str
    digest: str

    @property
    def label(self) -> str:
        """The column of the points' table that names it."""
        return "topology" if self.kind == "topology" else "workload"

    def dataset(self) -> DatasetInput:
        """As MLflow wants it."""
        profile = json.dumps({"sha256": self.digest, "kind": self.kind})
        source = json.dumps({"uri": self.source})
        short = self.digest[:DIGEST_LENGTH]
        dataset = Dataset(self.name, short, "local", source, schema=None, profile=profile)
        return DatasetInput(dataset, [InputTag(CONTEXT, self.kind)])


def run_inputs(run: RunTables) -> list[Input]:
    """Machines and workloads of a run, with the digests that its manifest states.

    What the manifest does not list is a description in the configuration itself, which is digested here;
    where the study sweeps it, the configuration holds only one of several, and none is named.
    """
    stated = run.manifest.get("inputs")
    found = [input_of(label, digest) for label, digest in (stated or {}).items()]
    for label in ("topology", "workload"):
        section = run.config.get(label)
        names = run.points[label].unique().drop_nulls().to_list() if label in run.points.columns else []
        if len(names) == 1 and section and not any(one.label == label for one in found):
            found += described(label, str(names[0]), section)
    return found


def input_of(label: str, digest: str) -> Input:
    """An input as the manifest names it: `topology.path=FILE`, `topology=NAME` or `workload.trace=FILE`."""
    key, _, source = label.partition("=")
    kind = "trace" if key == "workload.trace" else key.partition(".")[0]
    return Input(kind, Path(source.split(" ")[0]).stem, label, digest)


def described(label: str, name: str, section: Mapping[str, Any]) -> list[Input]:
    """The input that a section of the configuration describes; none if its file is gone."""
    source = f"conf/{label}/{name}.yaml"
    try:
        if label == "topology":
            return [Input("topology", name, source, build_topology(load_section(label, section)).digest())]
        if section.get("kind") == "replay":
            trace = str(section["trace"])
            return [Input("trace", name, f"workload.trace={trace}", load_trace(trace).digest())]
    except UserError:
        return []
    text = json.dumps(section, sort_keys=True, separators=(",", ":"), default=str)
    return [Input("workload", name, source, hashlib.sha256(text.encode()).hexdigest())]


def inputs_of(inputs: Sequence[Input], row: Mapping[str, Any]) -> list[Input]:
    """Those of a point: named by its labels, or the only ones of their kind."""
    counts = {label: sum(one.label == label for one in inputs) for label in ("topology", "workload")}
    return [one for one in inputs if counts[one.label] == 1 or one.name == str(row.get(one.label))]
