"""Join the shortest queue, exact for a few cores."""

from tests.validation.case import Check, Outcome, Plot, Scale
from tests.validation.cases.placement_few_cores import distribution, mean_checks, mean_points, theory_curve
from tests.validation.registry import case
from tests.validation.theory.finite_placement import SHORTEST

NAME = "Join the shortest queue"
LOADS = {2: (0.5, 0.7, 0.9), 3: (0.5, 0.8)}
CUSTOMERS = 60_000


@case(NAME, "placement", "Haight 1958; Flatto and McKean 1977; solved as a Markov chain, cut off far out")
def shortest(scale: Scale) -> Outcome:
    """2 and 3 cores, each arrival goes to a least loaded core, exponential demands, no migration.

    The numbers of processes of the cores are a Markov chain, and its stationary law gives the mean number and
    sojourn, P(wait > 0) = P(all cores busy), the time that a core is idle beside waiting work (there is
    some, for nobody migrates) and the sojourn distribution, a mixture of Erlang laws.
    """
    checks: list[Check] = []
    lines, notes = [], []
    for num_cores, every in LOADS.items():
        loads = list(every if scale.is_full else every[:2])
        sojourns = []
        for load in loads:
            found, sojourn, note = mean_checks(NAME, num_cores, load, SHORTEST, scale, CUSTOMERS)
            checks += found
            sojourns.append(sojourn)
            notes.append(note)
        lines += [
            theory_curve(num_cores, SHORTEST, scale),
            mean_points(f"{num_cores} cores", loads, sojourns),
        ]
    more, figure = distribution(NAME, 2, 0.8, SHORTEST, scale, 2 * CUSTOMERS)
    plot = Plot("Mean sojourn time", "load", "mean sojourn time (demands)", lines)
    return Outcome([*checks, *more], [plot, figure], [" ".join(notes)])
