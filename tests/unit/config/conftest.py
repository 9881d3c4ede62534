"""Composing in this process, as the commands do."""

from collections.abc import Callable, Iterator

import pytest
from hydra.core.config_store import ConfigStore

from pipeline.config.compose import read_command, with_hydra
from pipeline.config.grid import Study
from pipeline.config.groupfile import GROUPS_OF_FILES
from pipeline.config.study import make_study

MakeStudy = Callable[..., Study]


@pytest.fixture
def study_of() -> MakeStudy:
    """The study that command-line words make."""

    def make(*words: str) -> Study:
        command = read_command(words)
        return with_hydra(command, lambda: make_study(command))

    return make


@pytest.fixture(autouse=True)
def forget_files() -> Iterator[None]:
    """Files taken as options stay for the life of the process; each test forgets its own."""
    yield
    store = ConfigStore.instance().repo
    for group in GROUPS_OF_FILES:
        store.pop(group, None)
