"""Columns of a process row in the arena: rows.process(z, p) + column, int64.

The rows are the kernel's hot memory: columns that one dispatch touches share the first cache lines
(64 bytes = 8 columns), rare ones come last. Identity across reuse of a slot is SERIAL, the lane's
number of creation.
"""

# --- queueing and running: every dispatch ---------------------------------------------------------
NEXT = 0  # next slot in the run queue, or NONE
PREV = 1  # previous slot in the run queue, or NONE
REMAINING = 2  # reductions left of the current run step
PC = 3  # next step of the program (row of the step table, or of the replay)
KEY = 4  # random key, uint64 bits
DRAWS = 5  # draws taken from the key
STATE = 6  # FREE .. EDGE
READY_NS = 7  # when it was queued
# --- accounting of the current activation ---------------------------------------------------------
CLASS = 8
LAST_CORE = 9  # core it last ran on, or NONE
HOME = 10  # NUMA node of its memory, or NONE
LEVEL = 11  # run-queue level: 0 max, 1 high, 2 normal and low
SKIP = 12  # low-skip count while queued
START_NS = 13  # start of the activation
WAIT_NS = 14  # waiting time in the activation
IDEAL_NS = 15  # run time on the fastest core in the activation
# --- what else a dispatch touches -------------------------------------------------------------------
DEBT_NS = 16  # direct cost still to pay
REFILL_LINES = 17  # cache lines still to fetch
AFFINITY = 18  # NO_AFFINITY, PREFERRED, STRICT, DYNAMIC
OPEN_MIGRATION = 19  # 1: a migration is not settled yet
QUEUE_CORE = 20  # core whose queue holds it
SERIAL = 21
LOW = 22  # 1 if its priority is low
MIGRATIONS = 23
# --- migration and caches -------------------------------------------------------------------------
REFILL_PRICE = 24  # ns of one line, Q10
FOOTPRINT = 25  # footprint of its core when its last slice began, bytes; NONE if nothing of it is there
WORKING_SET = 26  # bytes
SHARED_FOOTPRINT = 27  # as FOOTPRINT, of the cluster
LAST_MIGRATION_NS = 28
PLACE = 29  # hardware core whose caches hold it, or NONE
AGE_NS = 30  # time it has run
AGE_REDS = 31
# --- identity and messages ------------------------------------------------------------------------
NUMBER = 32  # number of creation in its class
PARENT = 33  # slot of the parent, or NONE
PARENT_SERIAL = 34
MAIL_FIRST = 35
MAIL_LAST = 36
MAIL_COUNT = 37
NEED = 38  # messages waited for, or the edge
SENDER = 39  # of the last message taken
SENDER_SERIAL = 40
SENDER_CALL = 41  # call number of that message, 0 = not a call
CALL = 42  # number of the current or last call
IS_CALLING = 43  # 0 no call, 1 from the request until the reply, 2 replied
COPY = 44  # replay: copy
TRACE_PROCESS = 45  # replay: process of the trace
MASK = 46  # row of the mask table
WINDOW_POSITION = 47  # in the process's ring of migration times
# --- settlement of the last migration ---------------------------------------------------------------
PAID_NS = 48  # its cost
EXPECTED_NS = 49  # waiting expected at the source
SPEED_Q20 = 50  # ns per reduction gained
MOVED_REDS = 51  # reductions run since
FIRST_NS = 52  # its first dispatch since, or NONE
LEFT_CORE = 53  # scheduler that the last migration left
# --- warm history: four caches visited before -----------------------------------------------------
VISITED_COUNT = 54  # entries in use, oldest first
VISITED = 55  # .. 58: physical core
VISITED_FOOTPRINT = 59  # .. 62
VISITED_CLUSTER = 63  # .. 66
VISITED_SHARED = 67  # .. 70: footprint of the cluster
# --- affinity ---------------------------------------------------------------------------------------
PREFERRED_CORE = 71  # hardware core, or NONE
MAX_MIGRATIONS = 72  # of its own, or NONE
MARKED = 73  # 1: its affinity changed and it may have to move
IS_STRANDED = 74
STRANDED_AT = 75  # event that stranded it
# --- memory -----------------------------------------------------------------------------------------
OLD_HOME = 76  # node of the old heap; HOME is that of the young one
ALLOCATED_Q16 = 77  # words since the last collection
SINCE_MAJOR = 78  # collections since the last major one
SCALE_Q16 = 79  # time of its reductions, relative to the workload's
WIDTH = 80  # whole cache lines
RING = 16  # migration times kept a process, if its limit has a window

NONE = -1
FREE, READY, RUNNING, BLOCKED, WAITING, CALLING, EDGE = 0, 1, 2, 3, 4, 5, 6
NO_AFFINITY, PREFERRED, STRICT, DYNAMIC, INHERIT = 0, 1, 2, 3, 4
VISITS = 4
