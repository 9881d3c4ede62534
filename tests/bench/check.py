"""The check of CI: is the kernel slower, by more than a third, than the history says?

    python -m tests.bench.check

It compares the instructions of an event (with Valgrind; they repeat), and the ratios to the paired peer:
plain C, or SimPy without a C compiler. Of a ratio the best repetition counts, and a bad one is measured
again, as other programs can hardly raise it. Nothing recorded, nothing compared.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sim
from tests.bench import history, plain_c
from tests.bench.effort import Effort
from tests.bench.features import all_on
from tests.bench.history import Entry
from tests.bench.part_closed import measure
from tests.bench.part_count import count
from tests.bench.part_queues import queues
from tests.bench.row import Row
from tests.bench.systems import closed
from tests.bench.table import short

ALLOWED = 4 / 3  # as many instructions; a ratio may fall to 2/3
FALL = 2 / 3
EFFORT = Effort(repetitions=4, share=0.3, is_cold=False, skip=lambda why: print(f"  left out: {why}"))
SIZE, EVENTS = (64, 1024), 1_000_000


@dataclass(frozen=True)
class Verdict:
    """One comparison.

    key      : the row
    found    : count, or best ratio, of now
    recorded : count, or median ratio, of the history; None if it has no such row
    limit    : what `found` must not go beyond
    is_good  : whether it does not
    date     : of the recorded run
    """

    key: str
    found: float
    recorded: float | None
    limit: float
    is_good: bool
    date: str

    def __str__(self) -> str:
        if self.recorded is None:
            return f"  --   {self.key}: {short(self.found)}, nothing recorded"
        word = "ok  " if self.is_good else "FAIL"
        return (
            f"  {word} {self.key}: {short(self.found)}, limit {short(self.limit)}, "
            f"recorded {short(self.recorded)} on {self.date}"
        )


def judge(row: Row, entries: Sequence[Entry], processor: str) -> Verdict:
    """Compare a row with the newest recorded one of the same name, of the same processor if there is one."""
    is_count = row.part == "count"
    found = row.value if is_count else row.ratio_spread[1]
    known = history.latest(entries, row.key, processor)
    if known is None:
        return Verdict(row.key, found, None, found, True, "")
    entry, old = known
    recorded = old.value if is_count else old.ratio
    limit = recorded * (ALLOWED if is_count else FALL)
    is_good = found <= limit if is_count else found >= limit
    return Verdict(row.key, found, recorded, limit, is_good, entry["date"][:10])


def judge_twice(
    measure_row: Callable[[], Row | None], entries: Sequence[Entry], processor: str
) -> Verdict | None:
    """Measure and compare; measure again what looks too slow, and take the better of the two."""
    verdicts = []
    for _ in range(2):
        row = measure_row()
        if row is None:
            return None
        verdicts.append(judge(row, entries, processor))
        if verdicts[-1].is_good:
            break
    return max(verdicts, key=lambda verdict: verdict.found)


def first(rows: Sequence[Row], peer: str) -> Row | None:
    """The row beside this peer."""
    return next((row for row in rows if row.peer == peer), None)


def ratio_measurements() -> list[Callable[[], Row | None]]:
    """What gives a ratio here."""
    if not plain_c.compiler():
        return [lambda: first(list(queues("mm1", 1, EFFORT)), "SimPy")]
    return [
        lambda: measure("closed", closed(*SIZE, EVENTS), EFFORT),
        lambda: measure("features", all_on(*SIZE, EVENTS), EFFORT, must_agree=False),
    ]


def main() -> int:
    """Measure, compare, print; 1 if something is slower than allowed."""
    entries, processor = history.read(), history.processor_name()
    print(f"Speed beside the history ({len(entries)} recorded runs); {processor}")
    sim.compile_kernels()
    verdicts = [judge(row, entries, processor) for row in count(EFFORT, lambda _: None)]
    ratios = [judge_twice(each, entries, processor) for each in ratio_measurements()]
    verdicts += [verdict for verdict in ratios if verdict is not None]
    print("\n".join(map(str, verdicts)))
    bad = [verdict for verdict in verdicts if not verdict.is_good]
    if bad:
        print(
            f"{len(bad)} of {len(verdicts)} figures are worse by more than a third. "
            'If that is wanted, record the new state: make bench ARGS="--record --note WHY".'
        )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
