"""Other simulators, each run in a process of its own so that it carries none of Coreshift's objects."""

import importlib.util
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CUSTOMERS = {"simpy": 100_000, "ciw": 30_000}  # of one run: about half a second each
NAMES = {"simpy": "SimPy", "ciw": "Ciw"}


def is_installed(module: str) -> bool:
    """Whether the peer can be measured here."""
    return importlib.util.find_spec(module) is not None


class QueuePeer:
    """M/M/c by another simulator.

    module   : simpy or ciw
    servers  : c
    gap, demand : mean time between customers, and mean demand, in ns
    share    : of the usual number of customers
    waits    : mean waiting time of each run, and how many customers it had
    """

    def __init__(self, module: str, servers: int, gap: float, demand: float, share: float = 1.0) -> None:
        self.name = NAMES[module]
        customers = int(CUSTOMERS[module] * share)
        words = (servers, gap, demand, customers)
        self._command = [sys.executable, "-m", f"tests.bench.peer_{module}", *map(str, words)]
        self._seed = 0
        self.waits: list[tuple[float, int]] = []

    def speed(self) -> float:
        """Customers a second of CPU time, of one run."""
        self._seed += 1
        command = [*self._command, str(self._seed)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
        served, seconds, wait = done.stdout.split()
        self.waits.append((float(wait), int(served)))
        return int(served) / max(1e-9, float(seconds))

    def waiting_mean(self) -> float:
        """Mean waiting time of all customers of all runs, ns."""
        return sum(wait * count for wait, count in self.waits) / sum(count for _, count in self.waits)
