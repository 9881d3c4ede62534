"""What never changes while a lane runs: its sets, classes, programs, timeline and parameters."""

import numpy as np

from sim.arena import Arena
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import step as T
from sim.layout import table as G

ARRIVAL_CODE = 1 << 40  # codes of the heap: timers are slots, arrivals stand behind them
MAIL_WIDTH = 4
LOG_WIDTH = 6


def as_bools(words: np.ndarray, count: int) -> np.ndarray:
    """Sets of `count` members, int64 (.., word), as bool (.., member)."""
    raw = np.ascontiguousarray(words).view(np.uint8)
    return np.unpackbits(raw, axis=-1, bitorder="little")[..., :count].astype(bool)


def chain(first: int, following: list[int]) -> list[int] | None:
    """Members of a list that is linked by `following`; None if it leaves the table or does not end."""
    found: list[int] = []
    at = first
    while at >= 0:
        if at >= len(following) or len(found) >= len(following):
            return None
        found.append(at)
        at = following[at]
    return found


class Facts:
    """What never changes while a lane runs, read once.

    sets   : bool (set, hardware core), in the order of the sets of schedulers in the arena
    masks  : the last of them, bool (mask, hardware core)
    classes: int64 (class, CLASS_WIDTH); rows, first: the timeline's, as in sim/timeline.py
    """

    def __init__(self, arena: Arena) -> None:
        tables = arena.plan.tables
        g = tables.whole
        self.arena, self.tables = arena, tables
        self.sets = as_bools(tables.sets, tables.hardware.shape[0])
        self.masks = self.sets[tables.sets.shape[0] - tables.num_masks :]
        size = tables.num_classes * T.CLASS_WIDTH
        self.classes = g[g[G.CLASSES] :][:size].reshape(-1, T.CLASS_WIDTH)
        self.first = g[g[G.TIMELINE_FIRST] :][: tables.num_entries + 1]
        rows = g[g[G.TIMELINE] :][: self.first[-1] * T.TIMELINE_WIDTH]
        self.rows = rows.reshape(-1, T.TIMELINE_WIDTH)
        self.is_replay = bool(arena.z[K.IS_REPLAY])
        self.parameters = arena.z[K.BASE : K.BASE + K.COUNT].copy()
        self.bases = {name: int(arena.z[name]) for name in arena.base}
        self.gaps = gaps_of(arena)
        self.whole, self.real = tables.whole.copy(), tables.real.copy()
        if self.is_replay:
            self.read_trace(g)
        else:
            self.read_programs(g)

    def read_programs(self, g: np.ndarray) -> None:
        """By class: what a program draws, gives, takes and asks up to each step, and where it may be astray.

        given : reductions after each draw; passed : int64 (step, PASSED), draws, messages taken and calls
        before each step, the last row of a whole pass; draws_in_call : by step of all, while it waits
        """
        self.given: list[np.ndarray] = []
        self.passed: list[np.ndarray] = []
        self.is_counted = True
        steps = g[g[G.STEPS] :]
        self.steps = steps[: int(self.classes[:, T.END_STEP].max()) * T.STEP_WIDTH].reshape(-1, T.STEP_WIDTH)
        for kind in self.classes:
            total, given, passed = 0, [0], [[0, 0, 0]]
            for step in self.steps[kind[T.FIRST_STEP] : kind[T.END_STEP]]:
                count, reds = self.draws_of(step)
                total += reds
                given += [total] * count
                taken = int(step[T.COUNT]) if step[T.OP] == T.RECEIVE else 0
                passed.append([count, taken, int(step[T.OP] == T.CALL)])
            self.given.append(np.array(given, np.int64))
            self.passed.append(np.cumsum(np.array(passed, np.int64), axis=0))
        self.draws_in_call = np.array(
            [self.draws_of(step)[0] if step[T.OP] == T.CALL else 0 for step in self.steps] + [0], np.int64
        )
        # without a draw in a pass nobody can tell how often a program has been through
        self.counts_passes = all(each[-1, 0] > 0 or not each[-1, 1:].any() for each in self.passed)
        self.astray = np.zeros(self.steps.shape[0] + 1, bool)
        for kind in self.classes:
            self.mark_astray(int(kind[T.FIRST_STEP]), int(kind[T.END_STEP]))

    def draws_of(self, step: np.ndarray) -> tuple[int, int]:
        """Numbers that one pass of a step draws, and the reductions that they give."""
        op = step[T.OP]
        if op == T.RUN:
            at = int(self.tables.whole[G.DRAWS]) + int(step[T.DRAW]) * T.DRAW_WIDTH
            kind, mean = self.tables.real[at], self.tables.real[at + 1]
            self.is_counted &= kind == T.DETERMINISTIC
            return 1, max(1, int(mean + 0.5))
        if op == T.BLOCK:
            return 1, 0
        if op == T.SPAWN:
            return int(step[T.COUNT]), 0
        if op in (T.SEND, T.CALL) and step[T.PICK] in (T.PICK_RANDOM, T.PICK_GROUP):
            return int(step[T.COUNT]) if op == T.SEND else 1, 0
        return 0, 0

    def mark_astray(self, first: int, end: int) -> None:
        """Mark the steps before which a process may have changed its own affinity in the same slice."""
        for start in range(first, end):
            if self.steps[start, T.OP] != T.AFFINE:
                continue
            for i in range(1, end - first + 1):
                at = first + (start - first + i) % (end - first)
                self.astray[[at, end] if at == first else at] = True
                if self.steps[at, T.OP] in (T.BLOCK, T.EXIT):
                    break

    def read_trace(self, g: np.ndarray) -> None:
        """Reductions that stand in a replayed trace before each operation."""
        self.trace_first = g[g[G.REPLAY_FIRST] :][: self.tables.num_trace + 1]
        count = int(self.trace_first[-1])
        op, value = g[g[G.REPLAY_OP] :][:count], g[g[G.REPLAY_VALUE] :][:count]
        self.trace_given = np.concatenate([[0], np.cumsum(np.where(op == T.RUN_TRACE, value, 0))])
        self.is_counted = True


def gaps_of(arena: Arena) -> list[tuple[int, int]]:
    """Positions of the arena that belong to no part of it."""
    windowed = S.PROCESS_RINGS in arena.base and arena.base[S.MAIL] > arena.base[S.PROCESS_RINGS]
    sizes = arena.sizes(windowed)
    ends = sorted((base, base + sizes[name]) for name, base in arena.base.items())
    starts = [base for base, _ in ends[1:]]
    return [(end, start) for (_, end), start in zip(ends, starts, strict=False) if start > end]
