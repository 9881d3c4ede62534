"""Composing in this process, as the commands do."""

from collections.abc import Callable

import pytest

from pipeline.compose import read_command, with_hydra
from pipeline.grid import Study
from pipeline.study import make_study

MakeStudy = Callable[..., Study]


@pytest.fixture
def study_of() -> MakeStudy:
    """The study that command-line words make."""

    def make(*words: str) -> Study:
        command = read_command(words)
        return with_hydra(command, lambda: make_study(command))

    return make
