"""Times that stand for something else than an instant of the lane."""

TIME_NEVER_NS = 2**63 - 1  # no event is due
# Long ago; not the least int64, so that a time less this one does not overflow.
TIME_PAST_NS = -(2**62)
