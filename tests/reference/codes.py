"""Codes of the log and of the states, as the comparison with the kernel needs them."""

from enum import IntEnum


class LogCode(IntEnum):
    """What an entry (time_ns, code, core, process, a, b) of the log says."""

    ARRIVE = 1  # created: core = where queued; a = class, b = number in the class
    DISPATCH = 2  # a slice starts; a = last core or -1, b = waiting ns of this dispatch
    PREEMPT = 3  # a = remaining reductions
    BLOCK = 4  # a = wake-up time
    WAIT = 5  # a = WAITING, CALLING or EDGE
    EXIT = 6
    WAKE = 7  # core = where queued; a = the core proposed
    MIGRATE = 8  # core = target; a = source, b = mechanism
    DENY = 9  # core = target; a = source, b = reason
    SEGMENT = 10  # a = reductions, b = length ns
    IDLE = 11
    SEND = 12  # a = receiver or -1 if lost
    SPAWN = 13  # a = child or -1 if refused
    ADJUST = 14  # a = factor_q16, b = balancing period
    WINDOW = 15  # a = window index
    TIMELINE = 16  # a = entry, b = operation
    AFFINITY = 17  # a = type, b = 1 done or 0 refused
    REBIND = 18  # core = scheduler; a = new hardware core, b = old one
    GC = 19  # a = 1 if major, b = length ns
    STALL = 20  # core = scheduler; a = hardware core
    OFFLINE = 21  # core = scheduler; a = hardware core, b = cause
    ONLINE = 22  # likewise


class ProcessState(IntEnum):
    """Where a process is in its life."""

    FREE = 0
    READY = 1
    RUNNING = 2
    BLOCKED = 3
    WAITING = 4
    CALLING = 5
    EDGE = 6


class CoreState(IntEnum):
    """What a scheduler does; PENDING and WAKING ones are due to dispatch."""

    IDLE = 0
    PENDING = 1
    WAKING = 2
    RUNNING = 3
    STALLED = 4  # another scheduler holds the hardware core
    OFFLINE = 5


class EventKind(IntEnum):
    """Kinds of events in their order at one time (DESIGN §1)."""

    TIMELINE = 0
    TIMER = 1
    ARRIVAL = 2
    CORE = 3
    BALANCE = 4
    ADJUST = 5
    REBIND = 6
    WINDOW = 7


class Mechanism(IntEnum):
    """How a migration comes about; the last three are forced."""

    WAKE = 0
    STEAL = 1
    BALANCE = 2
    AFFINITY = 3
    FAILURE = 4
    POWER = 5


class Cause(IntEnum):
    """Why a hardware core is not open."""

    FAILURE = 0
    POWER = 1


class Denial(IntEnum):
    """Why a migration was denied, in the order of the checks."""

    OFFLINE = 0
    MASK = 1
    CAPACITY = 2
    MEMORY = 3
    PROCESS_LIMIT = 4
    RETURN = 5
    CORE_LIMIT = 6
    SYSTEM_LIMIT = 7
    STORM = 8
    BURST = 9
    BENEFIT = 10


LEVELS = ("max", "high", "normal")  # queues of a core, in the order of dispatch
AFFINITY_TYPES = ("none", "preferred", "strict", "dynamic")  # by their numbers in the log
PASSED, FORCED = -1, -2  # verdicts of the decision log that are no denials
NONE = -1
