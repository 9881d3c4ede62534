"""The naive simulator: plain Python, written from sim/DESIGN.md alone, clear before fast."""

from tests.reference.codes import CoreState, Denial, LogCode, Mechanism, ProcessState
from tests.reference.simulator import ReferenceResult, simulate_reference

__all__ = [
    "CoreState",
    "Denial",
    "LogCode",
    "Mechanism",
    "ProcessState",
    "ReferenceResult",
    "simulate_reference",
]
