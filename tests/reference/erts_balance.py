"""The balance call of the BEAM: how many run queues are used, and the paths between them (DESIGN §20)."""

from dataclasses import dataclass

from tests.reference.run_queue import BALANCE_REDS, HISTORY, PERIOD_REDS, Path, lengths, util_long

LEVEL_COUNT = 4
UTIL_IGNORED_PPM = 5000
INFINITE = 10**9


@dataclass
class Measured:
    """What a full call finds about one run queue."""

    available: list[int]
    full_reds: int


@dataclass
class Total:
    """What it finds about all of them."""

    full: int = 0
    half_full: int = 0
    full_reds: int = 0
    reds: int = 0
    max_len: int = 0


def check_balance(lane, core) -> None:
    """Do the balance call of a scheduler that has run so many reductions."""
    vm, cores = lane.vm, lane.cores[: lane.used]
    if lane.used == 1:
        lane.seen["balance of one"] += 1
        core.rq.balance_reds = BALANCE_REDS
        return
    if vm.is_halftime:
        lane.seen["halftime"] += 1
        vm.is_halftime = False
        for other in cores:
            other.rq.is_half_out = other.rq.is_waiting
            other.rq.balance_reds = BALANCE_REDS
        return
    lane.count("balance_count")
    measured, total = measure(vm, cores)
    mode, active = choose_mode(lane, total)
    lane.seen[mode] += 1
    lane.seen["forced"] += vm.is_forced
    vm.last_active = vm.active = active
    vm.is_forced = False
    for other in cores:
        other.rq.paths = [None] * LEVEL_COUNT
    match mode:
        case "compact":
            lane.count("compact_count")
            compact(cores, active)
        case "balance":
            balance(cores, measured, total)
            lane.seen["evacuate path"] += any(
                path and path.is_evacuate for other in cores for path in other.rq.paths
            )
        case "util":
            balance_utilisation(lane, cores)
            lane.seen["util path"] += any(path for other in cores for path in other.rq.paths)
    for other in cores:
        begin_period(other, is_inactive=other.index >= active)
    vm.is_halftime = True


def measure(vm, cores) -> tuple[list[Measured], Total]:
    """Sum up what the run queues have done since the last full call."""
    found, total = [], Total()
    for core in cores:
        rq, reds = core.rq, sum(core.rq.reds)
        if rq.is_out_of_work:
            available, sample = [100] * LEVEL_COUNT, PERIOD_REDS
            total.half_full += not rq.is_half_out
        else:
            available, sample = shares(rq.reds), reds
            total.full += 1
            total.half_full += 1
        full_reds = (rq.history_sum + sample) >> 3
        rq.history_sum += sample - rq.history[vm.history_at]
        rq.history[vm.history_at] = sample
        if not rq.is_out_of_work:
            total.full_reds += full_reds
        total.reds += reds
        total.max_len = max(total.max_len, rq.max_total)
        found.append(Measured(available, full_reds))
    vm.history_at = (vm.history_at + 1) % HISTORY
    return found, total


def shares(reds: list[int]) -> list[int]:
    """Give the percentage of a scheduler's reductions that is open to each level."""
    total, above = sum(reds), 0
    if total == 0:
        return [0] * LEVEL_COUNT
    found = []
    for level in range(LEVEL_COUNT):
        if above == 0:
            found.append(100)
        elif above == total:
            found.append(0)
        else:
            found.append(max(1, 100 * (total - above) // total))
        if level < 2:
            above += reds[level]
    return found


def choose_mode(lane, total: Total) -> tuple[str, int]:
    """Decide how many run queues are used from now on, and how work is spread over them."""
    vm, n, rule = lane.vm, lane.used, lane.policy.erts
    risen = (vm.active, total.max_len, total.reds)
    if rule.sub or not rule.scl:
        return ("util" if rule.sub and total.full < n else "balance"), n
    if vm.is_forced or total.half_full == n:
        if vm.last_active < vm.active:
            vm.rise = risen
        return "balance", n
    least = max(1, total.half_full)
    wanted = vm.last_active - 1
    if total.full > 0:
        wanted = abs(total.reds - 1) // PERIOD_REDS * (1 if total.reds > 0 else -1) + 1
    if vm.last_active < vm.active:
        lane.seen["rise"] += 1
        vm.rise, wanted = risen, vm.active
    elif wanted < vm.rise[0] and is_still_high(total, vm.rise):
        lane.seen["stay risen"] += 1
        wanted = vm.rise[0]
    active = min(max(wanted, least), n)
    return ("balance" if active == n else "compact"), active


def is_still_high(total: Total, rise: tuple[int, int, int]) -> bool:
    """Tell whether the load is about what it was when the number of active run queues last rose."""
    return percent(total.max_len, rise[1]) >= 90 and percent(total.reds, rise[2]) >= 90


def percent(x: int, y: int) -> int:
    """Give x as percentage of y."""
    if y == 0:
        return 100 if x == 0 else INFINITE
    return 100 * x // y


def compact(cores, active: int) -> None:
    """Let all work go to the first `active` run queues."""
    for core in cores[active:]:
        path = Path(True, core.index % active, was_inactive=True)
        core.rq.paths = [path] * LEVEL_COUNT


def balance(cores, measured: list[Measured], total: Total) -> None:
    """Lay paths from the queues that were longer than their share to those that were shorter."""
    if total.full_reds > 0:
        for core, found in zip(cores, measured, strict=True):
            if not core.rq.is_out_of_work:
                weight = found.full_reds * total.full
                found.available = [share * weight // total.full_reds for share in found.available]
    for level in range(LEVEL_COUNT):
        available = [found.available[level] for found in measured]
        limits = length_limits([core.rq.max_len[level] for core in cores], available)
        excess = [core.rq.max_len[level] - limit for core, limit in zip(cores, limits, strict=True)]
        lay_paths(cores, level, excess, limits, available)


def length_limits(longest: list[int], available: list[int]) -> list[int]:
    """Give each queue its share of the greatest lengths, by what is open to the level there."""
    ideal, whole = sum(longest), sum(available)
    if ideal and whole:
        ideal = ceil_div(100 * ideal, whole)
    return [ceil_div(ideal * share, 100) if ideal and share else 0 for share in available]


def ceil_div(x: int, y: int) -> int:
    """Divide, rounding up."""
    return -(-x // y)


def balance_utilisation(lane, cores) -> None:
    """Lay paths from the schedulers that worked more than the mean to those that worked less."""
    used = [util_long(lane, core) for core in cores]
    mean = sum(used) // len(used)
    excess = [x - mean if abs(x - mean) > UTIL_IGNORED_PPM else 0 for x in used]
    for level in range(LEVEL_COUNT):
        lay_paths(cores, level, excess, [mean] * len(used), [100] * len(used), is_util=True)


def lay_paths(cores, level: int, excess: list[int], limits, available, is_util: bool = False) -> None:
    """Match the run queues above their limits with those below, the furthest first."""
    order = sorted(range(len(cores)), key=lambda q: (excess[q], q))
    low = [q for q in order if excess[q] < 0]
    high = [q for q in reversed(order) if excess[q] > 0]
    if not low or not high:
        return

    def lay(is_out: bool, here: int, there: int) -> None:
        source = here if is_out else there
        is_evacuate = available[source] == 0
        path = Path(is_out, there, limits[here], limits[there], is_evacuate, is_util=is_util)
        cores[here].rq.paths[level] = path

    pairs = min(len(low), len(high))
    for j in range(pairs):
        lay(True, high[j], low[j])
        lay(False, low[j], high[j])
    for j in range(pairs, len(low)):
        lay(False, low[j], high[(j - pairs) % pairs])
    for j in range(pairs, len(high)):
        lay(True, high[j], low[(j - pairs) % pairs])


def begin_period(core, is_inactive: bool) -> None:
    """Count anew after a full call."""
    rq, counts = core.rq, lengths(core)
    rq.is_inactive = is_inactive
    rq.is_out_of_work, rq.is_half_out = rq.is_waiting, False
    rq.max_len, rq.max_total = counts, sum(counts)
    rq.reds = [0] * LEVEL_COUNT
    rq.balance_reds = BALANCE_REDS
