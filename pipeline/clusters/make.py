"""The cluster that a study's settings name, and the simulator compiled before it starts."""

import inspect

from pipeline.clusters.inline import Cluster, InlineCluster
from pipeline.clusters.node import Program
from pipeline.clusters.ray import RayCluster
from pipeline.run.lanes import LanePlan, Toolkit
from pipeline.run.progress import StudyProgress


def compile_simulator(toolkit: Toolkit, progress: StudyProgress) -> None:
    """Compile the simulator, part by part on the display where it tells of its parts."""
    compile_kernels = toolkit.compile_kernels
    tells = "on_part" in inspect.signature(compile_kernels).parameters
    with progress.parts("Compiling the simulator (kept for the next run)") as on_part:
        seconds = compile_kernels(on_part=on_part) if tells else compile_kernels()
    progress.note(f"Simulator ready after {seconds:.1f} s.")


def make_cluster(plan: LanePlan, lane_count: int, progress: StudyProgress) -> Cluster:
    """The cluster, not entered yet.

    Parameters
    ----------
    lane_count : lanes of a round; workers beyond them are not started
    """
    settings = plan.study.config.cluster
    toolkit = plan.toolkit
    if settings.kind == "inline":
        return InlineCluster(toolkit.simulate)
    program = Program(toolkit.simulate, toolkit.source_digest, plan.source_digest, toolkit.compile_kernels)
    retries: int = settings.retries
    if settings.kind == "remote":
        progress.step(f"Connecting to the Ray cluster at {settings.address}")
        note, wait_s = progress.note, settings.wait_s
        return RayCluster(program, address=settings.address, retries=retries, note=note, wait_s=wait_s)
    cluster = RayCluster(program, settings.workers, retries=retries)
    cluster.workers = max(1, min(cluster.workers, lane_count))
    progress.step(f"Starting Ray with {cluster.workers} worker(s) on this machine")
    return cluster
