"""Power of d choices, exact for two and three cores."""

from tests.validation.case import Check, Outcome, Plot, Scale
from tests.validation.cases.placement_few_cores import distribution, mean_checks, mean_points, theory_curve
from tests.validation.registry import case

NAME = "Power of d choices, a few cores"
SETTINGS = {(2, 2): (0.5, 0.7, 0.9), (2, 3): (0.7,), (3, 2): (0.5, 0.8), (3, 3): (0.7,)}
CUSTOMERS = 60_000


@case(NAME, "placement", "Mitzenmacher 2001 (the model); solved as a Markov chain, cut off far out")
def few_cores(scale: Scale) -> Outcome:
    """2 and 3 cores, each arrival joins the least loaded of d cores drawn with replacement.

    With replacement: on 2 cores, d = 2 looks at both only half of the time. The numbers of processes of the
    cores are a Markov chain, whose stationary law gives the means and the distribution of the sojourn.
    """
    checks: list[Check] = []
    lines, notes = [], []
    for (num_cores, choices), every in SETTINGS.items():
        loads = list(every if scale.is_full else every[:1])
        sojourns = []
        for load in loads:
            found, sojourn, note = mean_checks(NAME, num_cores, load, choices, scale, CUSTOMERS)
            checks += found
            sojourns.append(sojourn)
            notes.append(note)
        if choices == 2:
            lines.append(theory_curve(num_cores, choices, scale))
        lines.append(mean_points(f"{num_cores} cores, d = {choices}", loads, sojourns))
    more, figure = distribution(NAME, 3, 0.7, 2, scale, 1.5 * CUSTOMERS)
    plot = Plot("Mean sojourn time", "load", "mean sojourn time (demands)", lines)
    return Outcome([*checks, *more], [plot, figure], [" ".join(notes)])
