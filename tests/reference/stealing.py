"""Pull: what an idle core does about work queued elsewhere (DESIGN §6, Steal)."""

from collections.abc import Iterator

from tests.reference.codes import Mechanism
from tests.reference.erts_steal import steal_as_erts
from tests.reference.migration import try_migration
from tests.reference.numbers import below


def steal(lane, thief):
    """Take queued work from other cores; give the process to run, or None.

    What is taken beyond the first is appended to the thief's queue.
    """
    if lane.policy.stealing.victim == "erts":
        return steal_as_erts(lane, thief)
    for victim in victims(lane, thief):
        first = steal_from(lane, thief, victim)
        if first is not None:
            return first
    lane.count("failed_steal_count")
    return None


def victims(lane, thief) -> Iterator:
    """Give the victims to try, in order, at most `attempts`."""
    rule = lane.policy.stealing
    others = [lane.cores[index] for index in lane.order(thief.index)]
    if rule.victim == "random":
        for _ in range(rule.attempts):
            drawn = lane.cores[below(lane.draw_policy("victims"), len(lane.cores))]
            if drawn is not thief and drawn.queue_length() >= rule.min_queue:
                yield drawn
        return
    able = [core for core in others if core.queue_length() >= rule.min_queue]
    if rule.victim == "longest":
        n = len(lane.cores)
        able.sort(key=lambda core: (-core.queue_length(), (core.index - thief.index) % n))
    yield from able[: rule.attempts]


def steal_from(lane, thief, victim):
    """Scan a victim's queue from its head; give the first process that may come, or None."""
    rule = lane.policy.stealing
    most = {
        "one": 1,
        "half": (victim.queue_length() + 1) // 2,
        "batch": rule.batch,
    }[rule.amount]
    first, taken = None, 0
    for process in victim.queued()[: rule.scan]:
        if taken == most:
            break
        k = victim.queued().index(process) + 1
        place = (victim.index, thief.index)
        if not try_migration(lane, process, place, Mechanism.STEAL, k, is_later=taken > 0):
            continue
        victim.remove(process)
        taken += 1
        if first is None:
            first = process
        else:
            lane.enqueue(process, thief)
    return first
