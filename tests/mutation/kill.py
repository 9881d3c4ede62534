"""Run tests against the simulator that stands in this folder until one fails; what it was goes to stdout.

    NUMBA_DISABLE_JIT=1 python -m tests.mutation.kill --test NODE --corner NAME --seeds 3 17

The tests are those of the repository: a test of pytest, scenarios made by hand and random ones held against
the naive simulator (tests/oracle, tests/reference), and at last the random scenarios of a fixed range, under
looks at every invariant (tests/soak) where the two agree.
"""

import argparse
import traceback
import warnings
from collections.abc import Callable, Iterator

from sim.invariants.lane import BrokenLaneError
from tests.oracle.corners import CORNERS
from tests.oracle.erts_corners import ERTS_CORNERS
from tests.oracle.handmade import HANDMADE
from tests.reference.compare import difference
from tests.reference.scenarios import Scenario, random_scenario
from tests.soak.drive import stepped

LAST_SEED = 300  # of the range that is tried when nothing else has failed
SOAK_SEEDS = 20
LOOK_EVERY = 25
Attempt = tuple[str, Callable[[], str | None]]


def tried(scene: Scenario) -> str | None:
    """How a scenario differs from the naive simulator, in a line."""
    found = difference(scene)
    return found.splitlines()[0] if found else None


def looked_at(scene: Scenario) -> str | None:
    """The first invariant that breaks in a scenario."""
    lane = stepped(scene)
    try:
        lane.run(lane.most, LOOK_EVERY)
    except BrokenLaneError as error:
        return str(error)
    return None


def pytest_fails(node: str) -> str | None:
    """Whether a test of pytest fails."""
    import pytest

    code = pytest.main([node, "-q", "-x", "-n0", "-p", "no:cacheprovider", "--no-header", "--tb=no"])
    return f"exit code {int(code)}" if code == pytest.ExitCode.TESTS_FAILED else None


def attempts(given: argparse.Namespace) -> Iterator[Attempt]:
    """Tests by name, the likeliest first."""
    corners = HANDMADE | CORNERS | ERTS_CORNERS
    if given.test:
        yield given.test, lambda: pytest_fails(given.test)
    if given.corner:
        yield f"scenario {given.corner!r}", lambda: tried(corners[given.corner])
    for seed in given.seeds if given.only else [*given.seeds, *range(LAST_SEED)]:
        yield f"random scenario {seed}", lambda seed=seed: tried(random_scenario(seed))
    if given.only:
        return
    for name, scene in corners.items():
        yield f"scenario {name!r}", lambda scene=scene: tried(scene)
    for seed in range(SOAK_SEEDS):
        yield f"looks at scenario {seed}", lambda seed=seed: looked_at(random_scenario(seed))


def first_failure(given: argparse.Namespace) -> str:
    """The first test that fails, and how; "" if all pass."""
    for name, run in attempts(given):
        try:
            found = run()
        except Exception:
            found = traceback.format_exc().strip().splitlines()[-1]
        if found is not None:
            return f"{name}: {found}"
    return ""


def main() -> int:
    """Read the command line; the exit code is 1 if a test failed."""
    warnings.simplefilter("ignore")  # the kernel's integers wrap around on purpose
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.kill")
    parser.add_argument("--test", default="")
    parser.add_argument("--corner", default="")
    parser.add_argument("--seeds", type=int, nargs="*", default=[])
    parser.add_argument("--only", action="store_true", help="nothing but what is named here")
    found = first_failure(parser.parse_args())
    print(f"killed by {found}" if found else "survived")
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
