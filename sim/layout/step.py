"""Columns of Plan's step, class and distribution tables, and the codes that stand in them."""

# step table, int64 (step, WIDTH)
OP, DRAW, TARGET, PICK, COUNT = 0, 1, 2, 3, 4
STEP_WIDTH = 8
RUN, BLOCK, SEND, RECEIVE, CALL, REPLY, SPAWN, EXIT = range(8)
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
CLASS_WIDTH = 16
START_SPREAD, START_FIRST, START_RANDOM = range(3)
NO_ARRIVAL, POISSON, REGULAR, ON_OFF = range(4)

# mutable class table, int64 (class, WIDTH)
CREATED = 0  # processes created so far
ARRIVED = 1  # arrivals so far
ARRIVAL_DRAWS = 2
ON_UNTIL_NS = 3
CLASS_STATE_WIDTH = 4

# class numbers, float64 (class, WIDTH)
OVERLAP = 0
ARRIVAL_MEAN_NS = 1
ON_MEAN_NS = 2
OFF_MEAN_NS = 3
CLASS_NUMBER_WIDTH = 4

# distribution table, float64 (distribution, WIDTH): kind, then its parameters
DRAW_WIDTH = 8
DETERMINISTIC, EXPONENTIAL, UNIFORM, LOGNORMAL, HYPEREXPONENTIAL, PARETO, WEIBULL, EMPIRICAL = range(8)

# operations of a replayed trace, as sim.workload.replay.ReplayOp
RUN_TRACE, BLOCK_TRACE, WAIT_TRACE, SEND_TRACE, SPAWN_TRACE = 1, 2, 3, 4, 5
