"""The check of CI fails when the history says more; the figures are made up, nothing is timed."""

import json
from pathlib import Path

import pytest

from tests.bench import check, history
from tests.bench.row import Row, figure, paired

HERE = "this processor"


def ratio_row(*ratios: float) -> Row:
    """A closed system at these ratios to C."""
    return paired("closed", "64 cores", "events/s", [r * 1e7 for r in ratios], "plain C", [1e7] * len(ratios))


def count_row(instructions: float) -> Row:
    """So many instructions an event."""
    return figure("count", "closed", "instructions/event", [instructions], better="low")


def run(*rows: Row, processor: str = HERE, date: str = "2026-01-01") -> dict:
    """A recorded run."""
    return {"date": date, "machine": {"processor": processor}, "rows": [row.plain() for row in rows]}


@pytest.mark.parametrize(("now", "is_good"), [(100, True), (133, True), (134, False), (50, True)])
def test_a_third_more_instructions_fail(now: float, is_good: bool) -> None:
    verdict = check.judge(count_row(now), [run(count_row(100))], HERE)
    assert verdict.is_good is is_good
    assert ("FAIL" in str(verdict)) is not is_good
    assert "recorded 100 on 2026-01-01" in str(verdict)


@pytest.mark.parametrize(
    ("now", "is_good"), [((0.9,), True), ((0.61,), True), ((0.59,), False), ((0.2, 0.7), True)]
)
def test_a_ratio_a_third_lower_fails_by_its_best_repetition(now: tuple[float, ...], is_good: bool) -> None:
    assert check.judge(ratio_row(*now), [run(ratio_row(0.5, 0.9, 1.4))], HERE).is_good is is_good


def test_what_was_never_recorded_cannot_fail() -> None:
    verdict = check.judge(ratio_row(0.01), [run(count_row(100))], HERE)
    assert verdict.is_good
    assert "nothing recorded" in str(verdict)


def test_the_newest_run_counts_and_one_of_the_same_processor_before_others() -> None:
    entries = [
        run(ratio_row(1.0), date="2026-01-01"),
        run(ratio_row(0.3), date="2026-01-02"),
        run(ratio_row(3.0), processor="another", date="2026-01-03"),
        run(count_row(5), date="2026-01-04"),
    ]
    assert check.judge(ratio_row(0.25), entries, HERE).date == "2026-01-02"
    assert check.judge(ratio_row(0.25), entries, HERE).is_good
    assert not check.judge(ratio_row(0.25), entries, "a third one").is_good


def test_what_looks_slow_is_measured_once_more() -> None:
    found = iter([ratio_row(0.1), ratio_row(0.9), ratio_row(5.0)])
    verdict = check.judge_twice(lambda: next(found), [run(ratio_row(1.0))], HERE)
    assert (verdict.is_good, verdict.found) == (True, 0.9)
    slow = check.judge_twice(lambda: ratio_row(0.1), [run(ratio_row(1.0))], HERE)
    assert not slow.is_good


@pytest.mark.parametrize(("instructions", "code"), [(120.0, 0), (200.0, 1)])
def test_the_exit_code_says_it(instructions: float, code: int, monkeypatch, capsys) -> None:
    entries = [run(count_row(100), ratio_row(1.0), processor=history.processor_name())]
    monkeypatch.setattr(check.history, "read", lambda: entries)
    monkeypatch.setattr(check.sim, "compile_kernels", lambda: 0.0)
    monkeypatch.setattr(check, "count", lambda *_: iter([count_row(instructions)]))
    monkeypatch.setattr(check, "ratio_measurements", lambda: [lambda: ratio_row(0.8)])
    assert check.main() == code
    printed = capsys.readouterr().out
    assert ("worse by more than a third" in printed) is bool(code)
    assert "limit 133" in printed


def test_the_history_is_kept_and_a_broken_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    assert history.read(path) == []
    entry = history.entry_of([ratio_row(0.5)], "made up", 1)
    history.append(entry, path)
    history.append(entry, path)
    again = history.read(path)
    assert [each["note"] for each in again] == ["made up", "made up"]
    assert again[0]["versions"]["numba"]
    path.write_text(json.dumps([{"rows": [{"wrong": 1}]}]))
    with pytest.raises(ValueError, match="no history"):
        history.read(path)


def test_the_recorded_history_can_be_read() -> None:
    assert isinstance(history.read(), list)
