"""One recording from end to end: reach the node, choose the back end, follow the windows, write."""

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.beam_trace import import_trace
from pipeline.errors import UserError
from pipeline.recorder.helper import Atom, Helper
from pipeline.recorder.interrupt import interruptible
from pipeline.recorder.library import NoLibraryError, tracer_library
from pipeline.recorder.options import EVENTS_DEFAULT, RecordOptions
from pipeline.recorder.program import Program
from pipeline.recorder.readme import readme
from pipeline.recorder.refusals import refusal
from pipeline.recorder.summary import agreement, event_figures, overhead, window_figures
from pipeline.recorder.tables import (
    Names,
    events_table,
    pid_shift,
    process_number,
    processes_table,
    read_lines,
    samples_table,
)
from pipeline.recorder.windows import Windows
from pipeline.run.files import TEMPORARY_SUFFIX

CONNECT_SECONDS = {"node": 0.0, "program": 20.0}
NODE_MARGIN_S = 120.0
"""Beyond its windows, a recording is given this long to hand its data over; then it is taken down."""

SAMPLES_MIN = 2
"""Of window B, as the import wants them."""

RAW_FILES = ("events", "names", "samples", "processes")


@dataclass(frozen=True)
class Recording:
    """A finished recording.

    out     : the folder, or the replay file that was asked for
    summary : what summary.json holds
    """

    out: Path
    summary: dict[str, Any]


def record(options: RecordOptions, windows: Windows) -> Recording:
    """Record a node or a program as the options say.

    Raises
    ------
    UserError for whatever stands in the way; tracing is off then, and nothing is written
    """
    wants_file = options.out.suffix == ".parquet"
    with ExitStack() as stack:
        stack.enter_context(interruptible())
        stack.enter_context(windows)
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="coreshift-record-")))
        if wants_file:
            _check_free(options)
            folder = scratch / options.out.stem
            folder.mkdir()
        else:
            folder = stack.enter_context(_folder(options))
        summary = _run(options, scratch, folder, windows)
        if wants_file:
            import_trace(folder, options.out)
    return Recording(options.out, summary)


def _check_free(options: RecordOptions) -> None:
    if options.out.exists() and not options.force:
        raise UserError(f"{options.out} exists already", "give another name with out=..., or force=true")


@contextmanager
def _folder(options: RecordOptions) -> Iterator[Path]:
    """The output folder under a temporary name; it gets its own only if all goes well."""
    _check_free(options)
    out = options.out
    partial = out.with_name(out.name + TEMPORARY_SUFFIX)
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    except OSError as error:
        hint = "choose another folder with out=..."
        raise UserError(f"{out} cannot be written: {error.strerror}", hint) from error
    try:
        yield partial
        if out.is_dir() and not out.is_symlink():
            shutil.rmtree(out)
        else:
            out.unlink(missing_ok=True)
        partial.rename(out)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}", "free some space?") from error
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(partial, ignore_errors=True)


def _run(options: RecordOptions, scratch: Path, folder: Path, windows: Windows) -> dict[str, Any]:
    files = {name: scratch / f"{name}.raw" for name in RAW_FILES}
    with ExitStack() as stack:
        program = stack.enter_context(Program(options.program)) if options.program else None
        node, port = (program.node, program.port) if program else (options.node, options.port)
        helper = stack.enter_context(Helper(scratch, options.cookie is not None, port))
        ask = _Asker(helper, options, program)
        windows.note(f"connecting to {'the program' if program else node}")
        wait_s = CONNECT_SECONDS["program" if program else "node"]
        helper.send(Atom("connect"), node, options.cookie or Atom("none"), int(1000 * wait_s))
        facts = ask(wait_s + 60)
        mode, note = _choose(options, helper, ask, facts, stack)
        windows.note(f"recorder: {mode} ({note})")
        windows.pause(options.after_s, program.check if program else None)
        result = _follow(options, helper, ask, mode, files, windows)
        if program is not None:
            # Whatever is wrong with that is no reason to lose the recording: a signal ends the program.
            with contextlib.suppress(UserError):
                if "stopped" in helper.ask(Atom("stop")):
                    program.told_to_stop()
    windows.note("writing the tables")
    summary = _summarise(options, facts, mode, note, result)
    try:
        return _write(folder, files, result, summary)
    except OSError as error:
        raise UserError(f"{options.out} cannot be written: {error.strerror}", "free some space?") from error


class _Asker:
    """Answers of the helper; refusals become errors."""

    def __init__(self, helper: Helper, options: RecordOptions, program: Program | None) -> None:
        self._helper, self._options, self._program = helper, options, program

    def __call__(self, seconds: float, meanwhile: Callable[[], None] | None = None) -> dict[str, Any]:
        def check() -> None:
            if self._program is not None:
                self._program.check()
            if meanwhile is not None:
                meanwhile()

        answer = self._helper.answer(seconds, check)
        if "error" in answer:
            check()
            raise refusal(answer["error"], answer["text"], self._options)
        return answer


def _choose(
    options: RecordOptions, helper: Helper, ask: _Asker, facts: dict[str, Any], stack: ExitStack
) -> tuple[str, str]:
    """Back end, and why: the NIF if it can be compiled here and the node can load it."""
    if options.mode == "dbg":
        return "dbg", "as asked; trace messages of the VM into a buffer in the node"
    try:
        library = stack.enter_context(
            tracer_library(facts["root_dir"], facts["erts"], int(facts["wordsize"]))
        )
        digest = hashlib.md5(library.read_bytes(), usedforsecurity=False).digest()
        helper.send(Atom("library"), str(library.with_suffix("")), str(library), digest)
        answer = ask(60)["library"]
        if answer != "ok":
            raise NoLibraryError(answer)
    except NoLibraryError as error:
        if options.mode == "nif":
            hint = "mode=auto or mode=dbg records without it"
            raise UserError(f"the tracer cannot be loaded: {error}", hint) from error
        return "dbg", f"trace messages of the VM into a buffer in the node; no NIF: {error}"
    return "nif", "erl_tracer NIF, a buffer for each thread"


def _follow(
    options: RecordOptions,
    helper: Helper,
    ask: _Asker,
    mode: str,
    files: dict[str, Path],
    windows: Windows,
) -> dict[str, Any]:
    """Begin, show the windows as they pass, return what the node found."""
    total_s = options.seconds + 2 * options.untraced_s
    command = {
        "mode": Atom(mode),
        "base_ms": round(1000 * options.untraced_s),
        "traced_ms": round(1000 * options.seconds),
        "limit_ms": round(1000 * (total_s + NODE_MARGIN_S)),
        "max_events": options.max_events or EVENTS_DEFAULT[mode],
        "messages": options.messages,
        "gc": options.gc,
        "files": {name: str(path) for name, path in files.items()},
    }
    helper.send(Atom("record"), command)
    windows.start(total_s)
    found: dict[str, Any] = {}
    while "done" not in found:
        answer = ask(total_s + NODE_MARGIN_S, windows.tick)
        if "window" in answer:
            windows.enter(answer["window"], answer["ms"] / 1000)
        if "reading" in answer:
            windows.reading()
        found |= answer
    if found["left"]:
        windows.note(f"warning: still loaded in the node: {', '.join(found['left'])}")
    return {**found["result"], "event_names": found["event_names"], "left": found["left"]}


def _summarise(
    options: RecordOptions, facts: dict[str, Any], mode: str, note: str, result: dict[str, Any]
) -> dict[str, Any]:
    """Everything in summary.json but what the tables say."""
    system = {key: value for key, value in facts.items() if key not in ("connected", "root_dir", "os_pid")}
    # The first word is a path on that machine.
    system["cmdline"] = system["cmdline"][1:]
    schedulers = int(system["schedulers"])
    named = {window["name"]: window_figures(window, schedulers) for window in result["windows"]}
    traced = next(window for window in result["windows"] if window["name"] == "B")
    window_ns = traced["end"]["t_ns"] - result["t0_ns"]
    if traced["ended_by"] != "time" and result["stopped_ns"]:
        window_ns = min(window_ns, result["stopped_ns"] - result["t0_ns"])
    return {
        "name": options.out.stem,
        "recorder": mode,
        "recorder_note": note,
        "message_events": ["send"] if options.messages else [],
        "system": system,
        "t0_monotonic_ns": result["t0_ns"],
        "trace_window_s": max(window_ns, 1000) / 1e9,
        "stopped_by": traced["ended_by"],
        "windows": named,
        "overhead": overhead(named),
    }


def _write(
    folder: Path, files: dict[str, Path], result: dict[str, Any], summary: dict[str, Any]
) -> dict[str, Any]:
    rows = read_lines(files["names"])
    process_rows = read_lines(files["processes"])
    shift = pid_shift([row[1:] for row in rows if len(row) > 2] + [row[1] for row in process_rows])
    numbers = {row[0]: process_number(row[1:], shift) for row in rows if len(row) > 2}
    names = Names(numbers, {row[0]: row[1] for row in rows if len(row) == 2})
    t0_ns = summary["t0_monotonic_ns"]
    stop_ns = result["stopped_ns"] or None
    window_ns = round(summary["trace_window_s"] * 1e9)
    schedulers = int(summary["system"]["schedulers"])
    events = events_table(files["events"], result["event_names"], names, t0_ns, stop_ns)
    if not events.height:
        raise UserError("nothing was recorded", "the node ran nothing in that time: record for longer")
    samples = samples_table(files["samples"], t0_ns, schedulers)
    # After an early stop the VM went on, unrecorded, until the next sample. Two are always needed.
    late = (pl.col("window") == "B") & (pl.col("t_ns") > window_ns)
    late &= pl.int_range(pl.len()).over("window") >= SAMPLES_MIN
    if summary["stopped_by"] != "time":
        samples = samples.with_columns(pl.when(late).then(pl.lit("-")).otherwise("window").alias("window"))
    own = [process_number(row, shift) for row in result["recorder"]]
    summary = {
        **summary,
        "events": events.height,
        "dropped": 0,
        "recorder_pids": own,
        **event_figures(events, window_ns, schedulers, own),
        "agreement": agreement(events, samples),
    }
    events.write_parquet(folder / "events.parquet")
    samples.write_parquet(folder / "samples.parquet")
    processes_table(process_rows, shift).write_parquet(folder / "procs.parquet")
    (folder / "summary.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
    (folder / "README.md").write_text(readme(summary), encoding="utf-8")
    return summary
