"""The report: one page of HTML from a run's tables."""
