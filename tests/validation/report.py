"""The validation report: one HTML page that needs no network."""

import html
import math
from collections.abc import Mapping, Sequence
from itertools import groupby

from tests.validation.case import Check, Outcome
from tests.validation.figures import chart, spread, svg
from tests.validation.judge import ERROR_RATE
from tests.validation.run import Finding
from tests.validation.tables import Overall, case_table, overall, p_values

OPEN_ROWS = 14  # longer tables are folded
TITLES = {
    "queues": "Single queues and small systems",
    "placement": "Placement",
    "stealing": "Stealing and pulling",
    "published": "Published results",
    "laws": "Laws that hold to the bit",
    "determinism": "Determinism",
    "statistics": "Statistics of a study",
    "oracle": "Oracle, invariants, mutations",
}
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#222;max-width:1040px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.3rem;margin-top:2.6rem;border-bottom:1px solid #bbb}
h3{font-size:1.1rem;margin:2rem 0 .2rem}.sub{color:#666;margin:.1rem 0}
.answer{border-left:4px solid #009E73;background:#f0faf6;padding:.6rem 1rem;margin:1rem 0}
.answer.bad,.bad td{background:#fff0e5}.answer.bad{border-color:#D55E00}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px;margin:.6rem 0}
th,td{padding:.2rem .55rem;text-align:right;vertical-align:top}th{border-bottom:2px solid #999}
td{border-bottom:1px solid #eee}.left{text-align:left}
figure{margin:.6rem 0;display:inline-block}figure svg{max-width:100%;height:auto}
details{margin:.5rem 0}summary{cursor:pointer;color:#0072B2}
"""
METHOD = f"""Every case is a simulation that is a known model by configuration alone. Replicates are
independent and equal in law (their own random numbers, or common ones where two settings are compared);
each deletes a warm-up of at least 20 relaxation times of its model (unless the transient is what is looked
at, or the coverage of short runs) and gives one value, and the interval of the mean of these values is
Student's (replication/deletion: Law 2015, Simulation Modeling and Analysis, ch. 9). A right simulator
misses a right theory with probability {ERROR_RATE:g} in each interval. An interval that is wider than a
stated share of the value counts as a failure: it would tell nothing. An order is a ranking, paired by
replicate, or a wrong theory that the same data must refuse. Seeds are fixed by the name of a case, so a run
gives the same numbers everywhere. Where a theory is numerical, or a measured value rounded, the systematic
error is stated and widens the interval ("slack"). In the plots lines are theory and points are simulation,
with the same intervals as bars."""


def escape(value: object) -> str:
    """Text that is safe inside HTML."""
    return html.escape(str(value), quote=True)


def number(value: float, digits: int = 6) -> str:
    """A number for people."""
    if math.isnan(value):
        return ""
    return f"{value:.{digits}g}"


def table(head: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]], left: int) -> str:
    """A table whose first `left` columns are text; a row is its CSS class and its cells."""
    kinds = [" class=left" if i < left else "" for i in range(len(head))]
    lines = ["<tr>" + "".join(f"<th{k}>{escape(h)}</th>" for k, h in zip(kinds, head, strict=True)) + "</tr>"]
    for name, cells in rows:
        body = "".join(f"<td{k}>{escape(c)}</td>" for k, c in zip(kinds, cells, strict=True))
        lines.append(f"<tr class={name or 'ok'}>{body}</tr>")
    return f"<div class=wide><table>{''.join(lines)}</table></div>"


def check_row(check: Check) -> tuple[str, list[str]]:
    """One check as a row."""
    theory = number(check.theory) if check.kind != "order" else "> 0"
    width = "" if check.kind == "exact" else f"± {number(check.half_width, 2)}"
    width += f" (+ {number(check.slack, 2)})" if check.slack else ""
    score = "" if check.kind == "exact" else number(check.z, 3)
    verdict = "holds" if check.is_ok else "FAILS"
    cells = [check.quantity, check.unit, theory, number(check.simulated), width, score, verdict, check.note]
    return "" if check.is_ok else "bad", cells


def checks_part(outcome: Outcome) -> str:
    """The table of a case, folded if it is long and all of it holds."""
    head = ("quantity", "unit", "theory", "simulated", "interval", "z", "verdict", "note")
    found = table(head, [check_row(check) for check in outcome.checks], left=2)
    if len(outcome.checks) <= OPEN_ROWS or not outcome.is_ok:
        return found
    return f"<details><summary>{len(outcome.checks)} checks</summary>{found}</details>"


def case_part(finding: Finding) -> str:
    """A case: what it is, verdict, plots, table."""
    case, outcome = finding.case, finding.outcome
    hold = sum(check.is_ok for check in outcome.checks)
    verdict = f"{hold} of {len(outcome.checks)} checks hold"
    verdict = "broke off" if finding.error else verdict
    kind = "answer" if finding.is_ok else "answer bad"
    paragraphs = "".join(f"<p>{escape(text)}</p>" for text in [*case.about.split("\n\n"), *outcome.notes])
    trace = f"<pre>{escape(finding.error)}</pre>" if finding.error else ""
    figures = "".join(f"<figure>{svg(chart(plot))}</figure>" for plot in outcome.plots)
    return (
        f"<h3 id='{anchor(case.name)}'>{escape(case.name)}</h3><p class=sub>{escape(case.source)}</p>"
        f"<div class='{kind}'>{escape(verdict)}</div>{trace}{paragraphs}{figures}{checks_part(outcome)}"
    )


def anchor(name: str) -> str:
    """A name as the target of a link."""
    return "".join(c if c.isalnum() else "-" for c in name.lower())


def overview(findings: Sequence[Finding]) -> str:
    """A row a case, with a link to it."""
    titles = "<th>checks</th><th>hold</th><th>greatest |z|</th><th>s</th>"
    lines = [f"<tr><th class=left>family</th><th class=left>case</th>{titles}</tr>"]
    for row in case_table(findings).iter_rows(named=True):
        z = "" if row["greatest_z"] is None else number(row["greatest_z"], 3)
        cells = [row["checks"], row["hold"], z, number(row["seconds"], 3)]
        tail = "".join(f"<td>{c}</td>" for c in cells)
        link = f"<a href='#{anchor(row['case'])}'>{escape(row['case'])}</a>"
        first = f"<td class=left>{escape(row['family'])}</td><td class=left>{link}</td>"
        lines.append(f"<tr class={'ok' if row['is_ok'] else 'bad'}>{first}{tail}</tr>")
    return f"<div class=wide><table>{''.join(lines)}</table></div>"


def together(findings: Sequence[Finding], all_of: Overall) -> str:
    """What all intervals say together."""
    p = p_values(findings)
    if math.isnan(all_of.uniform_p):
        return ""
    text = (
        "If theory, simulator and interval widths are right, the p-values of the intervals are uniform: they "
        f"lie on the line. Kolmogorov and Smirnov's test gives p = {all_of.uniform_p:.2g} for {len(p)} of "
        "them, one a simulation, as those of one simulation depend on each other. On average "
        f"{all_of.expected_misses:.2g} intervals would miss by chance with other seeds."
    )
    return f"<h2>All intervals together</h2><figure>{svg(spread(p))}</figure><p>{escape(text)}</p>"


def page(findings: Sequence[Finding], scale_name: str, provenance: Mapping[str, object]) -> str:
    """The whole page."""
    all_of = overall(findings)
    kind = "answer" if all_of.is_ok else "answer bad"
    quick = "" if scale_name == "full" else f" This is the {scale_name} suite: fewer and shorter replicates."
    families = []
    for family, members in groupby(findings, key=lambda f: f.case.family):
        families.append(f"<h2>{escape(TITLES[family])}</h2>" + "".join(map(case_part, members)))
    origin = table(("", ""), [("", (key, str(value))) for key, value in provenance.items()], left=2)
    return (
        "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>Coreshift: validation</title><style>{STYLE}</style></head><body>"
        f"<h1>Coreshift: validation</h1><div class='{kind}'><b>{escape(all_of.sentence())}.</b>"
        f"{escape(quick)}</div><p>{escape(METHOD)}</p>{overview(findings)}{together(findings, all_of)}"
        + "\n".join(families)
        + f"<h2>Where this comes from</h2>{origin}</body></html>\n"
    )
