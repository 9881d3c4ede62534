"""The kernel's run queues decide, state by state, as the text about the BEAM says (erts_text.py)."""

from collections import Counter
from copy import deepcopy
from itertools import product
from random import Random

import numpy as np
import pytest

import sim
from sim import kernels
from sim.arena import Arena
from sim.layout import core as C
from sim.layout import erts as E
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.plan import plan_of
from tests.analytic.machines import machine
from tests.kernel.compiled import Compiled
from tests.reference import erts_text
from tests.reference.erts_states import MODES, random_state

erts_balance = Compiled(kernels.erts_balance)
erts_paths = Compiled(kernels.erts_paths)
erts_steal = Compiled(kernels.erts_steal)
erts_wake = Compiled(kernels.erts_wake)
queues = Compiled(kernels.queues)

CORES = 16
BALANCE_STATES = 7000  # by mode
OTHER_STATES = 3000
KINDS = {None: E.NO_PATH, "emigrate": E.EMIGRATE, "immigrate": E.IMMIGRATE}
MADE = {"balance": E.MADE_BALANCE, "compact": E.MADE_COMPACT, "util": E.MADE_UTIL}
PATHS = slice(E.PATH, E.PATH + E.PRIORITIES * E.PATH_WIDTH)
FLAGS = ("27", "28"), (True, False), (True, False), tuple(erts_text.WO_LIMIT), ("default", "legacy")
PRIORITIES = ("max", "high", "normal", "low")


class Table:
    """An arena with a lane for each set of flags; a state is written into it and read from it."""

    def __init__(self) -> None:
        run = sim.Step(op="run", draw=sim.Distribution(mean=100.0))
        kinds = tuple(
            sim.ProcessClass(name=name, count=CORES, program=(run,), priority=name) for name in PRIORITIES
        )
        self.flags = {flags: i for i, flags in enumerate(product(*FLAGS))}
        lanes = [sim.Lane(policy_of(*flags)) for flags in self.flags]
        plan = plan_of(machine(CORES, 4, 8), sim.Workload(classes=kinds), lanes, sim.Simulation())
        self.plan, self.arena = plan, Arena(plan)
        self.arena.clear(0)
        self.zgf = self.z, self.g, self.f = self.arena.z, plan.tables.whole, plan.tables.real

    def write(self, state: erts_text.State) -> None:
        """Make the arena that of a state; all schedulers sleep but those that are offline."""
        self.arena.clear(self.index(state))
        self.write_queues(state)
        z, cores = self.z, self.arena.cores()
        able = 0
        for c in range(CORES):
            is_offline = c >= len(state.rqs) or state.rqs[c].suspended
            cores[c, C.STATE] = C.OFFLINE if is_offline else C.IDLE
            able |= (not is_offline) << c
        z[z[S.ONLINE_SET]] = z[z[S.IDLE_SET]] = able
        z[S.NUM_IDLE] = able.bit_count()

    def index(self, state: erts_text.State) -> int:
        """The lane that has the flags of a state."""
        return self.flags[str(state.generation), state.scl, state.sub, state.swt, state.sws]

    def write_queues(self, state: erts_text.State) -> None:
        """Write the run queues alone, which is all that a balance call sees."""
        z, row = self.z, self.plan.parameters[self.index(state)]
        z[K.BASE : K.BASE + row.size] = row
        count = len(state.rqs)
        self.rows()[:count] = [row_of(rq) for rq in state.rqs]
        self.arena.cores()[:count, C.QUEUE_LENGTH] = [rq.len_total for rq in state.rqs]
        z[[S.USED, S.ACTIVE, S.LAST_ACTIVE]] = state.used, state.active, state.last_active
        z[[S.RISE_ACTIVE, S.RISE_LENGTH, S.RISE_REDS]] = state.prev_rise
        z[[S.HALFTIME, S.HIST_SLOT, S.FORCED]] = state.halftime, state.hist_ix, state.forced
        z[S.NUM_EMPTY] = state.no_empty

    def rows(self) -> np.ndarray:
        """The rows of the run queues."""
        return self.z[self.z[S.ERTS_ROWS] :][: CORES * E.WIDTH].reshape(CORES, E.WIDTH)

    def woken(self) -> list[int]:
        """Schedulers that were asleep and are not any more."""
        states = self.arena.cores()[:, C.STATE]
        return [c for c in range(CORES) if states[c] not in (C.IDLE, C.OFFLINE)]

    def numbers(self, count: int) -> tuple:
        """All that a balance call may change, of so many run queues."""
        shared = [S.ACTIVE, S.LAST_ACTIVE, S.RISE_ACTIVE, S.RISE_LENGTH, S.RISE_REDS]
        both = self.z[[*shared, S.HALFTIME, S.HIST_SLOT, S.FORCED]].tolist()
        return both, meaning(self.rows()[:count])


def numbers_of(state: erts_text.State) -> tuple:
    """The same of a state."""
    both = [state.active, state.last_active, *state.prev_rise, state.halftime, state.hist_ix, state.forced]
    return both, meaning(np.array([row_of(rq) for rq in state.rqs]))


def meaning(rows: np.ndarray) -> list:
    """What rows mean, scratch left out; what stands behind NO_PATH means nothing."""
    rows = rows[:, : E.WORK_SHORT_NS].copy()
    paths = rows[:, PATHS].reshape(-1, E.PRIORITIES, E.PATH_WIDTH)
    rows[:, PATHS] = (paths * (paths[:, :, [E.KIND]] != E.NO_PATH)).reshape(len(rows), -1)
    return rows.tolist()


def policy_of(otp: str, scl: bool, sub: bool, swt: str, sws: str) -> sim.Policy:
    """A policy with these flags."""
    rule = sim.Erts(enabled=True, otp=otp, scl=scl, sub=sub, swt=swt, sws=sws)
    return sim.Policy(
        stealing=sim.Stealing(victim="erts", wake_idle=False),
        decision=sim.Decision(rule="always"),
        erts=rule,
    )


def row_of(rq: erts_text.Rq) -> np.ndarray:
    """Write a run queue as a row of the arena."""
    row = np.zeros(E.WIDTH, np.int64)
    row[E.LEN : E.LEN + 4], row[E.MAX_LEN : E.MAX_LEN + 4] = rq.len, rq.max_len
    row[E.MAX_TOTAL], row[E.BALANCE_REDS] = rq.max_len_total, rq.check_balance_reds
    row[E.REDS : E.REDS + 4] = rq.reds
    row[[E.WAKEUP_OTHER, E.WAKEUP_REDS]] = rq.wakeup_other, rq.wakeup_reds
    row[[E.OUT_OF_WORK, E.HALF_OUT]] = rq.out_of_work, rq.halftime_out_of_work
    row[[E.INACTIVE, E.NONEMPTY, E.WAITING]] = rq.inactive, rq.nonempty, rq.waiting
    row[E.HIST : E.HIST + E.HIST_SLOTS], row[E.HIST_SUM] = rq.hist, sum(rq.hist)
    row[[E.WORK_SHORT_NS, E.WORK_LONG_NS]] = rq.util_short * 1000, rq.util_long * 10_000
    row[PATHS] = [number for path in rq.path for number in path_row(path)]
    return row


def path_row(path: erts_text.Path | None) -> list[int]:
    """Write a path as the arena has it."""
    if path is None:
        return [E.NO_PATH] * E.PATH_WIDTH
    limits = path.limit_here, path.limit_other
    return [KINDS[path.kind], path.partner, *limits, int(path.evacuate), MADE[path.made]]


@pytest.fixture(scope="module")
def table() -> Table:
    return Table()


@pytest.mark.parametrize("mode", MODES)
def test_balance_calls(table: Table, mode: str) -> None:
    rng, found = Random(mode), Counter()
    for _ in range(BALANCE_STATES):
        state = random_state(rng, mode)
        table.write_queues(state)
        erts_balance.check_balance(*table.zgf, rng.randrange(state.used))
        erts_text.check_balance(state)
        assert table.numbers(len(state.rqs)) == numbers_of(state), state
        found.update(MADE[path.made] for rq in state.rqs for path in rq.path if path)
    assert found[MADE[mode]] > BALANCE_STATES


def test_emigration_and_immigration(table: Table) -> None:
    rng, found = Random(1), Counter()
    for _ in range(OTHER_STATES):
        state = random_state(rng)
        table.write(state)
        for c, level in product(range(state.used), range(E.PRIORITIES)):
            target = erts_text.emigration(state, c, level)
            assert erts_paths.emigration(table.z, c, level) == (-1 if target is None else target)
            is_wanted = erts_text.immigration_needed(state, c, level)
            assert bool(erts_paths.wants(table.z, c, level)) == is_wanted
            found.update(out=target is not None, in_=is_wanted)
    assert min(found.values()) > OTHER_STATES // 2


def test_wakeup_check_and_whom_it_wakes(table: Table) -> None:
    rng, woken = Random(2), Counter()
    for _ in range(OTHER_STATES):
        state = random_state(rng)
        c = rng.randrange(state.used)
        table.write(state)
        erts_wake.wakeup_check(*table.zgf, c)
        target, is_new = erts_text.wake_one(state, c) if erts_text.wakeup_check(state, c) else (None, False)
        assert table.woken() == ([] if target is None else [target]), state
        woken[is_new, target is None] += 1
        rows = table.rows()[: len(state.rqs)]
        own = [state.rqs[c].wakeup_other, state.rqs[c].wakeup_reds]
        assert rows[c, [E.WAKEUP_OTHER, E.WAKEUP_REDS]].tolist() == own
        assert rows[:, E.INACTIVE].tolist() == [rq.inactive for rq in state.rqs]
        assert table.z[S.ACTIVE] == state.active
    assert min(woken.values()) > 20
    assert len(woken) == 4


def test_wake_one_alone(table: Table) -> None:
    rng = Random(3)
    for _ in range(OTHER_STATES):
        state = random_state(rng)
        c = rng.randrange(state.used)
        table.write(state)
        erts_wake.wake_one(*table.zgf, c)
        target, _ = erts_text.wake_one(deepcopy(state), c)
        assert table.woken() == ([] if target is None else [target]), state


def test_the_first_victim_is_robbed(table: Table) -> None:
    rng, found = Random(4), Counter()
    for _ in range(OTHER_STATES // 3):
        state = random_state(rng)
        thief = rng.randrange(state.used)
        for rq in state.rqs:
            rq.len = [0] * E.PRIORITIES
        victims = [q for q in range(state.used) if q != thief and rng.random() < 0.3]
        table.write(state)
        for slot, victim in enumerate(victims):
            queues.append(*table.zgf, victim, ready_process(table, slot))
            state.rqs[victim].len[2] = 1
            state.rqs[victim].nonempty = True
        state.rqs[thief].nonempty = False
        table.rows()[thief, E.NONEMPTY] = 0
        table.z[S.NUM_EMPTY] = state.no_empty
        order = erts_text.victim_order(deepcopy(state), thief)
        erts_steal.steal(*table.zgf, thief)
        lengths = table.arena.cores()[:, C.QUEUE_LENGTH]
        robbed = [victim for victim in victims if lengths[victim] == 0]
        assert robbed == order[:1], (state, thief)
        found[len(robbed)] += 1
    assert min(found.values()) > 50


def ready_process(table: Table, slot: int) -> int:
    """A process of normal priority that nothing keeps from moving."""
    rows = table.z[table.z[S.PROCESSES] :][: table.arena.slots * P.WIDTH].reshape(-1, P.WIDTH)
    rows[slot] = 0
    rows[slot, [P.LEVEL, P.CLASS]] = 2
    rows[slot, [P.HOME, P.OLD_HOME, P.PLACE, P.LAST_CORE]] = P.NONE
    return slot
