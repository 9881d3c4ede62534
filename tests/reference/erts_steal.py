"""How a scheduler of the BEAM robs others: by number alone (DESIGN §20, erts steal)."""

from collections.abc import Iterator

from tests.reference.codes import Mechanism
from tests.reference.migration import try_migration
from tests.reference.run_queue import count_empty

MOST = 100


def steal_as_erts(lane, thief):
    """Take queued work from the first victim that has any to give.

    Gives the first process, which no queue holds; the others are appended to the thief's queue.
    """
    for victim in erts_victims(lane, thief):
        first = rob(lane, thief, victim)
        if first is not None:
            lane.seen["robbed inactive" if victim.rq.is_inactive else "robbed active"] += 1
            return first
    lane.count("failed_steal_count")
    return None


def erts_victims(lane, thief) -> Iterator:
    """Give the victims to try: first the inactive run queues, then the active ones, upwards from here."""
    used = lane.used if lane.is_erts else len(lane.cores)
    active = min(lane.vm.active, used) if lane.is_erts else used
    is_once = lane.policy.erts.otp == "28"
    if thief.index >= active or (lane.is_erts and is_once and count_empty(lane) >= used):
        return
    idle = used - active
    order = [active + (thief.index + i) % idle for i in range(idle)]
    order += [(thief.index + i) % active for i in range(1, active)]
    for index in order:
        if lane.is_erts and not is_once and count_empty(lane) >= used:
            return
        if lane.cores[index].queue_length():
            yield lane.cores[index]


def rob(lane, thief, victim):
    """Take processes out of the highest queue that has some that may come."""
    for queue in victim.queues:
        first, taken = None, 0
        most = most_taken(lane, len(queue))
        for process in list(queue):
            if taken == most:
                break
            k = victim.queued().index(process) + 1
            place = (victim.index, thief.index)
            if try_migration(lane, process, place, Mechanism.STEAL, k, is_later=taken > 0):
                victim.remove(process)
                taken += 1
                if first is None:
                    first = process
                else:
                    lane.enqueue(process, thief)
        if first is not None:
            lane.seen["large booty"] += taken > 1
            return first
    return None


def most_taken(lane, length: int) -> int:
    """Give how many processes are taken of a queue of this length."""
    half = (length + 1) // 2
    if not lane.is_erts:
        rule = lane.policy.stealing
        return {"one": 1, "half": half, "batch": rule.batch}[rule.amount]
    return min(MOST, half) if lane.policy.erts.otp == "28" else 1
