"""How a lane ended: bits of the lane's scalar STATUS, each with the sentence that the user sees."""

from enum import IntFlag

COMPLETED_BIT = 1
EVENT_LIMIT = 2
STUCK = 4
PROCESS_LIMIT = 8
MESSAGE_LIMIT = 16
BROKEN = 32
LOG_FULL = 64
QUEUE_LIMIT = 128
MAILBOX_LIMIT = 256
MEMORY_LIMIT = 512
DECISIONS_FULL = 1024
FAILURES = PROCESS_LIMIT | MESSAGE_LIMIT | BROKEN | QUEUE_LIMIT | MAILBOX_LIMIT | MEMORY_LIMIT


class LaneStatus(IntFlag):
    """Conditions of a finished lane; only COMPLETED alone is an unconditional result."""

    COMPLETED = COMPLETED_BIT
    EVENT_LIMIT = EVENT_LIMIT
    STUCK = STUCK
    PROCESS_LIMIT = PROCESS_LIMIT
    MESSAGE_LIMIT = MESSAGE_LIMIT
    BROKEN_INVARIANT = BROKEN
    LOG_FULL = LOG_FULL
    QUEUE_LIMIT = QUEUE_LIMIT
    MAILBOX_LIMIT = MAILBOX_LIMIT
    MEMORY_LIMIT = MEMORY_LIMIT
    DECISIONS_FULL = DECISIONS_FULL

    def describe(self) -> str:
        """The sentences of all bits set."""
        return " ".join(SENTENCES[bit] for bit in LaneStatus if bit in self)

    @property
    def is_failure(self) -> bool:
        """Whether the lane's numbers must not be used."""
        return LaneStatus.COMPLETED not in self or bool(int(self) & FAILURES)


SENTENCES = {
    LaneStatus.COMPLETED: "The lane reached its horizon.",
    LaneStatus.EVENT_LIMIT: "The lane was stopped after max_events events; raise it or shorten horizon_ns.",
    LaneStatus.STUCK: "A program took 100000 steps without running or waiting; give its loop a run step.",
    LaneStatus.PROCESS_LIMIT: "The process table was full and creations were refused; raise max_processes.",
    LaneStatus.MESSAGE_LIMIT: (
        "The message pool was full and messages were lost; raise max_processes or receive faster."
    ),
    LaneStatus.BROKEN_INVARIANT: (
        "An invariant of the simulator was broken; please report this configuration."
    ),
    LaneStatus.LOG_FULL: "The event log was full; its first entries are kept.",
    LaneStatus.QUEUE_LIMIT: (
        "A run queue held more than queue_capacity processes; raise it, or let less work arrive."
    ),
    LaneStatus.MAILBOX_LIMIT: (
        "A mailbox was full and messages were lost; raise mailbox_capacity or receive faster."
    ),
    LaneStatus.MEMORY_LIMIT: (
        "No node had room for a process's memory; raise node_memory_bytes or keep fewer processes."
    ),
    LaneStatus.DECISIONS_FULL: "The decision log was full; its first rows are kept.",
}
