"""What was found as tables: a row a check, a row a case, and what all checks say together."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from scipy import stats

from tests.validation.judge import ERROR_RATE
from tests.validation.run import Finding


def check_table(findings: Sequence[Finding]) -> pl.DataFrame:
    """A row a check: family, case and the fields of Check, in the order of the cases."""
    rows = [
        {"family": f.case.family, "case": f.case.name, **dataclasses.asdict(check)}
        for f in findings
        for check in f.outcome.checks
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def case_table(findings: Sequence[Finding]) -> pl.DataFrame:
    """A row a case: how many checks hold, and the greatest |z| of its intervals."""
    rows = []
    for f in findings:
        scores = [abs(c.z) for c in f.outcome.checks if c.kind == "interval" and math.isfinite(c.z)]
        rows.append(
            {
                "family": f.case.family, "case": f.case.name, "source": f.case.source,
                "checks": len(f.outcome.checks), "hold": sum(c.is_ok for c in f.outcome.checks),
                "greatest_z": max(scores, default=None), "seconds": round(f.seconds, 1), "is_ok": f.is_ok,
                "error": f.error,
            }
        )  # fmt: skip
    schema = {"greatest_z": pl.Float64, "seconds": pl.Float64}
    return pl.DataFrame(rows, schema_overrides=schema)


@dataclass(frozen=True)
class Overall:
    """All checks together.

    expected_misses : intervals that miss a right theory by chance, on average over choices of seeds
    uniform_p       : Kolmogorov-Smirnov probability that the p-values of the intervals without slack are
                      uniform, as they are if theory, simulator and interval widths are right; nan if few
    """

    cases: int
    cases_ok: int
    checks: int
    checks_ok: int
    intervals: int
    expected_misses: float
    uniform_p: float

    @property
    def is_ok(self) -> bool:
        """Does everything hold, and are the intervals as wide as they should be?"""
        return self.cases == self.cases_ok and not self.uniform_p < ERROR_RATE

    def sentence(self) -> str:
        """The headline."""
        told = f"{self.checks_ok} of {self.checks} checks hold, in {self.cases_ok} of {self.cases} cases"
        return f"{told}; {self.intervals} of them are intervals at an error rate of {ERROR_RATE:g} each"


def p_values(findings: Sequence[Finding]) -> list[float]:
    """Of the interval checks that are widened by nothing."""
    found = [c for f in findings for c in f.outcome.checks if c.kind == "interval" and c.slack == 0]
    return [c.p for c in found if math.isfinite(c.p)]


def overall(findings: Sequence[Finding]) -> Overall:
    """Judge all of it."""
    checks = [c for f in findings for c in f.outcome.checks]
    intervals = [c for c in checks if c.kind != "exact"]
    p = p_values(findings)
    return Overall(
        cases=len(findings),
        cases_ok=sum(f.is_ok for f in findings),
        checks=len(checks),
        checks_ok=sum(c.is_ok for c in checks),
        intervals=len(intervals),
        expected_misses=ERROR_RATE * len(intervals),
        uniform_p=float(stats.kstest(p, "uniform").pvalue) if len(p) >= 20 else math.nan,
    )
