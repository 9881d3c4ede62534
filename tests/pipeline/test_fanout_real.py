"""The fan-out with the real simulator: one process, threads of nobody, or Ray; the bytes are the same."""

import pytest
from rich.console import Console

from pipeline.config.compose import read_command, with_hydra
from pipeline.config.study import make_study
from pipeline.run.fanout import run_study
from tests.pipeline.fake import digests


def smoke(folder, *words):
    """The smoke study with other settings, computed."""
    command = read_command(["experiment=smoke", "tracking=off", f"outputs.folder={folder}", *words])
    study = with_hydra(command, lambda: make_study(command, "pipeline.sweep"))
    return run_study(study, console=Console(quiet=True))


@pytest.mark.ray
@pytest.mark.slow
def test_ray_gives_the_bytes_of_one_process(tmp_path):
    expected = smoke(tmp_path / "inline", "cluster=inline", "cluster.chunk_s=100")
    assert expected.failed_lanes == []
    again = smoke(tmp_path / "ray", "cluster=local", "cluster.workers=2", "cluster.chunk_s=0.01")
    assert again.key == expected.key
    assert digests(again.folder) == digests(expected.folder)
