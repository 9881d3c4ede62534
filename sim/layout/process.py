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
# --- migration ------------------------------------------------------------------------------------
DEBT_NS = 16  # direct cost still to pay
REFILL_LINES = 17  # cache lines still to fetch
REFILL_PRICE = 18  # ns of one line, Q10
FOOTPRINT = 19  # footprint of its core when its last slice began, bytes; NONE if nothing of it is there
MIGRATIONS = 20
LAST_MIGRATION_NS = 21
MASK = 22  # row of the mask table
AFFINITY = 23  # NO_AFFINITY, PREFERRED, STRICT, DYNAMIC
# --- identity and messages ------------------------------------------------------------------------
QUEUE_CORE = 24  # core whose queue holds it
NUMBER = 25  # number of creation in its class
PARENT = 26  # slot of the parent, or NONE
PARENT_SERIAL = 27
SERIAL = 28
WORKING_SET = 29  # bytes
MAIL_FIRST = 30
MAIL_LAST = 31
MAIL_COUNT = 32
SENDER = 33  # of the last message taken
SENDER_SERIAL = 34
SENDER_CALL = 35  # call number of that message, 0 = not a call
NEED = 36  # messages waited for, or the edge
CALL = 37  # number of the current or last call
IS_CALLING = 38  # 0 no call, 1 from the request until the reply, 2 replied
COPY = 39  # replay: copy
TRACE_PROCESS = 40  # replay: process of the trace
LOW = 41  # 1 if its priority is low
# --- warm history: four caches visited before -----------------------------------------------------
VISITED = 42  # .. 45: physical core
VISITED_FOOTPRINT = 46  # .. 49
VISITED_COUNT = 50  # entries in use, oldest first
VISITED_CLUSTER = 51  # .. 54
VISITED_SHARED = 55  # .. 58: footprint of the cluster
SHARED_FOOTPRINT = 59  # as FOOTPRINT, of the cluster
PLACE = 60  # hardware core whose caches hold it, or NONE
# --- settlement of the last migration ---------------------------------------------------------------
OPEN_MIGRATION = 61  # 1: a migration is not settled yet
PAID_NS = 62  # its cost
EXPECTED_NS = 63  # waiting expected at the source
SPEED_Q20 = 64  # ns per reduction gained
MOVED_REDS = 65  # reductions run since
FIRST_NS = 66  # its first dispatch since, or NONE
LEFT_CORE = 67  # scheduler that the last migration left
WINDOW_POSITION = 68  # in the process's ring of migration times
# --- affinity ---------------------------------------------------------------------------------------
PREFERRED_CORE = 69  # hardware core, or NONE
MAX_MIGRATIONS = 70  # of its own, or NONE
MARKED = 71  # 1: its affinity changed and it may have to move
IS_STRANDED = 72
STRANDED_AT = 78  # event that stranded it
# --- age and memory ---------------------------------------------------------------------------------
AGE_NS = 73  # time it has run
AGE_REDS = 74
OLD_HOME = 75  # node of the old heap; HOME is that of the young one
ALLOCATED_Q16 = 76  # words since the last collection
SINCE_MAJOR = 77  # collections since the last major one
WIDTH = 80  # whole cache lines
RING = 16  # migration times kept a process, if its limit has a window

NONE = -1
FREE, READY, RUNNING, BLOCKED, WAITING, CALLING, EDGE = 0, 1, 2, 3, 4, 5, 6
NO_AFFINITY, PREFERRED, STRICT, DYNAMIC, INHERIT = 0, 1, 2, 3, 4
VISITS = 4
