"""Was a migration worth it? What came of it, booked at its end (DESIGN §8, Settlement)."""

GAIN_MAX_NS = 1 << 42


def settle(lane, process) -> None:
    """Settle the last migration of a process, if it is not settled yet."""
    move, process.move = process.move, None
    if move is None:
        return
    dispatch_ns = lane.now if move.dispatch_ns is None else move.dispatch_ns
    gain_ns = (move.reds * move.speed_q20) >> 20
    gain_ns = max(-GAIN_MAX_NS, min(gain_ns, GAIN_MAX_NS))
    benefit_ns = move.expected_ns - (dispatch_ns - move.time_ns) + gain_ns
    lane.count("settled_count")
    lane.count("paid_off_count", benefit_ns > move.cost_ns)
    lane.count("realised_benefit_ns", benefit_ns)
