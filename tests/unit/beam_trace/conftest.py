"""Fixture shared by the tests of the trace import."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.unit.beam_trace.recording import write_recording


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a recording's folder from literal event rows."""
    return partial(write_recording, tmp_path / "tiny")
