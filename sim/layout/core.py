"""Columns of a core row in the arena: rows.core(z, c) + column, int64.

A row is a scheduler, with the facts of the hardware core that it stands on (DESIGN §12).
"""

STATE = 0  # IDLE .. OFFLINE
PROCESS = 1  # running slot, or NONE
SEGMENT_NS = 2  # start of the running segment
SEGMENT_REDS = 3
BUDGET = 4  # reductions left in the slice
OWED_NS = 5  # to be added to the next segment
OWED_DEBT_NS = 6  # the part of OWED_NS that is migration debt
QUEUE_LENGTH = 7
FIRST = 8  # .. 10, one a level
LAST = 11  # .. 13
MEAN_SLICE_NS = 14
SLICE_NS = 15  # start of the slice
LAST_SERIAL = 16  # serial of the last process that ran
AREA = 17  # load integral less load x t (see sim/kernels/measure.py)
BUSY_NS = 18
PAID_DIRECT_NS = 19  # of the running segment
PAID_REFILL_NS = 20
PAID_REMOTE_NS = 21
PAID_OWED_NS = 22  # all that the running segment owed, debts included
PAID_LINES = 23  # lines that the running segment fetches
# --- facts of the hardware core, in the order of layout/hardware.py --------------------------------
BASE_Q20 = 24  # ns per reduction
FREQUENCY_MHZ = 25
NODE = 26
CLUSTER = 27
SMT = 28  # physical core
PRIVATE_BYTES = 29  # private cache
CLUSTER_BYTES = 30  # cache of the cluster
FACTS = 7
# --- the scheduler and its core -------------------------------------------------------------------
DEBT_NS = 31  # of the scheduler itself: re-binding, switches of the operating system
PINNED = 32
NEXT_HARDWARE = 33  # core to move to at the end of the slice, or NONE
HARDWARE = 34  # core that it stands on
NEXT_WAITER = 35  # behind it among those that wait for the core, or NONE
SUSPENDED = 36  # 1: beyond the schedulers online
CAUSE = 37  # why it is or goes offline: FAILURE or POWER, as counted in CAUSES
BUSY_MARK_NS = 38  # BUSY_NS at the last window
BOOKED_NS = 39  # busy time that its hardware cores know of
UTIL_Q16 = 40  # busy share of the last window
PRESENT_NS = 41  # load integral over whole windows
LIMIT_POSITION = 42  # in the core's ring of migration times
WIDTH = 48  # whole cache lines: each row begins on one

NONE = -1
IDLE, RUNNING, PENDING, WAKING, STALLED, OFFLINE = 0, 1, 2, 3, 4, 5
LEVELS = 3
FAILURE, POWER = 0, 1
