"""Columns of Plan's step, class and distribution tables, and the codes that stand in them."""

# step table, int64 (step, WIDTH)
OP, DRAW, TARGET, PICK, COUNT = 0, 1, 2, 3, 4
SPAWN_AFFINITY = 5  # spawn: as in sim.spec.workload.SPAWN_AFFINITIES
NEW_MASK, NEW_TYPE, NEW_PREFERRED, NEW_MAX = 1, 2, 3, 4  # op affinity: instead of DRAW .. COUNT
STEP_WIDTH = 8
RUN, BLOCK, SEND, RECEIVE, CALL, REPLY, SPAWN, EXIT, AFFINE = range(9)
FROM_CLASS, FROM_PARENT, FROM_NOTHING = range(3)
PICK_RANDOM, PICK_SAME, PICK_NEXT, PICK_GROUP, PICK_SENDER, PICK_PARENT = range(6)

# class table, int64 (class, WIDTH)
FIRST_STEP = 0
END_STEP = 1
POPULATION = 2
BASE = 3  # first slot of the closed population
GROUP_SIZE = 4
LEVEL = 5
LOW = 6
MASK = 7
AFFINITY = 8
START = 9
ARRIVAL = 10  # NO_ARRIVAL ..
WORKING_SET = 11
DENSITY_Q16 = 12
EXPECTED_REDS = 13
PREFERRED = 14  # hardware core, or NONE
MAX_MIGRATIONS = 15
IS_CPU_BOUND = 16
HEAP_WORDS = 17
WORDS_Q16 = 18  # allocated a reduction; 0 = no collections
SURVIVORS_Q16 = 19
OLD_Q16 = 20  # share of accesses that go to the old heap
FULLSWEEP = 21
SCALE_Q16 = 22  # time of its reductions, relative to the workload's
CLASS_WIDTH = 24
START_SPREAD, START_FIRST, START_RANDOM = range(3)
NO_ARRIVAL, POISSON, REGULAR, ON_OFF = range(4)

# mutable class table, int64 (class, WIDTH)
CREATED = 0  # processes created so far
ARRIVED = 1  # arrivals so far
ARRIVAL_DRAWS = 2
ON_UNTIL_NS = 3
NOW_MASK = 4  # affinity of those created from now on
NOW_AFFINITY = 5
NOW_PREFERRED = 6
NOW_MAX = 7
LOAD = 8  # row of the factor by which arrivals are faster; 0 is the factor 1
ANCHOR_NS = 9  # regular arrivals are counted from here
ANCHOR_COUNT = 10
CLASS_STATE_WIDTH = 12

# class numbers, float64 (class, WIDTH)
OVERLAP = 0
ARRIVAL_MEAN_NS = 1
ON_MEAN_NS = 2
OFF_MEAN_NS = 3
CLASS_NUMBER_WIDTH = 4

# distribution table, float64 (distribution, WIDTH): kind, then its parameters
DRAW_WIDTH = 8
DETERMINISTIC, EXPONENTIAL, UNIFORM, LOGNORMAL, HYPEREXPONENTIAL, PARETO, WEIBULL, EMPIRICAL = range(8)

# timeline table, int64 (row, WIDTH): entries that name several cores take a row each
WHEN_NS, WHAT, SUBJECT, VALUE, NEW = 0, 1, 2, 3, 4  # NEW .. NEW + 3: mask, type, preferred core, own limit
TIMELINE_WIDTH = 8
(
    CORE_OFFLINE, CORE_ONLINE, POWER_DOWN, POWER_UP, FREQUENCY, CHANGE_AFFINITY, BIND, UNBIND, CHANGE_LOAD,
    SCHEDULERS_ONLINE,
) = range(10)  # fmt: skip

# operations of a replayed trace, as sim.workload.replay.ReplayOp
RUN_TRACE, BLOCK_TRACE, WAIT_TRACE, SEND_TRACE, SPAWN_TRACE = 1, 2, 3, 4, 5
