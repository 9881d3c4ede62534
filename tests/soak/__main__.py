"""Run lanes under faults until so many events were handled, and stop at the first invariant that breaks.

    python -m tests.soak --events 100000000 --seed 1 --check-every 200000
    python -m tests.soak --seed 1 --lane 17 --until-event 123456     (a lane of a soak again, up to an event)

All invariants are looked at every so many events, before and after every entry of the timeline, and at the
end of each lane. Between its large lanes a soak runs small ones (tests/reference/scenarios.py), which it
looks at more often, some of them with policies that conserve work (tests/soak/calm.py). The same arguments
give the same lanes.
"""

import argparse
import time
from collections.abc import Iterator

import numpy as np

from sim.invariants.lane import BrokenLaneError, SteppedLane
from sim.invariants.registry import INVARIANTS
from sim.layout import counter as N
from sim.layout import parameter as K
from tests.reference.scenarios import Scenario, random_scenario
from tests.soak.calm import calm_scene
from tests.soak.drive import stepped
from tests.soak.scenes import soak_scene

PROGRESS_S = 15.0
SMALL_EVERY = 11  # events between two looks at a small lane
CALM_OF = 4  # small lanes to one whose policy conserves work


class Soak:
    """The lanes of a soak, and what has been done of it."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.began = self.last = time.monotonic()
        self.events = self.checks = self.lanes = self.entries = 0
        self.erts_lanes = self.balanced = 0  # of the lanes; and those of them with a full balance call
        self.totals = np.zeros(len(N.NAMES), np.int64)

    def lanes_to_run(self) -> Iterator[tuple[str, Scenario, int]]:
        """Name, scenario, and events between looks of each lane."""
        given = self.given
        if given.small_lane is not None:
            yield f"--small-lane {given.small_lane}", random_scenario(given.small_lane), 1
            return
        if given.calm_lane is not None:
            yield f"--calm-lane {given.calm_lane}", calm_scene(given.calm_lane), 1
            return
        if given.lane is not None:
            yield self.large(given.lane)
            return
        index = 0
        while True:
            yield self.large(index)
            for small in range(index * given.small, (index + 1) * given.small):
                number = given.seed * 1_000_000 + small
                yield f"--small-lane {number}", random_scenario(number), SMALL_EVERY
                if small % CALM_OF == 0:
                    yield f"--calm-lane {number}", calm_scene(number), SMALL_EVERY
            index += 1

    def large(self, index: int) -> tuple[str, Scenario, int]:
        """Lane number `index`, under faults."""
        given = self.given
        scene = soak_scene(given.seed, index, given.lane_events, given.entries)
        sizes = f"--lane-events {given.lane_events} --entries {given.entries}"
        return f"--lane {index} {sizes} --check-every {given.check_every}", scene, given.check_every

    def run(self) -> str:
        """Run until enough events were handled; returns the report of the first lane that broke, or ""."""
        given = self.given
        for name, scene, every in self.lanes_to_run():
            lane = stepped(scene)
            limit = given.until_event or min(2 * given.lane_events, given.events - self.events)
            try:
                lane.run(limit, every, lambda lane=lane, name=name: self.progress(lane, name))
                if lane.is_complete:
                    lane.finish()
            except BrokenLaneError as error:
                return self.report(name, scene, error)
            self.count(lane)
            if self.events >= given.events:
                break
        return ""

    def count(self, lane: SteppedLane) -> None:
        """Add what a lane has done."""
        self.events += lane.events
        self.checks += lane.checks
        self.entries += lane.entries
        self.lanes += 1
        self.erts_lanes += int(lane.z[K.ERTS])
        self.balanced += int(lane.z[N.BALANCE_CALLS] > 0)
        self.totals += lane.z[N.BASE : N.BASE + len(N.NAMES)] != 0

    def never(self) -> list[str]:
        """Counters that stayed at zero in every lane: what the soak says nothing about."""
        return [name for name, lanes in zip(N.NAMES, self.totals, strict=True) if lanes == 0]

    def progress(self, lane: SteppedLane, name: str, is_last: bool = False) -> None:
        """Tell how far it is, now and then."""
        now = time.monotonic()
        if now - self.last < PROGRESS_S and not is_last:
            return
        self.last = now
        events, place = self.events + lane.events, lane.z[0] / lane.horizon_ns
        rate = events / 1e6 / (now - self.began)
        print(
            f"{events:>12,} events, {rate:.2f} M a second, {self.checks + lane.checks:,} looks, "
            f"{self.lanes + 1} lanes, now {name.partition(' --lane-')[0]} at {place:.0%}",
            flush=True,
        )

    def report(self, name: str, scene: Scenario, error: BrokenLaneError) -> str:
        """Describe a lane that broke, and how to see it again."""
        machine = f"{scene.topology.num_cores} cores ({scene.topology.name}), binding {scene.binding.mode}"
        lines = [f"{machine}, schedulers {scene.binding.schedulers or scene.topology.num_cores}", str(error)]
        lines += [f"  {each}" for each in error.broken]
        again = f"python -m tests.soak --seed {self.given.seed} {name} --until-event {error.events}"
        return "\n".join([*lines, f"again: {again}"])


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000, help="to handle in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--check-every", type=int, default=20_000, help="events between two looks")
    parser.add_argument("--lane-events", type=int, default=2_000_000, help="of a large lane, about")
    parser.add_argument("--entries", type=int, default=500, help="of the timeline of a large lane")
    parser.add_argument("--small", type=int, default=20, help="small lanes after each large one")
    parser.add_argument("--lane", type=int, help="only this large lane")
    parser.add_argument("--small-lane", type=int, help="only this small lane")
    parser.add_argument("--calm-lane", type=int, help="only this small lane whose policy conserves work")
    parser.add_argument("--until-event", type=int, help="stop each lane after this event")
    given = parser.parse_args()
    soak = Soak(given)
    report = soak.run()
    done = f"{soak.events:,} events, {soak.lanes} lanes, {soak.entries:,} entries, {soak.checks:,} looks"
    seconds = time.monotonic() - soak.began
    print(f"{soak.erts_lanes} erts lanes, {soak.balanced} of them with balance calls")
    print(f"never happened: {', '.join(soak.never()) or 'nothing, every counter moved'}")
    if report:
        print(f"{report}\nBROKEN after {done}, in {seconds:.0f} s", flush=True)
        return 1
    print(f"HELD: {done} at {len(INVARIANTS)} invariants, in {seconds:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
