"""Sender-initiated probing on many cores: the fixed point, and the way to it."""

from functools import partial

from tests.validation.case import Check, Outcome, Plot, Scale
from tests.validation.cases.core_lengths import length_checks
from tests.validation.cases.equal_cores import sender
from tests.validation.cases.equal_cores_growth import Growth, by_inverse
from tests.validation.registry import case
from tests.validation.theory.mean_field_sender import length, sender_probing

NAME = "Sender-initiated probing, many cores"
SOURCE = "Eager, Lazowska and Zahorjan 1986, threshold policy; Gast and Van Houdt 2017 (the 1/N term)"
QUANTITY = "mean processes a core"
CUSTOMERS = 50_000
SIZES = {
    (0.8, 1, 1): [16, 32, 64, 128],
    (0.8, 2, 1): [32, 128],
    (0.9, 2, 2): [32, 128],
    (0.7, 1, 2): [32],
}
"""Numbers of cores by load, probes and threshold."""


def growth(load: float, probes: int, threshold: int) -> Growth:
    """The rule at a load."""
    model = partial(sender_probing, probes=probes, threshold=threshold)
    setting = f"load {load}, {probes} probes, threshold {threshold}"
    return Growth(setting, load, model, sender(probes, threshold))


@case(NAME, "placement", SOURCE)
def many_cores(scale: Scale) -> Outcome:
    """16 to 128 cores; an arrival at a random core that has a threshold of processes probes others.

    With infinitely many cores and threshold 1 the share with at least i processes is
    load^(1 + (probes + 1)(i - 1)), the mean sojourn 1 / (1 - load^(probes + 1)) demands; with a greater
    threshold one equation is left. What is compared is the limit with its 1/N term, and on 64 cores the
    shares of cores by length.
    """
    sizes = SIZES if scale.is_full else {(0.7, 1, 1): [16, 32]}
    checks: list[Check] = []
    plots = []
    for (load, probes, threshold), every in sizes.items():
        rule = growth(load, probes, threshold)
        found = []
        for num_cores in every:
            values, _ = rule.values(length, "queue_core_mean", num_cores, scale.length(CUSTOMERS), scale)
            found.append(values)
            checks.append(rule.check(QUANTITY, length, values, num_cores, scale))
            if scale.is_full and num_cores <= 32:
                checks.append(rule.limit_refused(QUANTITY, length, values, num_cores))
        plots.append(Plot(rule.setting, "1 / cores", QUANTITY, by_inverse(rule, length, every, found)))
    for rule in [growth(0.8, 2, 1), growth(0.9, 2, 2)] if scale.is_full else [growth(0.7, 2, 1)]:
        shares, figure = length_checks(rule, 64, range(2, 6), scale.length(0.6 * CUSTOMERS), scale)
        checks += shares
        plots.append(figure)
    return Outcome(checks, plots)
