"""The time of a reduction, of all processes and by class, from samples of the running total.

The VM adds a process's reductions to the total when its slice ends. So the time of a slice belongs to the
interval between samples in which it ended, and per interval

    reductions = sum over classes of time / ns_per_reduction

which non-negative least squares solve for 1 / ns_per_reduction. Ports run within slices of processes, so
they have no time of their own here but a number of reductions a run. Where processes have counters of their
own (`fit_counters.py`), those are used.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.calibration.classes import OWN_NAMES
from pipeline.calibration.fit_counters import COUNTERS_NOTE, count_class, fit_counters
from pipeline.calibration.measured import Measured, missing
from pipeline.calibration.recording import Recording
from pipeline.calibration.statistics import bootstrap, interval, robust_rates

INTERVALS_MIN = 20
"""Intervals between samples, in the part that is fitted, below which nothing is said."""
CHECKS_MIN = 5
BLOCK = 5
"""What a slice under way does not count in one interval it counts in the next."""
CLASS_SHARE_MIN = 0.02
WIDEST_RATIO = 2.0
"""Upper by lower end of an interval, above which a class's time is not identified."""
DISAGREE_RATIO = 1.5
"""Fit and counters of the same processes may differ by this factor."""
UNIT = "ns"
KIND = "95 % interval"


@dataclass(frozen=True, eq=False)
class Intervals:
    """Columns by interval between samples."""

    times: NDArray[np.float64]  # (interval, class), ns
    ports: NDArray[np.float64]  # (interval, 1), runs of ports, whose reductions count in the total too
    done: NDArray[np.float64]  # (interval,), reductions
    fitted: NDArray[np.bool_]  # (interval,), False = held out


def count_intervals(recording: Recording) -> Intervals:
    """Time by class and reductions, for each interval between samples."""
    edges = recording.sample_ns
    take = recording.normal & (recording.slices.pid >= 0)
    stop_ns, classes = recording.slices.stop_ns[take], recording.slice_class[take]
    spent = (recording.slices.stop_ns - recording.slices.start_ns)[take]
    # A slice that ends at the very time of a sample is not in it yet.
    at = np.searchsorted(edges, stop_ns, side="left") - 1
    inside = (at >= 0) & (at < edges.size - 1)
    shape = (edges.size - 1, len(recording.class_names))
    times = np.zeros(shape)
    np.add.at(times, (at[inside], classes[inside]), spent[inside])
    done = np.diff(recording.sample_reductions).astype(float)
    runs = np.histogram(recording.slices.stop_ns[recording.slices.pid < 0], edges)[0]
    # In thousands, so that the column is of the size of the others.
    return Intervals(times, runs[:, None] * 1000.0, done, edges[1:] <= recording.split_ns)


def fit_reductions(recording: Recording) -> tuple[Measured, list[Measured], list[str]]:
    """The time of a reduction of all processes, of those classes that tell theirs, and remarks."""
    intervals = count_intervals(recording)
    fitted = intervals.fitted
    if fitted.sum() < INTERVALS_MIN:
        why = f"{int(fitted.sum())} intervals between samples to fit, {INTERVALS_MIN} are needed"
        return missing("ns_per_reduction", UNIT, why), [], []
    if intervals.done[fitted].sum() <= 0 or intervals.times[fitted].sum() <= 0:
        return missing("ns_per_reduction", UNIT, "no reductions, or no slices, in the part to fit"), [], []
    whole = intervals.times.sum(axis=1, keepdims=True)
    overall = _overall(intervals, whole)
    names, columns, remarks = _merge_small(recording, intervals)
    if len(names) < 2:
        return overall, [], [*remarks, "one class only: its time is that of all processes"]
    classes, unclear, by_class = _by_class(recording, intervals, names, columns)
    remarks += unclear
    error, error_by_class = _miss(whole, intervals, overall), _miss_rates(columns, intervals, by_class)
    if np.isfinite(error_by_class):
        remarks.append(
            f"held out, the median interval between samples is missed by {error:.1%} with one time for all "
            f"and by {error_by_class:.1%} with times by class"
        )
    if np.isfinite(error_by_class) and error_by_class > error:
        kept = [value for value in classes if value.note.startswith(COUNTERS_NOTE)]
        if len(kept) < len(classes):
            remarks.append("fitted times by class are left out: they predict the held-out part worse")
        classes = kept
    return overall, classes, remarks


def _overall(intervals: Intervals, whole: NDArray[np.float64]) -> Measured:
    fitted = intervals.fitted
    times, done = whole[fitted], intervals.done[fitted]
    rate = robust_rates(times, done)[0]
    if rate <= 0:
        return missing("ns_per_reduction", UNIT, "the reductions do not grow with the time in slices")
    rates = bootstrap(done.size, lambda rows: robust_rates(times[rows], done[rows])[0], block=BLOCK)
    low, high = interval(1 / np.maximum(rates, 1e-12))
    found = Measured("ns_per_reduction", 1 / rate, UNIT, low, high, KIND, int(fitted.sum()))
    return Measured(**(found.data() | {"held_out": _held_out(whole, intervals, np.array([rate]))}))


def _held_out(times: NDArray[np.float64], intervals: Intervals, rates: NDArray[np.float64]) -> str:
    check = ~intervals.fitted
    if check.sum() < CHECKS_MIN:
        return "too little held out to check"
    told = (times[check] @ rates).sum() / max(intervals.done[check].sum(), 1.0) - 1
    error = _miss_rates(times, intervals, rates)
    return f"held out: total reductions {told:+.1%}, median interval {error:.1%}"


def _miss(times: NDArray[np.float64], intervals: Intervals, overall: Measured) -> float:
    rates = np.array([1 / overall.value]) if overall.value else np.zeros(1)
    return _miss_rates(times, intervals, rates)


def _miss_rates(times: NDArray[np.float64], intervals: Intervals, rates: NDArray[np.float64]) -> float:
    """Median relative error of the reductions of held-out intervals; NaN with too few of them."""
    check = ~intervals.fitted & (intervals.done > 0)
    if check.sum() < CHECKS_MIN:
        return float("nan")
    done = intervals.done[check]
    return float(np.median(np.abs(times[check] @ rates - done) / done))


def _merge_small(
    recording: Recording, intervals: Intervals
) -> tuple[list[str], NDArray[np.float64], list[str]]:
    """Classes with enough time, then columns for all others together and for ports."""
    fitted = intervals.times[intervals.fitted]
    share = fitted.sum(axis=0) / fitted.sum()
    enough = (share >= CLASS_SHARE_MIN) & ((fitted > 0).sum(axis=0) >= INTERVALS_MIN)
    names = [name for name, is_kept in zip(recording.class_names, enough, strict=True) if is_kept]
    kept, rest = intervals.times[:, enough], intervals.times[:, ~enough].sum(axis=1, keepdims=True)
    left_out = int((~enough).sum())
    remarks = []
    if left_out:
        remarks.append(
            f"{left_out} classes with less than {CLASS_SHARE_MIN:.0%} of the time, or in fewer than "
            f"{INTERVALS_MIN} intervals, are left out; together {share[~enough].sum():.1%} of the time"
        )
    columns = [kept] + [column for column in (rest, intervals.ports) if column[intervals.fitted].any()]
    return names, np.hstack(columns), remarks


def _by_class(
    recording: Recording, intervals: Intervals, names: list[str], columns: NDArray[np.float64]
) -> tuple[list[Measured], list[str], NDArray[np.float64]]:
    """The classes whose time is identified, why others are not, and all rates."""
    fitted = intervals.fitted
    times, done = columns[fitted], intervals.done[fitted]
    rates = robust_rates(times, done)
    draws = bootstrap(done.size, lambda rows: robust_rates(times[rows], done[rows]), block=BLOCK)
    found, unclear = [], []
    for number, name in enumerate(names):
        if name in OWN_NAMES:
            continue
        counters = count_class(recording, name)
        counted = fit_counters(name, counters, recording.holdout)
        if counted is not None and counted.low and counted.high:
            if counted.high <= WIDEST_RATIO * counted.low:
                found.append(counted)
            else:
                unclear.append(f"class {name}: not identifiable, {counted.spread_text()} ns by its counters")
            continue
        low_rate, high_rate = interval(draws[:, number])
        if low_rate <= 0 or rates[number] <= 0 or high_rate > WIDEST_RATIO * low_rate:
            most = f"{1 / low_rate:.3g}" if low_rate > 0 else "any"
            least = f"{1 / high_rate:.3g}" if high_rate > 0 else "any"
            unclear.append(f"class {name}: not identifiable, {least} to {most} ns a reduction would fit")
            continue
        share = times[:, number].sum() / times.sum()
        note = counters.text()
        ratio = counters.ratio * rates[number]
        if ratio > 0 and not 1 / DISAGREE_RATIO <= ratio <= DISAGREE_RATIO:
            unclear.append(f"class {name}: left out, the fit says {1 / rates[number]:.3g} ns, but {note}")
            continue
        note = "; ".join(part for part in (f"{share:.1%} of the time", note) if part)
        found.append(
            Measured(name, 1 / rates[number], UNIT, 1 / high_rate, 1 / low_rate, KIND, done.size, note)
        )
    return found, unclear, rates
