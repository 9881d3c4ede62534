"""Columns of a hardware core in the arena: rows.hardware(z, h) + column, int64 (DESIGN §12, §15, §16)."""

# --- facts, in the order of layout/core.py ---------------------------------------------------------
BASE_Q20 = 0  # ns per reduction at the present frequency
FREQUENCY_MHZ = 1
NODE = 2
CLUSTER = 3
SMT = 4
PRIVATE_BYTES = 5
CLUSTER_BYTES = 6
# --- what does not change ---------------------------------------------------------------------------
NOMINAL_Q20 = 7
NOMINAL_MHZ = 8
IS_EFFICIENCY = 9
# --- state ------------------------------------------------------------------------------------------
STATE = 10  # OPEN, DRAINING, OFF
CAUSE = 11  # of the last closing
HOLDER = 12  # scheduler that has the core, or NONE; kept where schedulers may share cores
HELD_NS = 13  # since when
FIRST_WAITER = 14
LAST_WAITER = 15
OCCUPANTS = 16  # schedulers that stand on it
ACTIVE = 17  # of them active: scratch of the re-binding pass
# --- energy -----------------------------------------------------------------------------------------
BUSY_NS = 18
MARK_NS = 19  # up to here energy is booked
MARK_BUSY_NS = 20  # BUSY_NS there
ENERGY_PJ = 21
ACTIVE_MW = 22  # at the present frequency
WIDTH = 24

OPEN, DRAINING, OFF = 0, 1, 2
