"""Cost of an event as the machine and the population grow: like a logarithm, or like a square?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from tests.bench import plain_c
from tests.bench.effort import Effort
from tests.bench.part_closed import measure
from tests.bench.row import Row, figure
from tests.bench.systems import closed

EVENTS = 2_000_000
CORES, PER_CORE = (16, 64, 256, 1024), 16
FIXED_CORES, POPULATIONS = 64, (256, 1024, 4096, 16_384, 65_536)
WIDER, FULLER = "16 a core", "64 cores"
EXPONENT_MAX = 0.5  # a logarithm from 256 to 16 384 processes is 0.13, a scan of the cores goes to 1


def inverted(row: Row) -> Row:
    """Speeds as ns an event."""
    low, high = row.spread
    return replace(
        row,
        unit="ns/event",
        better="low",
        value=1e9 / row.value,
        spread=(1e9 / high, 1e9 / low),
        peer_value=1e9 / row.peer_value if row.peer_value else None,
    )


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """b of the least-squares fit cost = a x size^b."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def logarithm(sizes: Sequence[float], costs: Sequence[float]) -> dict[str, float]:
    """The least-squares fit cost = base + slope x log2 size, and how far the costs are from it at most."""
    slope, base = np.polyfit(np.log2(sizes), costs, 1)
    line = base + slope * np.log2(sizes)
    worst = np.abs(np.asarray(costs) / line - 1).max()
    return {"base_ns": float(base), "ns_a_doubling": float(slope), "worst_residual": float(worst)}


def fit(case: str, sizes: Sequence[int], rows: Sequence[Row]) -> Row:
    """The exponent of a series, Coreshift's and the peer's, with the logarithmic fits."""
    mine = [row.value for row in rows]
    facts = {"sizes": list(sizes), "ns": mine, "logarithm": logarithm(sizes, mine)}
    if plain_c.compiler():
        theirs = [row.peer_value for row in rows]
        facts |= {"peer_exponent": exponent(sizes, theirs), "peer_logarithm": logarithm(sizes, theirs)}
    return figure(
        "growth", case, "exponent", [exponent(sizes, mine)], target=EXPONENT_MAX, better="low", facts=facts
    )


def growth(effort: Effort, say: Callable[[str], None]) -> Iterator[Row]:
    """Both series, and the fit of each."""
    shapes = {
        (WIDER, "in cores"): (CORES, [(n, PER_CORE * n) for n in CORES]),
        (FULLER, "in processes"): (POPULATIONS, [(FIXED_CORES, n) for n in POPULATIONS]),
    }
    for (series, direction), (sizes, systems) in shapes.items():
        rows = []
        for size in systems:
            system = closed(*size, effort.scaled(EVENTS))
            say(system.name)
            row = inverted(measure("growth", system, effort))
            rows.append(replace(row, case=f"{series}: {row.case}"))
            yield rows[-1]
        yield fit(f"{series}: growth {direction}", sizes, rows)
