"""Columns of the decision log (DESIGN §8)."""

DECISION_COLUMNS = (
    "time_ns", "process", "class", "source", "target", "mechanism", "verdict",
    "benefit_cycles", "cost_cycles", "factor_q16", "before", "target_load",
)  # fmt: skip
WIDTH = len(DECISION_COLUMNS)
