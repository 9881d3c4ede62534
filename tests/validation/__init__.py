"""The longer suite: what Coreshift computes against what is known, case by case, and a report of it."""
