"""The findings as a page of the documentation: a row a case, and every check, folded by case."""

from collections.abc import Sequence

from tests.validation.report import METHOD, TITLES, check_row, number
from tests.validation.run import Finding
from tests.validation.tables import case_table, overall

HEAD = """# What was checked against theory, and how it came out

`make validate` runs this suite (some 15 minutes on two cores) and writes `outputs/validation/report.html`,
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


def folded(finding: Finding) -> list[str]:
    """A case: what it is, and its checks behind a fold."""
    head = ("quantity", "unit", "theory", "simulated", "interval", "z", "verdict", "note")
    hold = sum(check.is_ok for check in finding.outcome.checks)
    told = "broke off" if finding.error else f"{hold} of {len(finding.outcome.checks)} checks hold"
    table = rows(head, [check_row(check)[1] for check in finding.outcome.checks], left=2)
    notes = [line for note in finding.outcome.notes for line in (note, "")]
    return [
        f"### {finding.case.name}", "", f"*{finding.case.source}*", "", finding.case.about, "", *notes,
        f"<details><summary>{told}</summary>", "", *table, "", "</details>", "",
    ]  # fmt: skip


def markdown(findings: Sequence[Finding]) -> str:
    """The whole page. Times are left out: the same sources give the same page."""
    all_of = overall(findings)
    lines = [HEAD, " ".join(METHOD.split()), "", f"**{all_of.sentence()}.**", ""]
    told = (
        "If all is right the p-values of the intervals are uniform: Kolmogorov and Smirnov's test gives "
        f"p = {all_of.uniform_p:.2g}. With other seeds {all_of.expected_misses:.2g} intervals would miss by "
        "chance, on average."
    )
    lines += [told, ""]
    body = []
    for row in case_table(findings).iter_rows(named=True):
        z = "" if row["greatest_z"] is None else number(row["greatest_z"], 3)
        body.append((row["family"], row["case"], str(row["checks"]), str(row["hold"]), z))
    lines += [*rows(("family", "case", "checks", "hold", "greatest z"), body, left=2), ""]
    family = ""
    for finding in findings:
        if finding.case.family != family:
            family = finding.case.family
            lines += [f"## {TITLES[family]}", ""]
        lines += folded(finding)
    return "\n".join(lines).rstrip() + "\n"
