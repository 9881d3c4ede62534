"""Fit the free constants of a cost to a recording, and write them as a cost file."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.calibration.fit_reductions import fit_reductions
from pipeline.calibration.fit_switch import fit_switch
from pipeline.calibration.fit_wake import fit_wake
from pipeline.calibration.measured import Measured
from pipeline.calibration.recording import read_recording
from pipeline.calibration.write import cost_text, cycles
from sim import TraceError

FREQUENCY_MHZ = 2500.0
"""Assumed of machines that do not say, as in `sim.topology`."""


@dataclass
class Fitted:
    """What a recording says of the constants."""

    name: str
    slowdown: float
    holdout: float
    cost: dict[str, Measured]
    classes: list[Measured]
    notes: list[str] = field(default_factory=list)

    def values(self) -> list[Measured]:
        """The constants, in the order of the file."""
        return list(self.cost.values())


def fit_trace(folder: Path, holdout: float, frequency_mhz: float | None = None) -> Fitted:
    """Fit a recording.

    Parameters
    ----------
    holdout       : share of the recording, at its end, that is not fitted but predicted
    frequency_mhz : clock that the switch is turned into cycles with; None = 2500 MHz

    Raises
    ------
    TraceError if the folder cannot be read, or tells none of the constants
    """
    recording = read_recording(folder, holdout)
    reductions, classes, notes = fit_reductions(recording)
    switch = fit_switch(recording)
    clock = "assumed; give that of your topology with frequency_mhz=" if frequency_mhz is None else "as given"
    cost = {"dispatch_cycles": cycles(switch, frequency_mhz or FREQUENCY_MHZ, clock)}
    cost |= {value.name: value for value in fit_wake(recording)}
    cost["ns_per_reduction"] = reductions
    if not any(value.is_found for value in cost.values()):
        reasons = "; ".join(f"{value.name}: {value.note}" for value in cost.values())
        raise TraceError(f"{folder}, constants found", 0, f"1 or more ({reasons})", "record for longer")
    slowdown = recording.trace.slowdown
    if not math.isnan(slowdown):
        notes.append(
            f"the program ran {slowdown:.0%} slower while it was recorded, and times here include that"
        )
    return Fitted(recording.trace.name, slowdown, holdout, cost, classes, notes)


def trace_text(fitted: Fitted) -> str:
    """The cost file."""
    part = f"its first {1 - fitted.holdout:.0%} were fitted, the rest held out to check"
    head = [
        f"Fitted by `pipeline.calibrate trace` to the recording {fitted.name}: {part}.",
        *(f"Note: {note}." for note in fitted.notes),
        "What stands in no line here was not fitted and has its default.",
    ]
    if fitted.classes:
        head.append("Name each process_class as your workload does; classes that it has not are passed over.")
    return cost_text(head, fitted.cost, fitted.classes)
