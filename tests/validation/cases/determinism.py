"""The same bits: batches, orders, threads, processes, without the compiler, and for another CPU."""

import random
import tempfile

import sim
from tests.determinism.digests import elsewhere, small
from tests.golden.lanes import POLICIES, SIMULATION, TOPOLOGY, mixed, records
from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.judge import exact
from tests.validation.registry import case, seed_of

NAME = "Determinism: batches, orders, threads, processes"
REPLICATES = 6
THREADS = (1, 2, 3)
GENERIC = {"NUMBA_CPU_NAME": "generic"}


def differing(one: dict, other: dict) -> list[str]:
    """Names of lanes that are not the same in two tables, or that only one of them has."""
    return [name for name in one.keys() | other.keys() if one.get(name) != other.get(name)]


def rows_of(result: sim.Result) -> list[bytes]:
    """Each lane's row as bytes, with the utilisation of every core."""
    columns = [column for _, column in sorted(result.columns.items())]
    return [
        b"".join(column[i].tobytes() for column in columns) + result.core_utilisation[i].tobytes()
        for i in range(len(columns[0]))
    ]


@case(NAME, "determinism", "sim/DESIGN.md §2: random numbers are keyed streams of the lane")
def batches(scale: Scale) -> Outcome:
    """Lanes of six policies with several replicates: alone, in one batch, in another order, on threads.

    All columns and the utilisation of every core are compared to the bit. Then lanes of the oracle in a
    process of its own, with another order of hashes, and by the interpreter without the compiler. Chunks,
    workers, killed and resumed runs are tested with the pipeline (tests/pipeline).
    """
    count = REPLICATES if scale.is_full else 2
    seed = seed_of(NAME)
    lanes = [sim.Lane(policy, sim.Cost(), seed, r) for policy in POLICIES.values() for r in range(count)]
    parts = (TOPOLOGY, mixed())
    batch = rows_of(sim.simulate(*parts, lanes, SIMULATION))
    checks = [exact(f"different lanes of {len(lanes)}", len(set(batch)), len(lanes))]
    alone = [rows_of(sim.simulate(*parts, [lane], SIMULATION))[0] for lane in lanes]
    checks.append(exact("lanes that differ alone", unequal(batch, alone), 0))
    order = list(range(len(lanes)))
    random.Random(1).shuffle(order)
    other = rows_of(sim.simulate(*parts, [lanes[i] for i in order], SIMULATION))
    moved = unequal([batch[i] for i in order], other)
    checks.append(exact("lanes that differ in another order", moved, 0))
    by_threads = [rows_of(sim.simulate(*parts, lanes, SIMULATION, threads=n)) for n in THREADS]
    checks += [
        exact(f"lanes that differ on {n} threads", unequal(batch, rows), 0)
        for n, rows in zip(THREADS, by_threads, strict=True)
    ]
    here = small() if scale.is_full else {}  # the tests have these two
    settings = {"in another process": "PYTHONHASHSEED", "without the compiler": "NUMBA_DISABLE_JIT"}
    for where, setting in settings.items() if scale.is_full else ():
        there = elsewhere("small", **{setting: "1"})
        checks.append(exact(f"lanes of {len(here)} that differ {where}", len(differing(here, there)), 0))
    equal = [float(len(lanes) - unequal(batch, rows)) for rows in by_threads]
    lines = (
        Series("all", True, THREADS, [float(len(lanes))] * len(THREADS)),
        Series("equal to the bit", False, THREADS, equal),
    )
    return Outcome(checks, [Plot("Lanes that are the same on some threads", "threads", "lanes", lines)])


def unequal(one: list[bytes], other: list[bytes]) -> int:
    """How many rows differ."""
    return sum(a != b for a, b in zip(one, other, strict=True))


@case("Determinism: another CPU", "determinism", "IEEE 754; Numba's NUMBA_CPU_NAME", is_quick=False)
def another_cpu(scale: Scale) -> Outcome:
    """The kernel compiled anew for the plainest CPU of this kind, in a process and a cache of its own.

    No vector units beyond the baseline, no fused multiply-add: the pinned lanes have the same digests, event
    log, counters and decisions. The compiler's code of the kernel, for this CPU and for the plain one, has no
    operation that may be fused or reordered, and calls no function that a library rounds as it likes.
    It compiles for some minutes.
    """
    with tempfile.TemporaryDirectory(prefix="coreshift-generic-") as folder:
        settings = {**GENERIC, "NUMBA_CACHE_DIR": folder}
        plain = elsewhere("golden", **settings)
        code = elsewhere("code", **settings)
    here, own = records(), elsewhere("code")
    checks = [
        exact(f"pinned lanes of {len(here)} that differ", len(differing(here, plain)), 0),
        *code_checks("this CPU", own),
        *code_checks("the plain CPU", code),
    ]
    x = list(range(len(here)))
    lines = (
        Series("this CPU", True, x, [float(found["entries"]) for found in here.values()]),
        Series("the plain CPU", False, x, [float(plain[name]["entries"]) for name in here]),
    )
    title = "Entries of the event logs of the pinned lanes"
    numbered = ", ".join(f"{number} {name}" for number, name in enumerate(here))
    counts = ", ".join(f"{count} {name}" for name, count in sorted(own["operations"].items()))
    notes = [
        f"The pinned lanes of the figure: {numbered}.",
        f"The kernel's floating-point code: {counts}; calls of {', '.join(own['called'])}.",
    ]
    return Outcome(checks, [Plot(title, "pinned lane", "entries", lines, is_log_y=True)], notes)


def code_checks(where: str, facts: dict) -> list[Check]:
    """Nothing in the compiled code depends on the machine."""
    exact_functions = {"sqrt", "llvm.sqrt.f64", "llvm.floor.f64", "llvm.fabs.f64", "llvm.ceil.f64"}
    inexact = set(facts["called"]) - exact_functions
    return [
        exact(f"operations that may be fused or reordered, {where}", sum(facts["flags"].values()), 0),
        exact(f"functions with inexact results, {where}", len(inexact), 0),
    ]
