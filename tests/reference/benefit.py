"""The test that a migration must pass: benefit against cost (DESIGN §8)."""

from dataclasses import dataclass

from tests.reference.codes import NONE
from tests.reference.cost import WHOLE_Q16, estimate
from tests.reference.numbers import nearest

INFINITE = -1  # factor_q16 of a threshold that nothing passes
REDS_MAX = 1 << 40
TERM_MAX_NS = 1 << 40
AGE_MAX_NS = 1 << 48
PRODUCT_MAX = 1 << 62
BENEFIT_MAX = 1 << 46


@dataclass(frozen=True)
class Verdict:
    """What the policy knows about a candidate."""

    benefit: int  # cycles of the target
    cost: int  # likewise, estimated
    factor_q16: int  # INFINITE, or 0 where there is no test
    is_passed: bool


def weigh(lane, process, place: tuple[int, int], k: int, share_q16: int = WHOLE_Q16) -> Verdict:
    """Hold the benefit of a migration against its estimated cost.

    `place` is (source, target); k is the number of processes that would run before it at the source.
    """
    source, target = place
    mhz = lane.machine.mhz[lane.cores[target].hw]
    cost = estimate(lane, process, source, target, share_q16).cycles(mhz)
    benefit = benefit_cycles(lane, process, source, target, k)
    rule = lane.policy.decision.rule
    if rule == "always":
        return Verdict(benefit, cost, 0, True)
    factor_q16 = factor(lane, process, source, target)
    if factor_q16 == INFINITE:
        return Verdict(benefit, cost, INFINITE, False)
    if rule == "cost_benefit":
        return Verdict(benefit, cost, factor_q16, exceeds(benefit, cost * factor_q16))
    fewer = k - lane.cores[target].load()
    shared_cycles = min(process.run_ns * fewer, AGE_MAX_NS) * mhz // 1000
    is_passed = fewer > 0 and exceeds(shared_cycles, cost * factor_q16)
    return Verdict(benefit, cost, factor_q16, is_passed)


def exceeds(benefit: int, product: int) -> bool:
    """Compare cycles with cost x factor (Q16), as numbers of 63 bits can."""
    if product > PRODUCT_MAX:
        return False
    return benefit >= BENEFIT_MAX or benefit << 16 > product


def factor(lane, process, source: int, target: int) -> int:
    """Give what the cost is multiplied with (Q16)."""
    if lane.factor_q16 == INFINITE:
        return INFINITE
    rule = lane.policy.decision
    by_class = (
        rule.same_core_factor,
        rule.same_cluster_factor,
        rule.same_node_factor,
        rule.other_node_factor,
    )
    by_bound = rule.cpu_bound_factor if process.kind.is_cpu_bound else rule.io_bound_factor
    class_q16 = nearest(by_class[lane.distance(source, target)] * 65536)
    factor_q16 = (lane.factor_q16 * class_q16) >> 16
    return (factor_q16 * nearest(by_bound * 65536)) >> 16


def benefit_cycles(lane, process, source: int, target: int, k: int) -> int:
    """Give the waiting saved, the speed gained and the preference met, in cycles of the target."""
    rule, here, there = lane.policy.decision, lane.cores[source], lane.cores[target]
    reds = expected_reds(lane, process)
    waiting = k * here.mean_slice_ns - there.load() * there.mean_slice_ns
    speed = (reds * (lane.nspr(process, source) - lane.nspr(process, target))) >> 20
    gain_ns = weighted(waiting, rule.waiting_weight) + weighted(speed, rule.speed_weight)
    if nearest(rule.utilisation_weight * 65536):
        length_ns = min(1 << 40, (reds * lane.nspr(process, target)) >> 20)
        difference = (length_ns * (here.util_q16 - there.util_q16)) >> 16
        gain_ns += weighted(difference, rule.utilisation_weight)
    benefit = gain_ns * lane.machine.mhz[there.hw] // 1000
    return benefit + preference(process, here.hw, there.hw) * rule.preferred_bonus_cycles


def weighted(term_ns: int, weight: float) -> int:
    """Weigh a term of the gain, within its bounds."""
    return (max(-TERM_MAX_NS, min(term_ns, TERM_MAX_NS)) * nearest(weight * 65536)) >> 16


def preference(process, here: int, there: int) -> int:
    """Count the preferences that a move meets, less those that it gives up."""
    if not process.has_preference:
        return 0
    mask, core = process.affinity.mask, process.affinity.preferred_core
    met = (there in mask) - (here in mask)
    if core not in (None, NONE):
        met += (there == core) - (here == core)
    return met


def expected_reds(lane, process) -> int:
    """Give the reductions that are expected to gain from another speed."""
    match lane.policy.decision.remaining:
        case "age":
            reds = max(1, process.run_reds)
        case "step" if process.remaining > 0:
            reds = process.remaining
        case _:
            reds = process.kind.expected_reds
    return min(reds, REDS_MAX)
