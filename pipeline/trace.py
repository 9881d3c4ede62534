"""Recorded BEAM programs: import them for replay, and look at them.

    python -m pipeline.trace list
    python -m pipeline.trace show mixed_s2 [picture=FILE.png|.svg|.html|none] [output=json]
                                           a name in conf/traces, a replay file, or a recording's folder
    python -m pipeline.trace import FOLDER [out=FILE.parquet] [start_ms=0] [stop_ms=250]
    python -m pipeline.trace import FILE   [..] [prof=FILE] [ns_per_reduction=15] [schedulers=4]
                                           a file of dbg:trace_port, or file 0 of a wrap set (wrap=false:
                                           only that file); partial=true takes the whole events of a cut one
    python -m pipeline.trace record -- node@host [seconds=2] [out=FOLDER|FILE.parquet] [cookie=TEXT|@FILE]
                                           [mode=auto|nif|dbg] [messages=true] [gc=true] [max_events=N]
                                           [port=N: in no epmd] [after=0: seconds to wait] [force=false]
                                           trace a running node for a few seconds, and say what that cost it
    python -m pipeline.trace record [options] [after=1] -- erl -noshell -s myprog
                                           the same of a program that is started for it and ended afterwards
    python -m pipeline.trace check FOLDER... [key=value ...] [output=json] [markdown=FILE.md]
                                           replay recordings under policy=erts and compare with what was
                                           recorded: migrations, switches, slices, load, queues, wake-ups

An imported file is used with workload=FILE.parquet, or, copied to conf/traces/NAME.parquet, with
workload.trace=NAME.
"""

from collections.abc import Sequence
from pathlib import Path

from pipeline.beam_trace import (
    convert_trace,
    describe,
    format_description,
    read_beam_trace,
    write_replay,
)
from pipeline.beam_trace.dbg_progress import ReadProgress
from pipeline.beam_trace.dbg_trace import convert_dbg, read_dbg_trace
from pipeline.beam_trace.dbg_words import DBG_WORDS, read_dbg_words
from pipeline.build import TRACES, load_trace
from pipeline.entry import pick_action, run_main, split_words
from pipeline.errors import UserError
from pipeline.recorder import format_recording, parse_options, record
from pipeline.recorder.windows import Windows
from pipeline.trace_check import check
from pipeline.trace_show import show

NS_PER_MS = 1_000_000


def list_traces(words: Sequence[str]) -> int:
    """Print the traces in conf/traces."""
    split_words(words, {})
    for path in sorted(TRACES.glob("*.parquet")):
        trace = load_trace(path.stem)
        print(
            f"{path.stem}  {trace.window_ns / 1e9:g} s, {trace.process_count} processes, "
            f"{trace.schedulers} schedulers"
        )
    return 0


def import_folder(words: Sequence[str]) -> int:
    """Convert a recording: a folder of Parquet files, or a file of dbg:trace_port."""
    defaults = {"out": "", "start_ms": "", "stop_ms": "", "force": "false"} | DBG_WORDS
    folders, options = split_words(words, defaults)
    if len(folders) != 1:
        hint = "python -m pipeline.trace import FOLDER out=FILE.parquet"
        raise UserError("import takes one folder or file", hint)
    folder = Path(folders[0])
    if folder.is_dir() and not (folder / "events.parquet").is_file():
        hint = "give a folder that has one, or the file of dbg:trace_port itself"
        raise UserError(f"{folder}: there is no events.parquet in it", hint)
    name = folder.resolve().name if folder.is_dir() else folder.name.split(".", 1)[0]
    out = Path(options["out"] or f"{name.replace('-', '_')}.parquet")
    if out.exists() and options["force"] != "true":
        raise UserError(f"{out} exists already", "give another file with out=..., or force=true")
    start_ns = milliseconds("start_ms", options["start_ms"], 0)
    stop_ns = milliseconds("stop_ms", options["stop_ms"], 0) if options["stop_ms"] else None
    window = (start_ns, stop_ns) if options["start_ms"] or options["stop_ms"] else None
    dbg_options = read_dbg_words(options, folder)
    with ReadProgress() as progress:
        if folder.is_file():
            recording = read_dbg_trace(folder, dbg_options, progress)
            progress.note(f"converting {recording.trace.t_ns.size:,} events …")
            imported = convert_dbg(recording, window)
        else:
            progress.note(f"reading and converting {folder} …")
            trace = read_beam_trace(folder)
            within = window and (start_ns, trace.window_ns if stop_ns is None else stop_ns)
            imported = convert_trace(trace, within)
    write_replay(imported.trace, out, imported.notes)
    print(format_description(describe(imported.trace)))
    print(f"written to {out}; replay it with workload={out}")
    return 0


def milliseconds(key: str, text: str, default_ns: int) -> int:
    """A time in ms as ns."""
    if not text:
        return default_ns
    try:
        return round(float(text) * NS_PER_MS)
    except (ValueError, OverflowError):
        raise UserError(f"{key} = {text}: must be a number of milliseconds") from None


def record_node(words: Sequence[str]) -> int:
    """Record a node that runs, or a program that is started for it."""
    recording = record(parse_options(words), Windows())
    print(format_recording(recording.summary))
    is_file = recording.out.suffix == ".parquet"
    follow_up = "replay it with workload=" if is_file else "convert it with python -m pipeline.trace import "
    print(f"written to {recording.out}; {follow_up}{recording.out}")
    return 0


def trace_command(words: Sequence[str]) -> int:
    """Pick the action."""
    actions = {
        "show": show, "list": list_traces, "import": import_folder, "check": check, "record": record_node,
    }  # fmt: skip
    return pick_action(words, actions, __doc__)


def main(words: Sequence[str] | None = None) -> int:
    """Entry point of `python -m pipeline.trace` and `coreshift trace`."""
    return run_main(trace_command, words)


if __name__ == "__main__":
    raise SystemExit(main())
