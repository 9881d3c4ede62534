"""Times that stand for something else than an instant of the lane."""

TIME_NEVER_NS = 2**63 - 1  # no event is due
# "Long ago" must leave room below 0: `t - window` and `time + window` are formed with it and must not overflow.
TIME_PAST_NS = -(2**62)
