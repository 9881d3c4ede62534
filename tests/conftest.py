"""What every test relies on: no telemetry, stable settings, and markers that do what they say."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before anything imports these libraries: nothing phones home, and no setting of the user's reaches a test.
os.environ.update(
    DO_NOT_TRACK="1",
    DVC_NO_ANALYTICS="1",
    MLFLOW_DISABLE_TELEMETRY="true",
    RAY_USAGE_STATS_ENABLED="0",
    # Two test processes on two cores: linear algebra is not to take the other's.
    OMP_NUM_THREADS="1",
    OPENBLAS_NUM_THREADS="1",
    # The width that tables and messages are laid out for.
    COLUMNS="120",
)
for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "RAY_ADDRESS", "HYDRA_FULL_ERROR"):
    os.environ.pop(name, None)

# A shell's background jobs ignore Ctrl-C, and so would every program that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A slow machine is no failure, and two runs of the same code try the same examples. For a longer search:
# pytest --hypothesis-profile=search tests/property
settings.register_profile(
    "default",
    deadline=None,
    derandomize=True,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("search", settings.get_profile("default"), derandomize=False, max_examples=2000)
settings.load_profile("default")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find_browser() -> str | None:
    """Return the path of a Chromium, if there is one."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that need a Ray or a browser of their own on one worker each, and skip what cannot run."""
    missing = find_browser() is None
    for item in items:
        for marker in ("ray", "browser"):
            if item.get_closest_marker(marker) and not item.get_closest_marker("xdist_group"):
                item.add_marker(pytest.mark.xdist_group(marker))
        if missing and item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason=f"no browser found: {', '.join(BROWSERS)}"))


@pytest.fixture(scope="session")
def browser() -> str:
    """The path of a Chromium; tests that ask for it are marked `browser`."""
    path = find_browser()
    if path is None:
        pytest.skip("no browser found: mark the test `browser`")
    return path


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parents[1]
