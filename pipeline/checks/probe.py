"""Trials of Ray, MLflow and the compiled simulator, each in a process of its own.

A crash or a hang of a library is then a finding of pipeline/doctor.py, and not its end. Each prints a line
of JSON.
"""

import inspect
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

GONE_S = 5.0


def add(one: int, other: int) -> int:
    """The task that Ray is given."""
    return one + other


def try_ray() -> dict[str, Any]:
    """Start Ray as a sweep with cluster=local does, and run one task."""
    import psutil

    from pipeline.clusters.ray import start_ray

    began = time.monotonic()
    ray = start_ray(1, None)
    try:
        started_s = time.monotonic() - began
        answer = ray.get(ray.remote(num_cpus=1)(add).remote(20, 22), timeout=30)
    finally:
        family = psutil.Process().children(recursive=True)
        ray.shutdown()
        _, alive = psutil.wait_procs(family, timeout=GONE_S)
        for process in alive:
            process.kill()
    return {"answer": answer, "started_s": started_s, "left": len(alive)}


def try_mlflow() -> dict[str, Any]:
    """Write a run with a parameter and a metric to a new SQLite database, and read it back."""
    logging.disable(logging.WARNING)
    from mlflow.entities import Metric, Param
    from mlflow.tracking import MlflowClient

    with tempfile.TemporaryDirectory(prefix="coreshift-doctor-") as folder:
        client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
        experiment = client.create_experiment("doctor", artifact_location=Path(folder, "artifacts").as_uri())
        run = client.create_run(experiment)
        client.log_batch(run.info.run_id, [Metric("answer", 42.0, 0, 0)], [Param("question", "six")])
        client.set_terminated(run.info.run_id)
        (found,) = client.search_runs([experiment])
        return {"answer": found.data.metrics["answer"], "question": found.data.params["question"]}


def find_kernels() -> dict[str, Any]:
    """Where the compiled kernels of these sources belong."""
    import sim

    # The cache belongs to sim alone, which exports no name for it.
    module: Any = inspect.getmodule(sim.source_digest)
    return {"folder": module.kernel_cache(), "package": str(Path(module.__file__).parent)}


def load_kernels() -> dict[str, Any]:
    """Load the compiled kernels, or compile them where there are none."""
    import sim

    return {"load_s": sim.compile_kernels()}


TRIALS: dict[str, Callable[[], dict[str, Any]]] = {
    "ray": try_ray,
    "mlflow": try_mlflow,
    "find-kernels": find_kernels,
    "load-kernels": load_kernels,
}


def main() -> int:
    """Run the trial that the first word names."""
    try:
        found = TRIALS[sys.argv[1]]()
    except Exception as error:
        found = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
    print(json.dumps(found))
    return 1 if "error" in found else 0


if __name__ == "__main__":
    sys.exit(main())
