"""What a process pays before its first event: importing, compiling, loading what was compiled."""

import tempfile
from collections.abc import Callable, Iterator

from tests.bench.effort import Effort
from tests.bench.fresh import ask
from tests.bench.row import Row, figure

IMPORT_MAX_S, COLD_MAX_S = 0.5, 30.0


def timed(case: str, answers: list[dict[str, float]], target: float | None = None) -> Row:
    """A figure in seconds of wall time, CPU time among its facts."""
    facts = {"cpu_s": [answer["cpu_s"] for answer in answers]}
    wall = [answer["wall_s"] for answer in answers]
    return figure("start", case, "s", wall, target=target, better="low", facts=facts)


def start(effort: Effort, say: Callable[[str], None]) -> Iterator[Row]:
    """Import and warm first call, several times; cold compilation once."""
    say("import")
    ask("importing")  # from now on the files are in the memory of the operating system
    answers = [ask("importing") for _ in range(effort.repetitions)]
    yield timed("import of sim beyond NumPy and Numba", answers, IMPORT_MAX_S)
    say("first call")
    ask("first_call")
    answers = [ask("first_call") for _ in range(effort.repetitions)]
    yield timed("first call, compiled before", answers)
    if not effort.is_cold:
        effort.skip("cold compilation is part of the full run only")
        return
    say("compiling from nothing")
    with tempfile.TemporaryDirectory(prefix="coreshift-cold-") as folder:
        yield timed(
            "cold compilation", [ask("first_call", environment={"NUMBA_CACHE_DIR": folder})], COLD_MAX_S
        )
