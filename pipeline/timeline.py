"""`timeline=true` (or `timeline=FILE`): one lane of a point as a trace that Perfetto opens.

`timeline_from_ns` and `timeline_until_ns` choose a part of the lane (from the end of the warm-up to the
horizon), `timeline_events` bounds it (200000 entries of the lane's log), `timeline_replicate` names the lane.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from pipeline.config.build import build
from pipeline.config.grid import Point, Study
from pipeline.errors import NO_VALUE, ConfigError, UserError, did_you_mean
from pipeline.run.files import check_writable, write_atomic
from pipeline.timelines.file import MESSAGES, perfetto
from pipeline.timelines.log import Part, log_lane
from pipeline.timelines.trace import Trace, trace_of

KEY = "timeline"
NUMBERS = {
    "timeline_events": (1, 1_000_000), "timeline_from_ns": (0, 10**15), "timeline_until_ns": (0, 10**15),
    "timeline_replicate": (0, 10**6),
}  # fmt: skip
EVENTS, EVENTS_KEY, FROM_KEY, UNTIL_KEY, REPLICATE_KEY = 200_000, *NUMBERS
SUFFIXES = (".pftrace", ".perfetto-trace")
FOLDER = "timelines"
BYTES_AN_EVENT = 100
VIEWER = "https://ui.perfetto.dev"


@dataclass(frozen=True)
class TimelineWish:
    """What was asked for; `file` is None for the usual place, and None of a number what usually holds."""

    file: Path | None
    events: int
    from_ns: int | None
    until_ns: int | None
    replicate: int


@dataclass(frozen=True)
class Written:
    """A timeline that was written: where, what is in it, and what to know about it."""

    file: Path
    trace: Trace
    replicate: int
    notes: tuple[str, ...]


def take_timeline(words: Sequence[str]) -> tuple[TimelineWish | None, list[str]]:
    """Take this module's keys off a command line; None if it does not ask for a timeline.

    Raises
    ------
    ConfigError for a file of another kind, a folder that does not exist, a number out of range
    UserError   if the package perfetto is not installed
    """
    known = {KEY, *NUMBERS}
    given = {
        key: value for key, sign, value in (word.partition("=") for word in words) if sign and key in known
    }
    rest = [word for word in words if word.partition("=")[0] not in known or "=" not in word]
    for word in rest:
        key = word.partition("=")[0]
        if key.startswith(f"{KEY}_"):
            raise ConfigError(key, word.partition("=")[2], "is no key", did_you_mean(key, known))
    numbers = {key: number_of(key, value) for key, value in given.items() if key in NUMBERS}
    where = given.get(KEY)
    if where is None or where.lower() == "false":
        if numbers:
            key = next(iter(numbers))
            raise ConfigError(
                key, numbers[key], "says how, but no timeline is asked for", "add timeline=true"
            )
        return None, rest
    begin, until = numbers.get(FROM_KEY), numbers.get(UNTIL_KEY)
    if begin is not None and until is not None and until <= begin:
        raise ConfigError(UNTIL_KEY, until, f"must be above {FROM_KEY} = {begin}")
    file = None if where.lower() == "true" else checked_file(where)
    perfetto(MESSAGES)
    events = numbers.get(EVENTS_KEY, EVENTS)
    return TimelineWish(file, events, begin, until, numbers.get(REPLICATE_KEY, 0)), rest


def number_of(key: str, text: str) -> int:
    """A whole number in the range of its key."""
    low, high = NUMBERS[key]
    plain = text.replace("_", "")
    number = int(plain) if plain.isdecimal() and len(plain) < 20 else -1
    if not low <= number <= high:
        raise ConfigError(key, text or NO_VALUE, f"must be a whole number from {low} to {high}")
    return number


def checked_file(text: str) -> Path:
    """A trace file that can be written."""
    path = Path(text).expanduser()
    if path.suffix not in SUFFIXES:
        allowed = f"must be true, or a file ending {' or '.join(SUFFIXES)}"
        raise ConfigError(KEY, text or NO_VALUE, allowed, "write timeline=true or timeline=lane.pftrace")
    if not path.parent.is_dir():
        raise ConfigError(KEY, text, f"the folder {path.parent} does not exist", "make it first")
    return path


def check_part(study: Study, wish: TimelineWish) -> Part:
    """The part of the lane that was asked for, and whether there is such a lane.

    Raises
    ------
    ConfigError for a part behind the horizon, or a replicate that there is not
    """
    simulation = build(study.points[0].config).simulation
    horizon_ns = simulation.horizon_ns
    begin = simulation.warmup_ns if wish.from_ns is None else wish.from_ns
    until = horizon_ns if wish.until_ns is None else wish.until_ns
    for key, value in ((FROM_KEY, begin), (UNTIL_KEY, until)):
        if value > horizon_ns:
            raise ConfigError(key, value, f"must be at most simulation.horizon_ns = {horizon_ns}")
    if until <= begin:
        hint = f"the warm-up ends at {begin}; give timeline_from_ns too" if wish.from_ns is None else ""
        raise ConfigError(UNTIL_KEY, until, f"must be above {begin}, where the timeline begins", hint)
    if wish.replicate >= study.replicates:
        allowed = f"must be from 0 to {study.replicates - 1}, as there are {study.replicates} replicates"
        raise ConfigError(REPLICATE_KEY, wish.replicate, allowed)
    return Part(begin, until, wish.events)


def usual_file(study: Study, point: Point, wish: TimelineWish, part: Part) -> Path:
    """Where a timeline goes if no file is given: a name that says of what it is."""
    labels = "-".join(str(point.labels[name]) for name in ("topology", "workload", "policy"))
    lane = f"{point.digest[:8]}-seed{study.seed}-r{wish.replicate}-{part.from_ns}ns{SUFFIXES[0]}"
    folder = Path(study.config.outputs.folder).expanduser().resolve() / FOLDER
    return folder / f"{labels}-{lane}".replace("/", "_")


def check_timeline(study: Study, point: Point, wish: TimelineWish) -> tuple[Part, Path]:
    """The part that was asked for, and the file that it goes to, before anything is simulated.

    Raises
    ------
    UserError for a part that there is not, or a file that cannot be written
    """
    part = check_part(study, wish)
    file = wish.file or usual_file(study, point, wish, part)
    check_writable(file.parent, BYTES_AN_EVENT * part.most)
    return part, file


def write_timeline(study: Study, point: Point, wish: TimelineWish) -> Written:
    """Simulate one lane of a point once more with its log, and write it as a trace.

    Raises
    ------
    UserError if the part begins behind what a log can hold, or the file cannot be written
    """
    part, file = check_timeline(study, point, wish)
    log = log_lane(study, point, wish.replicate, part)
    if log.first >= log.last:
        if log.is_whole:
            raise UserError(
                f"Nothing happens from {part.from_ns} to {part.until_ns} ns in this lane.",
                "Choose another part with timeline_from_ns and timeline_until_ns.",
            )
        raise UserError(
            f"{FROM_KEY} = {part.from_ns}: the log ends before, at {log.end_ns} ns, with its "
            f"{log.time_ns.size:,} entries, the most that are kept.",
            "Choose an earlier part, or a smaller machine.",
        )
    attributes = {
        **{name: str(label) for name, label in point.labels.items()},
        "seed": str(study.seed),
        "replicate": str(wish.replicate),
        "part": f"{part.from_ns} to {part.until_ns} ns",
        "point": point.digest,
    }
    trace = trace_of(log, attributes)
    write_atomic(file, trace.data)
    notes = []
    if log.is_cut:
        notes.append(
            f"The part has more than {log.last - log.first:,} entries: it is shown up to {trace.last_ns} ns. "
            f"Raise timeline_events, or begin later with timeline_from_ns={trace.last_ns}."
        )
    if not log.decisions.size and trace.flows + trace.denials:
        notes.append("Benefits and costs of migrations are left out: there are too many before the part.")
    return Written(file, trace, wish.replicate, tuple(notes))


def timeline_json(written: Written) -> dict[str, Any]:
    """What `output=json` prints of a timeline."""
    trace = written.trace
    return {
        "file": str(written.file),
        "bytes": len(trace.data),
        "replicate": written.replicate,
        "first_ns": trace.first_ns,
        "last_ns": trace.last_ns,
        "slices": trace.slices,
        "migrations": trace.flows,
        "denials": trace.denials,
        "notes": list(written.notes),
    }


def print_timeline(written: Written, console: Console) -> None:
    """Where the trace is, what is in it, and how to look at it."""
    answer: Mapping[str, Any] = timeline_json(written)
    console.print()
    span = f"{answer['first_ns'] / 1e6:.3f} to {answer['last_ns'] / 1e6:.3f} ms"
    console.print(f"Timeline of replicate {written.replicate}, {span}:", style="bold")
    counts = ", ".join(f"{answer[name]:,} {name}" for name in ("slices", "migrations", "denials"))
    console.print(
        f"{counts}, {answer['bytes'] / 2**20:.1f} MiB: {written.file}", highlight=False, soft_wrap=True
    )
    for note in written.notes:
        console.print(note, style="yellow", highlight=False, soft_wrap=True)
    text = f"Open {VIEWER} and drop the file on it: it is read in the browser and sent nowhere."
    console.print(text, highlight=False, soft_wrap=True)
