"""Migrations that limits still look back on, as the event log tells them, not as the kernel's rings do."""

from dataclasses import dataclass, field, replace

import numpy as np

from sim.layout import counter as N
from sim.layout import parameter as K

TOKEN = 1_000_000_000  # units of the bucket
TIME_NS, SERIAL, TARGET, SOURCE, MECHANISM = range(5)  # columns of a move
DEAD = -1  # serial of a process that has ended since
NO_MOVES = np.zeros((0, 5), np.int64)
NO_ENTRIES = np.zeros((0, 6), np.int64)


@dataclass(frozen=True)
class Moves:
    """What is kept of the migrations of a lane between two looks.

    rows  : int64 (move, 5), those that a window may still hold, in order
    level : of the token bucket, at time level_ns; UNLIMITED before the first look
    recent : times since the last storm, within its window; quiet_ns : end of the last cool-down
    is_whole : did the log have every one so far? Without that no storm can be told
    """

    rows: np.ndarray = field(default_factory=lambda: NO_MOVES)
    level: int = K.UNLIMITED
    level_ns: int = 0
    recent: tuple[int, ...] = ()
    quiet_ns: int = 0
    is_whole: bool = True


def chosen(rows: np.ndarray) -> np.ndarray:
    """The migrations that a policy chose, of all: those that limits are asked for, and count."""
    return rows[rows[:, MECHANISM] < N.AFFINITY]


def longest_ns(z: np.ndarray) -> int:
    """How far back any limit looks."""
    windows = [K.PROCESS_WINDOW_NS, K.CORE_WINDOW_NS, K.SYSTEM_WINDOW_NS, K.PROCESS_INTERVAL_NS, K.RETURN_NS]
    return max(0, *(int(z[at]) for at in windows))


def pour(moves: Moves, times: np.ndarray, z: np.ndarray) -> tuple[Moves, str]:
    """Take a token for each time; the bucket then, and what was taken that was not there."""
    if z[K.TOKENS] == K.UNLIMITED:
        return moves, ""
    full = max(0, int(z[K.TOKENS])) * TOKEN
    level, at, found = full if moves.level == K.UNLIMITED else moves.level, moves.level_ns, ""
    for t in times.tolist():
        level = min(full, level + (t - at) * int(z[K.TOKEN_RATE])) - TOKEN
        at = t
        if level < 0 and not found:
            found = f"at {t} ns {-level} of {TOKEN} units were missing"
    return replace(moves, level=max(0, level), level_ns=at), found


def brew(moves: Moves, times: np.ndarray, z: np.ndarray) -> tuple[Moves, str]:
    """Follow the storm detector over these times; what moved in a cool-down."""
    if z[K.STORM_COUNT] == K.UNLIMITED or not moves.is_whole:
        return moves, ""
    recent, quiet_ns, found = list(moves.recent), moves.quiet_ns, ""
    for t in times.tolist():
        if t < quiet_ns and not found:
            found = f"at {t} ns, in the cool-down until {quiet_ns}"
        recent = [*(u for u in recent if u > t - z[K.STORM_WINDOW_NS]), t]
        if len(recent) >= z[K.STORM_COUNT]:
            recent, quiet_ns = [], t + int(z[K.COOLDOWN_NS])
    return replace(moves, recent=tuple(recent), quiet_ns=quiet_ns), found


def after(moves: Moves, new: np.ndarray | None, now: int, z: np.ndarray) -> Moves:
    """What is kept when these have been added; None: the log did not hold all of them."""
    if new is None:
        return Moves(is_whole=False)
    times = chosen(new)[:, TIME_NS]
    kept, _ = pour(moves, times, z)
    kept, _ = brew(kept, times, z)
    rows = np.concatenate([moves.rows, new]) if new.size else moves.rows
    return replace(kept, rows=rows[rows[:, TIME_NS] > now - longest_ns(z)])
