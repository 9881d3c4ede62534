"""Points -> what the simulator is called with: batches of lanes that share machine, faults and workload."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

import sim
from pipeline.adaptive.rounds import decisions_of
from pipeline.config.build import build, section_digest
from pipeline.config.schema import SHARED
from pipeline.errors import UserError
from pipeline.run.manifest import run_key
from pipeline.run.worker import Batch, Simulate

BATCHES_KEPT = 64


@dataclass(frozen=True)
class Toolkit:
    """The simulator and the way to its objects, as the fan-out calls them; tests hand in others.

    simulate        : sim.simulate(topology, workload, lanes, simulation, timeline, threads)
    compile_kernels : compiles once, gives the seconds it took; may take on_part(done, total)
    source_digest   : digest of the simulator's sources
    make_lane       : sim.Lane(policy, cost, seed, replicate, binding)
    describe_status : status bits -> a sentence
    build           : config -> build.Inputs
    section_digest  : name and section of a config -> digest of what it means
    """

    simulate: Simulate
    compile_kernels: Callable[..., float]
    source_digest: Callable[[], str]
    make_lane: Callable[..., Any]
    describe_status: Callable[[int], str]
    build: Callable[[Any], Any]
    section_digest: Callable[[str, Any], str]


def coreshift_toolkit() -> Toolkit:
    """The simulator of this repository."""
    return Toolkit(
        simulate=sim.simulate,
        compile_kernels=sim.compile_kernels,
        source_digest=sim.source_digest,
        make_lane=sim.Lane,
        describe_status=describe_status,
        build=build,
        section_digest=section_digest,
    )


def describe_status(bits: int) -> str:
    """The sentences of the bits that make a lane fail."""
    failing = sim.LaneStatus(bits) & ~sim.LaneStatus.COMPLETED
    return failing.describe() or f"The lane ended with status {bits}."


class LanePlan:
    """Every lane of a study: its batch, its specification, and the run key.

    lane = point number x replicates + replicate. Every distinct machine and workload is read here,
    so that what cannot be built is known before anything is computed.

    study   : grid.Study
    toolkit : the simulator
    points  : those of the study, and those that an adaptive design added since; the run key does not
              depend on the latter, but on all that leads to them
    """

    def __init__(self, study: Any, toolkit: Toolkit) -> None:
        if not study.points:
            raise UserError("The sweep has no points.", "Give sweep.axes at least one value.")
        self.study, self.toolkit = study, toolkit
        self.replicates: int = study.replicates
        self.points: list[Any] = []
        self.batch_of_point = np.zeros(0, np.int64)
        self._numbers: dict[str, int] = {}
        self._examples: list[Any] = []
        self._built: OrderedDict[int, Batch] = OrderedDict()
        self._memo: dict[tuple[str, int], tuple[Any, str]] = {}
        self.extend(study.points)
        self.source_digest = toolkit.source_digest()
        self.key = run_key(self.contents(), self.source_digest)

    @property
    def lane_count(self) -> int:
        """Lanes of all points, with all replicates."""
        return len(self.points) * self.replicates

    def extend(self, points: Iterable[Any]) -> None:
        """Append points, numbered as they come."""
        numbers = []
        for point in points:
            digest = "/".join(self._digest(point.config, name) for name in SHARED)
            if digest not in self._numbers:
                self._numbers[digest] = len(self._numbers)
                self._examples.append(point.config)
            numbers.append(self._numbers[digest])
            self.points.append(point)
        self.batch_of_point = np.append(self.batch_of_point, np.array(numbers, np.int64))

    def contents(self) -> dict[str, Any]:
        """What fixes the tables beside the simulator; no path, no worker count, no other setting."""
        study = self.study
        points = [
            [point.digest, dict(point.labels), dict(point.axes), point.baseline_index]
            for point in study.points
        ]
        seed_and_count = {"seed": study.seed, "replicates": self.replicates}
        return seed_and_count | {"axes": list(study.axes), "points": points} | decisions_of(study)

    def _digest(self, config: Any, name: str) -> str:
        """Digest of a section; points often share the very same object."""
        section = getattr(config, name)
        if (name, id(section)) not in self._memo:
            # The object is kept as well: its id names it only while it lives.
            self._memo[name, id(section)] = (section, self.toolkit.section_digest(name, section))
        return self._memo[name, id(section)][1]

    def _build(self, config: Any) -> Batch:
        inputs = self.toolkit.build(config)
        return Batch(inputs.topology, inputs.workload, inputs.simulation, inputs.faults)

    def _keep(self, index: int, batch: Batch) -> None:
        self._built[index] = batch
        self._built.move_to_end(index)
        while len(self._built) > BATCHES_KEPT:
            self._built.popitem(last=False)

    def batch(self, index: int) -> Batch:
        """The batch with this index; rebuilt if there are too many to keep."""
        if index not in self._built:
            self._keep(index, self._build(self._examples[index]))
        self._built.move_to_end(index)
        return self._built[index]

    def batches_of(self, lanes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Batch indexes of lanes."""
        found: np.ndarray[Any, Any] = self.batch_of_point[lanes // self.replicates]
        return found

    def spec(self, lane: int) -> Any:
        """The sim.Lane of a lane."""
        point, replicate = divmod(lane, self.replicates)
        config = self.points[point].config
        return self.toolkit.make_lane(
            policy=config.policy.spec(),
            cost=config.cost.spec(),
            seed=self.study.seed,
            replicate=replicate,
            binding=config.binding.spec(),
        )

    def describe(self, lane: int) -> dict[str, Any]:
        """A lane as a report names it: point, what was swept, replicate, seed."""
        number, replicate = divmod(lane, self.replicates)
        point = self.points[number]
        return {
            "lane": lane,
            "point": number,
            "replicate": replicate,
            "seed": self.study.seed,
            "axes": dict(point.axes),
            "labels": dict(point.labels),
        }
