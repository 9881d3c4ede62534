"""Header of the read-only tables: where each begins in the int64 array g, or in the float64 array f."""

STEPS = 0
CLASSES = 1
REPLAY_OP = 2
REPLAY_VALUE = 3
REPLAY_PEER = 4
REPLAY_FIRST = 5
STRETCH_Q16 = 6  # (class, node, home)
MEMORY_NS = 7  # (node, node)
PAIR_NS = 8  # (core, core), if measured
LATENCY_NS = 9  # four, by distance class
DECAY_Q16 = 10
NUM_NODES = 11
DRAWS = 12  # in f
NUMBERS = 13  # in f, (class, CLASS_NUMBER_WIDTH)
VALUES = 14  # in f
FACTORS = 15  # in f, of load steps; the first is 1
TIMELINE = 16  # rows
TIMELINE_FIRST = 17  # (entry + 1,)
NUM_ENTRIES = 18
SETS = 19  # of hardware cores, in the order of the sets of schedulers in the arena
SET_WORDS = 20
REPLAY_SCALE = 21  # time of reductions by process of the trace, Q16
WIDTH = 24
