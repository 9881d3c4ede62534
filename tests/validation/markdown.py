"""The findings as a page of the documentation: a row a case with one of its checks; what the cases are."""

import math
from collections.abc import Sequence

from tests.validation.report import METHOD, TITLES, check_row, number
from tests.validation.run import Finding
from tests.validation.tables import case_table, overall

HEAD = """# What was checked against theory, and how it came out

`make validate` runs this suite (six to ten minutes on two cores) and writes `outputs/validation/report.html`,
with a plot of theory against simulation for each model; this page is made by
`make validate ARGS="--markdown sim/VALIDATION.md"`.
"""


def cell(text: str) -> str:
    """Text inside a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def rows(head: Sequence[str], body: Sequence[Sequence[str]], left: int) -> list[str]:
    """A table; the first `left` columns are text."""
    marks = ["---" if i < left else "---:" for i in range(len(head))]
    return ["| " + " | ".join(map(cell, line)) + " |" for line in (head, marks, *body)]


def described(finding: Finding) -> list[str]:
    """A case: where it is known from, what it is, what to know of it."""
    notes = [line for note in finding.outcome.notes for line in (note, "")]
    return [f"### {finding.case.name}", "", f"*{finding.case.source}*", "", finding.case.about, "", *notes]


def example(finding: Finding) -> tuple[str, ...]:
    """The first interval of a case, or its first check: quantity, theory, simulated, interval, z."""
    checks = [c for c in finding.outcome.checks if c.kind == "interval"] or finding.outcome.checks
    if not checks:
        return ("broke off", "", "", "", "")
    quantity, unit, theory, simulated, width, score, *_ = check_row(checks[0])[1]
    return (f"{quantity} ({unit})" if unit else quantity, theory, simulated, width, score)


def markdown(findings: Sequence[Finding]) -> str:
    """The whole page. Times are left out: the same sources give the same page."""
    all_of = overall(findings)
    lines = [HEAD, " ".join(METHOD.split()), "", f"**{all_of.sentence()}.**", ""]
    if not math.isnan(all_of.uniform_p):
        told = (
            "If all is right the p-values of the intervals (one a simulation) are uniform: Kolmogorov and "
            f"Smirnov's test gives p = {all_of.uniform_p:.2g}. With other seeds {all_of.expected_misses:.2g} "
            "intervals would miss by chance, on average."
        )
        lines += [told, ""]
    body = []
    for row in case_table(findings).iter_rows(named=True):
        z = "" if row["greatest_z"] is None else number(row["greatest_z"], 3)
        body.append((row["family"], row["case"], str(row["checks"]), str(row["hold"]), z))
    body = [(*first, *example(f)) for first, f in zip(body, findings, strict=True)]
    head = ("family", "case", "checks", "hold", "greatest z", "for example", "theory", "simulated", "", "z")
    lines += [
        *rows(head, body, left=2),
        "",
        "All checks are in `outputs/validation/checks.csv` after a run.",
        "",
    ]
    family = ""
    for finding in findings:
        if finding.case.family != family:
            family = finding.case.family
            lines += [f"## {TITLES[family]}", ""]
        lines += described(finding)
    return "\n".join(lines).rstrip() + "\n"
