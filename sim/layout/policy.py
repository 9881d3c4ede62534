"""Codes of policy parts, in the order of the choices in sim/spec/policy.py."""

PARENT, LAST = 0, 0
ROUND_ROBIN, RANDOM, LEAST_LOADED, BEST_OF, NUMA_LOCAL = 1, 2, 3, 4, 5
OFF, VICTIM_RANDOM, NEAREST, LONGEST = 0, 1, 2, 3
ONE, HALF, BATCH = 0, 1, 2
