"""Random states of the BEAM's run queues, near every corner of its decisions."""

from collections.abc import Sequence
from random import Random
from typing import Any

from tests.reference.erts_text import BAL_CALL, BAL_PER_SCHED, HIST, Path, Rq, State

LEVEL_COUNT = 4
MODES = ("compact", "balance", "util")


def between(rng: Random, low: int, high: int) -> int:
    """Draw a whole number; much faster than randint, and thousands of states are made."""
    return low + int(rng.random() * (high - low + 1))


def pick(rng: Random, options: Sequence[Any]) -> Any:
    """Draw one of some options, likewise."""
    return options[int(rng.random() * len(options))]


def random_state(rng: Random, mode: str | None = None) -> State:
    """Make 2 to 12 run queues in use, sometimes more; `mode` is what its flags are to lead to."""
    used = between(rng, 2, 12)
    created = used + pick(rng, (0, 0, 0, 1, 3))
    active = between(rng, 1, used)
    last = pick(rng, (active, active, between(rng, 1, created), max(1, active - 1)))
    busy = pick(rng, (0.0, 0.3, 0.7, 1.0))
    size = pick(rng, (3, 6, 20))
    rqs = [random_rq(rng, created, busy, size) for _ in range(created)]
    total = sum(sum(rq.reds) for rq in rqs[:used])
    longest = max(rq.max_len_total for rq in rqs)
    rise = (
        between(rng, 0, used),
        pick(rng, (0, longest, longest * 100 // 90, between(rng, 0, 2 * longest + 1))),
        pick(rng, (0, total, total * 10 // 9, between(rng, 0, 2 * total + 1))),
    )
    return State(
        rqs=rqs,
        used=used,
        active=active,
        last_active=last,
        prev_rise=pick(rng, ((0, 0, 0), rise, rise)),
        halftime=rng.random() < 0.1,
        hist_ix=between(rng, 0, -1 + HIST),
        forced=rng.random() < 0.1,
        scl={"compact": True, "balance": rng.random() < 0.5}.get(mode, rng.random() < 0.5),
        sub=mode == "util" or (mode is None and rng.random() < 0.3),
        swt=pick(rng, ("very_high", "high", "medium", "low", "very_low")),
        sws=pick(rng, ("default", "legacy")),
        generation=pick(rng, (27, 28)),
    )


def random_rq(rng: Random, created: int, busy: float, size: int) -> Rq:
    """Make one run queue; `busy` is how often its scheduler had work all the time."""
    lengths = [pick(rng, (0, 0, between(rng, 0, size))) for _ in range(LEVEL_COUNT)]
    longest = [length + pick(rng, (0, between(rng, 0, size))) for length in lengths]
    was_busy = rng.random() < busy
    waiting = not was_busy and rng.random() < 0.5
    return Rq(
        len=lengths,
        max_len=longest,
        max_len_total=between(rng, max(longest), sum(longest)),
        reds=random_reds(rng),
        check_balance_reds=between(rng, -5000, BAL_CALL),
        hist=[pick(rng, (BAL_PER_SCHED, between(rng, 0, 2 * BAL_PER_SCHED))) for _ in range(HIST)],
        wakeup_other=pick(rng, (0, 3999, 4000, 4001, between(rng, 0, 900_000))),
        wakeup_reds=pick(rng, (0, 1, 4000, between(rng, 0, 100_000))),
        waiting=waiting,
        out_of_work=waiting or (not was_busy and rng.random() < 0.7),
        halftime_out_of_work=rng.random() < 0.4,
        inactive=rng.random() < 0.3,
        nonempty=rng.random() < 0.6,
        suspended=rng.random() < 0.1,
        path=[random_path(rng, created, size), None, None, random_path(rng, created, size)],
        util_short=pick(rng, (0, between(rng, 0, 1_000_000))),
        util_long=pick(rng, (500_000, between(rng, 490_000, 510_000), between(rng, 0, 1_000_000))),
    )


def random_reds(rng: Random) -> list[int]:
    """Make the reductions of each level; some levels took everything, or nothing."""
    if rng.random() < 0.1:
        return [0] * LEVEL_COUNT
    most = pick(rng, (400, 1_000_000, BAL_PER_SCHED))
    return [pick(rng, (0, between(rng, 0, most), between(rng, 0, most // 100))) for _ in range(LEVEL_COUNT)]


def random_path(rng: Random, created: int, size: int) -> Path | None:
    """Make a path, or none; those of COMPACT have limits of 0, those of UTIL limits in ppm."""
    made = pick(rng, (None, *MODES))
    partner = between(rng, 0, -1 + created)
    if made is None:
        return None
    if made == "compact":
        return Path("emigrate", partner, 0, 0, made="compact")
    kind = pick(rng, ("emigrate", "immigrate"))
    if made == "util":
        mean = between(rng, 0, 1_000_000)
        return Path(kind, partner, mean, mean, made="util")
    limits = between(rng, 0, size), between(rng, 0, size)
    return Path(kind, partner, *limits, evacuate=rng.random() < 0.2)
