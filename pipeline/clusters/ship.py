"""What is sent to the workers of a running cluster: the sources of `sim` and `pipeline`, and nothing else."""

import shutil
from pathlib import Path

from pipeline.place import ROOT

PACKAGES = ("sim", "pipeline")


def stage_sources(folder: Path) -> None:
    """Copy every Python source of both packages below `folder`: no caches, no pages, no results."""
    for package in PACKAGES:
        for source in sorted((ROOT / package).rglob("*.py")):
            target = folder / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def kernel_sources() -> Path:
    """The folder of the simulator's kernels."""
    return ROOT / "sim" / "kernels"
