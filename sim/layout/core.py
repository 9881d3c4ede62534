"""Columns of a core row in the arena: rows.core(z, c) + column, int64."""

STATE = 0  # IDLE .. WAKING
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
LIMIT_POSITION = 22  # in the core's ring of migration times
FOOTPRINT = 23  # bytes touched on this physical core (kept at its first core)
BUSY_MARK_NS = 24  # BUSY_NS at the last window
# --- facts of the machine -------------------------------------------------------------------------
BASE_Q20 = 25  # ns per reduction
FREQUENCY_MHZ = 26
NODE = 27
CLUSTER = 28
SMT = 29  # physical core
SMT_FIRST = 30  # first core of the same physical core
PRIVATE_BYTES = 31  # private cache
WIDTH = 40  # whole cache lines: each row begins on one

NONE = -1
IDLE, RUNNING, PENDING, WAKING = 0, 1, 2, 3
LEVELS = 3
