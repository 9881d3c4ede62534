"""What a case of the validation suite is, and what it finds: checks, and plots of theory and simulation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

FAMILIES = ("queues", "placement", "stealing", "published", "laws", "determinism", "statistics", "oracle")
Kind = Literal["interval", "order", "exact"]


@dataclass(frozen=True)
class Scale:
    """How much work a case does.

    name       : full, or quick (each case within about two seconds: part of the tests)
    replicates : independent replicates of a simulation, at least 2
    size       : multiplies the length of each of them; 1 in the full suite
    narrow     : multiplies the width that an interval may have and still say something; 1 in the full suite
    """

    name: str
    replicates: int
    size: float
    narrow: float

    @property
    def is_full(self) -> bool:
        """Is this the long suite?"""
        return self.name == "full"

    def length(self, customers: float) -> int:
        """Customers, events or whatever a case counts its length in, at this scale."""
        return max(1000, int(customers * self.size))


FULL = Scale("full", replicates=30, size=1.0, narrow=1.0)
QUICK = Scale("quick", replicates=12, size=0.25, narrow=5.0)


@dataclass(frozen=True)
class Check:
    """One comparison with what is known.

    quantity   : what is compared, with the setting: "mean waiting time, load 0.8"
    unit       : of theory, simulated and half_width; "" for a pure number
    kind       : interval (theory lies in a computed interval), order (one is greater than another, paired) or
                 exact (equal to the bit)
    theory     : the known value; of an order: 0, of which the difference must be greater
    simulated  : mean over the replicates; of an order: mean of the paired differences
    half_width : of the Student-t interval of `simulated` at the suite's level; 0 for an exact check
    z          : (simulated - theory) / standard error; 0 for an exact check that holds
    p          : two-sided probability of such a difference or a greater one, if the theory is right;
                 one-sided for an order; nan for an exact check
    replicates : independent values behind it
    slack      : stated systematic error of theory or measurement that the interval is widened by
    is_ok      : does it hold?
    note       : why a slack, what a failure means
    """

    quantity: str
    unit: str
    kind: Kind
    theory: float
    simulated: float
    half_width: float
    z: float
    p: float
    replicates: int
    is_ok: bool
    slack: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class Series:
    """One line or set of points of a plot; theory is drawn as a line, simulation as points with intervals."""

    name: str
    is_theory: bool
    x: Sequence[float]
    y: Sequence[float]
    half_width: Sequence[float] | None = None


@dataclass(frozen=True)
class Plot:
    """A figure: theory against simulation."""

    title: str
    x_title: str
    y_title: str
    series: Sequence[Series]
    is_log_x: bool = False
    is_log_y: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a case found. notes : sentences for the reader of the report, each a paragraph."""

    checks: Sequence[Check]
    plots: Sequence[Plot] = ()
    notes: Sequence[str] = ()

    @property
    def is_ok(self) -> bool:
        """Do all checks hold? A case without checks has shown nothing."""
        return bool(self.checks) and all(check.is_ok for check in self.checks)


@dataclass(frozen=True)
class Case:
    """A model with a known answer, and how it is simulated.

    name   : as people call the model; unique
    family : one of FAMILIES
    source : where the answer is known from: author, year, title or section
    about  : what is configured and what is known, a paragraph
    run    : does it, at a scale
    is_quick : has it a quick form, that runs with the tests?
    rank     : its place in the family
    """

    name: str
    family: str
    source: str
    about: str
    run: Callable[[Scale], Outcome] = field(repr=False)
    is_quick: bool = True
    rank: int = 1
