"""What was found as tables: a row a check, a row a case, and what all checks say together."""

import dataclasses
import math
import re
from collections import Counter
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

    intervals       : checks of theory against a computed interval
    orders          : rankings and refusals of wrong theories, each beyond chance
    expected_misses : intervals that miss a right theory by chance, on average over choices of seeds
    uniform_p       : Kolmogorov-Smirnov probability that the p-values of one interval a simulation are
                      uniform, as they are if theory, simulator and interval widths are right; nan if few
    """

    cases: int
    cases_ok: int
    checks: int
    checks_ok: int
    intervals: int
    orders: int
    expected_misses: float
    uniform_p: float

    @property
    def is_ok(self) -> bool:
        """Does everything hold, and are the intervals as wide as they should be?"""
        return self.cases == self.cases_ok and not self.uniform_p < ERROR_RATE

    def sentence(self) -> str:
        """The headline."""
        told = f"{self.checks_ok} of {self.checks} checks hold, in {self.cases_ok} of {self.cases} cases"
        rest = self.checks - self.intervals - self.orders
        biased = "; but the p-values of the intervals are not uniform" if self.uniform_p < ERROR_RATE else ""
        return (
            f"{told}: {self.intervals} intervals at an error rate of {ERROR_RATE:g} each, {self.orders} "
            f"orders and refusals, {rest} equal to the bit{biased}"
        )


def setting(quantity: str) -> str:
    """What a check shares with others of the same simulation: its quantity without what is measured."""
    _, comma, rest = quantity.partition(", ")
    return re.sub(r" >= .*", "", rest if comma else quantity)


def p_values(findings: Sequence[Finding]) -> list[float]:
    """Of the first interval of each simulation that is widened by nothing.

    Waiting time, sojourn time and queue length of the same lanes are nearly one number: more of them would
    make the test of uniformity refuse what is right.
    """
    first: dict[tuple[str, str], float] = {}
    for found in findings:
        for check in found.outcome.checks:
            if check.kind == "interval" and check.slack == 0 and math.isfinite(check.p):
                first.setdefault((found.case.name, setting(check.quantity)), check.p)
    return list(first.values())


def overall(findings: Sequence[Finding]) -> Overall:
    """Judge all of it."""
    checks = [c for f in findings for c in f.outcome.checks]
    kinds = Counter(check.kind for check in checks)
    p = p_values(findings)
    return Overall(
        cases=len(findings),
        cases_ok=sum(f.is_ok for f in findings),
        checks=len(checks),
        checks_ok=sum(c.is_ok for c in checks),
        intervals=kinds["interval"],
        orders=kinds["order"],
        expected_misses=ERROR_RATE * kinds["interval"],
        uniform_p=float(stats.kstest(p, "uniform").pvalue) if len(p) >= 20 else math.nan,
    )
