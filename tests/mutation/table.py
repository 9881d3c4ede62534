"""The ways in which the kernel is broken: a file, a text that stands in it once, and what replaces it."""

from dataclasses import dataclass

KERNELS = "sim/kernels"


@dataclass(frozen=True)
class Mutation:
    """One break of the kernel.

    part, name : what it is about, in a word, and which break of that
    file   : below sim/kernels; old : stands in it exactly once; new : instead
    breaks : what goes wrong
    seeds  : random scenarios that are seen to kill it, tried first
    corner : scenario made by hand that kills it, tried before them
    test   : a test of pytest that kills it, tried first of all
    """

    part: str
    name: str
    file: str
    old: str
    new: str
    breaks: str
    seeds: tuple[int, ...] = ()
    corner: str = ""
    test: str = ""

    @property
    def path(self) -> str:
        """The file, from the root of the repository."""
        return f"{KERNELS}/{self.file}"


MUTATIONS = (
    Mutation(
        "queues", "link back", "queues.py",
        "    z[process(z, p) + P.PREV] = last\n    z[process(z, p) + P.STATE] = P.READY",
        "    z[process(z, p) + P.PREV] = P.NONE\n    z[process(z, p) + P.STATE] = P.READY",
        "a queued process forgets the one before it",
        seeds=(50,),
    ),
    Mutation(
        "queues", "low priority", "queues.py",
        "8 if z[process(z, p) + P.LOW] else 1", "7 if z[process(z, p) + P.LOW] else 1",
        "low processes are passed over 7 times instead of 8",
        seeds=(3,),
    ),
    Mutation(
        "queues", "level max", "queues.py",
        "    elif z[core(z, c) + C.FIRST] >= 0:\n", "    elif z[core(z, c) + C.FIRST] > 0:\n",
        "the process in slot 0 is not seen at priority max",
        seeds=(9,),
    ),
    Mutation(
        "stealing", "half", "steal.py",
        "return (length + 1) // 2", "return length // 2",
        "half of an odd queue is rounded down",
        seeds=(105,),
    ),
    Mutation(
        "stealing", "least queue", "steal.py",
        "bits.has(z, z[S.SCRATCH], c) and z[core(z, c) + C.QUEUE_LENGTH] < z[K.MIN_QUEUE]",
        "bits.has(z, z[S.SCRATCH], c) and z[core(z, c) + C.QUEUE_LENGTH] <= z[K.MIN_QUEUE]",
        "a victim with just min_queue processes is spared",
        seeds=(61,),
    ),
    Mutation(
        "stealing", "longest", "steal.py",
        "(length == longest and step < best_step)", "(length == longest and step > best_step)",
        "of equally long victims the last is robbed first",
        seeds=(55,),
    ),
    Mutation(
        "stealing", "those before it", "steal.py",
        "position - taken + 1, N.STEAL", "position + 1, N.STEAL",
        "booty counts the processes already taken as ahead of it",
        seeds=(148,),
    ),
    Mutation(
        "balancing", "turns", "balance.py",
        "turn % NODE_EVERY == 0", "turn % NODE_EVERY == 1",
        "nodes are balanced in the wrong pass",
        seeds=(4,),
    ),
    Mutation(
        "balancing", "control", "balance.py",
        "return max(max((x << 16) // step_q16, low), 1)", "return max((x << 16) // step_q16, 1)",
        "the adaptive threshold falls below its range",
        seeds=(4,),
    ),
    Mutation(
        "placement", "best of two", "place.py",
        "if queues.load(z, other) < queues.load(z, best):",
        "if queues.load(z, other) <= queues.load(z, best):",
        "ties of best_of go to the last drawn",
        seeds=(60,),
    ),
    Mutation(
        "placement", "available", "place.py",
        "    if bits.has(z, z[S.ONLINE_SET], proposal) and bits.has(z, allowed, proposal):",
        "    if bits.has(z, allowed, proposal):",
        "new processes are placed on cores that are down",
        seeds=(0,),
    ),
    Mutation(
        "limits", "process, interval", "limits.py",
        "    if t - z[row + P.LAST_MIGRATION_NS] < z[K.PROCESS_INTERVAL_NS]:",
        "    if t < z[row + P.LAST_MIGRATION_NS]:",
        "the interval between two migrations of a process is not kept",
        seeds=(5,),
    ),
    Mutation(
        "limits", "process, lifetime", "limits.py",
        "return z[row + P.MIGRATIONS] < count", "return z[row + P.MIGRATIONS] <= count",
        "a process may migrate once more than allowed",
        seeds=(207,),
    ),
    Mutation(
        "limits", "process, window", "limits.py",
        "z[row + P.WINDOW_POSITION]] <= t - z[K.PROCESS_WINDOW_NS]",
        "z[row + P.WINDOW_POSITION]] <= t - z[K.PROCESS_WINDOW_NS] // 2",
        "the window of a process is half as long",
        seeds=(91,),
    ),
    Mutation(
        "limits", "core", "limits.py",
        "        charge_core(z, g, f, t, source)\n        charge_core(z, g, f, t, target)\n",
        "        charge_core(z, g, f, t, source)\n",
        "the limit of a core does not count those that come",
        seeds=(91,),
    ),
    Mutation(
        "limits", "system", "limits.py",
        "<= t - z[K.SYSTEM_WINDOW_NS]", "<= t - z[K.SYSTEM_WINDOW_NS] // 2",
        "the window of the machine is half as long",
        seeds=(60,),
    ),
    Mutation(
        "limits", "burst", "limits.py",
        "        z[S.TOKENS] -= TOKEN\n", "        z[S.TOKENS] -= TOKEN // 2\n",
        "a migration takes half a token",
        seeds=(60,),
    ),
    Mutation(
        "limits", "storm", "limits.py",
        "z[S.COOLDOWN_UNTIL_NS] = t + z[K.COOLDOWN_NS]", "z[S.COOLDOWN_UNTIL_NS] = t",
        "a storm is counted and not cooled down",
        corner="storms",
    ),
    Mutation(
        "limits", "return", "decide.py",
        "and target == z[row + P.LEFT_CORE]", "and target != z[row + P.LEFT_CORE]",
        "going on counts as going back",
        seeds=(13,),
    ),
    Mutation(
        "affinity", "strict", "decide.py",
        "    if z[row + P.AFFINITY] == P.STRICT and not bits.has(z, mask(z, z[row + P.MASK]), target):\n",
        "    if z[row + P.AFFINITY] > P.STRICT and not bits.has(z, mask(z, z[row + P.MASK]), target):\n",
        "strict processes migrate out of their masks",
        seeds=(1,),
    ),
    Mutation(
        "affinity", "inherited", "affinity.py",
        "    z[row + P.MASK] = z[other + P.MASK]\n", "    z[row + P.MASK] = EVERY_CORE\n",
        "children inherit the type of affinity without the mask",
        seeds=(55,),
    ),
    Mutation(
        "affinity", "marked", "affinity.py",
        "    z[row + P.MARKED] = z[K.ON_AFFINITY]\n", "    z[row + P.MARKED] = 0\n",
        "a new preferred mask moves nobody",
        seeds=(5,),
    ),
    Mutation(
        "costs", "rounding", "costs.py",
        "return (cycles * 1000 + f - 1) // f", "return cycles * 1000 // f",
        "cycles become ns rounded down",
        seeds=(1,),
    ),
    Mutation(
        "costs", "refill", "segments.py",
        "lines = min(z[row + P.REFILL_LINES], max(1, touched))",
        "lines = min(z[row + P.REFILL_LINES], touched)",
        "few reductions fetch no line at all",
        seeds=(8,),
    ),
    Mutation(
        "costs", "warm", "refill.py",
        "survived = near_q16(z, g, p, y) if d >= 2 else 0",
        "survived = near_q16(z, g, p, y) if d >= 3 else 0",
        "a cluster's cache remembers nothing within the node",
        seeds=(9,),
    ),
    Mutation(
        "costs", "batch", "steal.py",
        "        z[S.BATCH_LATER] = 1 if taken > 0 else 0\n", "        z[S.BATCH_LATER] = 0\n",
        "later ones of a batch pay in full",
        corner="priorities stolen",
    ),
    Mutation(
        "settlement", "waiting", "settle.py",
        "- (first_ns - z[row + P.LAST_MIGRATION_NS]) + gained",
        "+ (first_ns - z[row + P.LAST_MIGRATION_NS]) + gained",
        "waiting at the target counts as a benefit",
        seeds=(5,),
    ),
    Mutation(
        "timers", "push", "heap.py",
        "(z[at] == time_ns and z[at + 1] < code)", "(z[at] == time_ns and z[at + 1] > code)",
        "timers at one time go off in the wrong order",
        seeds=(0,),
    ),
    Mutation(
        "timers", "pop", "heap.py",
        "lesser(z, first + 4, first + 6)", "first + 4",
        "the fourth child of the heap is never looked at",
        seeds=(3,),
    ),
    Mutation(
        "timers", "tree", "tree.py",
        "(rival < winner)", "(rival > winner)",
        "of two cores at one time the higher goes first",
        seeds=(0,),
    ),
    Mutation(
        "draws", "below", "draw.py",
        "return np.int64(((np.uint64(bits) >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))",
        "return np.int64(((np.uint64(bits) & np.uint64(0xFFFFFFFF)) * np.uint64(n)) >> np.uint64(32))",
        "whole numbers are drawn from the low bits instead of the high ones",
        seeds=(0,),
    ),
    Mutation(
        "draws", "targets", "messages.py",
        "    z[row + P.DRAWS] += 1\n", "",
        "the number that chose a target is used again",
        seeds=(5,),
    ),
    Mutation(
        "draws", "arrivals", "event_loop.py",
        "int(count * mean_ns + 0.5)", "int(count * mean_ns)",
        "regular arrivals are rounded down",
        seeds=(7,),
    ),
    Mutation(
        "measures", "idle", "measure.py",
        "z[N.IDLE_NS] += elapsed * z[S.NUM_IDLE]", "z[N.IDLE_NS] += elapsed",
        "idle time counts one core",
        seeds=(0,),
    ),
    Mutation(
        "measures", "slowdown", "measure.py",
        "slowdown = (sojourn << 10) // z[row + P.IDEAL_NS]",
        "slowdown = (sojourn << 10) // (z[row + P.IDEAL_NS] + 1)",
        "slowdown is a little too low",
        seeds=(0,),
    ),
    Mutation(
        "measures", "windows", "measure.py",
        "z[row + C.AREA] = -standing", "z[row + C.AREA] = 0",
        "the load integral of a window begins with the time before it",
        seeds=(0,),
    ),
    Mutation(
        "measures", "energy", "energy.py",
        "(elapsed - busy) * idle_mw(z, at)", "elapsed * idle_mw(z, at)",
        "busy cores take idle power as well",
        seeds=(0,),
    ),
    Mutation(
        "BEAM", "loop", "erts_loop.py",
        "    z[erts(z, c) + E.WAKEUP_OTHER] = 0\n", "",
        "what waited before an idle wait is still counted after it",
        seeds=(39,),
    ),
    Mutation(
        "BEAM", "emigration", "erts_paths.py",
        "return n if here > z[at + E.LIMIT_HERE] and", "return n if here >= z[at + E.LIMIT_HERE] and",
        "a run queue at its limit pushes",
        seeds=(0,),
    ),
    Mutation(
        "BEAM", "immigration", "erts_paths.py",
        "return here < z[at + E.LIMIT_HERE] and there > z[at + E.LIMIT_OTHER]",
        "return here <= z[at + E.LIMIT_HERE] and there > z[at + E.LIMIT_OTHER]",
        "a run queue at its limit pulls",
        seeds=(176,),
    ),
    Mutation(
        "BEAM", "stealing", "erts_steal.py",
        "victim = (thief + 1 + i - inactive) % active", "victim = (thief - 1 - i + inactive) % active",
        "victims are visited downwards",
        seeds=(13,),
    ),
    Mutation(
        "BEAM", "waking", "erts_wake.py",
        "x = (c - step) % active", "x = (c + step) % active",
        "the next empty scheduler upwards is woken",
        seeds=(8,),
    ),
    Mutation(
        "BEAM", "counted", "erts_queue.py",
        "    z[row + E.WAKEUP_REDS] += used\n", "    z[row + E.WAKEUP_REDS] += counted\n",
        "short slices wake others as if they were long",
        seeds=(1,),
    ),
    Mutation(
        "BEAM", "limits of queues", "erts_balance.py",
        "(ideal * z[row + E.AVAIL + priority] + 99) // 100", "(ideal * z[row + E.AVAIL + priority]) // 100",
        "the length that a run queue should have is rounded down",
        seeds=(24,),
    ),
    Mutation(
        "faults", "cut", "cut.py",
        "paid_debt = max(0, min(elapsed, owed) - (owed - debt))", "paid_debt = min(elapsed, debt)",
        "of a cut segment migration debt is paid first",
        corner="cut what is owed, refilled and run",
    ),
    Mutation(
        "faults", "evacuation", "evacuate.py",
        "    if not strand.is_moved(z, cause):\n        return\n", "    return\n",
        "the queue of a core that closes stays there",
        seeds=(17,),
    ),
    Mutation(
        "faults", "sharing", "schedulers.py",
        "t - z[at + H.HELD_NS] >= z[K.OS_QUANTUM_NS]", "t - z[at + H.HELD_NS] > 2 * z[K.OS_QUANTUM_NS]",
        "a shared core is passed on too late",
        seeds=(13,),
    ),
    Mutation(
        "memory", "collection", "memory.py",
        "is_major = z[row + P.SINCE_MAJOR] >= g[kind + T.FULLSWEEP]",
        "is_major = z[row + P.SINCE_MAJOR] > g[kind + T.FULLSWEEP]",
        "major collections come one too late",
        seeds=(5,),
    ),
    Mutation(
        "messages", "taken", "messages.py",
        "    z[row + P.MAIL_COUNT] -= count\n", "    z[row + P.MAIL_COUNT] -= 1\n",
        "of several messages taken one is counted",
        seeds=(15,),
    ),
    Mutation(
        "messages", "old calls", "messages.py",
        "        or z[process(z, caller) + P.CALL] != z[row + P.SENDER_CALL]\n", "",
        "the reply to an old call ends a new one",
        test="tests/property/test_messages.py::test_a_late_reply_does_not_end_the_next_call",
    ),
    Mutation(
        "messages", "woken", "messages.py",
        "z[row + P.MAIL_COUNT] >= z[row + P.NEED]", "z[row + P.MAIL_COUNT] > z[row + P.NEED]",
        "a process with just enough messages sleeps on",
        seeds=(15,),
    ),
)  # fmt: skip
