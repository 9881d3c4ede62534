"""Which of its queued processes a scheduler runs next (DESIGN §4, Dispatch step 1)."""

from tests.reference.codes import LEVELS


def take_queued(core):
    """Take the next process of a core's queues; low ones are passed over seven times.

    Strict processes that must not run here are not looked at.
    """
    for level, queue in zip(LEVELS, core.queues, strict=True):
        able = [process for process in queue if process.may_run_on(core.hw)]
        if not able:
            continue
        while level == "normal":
            able[0].skip -= 1
            if able[0].skip <= 0 or len(able) == 1:
                break
            queue.remove(able[0])
            queue.append(able[0])
            able = [*able[1:], able[0]]
        queue.remove(able[0])
        return able[0]
    return None
