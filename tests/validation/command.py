"""The command: cases on some processes, a table for the terminal, tables and a report for the folder."""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

import sim
from tests.validation.case import FULL, QUICK, Outcome, Scale
from tests.validation.registry import all_cases


def run_case(name: str, scale: Scale) -> tuple[Outcome, float]:
    """One case, by name, and the seconds that it took."""
    began = time.perf_counter()
    return all_cases()[name].run(scale), time.perf_counter() - began


def main() -> int:
    """Read the command line and run; the exit code tells whether every check holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.validation")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="*", default=None, help="parts of names")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args()
    scale = QUICK if given.quick else FULL
    chosen = [n for n in all_cases() if given.only is None or any(p.lower() in n.lower() for p in given.only)]
    if given.list:
        print("\n".join(chosen))
        return 0
    sim.compile_kernels()
    outcomes: dict[str, Outcome] = {}
    with ProcessPoolExecutor(given.processes, mp_context=get_context("spawn")) as pool:
        tasks = {pool.submit(run_case, name, scale): name for name in chosen}
        for task in as_completed(tasks):
            name = tasks[task]
            outcomes[name], seconds = task.result()
            bad = [check for check in outcomes[name].checks if not check.is_ok]
            print(f"{name}: {len(outcomes[name].checks)} checks, {len(bad)} fail, {seconds:.1f} s", flush=True)
            for check in bad:
                print("   ", check)
    return 0 if all(outcome.is_ok for outcome in outcomes.values()) else 1
