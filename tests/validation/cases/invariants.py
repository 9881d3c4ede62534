"""Every invariant, looked at while random lanes run: under faults, small ones, some that conserve work."""

import argparse

from sim.invariants.registry import INVARIANTS
from tests.soak.__main__ import Soak
from tests.validation.case import Outcome, Scale
from tests.validation.judge import exact
from tests.validation.registry import case, seed_of

NAME = "Invariants"
EVENTS = 2_000_000


def soak_arguments(events: int, seed: int, is_full: bool) -> argparse.Namespace:
    """A soak of about so many events, all of its lanes from one seed."""
    return argparse.Namespace(
        events=events, seed=seed, check_every=10_000, lane_events=100_000 if is_full else 10_000, entries=50,
        small=2 if is_full else 1, lane=None, small_lane=None, calm_lane=None, until_event=None,
    )  # fmt: skip


@case(NAME, "oracle", "sim/DESIGN.md; the sentences of sim/invariants")
def invariants(scale: Scale) -> Outcome:
    """Random lanes with everything switched on, whose whole memory is looked at again and again.

    Machines of 8, 12 and 64 cores under faults, with masks, limits, messages, spawns, replays and the BEAM's
    own run queues; between them small lanes, some of whose policies leave nobody waiting beside an idle core.
    What is known: each invariant holds at each look. The looks stand before and after each entry of the
    timeline, after every 10 000 events, and after every 11 of a small lane.
    """
    events = EVENTS if scale.is_full else 20_000
    soak = Soak(soak_arguments(events, seed_of(NAME) % 1000, scale.is_full))
    report = soak.run()
    done = f"{soak.events:,} events of {soak.lanes} lanes ({soak.erts_lanes} with the BEAM's run queues), "
    done += f"{soak.entries:,} timeline entries, {soak.checks:,} looks at {len(INVARIANTS)} invariants each"
    never = ", ".join(soak.never()) or "none"
    return Outcome(
        [
            exact("lanes with a broken invariant", float(report != ""), 0.0, note=report or done),
            exact("events handled, at least those asked for", float(soak.events >= events), 1.0, note=done),
        ],
        notes=[f"Looked at: {done}.", f"Counters that no lane moved: {never}."],
    )
