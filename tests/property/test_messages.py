"""Over whole event logs: messages are neither lost nor made, clocks go on, and nobody idles beside work."""

from collections import defaultdict, deque
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings

import sim
from sim.kernels import log as codes
from sim.layout import process as P
from tests.analytic.queues import FREE
from tests.oracle.handmade import HANDMADE
from tests.property.scenes import CAPACITY, Scene, lives, scenes
from tests.reference.compare import difference, lane_of
from tests.reference.scenarios import Scenario, random_scenario

SOME = settings(max_examples=40)
SEEDS = range(80)
TALK = ("send", "call", "reply")


@dataclass
class Follower:
    """A process, followed through its program by what the log says of it.

    at : step that it does next; left : messages of that step that are still to be sent
    mail : (sender, number of its call or 0), first in first out; last : the last one taken; taken : how many
    calls : that it has made; is_calling : the last was sent; has_reply : and has ended
    """

    program: tuple[sim.Step, ...]
    at: int = 0
    left: int = 0
    mail: deque = field(default_factory=deque)
    last: tuple[int, int] = (-1, 0)
    taken: int = 0
    calls: int = 0
    is_calling: bool = False
    has_reply: bool = False

    @property
    def step(self) -> sim.Step:
        return self.program[self.at % len(self.program)]

    def pass_step(self) -> None:
        """Be behind the step at hand, which must have been possible."""
        if self.step.op == "receive":
            assert len(self.mail) >= self.step.count, "it went on without its messages"
            for _ in range(self.step.count):
                self.last = self.mail.popleft()
            self.taken += self.step.count
        elif self.step.op == "call":
            assert self.is_calling, "a call was passed over"
            assert self.has_reply, "it went on without a reply"
            self.is_calling = self.has_reply = False
        self.at, self.left = self.at + 1, 0

    def pass_until(self, *ops: str) -> None:
        """Come to the next step with one of these operations; a call that was sent is behind it."""
        for _ in range(2 * len(self.program)):
            if self.step.op in ops and not self.is_calling:
                return
            self.pass_step()
        raise AssertionError(f"no {ops} in the program")


class Post:
    """All mail of a lane, kept by the log and the programs alone."""

    def __init__(self, programs: list[tuple[sim.Step, ...]]) -> None:
        self.programs = programs
        self.who: dict[int, Follower] = {}
        self.life_in: dict[int, int] = {}
        self.delivered = self.lost = self.answered = self.taken = self.dropped = 0

    def entry(self, code: int, life: int, slot: int, a: int) -> None:
        """Follow one entry of the log."""
        if code == codes.ARRIVE:
            self.who[life], self.life_in[slot] = Follower(self.programs[a]), life
        elif code == codes.SEND:
            self.send(life, self.life_in[a] if a >= 0 else None)
        elif code == codes.BLOCK:
            self.who[life].pass_until("block")
            self.who[life].pass_step()
        elif code == codes.WAIT:
            self.wait(self.who[life], a)
        elif code == codes.WAKE:
            process = self.who[life]
            if process.step.op == "receive":
                assert len(process.mail) >= process.step.count, "woken too early"
        elif code == codes.EXIT:
            process = self.who.pop(life)
            process.pass_until("exit")
            self.taken += process.taken
            self.dropped += len(process.mail)

    def send(self, life: int, receiver: int | None) -> None:
        """A message of the next step that talks."""
        process = self.who[life]
        if not process.left:
            process.pass_until(*TALK)
            process.left = process.step.count if process.step.op == "send" else 1
        op, answers = process.step.op, process.last[1] if process.step.op == "reply" else 0
        process.left -= 1
        if op == "call":  # one that is lost has ended
            process.is_calling, process.has_reply = True, receiver is None
            process.calls += 1
        elif not process.left:
            process.pass_step()
        if receiver is None:
            self.lost += 1
            return
        self.delivered += 1
        if not answers:
            self.who[receiver].mail.append((life, process.calls if op == "call" else 0))
            return
        caller = self.who[receiver]
        assert caller.is_calling, "a reply to somebody who does not call"
        assert not caller.has_reply, "a second reply"
        assert caller.calls == answers, "a reply to an older call"
        self.answered += 1
        caller.has_reply = True

    @staticmethod
    def wait(process: Follower, state: int) -> None:
        """It waits for messages that it does not have, or for a reply that has not come."""
        if state == P.CALLING:
            assert process.is_calling
            assert not process.has_reply, "it waits for a reply that it has"
            return
        process.pass_until("receive")
        while len(process.mail) >= process.step.count:
            process.pass_step()
            process.pass_until("receive")


@pytest.mark.parametrize("seed", SEEDS)
def test_messages_are_conserved(seed: int) -> None:
    """Each is sent by a step of a program, and stands in a mailbox, was taken, ended a call, or was lost."""
    assert_conserved(random_scenario(seed, replay=False))


def test_a_late_reply_does_not_end_the_next_call() -> None:
    counters = assert_conserved(HANDMADE["a late reply"])
    assert counters["lost_message_count"] > 10
    assert difference(HANDMADE["a late reply"]) is None


def assert_conserved(scene: Scenario) -> dict:
    """Assert that every message of a lane is accounted for; returns the counters."""
    settings = replace(scene.simulation, warmup_ns=0)
    log, counters = sim.simulate_logged(
        scene.topology, scene.workload, lane_of(scene), settings, scene.timeline, capacity=CAPACITY
    )
    assert len(log) < CAPACITY
    post = Post([kind.program for kind in scene.workload.classes])
    delivered = lost = 0  # before counting began, which it does at time 0 too: behind what is dispatched then
    for (_, code, _, slot, a, _), life in zip(log.tolist(), lives(log).tolist(), strict=True):
        post.entry(code, life, slot, a)
        if code == codes.WINDOW and a == 0:
            delivered, lost = post.delivered, post.lost
    assert counters["message_count"] == post.delivered - delivered + post.lost - lost
    assert counters["lost_message_count"] == post.lost - lost
    standing = sum(len(process.mail) for process in post.who.values())
    taken = post.taken + sum(process.taken for process in post.who.values())
    assert post.delivered == post.answered + taken + standing + post.dropped
    return counters


def test_there_is_mail_of_every_kind() -> None:
    """So that the test above is about something."""
    ops = {
        step.op
        for seed in SEEDS
        for kind in random_scenario(seed, replay=False).workload.classes
        for step in kind.program
    }
    assert {*TALK, "receive"} <= ops


@SOME
@given(scenes())
def test_clocks_go_on(scene: Scene) -> None:
    """Of the lane, of each core and of each process; segments of a core follow one another."""
    log, _ = scene.logged()
    assert (np.diff(log[:, 0]) >= 0).all()
    busy_until: dict[int, int] = defaultdict(int)
    ready_at: dict[int, int] = {}
    for (t, code, core, _, _, b), life in zip(log.tolist(), lives(log).tolist(), strict=True):
        if code in (codes.ARRIVE, codes.WAKE, codes.PREEMPT):
            assert t >= ready_at.get(life, 0)
            ready_at[life] = t
        elif code == codes.DISPATCH:
            assert b == t - ready_at[life] >= 0
            assert t >= busy_until[core]
        elif code == codes.SEGMENT:
            assert t >= busy_until[core]
            busy_until[core] = t + b


@SOME
@given(scenes(migrating=True))
def test_no_core_idles_beside_work_but_for_those_that_wake(scene: Scene) -> None:
    """As tests/property/test_laws.py, where waking takes time: as many schedulers wake as processes wait."""
    classes = tuple(replace(kind, affinity=sim.Affinity()) for kind in scene.workload.classes)
    stealing = sim.Stealing(victim="longest", attempts=4096, poll_ns=0)
    cost = replace(FREE, wake_ns=2000)
    conserving = replace(scene, workload=replace(scene.workload, classes=classes), cost=cost)
    log, _ = conserving.with_policy(stealing=stealing, limits=sim.Limits()).logged()
    idle, waiting, waking, before = set(range(scene.topology.num_cores)), 0, set(), 0
    ready = (codes.ARRIVE, codes.WAKE, codes.PREEMPT)
    for t, code, core, _, _, _ in log.tolist():
        if t > before:
            assert not idle or waiting <= len(waking), (before, idle, waiting, waking)
        before = t
        if code in ready:
            waiting += 1
        if code in ready and core in idle:
            woken = core
        elif code in (codes.ARRIVE, codes.WAKE) and idle:
            woken = nearest_idle(scene.topology, core, idle)
        else:
            woken = None
        if woken is not None:
            idle.discard(woken)
            waking.add(woken)
        if code == codes.DISPATCH:
            waiting -= 1
            waking.discard(core)
            idle.discard(core)
        elif code == codes.IDLE:
            waking.discard(core)
            idle.add(core)


def nearest_idle(topology: sim.Topology, core: int, idle: set[int]) -> int:
    """The first of the idle cores in cyclic-nearest order (DESIGN §3)."""
    n = topology.num_cores

    def rank(other: int) -> tuple[int, int]:
        if topology.core_smt[core] == topology.core_smt[other]:
            distance = 0
        elif topology.core_cluster[core] == topology.core_cluster[other]:
            distance = 1
        else:
            distance = 2 if topology.core_node[core] == topology.core_node[other] else 3
        return distance, (other - core) % n

    return min(idle, key=rank)
