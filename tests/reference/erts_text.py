"""Decisions of the BEAM's scheduler as plain functions, from ../shared/erts-scheduler.md alone.

Nothing here has seen sim/DESIGN.md: where the simulator agrees with this, its contract says what the text
about the emulator says. Section numbers are those of that text. Ports are left out (all zero, §11.1), and
so are bound processes.
"""

from dataclasses import dataclass, field

MAX, HIGH, NORMAL, LOW = LEVELS = range(4)
BAL_PER_SCHED = 8_000_000
BAL_CALL = 4_000_000
HIST = 7
WO_INC = 400
UTIL_IGNORE = 5000
WO_LIMIT = {"very_high": 800_000, "high": 200_000, "medium": 40_000, "low": 4000, "very_low": 400}
WO_SHIFT = {"very_high": 3, "high": 1, "medium": 0, "low": -2, "very_low": -5}
INFINITY = float("inf")


@dataclass
class Path:
    """A migration path of one level (§6.5)."""

    kind: str  # emigrate, immigrate
    partner: int
    limit_here: int
    limit_other: int
    evacuate: bool = False
    made: str = "balance"  # compact: with INACTIVE (§6.3); util (§6.6)


@dataclass
class Rq:
    """One run queue (§1); utilisation is given, in ppm (§6.6)."""

    len: list[int] = field(default_factory=lambda: [0] * 4)
    max_len: list[int] = field(default_factory=lambda: [0] * 4)
    max_len_total: int = 0
    reds: list[int] = field(default_factory=lambda: [0] * 4)
    check_balance_reds: int = BAL_CALL
    hist: list[int] = field(default_factory=lambda: [BAL_PER_SCHED] * HIST)
    wakeup_other: int = 0
    wakeup_reds: int = 0
    waiting: bool = False
    out_of_work: bool = False
    halftime_out_of_work: bool = False
    inactive: bool = False
    nonempty: bool = True
    suspended: bool = False
    path: list[Path | None] = field(default_factory=lambda: [None] * 4)
    util_short: int = 0
    util_long: int = 0

    @property
    def len_total(self) -> int:
        """Everything that is queued."""
        return sum(self.len)


@dataclass
class State:
    """All run queues, what they have in common, and the flags of the emulator."""

    rqs: list[Rq]
    used: int
    active: int
    last_active: int
    prev_rise: tuple[int, int, int] = (0, 0, 0)  # active, max_len, reds
    halftime: bool = True
    hist_ix: int = 0
    forced: bool = False
    scl: bool = True
    sub: bool = False
    swt: str = "medium"
    sws: str = "default"
    generation: int = 27

    @property
    def no_empty(self) -> int:
        """Run queues without NONEMPTY, of those in use."""
        return sum(not rq.nonempty for rq in self.rqs[: self.used])


def check_balance(state: State) -> None:
    """Balance call (§6.1): half-time and full ones in turn."""
    used = state.rqs[: state.used]
    if state.used == 1:
        return
    if state.halftime:
        state.halftime = False
        for rq in used:
            rq.halftime_out_of_work = rq.waiting
            rq.check_balance_reds = BAL_CALL
        return
    full_call(state, used)
    state.halftime = True


def full_call(state: State, rqs: list[Rq]) -> None:
    """Measure, choose, lay the paths and begin anew (§6.2 to §6.7)."""
    n = len(rqs)
    avail, full_reds = [], []
    full = half_full = full_reds_total = reds_total = mmax = 0
    for rq in rqs:
        t = sum(rq.reds)
        if rq.out_of_work:
            avail.append([100] * 4)
            sample = BAL_PER_SCHED
            if not rq.halftime_out_of_work:
                half_full += 1
        else:
            avail.append(open_shares(rq.reds))
            sample = t
            full += 1
            half_full += 1
        full_reds.append((sum(rq.hist) + sample) >> 3)
        rq.hist[state.hist_ix] = sample
        if not rq.out_of_work:
            full_reds_total += full_reds[-1]
        reds_total += t
        mmax = max(mmax, rq.max_len_total)
    state.hist_ix = (state.hist_ix + 1) % HIST
    mode, act = choose(state, n, full, half_full, reds_total, mmax)
    state.last_active = state.active = act
    state.forced = False
    for rq in rqs:
        rq.path = [None] * 4
    if mode == "compact":
        for q in range(act, n):
            rqs[q].path = [Path("emigrate", q % act, 0, 0, made="compact") for _ in LEVELS]
    elif mode == "util":
        utils = [rq.util_long for rq in rqs]
        mean = sum(utils) // n
        d = [u - mean if abs(u - mean) > UTIL_IGNORE else 0 for u in utils]
        for p in LEVELS:
            lay_paths(rqs, p, d, [mean] * n, [100] * n, "util")
    else:
        if full_reds_total > 0:
            for q, rq in enumerate(rqs):
                if not rq.out_of_work:
                    avail[q] = [a * (full_reds[q] * full) // full_reds_total for a in avail[q]]
        for p in LEVELS:
            balance_level(rqs, p, [shares[p] for shares in avail])
    for q, rq in enumerate(rqs):
        rq.inactive = q >= act
        rq.out_of_work = rq.waiting
        rq.halftime_out_of_work = False
        rq.max_len, rq.max_len_total = list(rq.len), rq.len_total
        rq.reds = [0] * 4
        rq.check_balance_reds = BAL_CALL


def open_shares(reds: list[int]) -> list[int]:
    """Share of the reductions open to each level, in percent (§6.2)."""
    pr, x, avail = sum(reds), 0, []
    if pr == 0:
        return [0] * 4
    for p in LEVELS:
        avail.append(100 if x == 0 else 0 if x == pr else max(1, 100 * (pr - x) // pr))
        if p in (MAX, HIGH):
            x += reds[p]
    return avail


def choose(state: State, n: int, full: int, half_full: int, reds_total: int, mmax: int) -> tuple[str, int]:
    """Mode and number of active run queues (§6.3)."""
    scl = state.scl and not state.sub  # §1: +sub true forces +scl false
    if not scl:
        return ("util" if state.sub and full < n else "balance"), n
    if not state.forced and half_full != n:
        lo = max(1, half_full)
        act = int((reds_total - 1) / BAL_PER_SCHED) + 1 if full > 0 else state.last_active - 1
        rise = state.prev_rise
        if state.last_active < state.active:
            state.prev_rise, act = (state.active, mmax, reds_total), state.active
        elif act < rise[0] and pct(mmax, rise[1]) >= 90 and pct(reds_total, rise[2]) >= 90:
            act = rise[0]
        act = min(max(act, lo), n)
        return ("balance" if act == n else "compact"), act
    if state.last_active < state.active:
        state.prev_rise = (state.active, mmax, reds_total)
    return "balance", n


def pct(x: int, y: int) -> float:
    """x in percent of y (§6.3)."""
    if y == 0:
        return 100 if x == 0 else INFINITY
    return 100 * x // y


def balance_level(rqs: list[Rq], p: int, avail: list[int]) -> None:
    """Limits and paths of one level (§6.4)."""
    lengths, total = sum(rq.max_len[p] for rq in rqs), sum(avail)
    m = -(-100 * lengths // total) if lengths and total else lengths
    limits = [0 if m == 0 or a == 0 else -(-m * a // 100) for a in avail]
    d = [rq.max_len[p] - limit for rq, limit in zip(rqs, limits, strict=True)]
    lay_paths(rqs, p, d, limits, avail, "balance")


def lay_paths(rqs: list[Rq], p: int, d: list[int], limits: list[int], avail: list[int], made: str) -> None:
    """Pair those above their limits with those below (§6.5)."""
    ascending = sorted(range(len(rqs)), key=lambda q: d[q])  # stable: ties by index
    low = [q for q in ascending if d[q] < 0]
    high = [q for q in ascending[::-1] if d[q] > 0]
    if not low or not high:
        return
    k = min(len(low), len(high))
    for j in range(k):
        is_evacuated = avail[high[j]] == 0
        rqs[high[j]].path[p] = Path("emigrate", low[j], limits[high[j]], limits[low[j]], is_evacuated, made)
        rqs[low[j]].path[p] = Path("immigrate", high[j], limits[low[j]], limits[high[j]], is_evacuated, made)
    for j in range(k, len(low)):
        f = high[(j - k) % k]
        rqs[low[j]].path[p] = Path("immigrate", f, limits[low[j]], limits[f], avail[f] == 0, made)
    for j in range(k, len(high)):
        t = low[(j - k) % k]
        rqs[high[j]].path[p] = Path("emigrate", t, limits[high[j]], limits[t], avail[high[j]] == 0, made)


def emigration(state: State, c: int, p: int) -> int | None:
    """Where an item that is enqueued on c goes instead (§7.1); None: it stays."""
    path = state.rqs[c].path[p]
    if path is None or path.kind != "emigrate":
        return None
    n = path.partner
    here, there = state.rqs[c], state.rqs[n]
    if path.evacuate or (path.made == "compact" and here.inactive):
        return n
    if path.made == "util":
        is_low = not there.nonempty and there.util_short < path.limit_other
        return n if is_low and here.util_short > path.limit_here else None
    return n if here.len[p] > path.limit_here and there.len[p] < path.limit_other else None


def immigration_needed(state: State, c: int, p: int) -> bool:
    """Whether c pulls an item of this level in a pass of its loop (§7.2)."""
    path = state.rqs[c].path[p]
    if path is None or path.kind != "immigrate" or path.made == "util":
        return False
    here, source = state.rqs[c], state.rqs[path.partner]
    is_uneven = here.len[p] < path.limit_here and source.len[p] > path.limit_other
    return path.evacuate or source.inactive or is_uneven


def victim_order(state: State, i: int) -> list[int]:
    """Whom i tries to rob, in order, while nothing is taken (§8); i has cleared its own NONEMPTY."""
    a, u = min(state.active, state.used), state.used
    if i >= a or state.no_empty >= u:
        return []
    order = []
    if a < u:
        start = a + i % (u - a)
        order += [*range(start, u), *range(a, start)]
    order += [*range(i + 1, a), *range(i)]
    return [v for v in order if state.rqs[v].len_total > 0]


def wakeup_check(state: State, c: int) -> bool:
    """Account of waiting work before the next process is taken (§9.1); tells whether to wake one."""
    rq, is_due = state.rqs[c], False
    if rq.wakeup_reds <= 0:
        return False
    limit, shift = WO_LIMIT[state.swt], WO_SHIFT[state.swt]
    if state.sws == "legacy":
        length = rq.len_total
        if length < 2:
            rq.wakeup_other = max(0, rq.wakeup_other - 10 * rq.wakeup_reds)
        elif rq.wakeup_other < limit:
            rq.wakeup_other += length * rq.wakeup_reds + WO_INC
        else:
            is_due = state.no_empty != 0
            rq.wakeup_other = 0
    else:
        left = rq.len_total - 1
        if left < 1:
            decay = rq.wakeup_reds << shift if shift >= 0 else 0
            rq.wakeup_other = max(0, rq.wakeup_other - decay)
        else:
            rq.wakeup_other += left * rq.wakeup_reds + WO_INC
            if rq.wakeup_other > limit:
                # From 28 on it is the idle dirty schedulers that make the test pass all but always (§1).
                is_due = state.no_empty != 0 or state.generation >= 28
                rq.wakeup_other = 0
    rq.wakeup_reds = 0
    return is_due


def wake_one_order(state: State, c: int) -> list[int]:
    """In which order active run queues are looked at (§9.2)."""
    a = min(state.active, state.used)
    if c >= a:
        return list(range(a - 1, -1, -1))
    return [*range(c - 1, -1, -1), *range(a - 1, c, -1)]


def wake_one(state: State, c: int) -> tuple[int | None, bool]:
    """Whom c wakes (§9.2), if its scheduler is not awake anyway, and whether that is one more active one."""
    for x in wake_one_order(state, c):
        if not state.rqs[x].suspended and not state.rqs[x].nonempty:
            return x, False
    a = min(state.active, state.used)
    if a == state.used or state.rqs[a].suspended:
        return None, False
    if state.active == a:
        state.active += 1
    state.rqs[a].inactive = False
    return (None if state.rqs[a].nonempty else a), True
