"""The table for people: a line a row."""

from tests.bench.row import Row

PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
WIDTH = 58
TITLES = f"{'ratio (spread)':>23} {'goal':>7}  digest"
HEAD = f"  {'':<{WIDTH}} {'Coreshift':>9} {'peer':>9}  {'unit':<21} {TITLES}"


def short(value: float | None) -> str:
    """Three digits and a prefix."""
    if value is None:
        return ""
    size = abs(value)
    factor, prefix = next(((f, p) for f, p in PREFIXES if size >= f), (1.0, ""))
    digits = 0 if size / factor >= 100 or (value == int(value) and not prefix) else 2
    return f"{value / factor:.{digits}f}{prefix}"


def goal(row: Row) -> str:
    """The target, and whether it is met."""
    if row.target is None:
        return ""
    sign = "<=" if row.ratio is None and row.better == "low" else ">="
    return f"{sign}{row.target:g} {'ok' if row.meets_target else 'no'}"


def line(row: Row) -> str:
    """A row in one line, or two if its case is long."""
    ratio = ""
    if row.ratio is not None and row.ratio_spread is not None:
        low, high = row.ratio_spread
        ratio = f"{row.ratio:.2f} ({low:.2f}-{high:.2f})"
    elif row.spread[0] != row.spread[1]:
        ratio = f"({short(row.spread[0])}-{short(row.spread[1])})"
    name = f"{row.case} / {row.peer}" if row.peer else row.case
    if len(name) > WIDTH:
        name = f"{name}\n  {'':<{WIDTH}}"
    numbers = f"{short(row.value):>9} {short(row.peer_value):>9}  {row.unit:<21}"
    digest = row.facts.get("digest", "")
    return f"  {name:<{WIDTH}} {numbers} {ratio:>23} {goal(row):>7}  {digest}".rstrip()
