"""Columns of a scheduler's row of the BEAM's own run queue: rows.erts(z, c) + column, int64 (DESIGN §20).

Kept in erts lanes only. Priorities are counted apart, max, high, normal and low, though low processes
stand in the queue of the normal ones.
"""

LEN = 0  # .. 3: queued processes by priority
MAX_LEN = 4  # .. 7: highest since the last full balance
MAX_TOTAL = 8
REDS = 9  # .. 12: counted reductions since then
BALANCE_REDS = 13  # counts down to the next balance call
WAKEUP_OTHER = 14
WAKEUP_REDS = 15
# --- flags ------------------------------------------------------------------------------------------
OUT_OF_WORK = 16  # waited since the last full balance
HALF_OUT = 17  # ... since the half-time call
INACTIVE = 18
NONEMPTY = 19
WAITING = 20
# --- the idle wait ----------------------------------------------------------------------------------
WAIT_NS = 21  # since when it waits
SPIN_UNTIL_NS = 22
# --- history of full reductions ---------------------------------------------------------------------
HIST = 23  # .. 29
HIST_SUM = 30
# --- migration paths, PATH_WIDTH numbers a priority ---------------------------------------------------
PATH = 31  # .. 54
KIND, PARTNER, LIMIT_HERE, LIMIT_OTHER, EVACUATE, MADE = 0, 1, 2, 3, 4, 5
PATH_WIDTH = 6
# --- utilisation --------------------------------------------------------------------------------------
WORK_SHORT_NS = 55
WORK_LONG_NS = 56
UTIL_MARK_NS = 57
WORKING = 58
# --- scratch of a balance call ------------------------------------------------------------------------
AVAIL = 59  # .. 62: percent by priority
FULL_REDS = 63
LIMIT = 64
MEASURE = 65  # what is balanced: maximum length, or utilisation
WIDTH = 72

PRIORITIES = 4
HIST_SLOTS = 7
NO_PATH, EMIGRATE, IMMIGRATE = 0, 1, 2
MADE_BALANCE, MADE_COMPACT, MADE_UTIL = 0, 1, 2
NOBODY = -1
BALANCE_CALL_REDS = 4_000_000
FULL_PERIOD_REDS = 8_000_000
LEAST_SLICE_REDS = 400
