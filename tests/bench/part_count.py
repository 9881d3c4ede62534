"""Instructions of the kernel an event: a figure that repeats, whatever else the machine does.

Lanes of two lengths run under callgrind; the difference of their counts over that of their events is what an
event costs, without start, tables and metrics. The kernel is compiled for a common processor by name, not for
this one: so counts of different machines compare, and callgrind knows the instructions.
"""

import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench import plain_c
from tests.bench.effort import Effort
from tests.bench.features import all_on
from tests.bench.fresh import ask
from tests.bench.row import Row, figure, paired
from tests.bench.systems import System, closed, queue, shorter

SIZE = (64, 1024)
SHORT, LONG = 20_000, 120_000
UNITS = ("instructions/event", "instructions/event", "instructions/customer")
LABELS = ("closed, ", "all on, ", "")


def processor() -> str:
    """The processor that is compiled for, by its name in LLVM."""
    return "x86-64-v3" if platform.machine() in ("x86_64", "AMD64") else "generic"


def systems(short: int, long: int) -> list[tuple[System, System]]:
    """What is counted, each at two lengths."""
    share = short / long
    whole = (closed(*SIZE, long), all_on(*SIZE, long), queue(1, long // 2))
    return [(shorter(system, share), system) for system in whole]


def is_possible() -> bool:
    """Whether Valgrind is there."""
    return bool(shutil.which("valgrind") and shutil.which("vgdb"))


def counts_of(folder: Path) -> list[int]:
    """The total of each dump in a folder, in order."""
    files = sorted(folder.glob("out.*"), key=lambda path: int(path.suffix[1:]))
    found = [re.search(r"^totals: (\d+)", path.read_text(), re.MULTILINE) for path in files]
    return [int(match[1]) for match in found if match]


def kernel_counts(short: int, long: int) -> list[float]:
    """Instructions an event of every system."""
    environment = {"NUMBA_CPU_NAME": processor(), "NUMBA_CPU_FEATURES": ""}
    ask("load", environment=environment)  # compiling under callgrind would take an hour
    with tempfile.TemporaryDirectory(prefix="coreshift-count-") as name:
        under = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={name}/out"]
        answer = ask("counted", short, long, environment=environment, under=under)
        totals = counts_of(Path(name))
    pairs = zip(totals[::2], totals[1::2], answer["events"], strict=True)
    return [(more - less) / (last - first) for less, more, (first, last) in pairs]


def c_count(system: System, share: float) -> float:
    """The same of the C program."""
    with tempfile.TemporaryDirectory(prefix="coreshift-count-") as name:
        program, counted = Path(name, system.program), []
        source = plain_c.HERE / f"{system.program}.c"
        subprocess.run([plain_c.compiler(), *plain_c.FLAGS, "-o", program, source, "-lm"], check=True)
        horizon = str(system.simulation.horizon_ns)
        for length in (str(int(system.simulation.horizon_ns * share)), horizon):
            words = [length if word == horizon else word for word in system.words]
            command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={name}/out.1"]
            done = subprocess.run(
                [*command, program, *words, "1"], check=True, capture_output=True, text=True
            )
            counted.append((int(done.stdout.split()[0]), counts_of(Path(name))[0]))
    (first, less), (last, more) = counted
    return (more - less) / (last - first)


def count(effort: Effort, say: Callable[[str], None]) -> Iterator[Row]:
    """A row for each system; beside C where C simulates it."""
    if not is_possible():
        effort.skip("no valgrind: no instruction counts")
        return
    say("compiling for a named processor, then callgrind")
    # A fixed length, whatever the effort: the count is to repeat.
    found = kernel_counts(SHORT, LONG)
    whole = [long for _, long in systems(SHORT, LONG)]
    for label, unit, system, mine in zip(LABELS, UNITS, whole, found, strict=True):
        case = f"{label}{system.name} ({processor()})"
        if not plain_c.compiler():
            yield figure("count", case, unit, [mine], better="low")
            continue
        theirs = c_count(system, SHORT / LONG)
        yield paired("count", case, unit, [mine], plain_c.PlainC.name, [theirs], better="low")
