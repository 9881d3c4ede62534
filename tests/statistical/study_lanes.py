"""The lanes of a study as the sweep composes them, without its folders: words in, columns by point out."""

from collections.abc import Sequence

import numpy as np

import sim
from pipeline.config.compose import read_command, with_hydra
from pipeline.config.study import make_study
from pipeline.run.lanes import LanePlan, coreshift_toolkit


def study_lanes(words: Sequence[str]) -> list[dict[str, np.ndarray]]:
    """Columns of every point of a study, in the order of its points and of their replicates.

    Raises
    ------
    RuntimeError if a lane did not complete
    """
    command = read_command([*words, "tracking=off", "cluster=inline"])
    study = with_hydra(command, lambda: make_study(command))
    plan = LanePlan(study, coreshift_toolkit())
    found = []
    for point in range(len(study.points)):
        batch = plan.batch(int(plan.batch_of_point[point]))
        lanes = [plan.spec(point * plan.replicates + r) for r in range(plan.replicates)]
        columns = sim.simulate(batch.topology, batch.workload, lanes, batch.simulation, batch.faults).columns
        if not (columns["status"] == sim.LaneStatus.COMPLETED).all():
            raise RuntimeError(f"point {point}: status {np.unique(columns['status'])}")
        found.append(columns)
    return found
