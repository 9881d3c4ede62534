"""Recorded BEAM programs: import them for replay, and look at them.

    python -m pipeline.trace list
    python -m pipeline.trace show mixed_s2 [picture=FILE.png|.svg|.html|none] [output=json]
                                   a name in conf/traces, a replay file, or a recording's folder
    python -m pipeline.trace import FOLDER [out=FILE.parquet] [start_ms=0] [stop_ms=250]
    python -m pipeline.trace import FILE [..] [prof=FILE] [ns_per_reduction=15] [schedulers=4]
                                   a file of dbg:trace_port, or file 0 of a wrap set (wrap=false:
                                   only that one); partial=true takes the whole events of a cut one
    python -m pipeline.trace record -- node@host [seconds=2] [out=FOLDER|FILE.parquet]
                                   [cookie=TEXT|@FILE] [mode=auto|nif|dbg] [messages=true] [gc=true]
                                   [max_events=N] [port=N: in no epmd] [after=0: seconds to wait]
                                   [force=false]
                                   trace a running node for a few seconds, and say what that cost
    python -m pipeline.trace record [options] [after=1] -- erl -noshell -s myprog
                                   the same of a program started for it and ended afterwards
    python -m pipeline.trace check FOLDER... [key=value ...] [output=json] [markdown=FILE.md]
                                   replay recordings under policy=erts and compare with what was
                                   recorded: migrations, switches, slices, load, queues, wake-ups

An imported file is used with workload=FILE.parquet, or, copied to conf/traces/NAME.parquet, with
workload.trace=NAME.
"""

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from pipeline.errors import UserError

# The libraries behind an action take seconds to load, and Ctrl-C may come in them: each is imported by the
# action itself, under `main`, which tells of an interrupt in one line.

NS_PER_MS = 1_000_000
EXIT_INTERRUPTED = 130


def list_traces(words: Sequence[str]) -> int:
    """Print the traces in conf/traces."""
    from pipeline.config.build import TRACES, load_trace
    from pipeline.entry import split_words

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
    from pipeline.beam_trace import convert_trace, describe, format_description, read_beam_trace, write_replay
    from pipeline.beam_trace.dbg_progress import ReadProgress
    from pipeline.beam_trace.dbg_trace import convert_dbg, read_dbg_trace
    from pipeline.beam_trace.dbg_words import DBG_WORDS, read_dbg_words
    from pipeline.entry import split_words

    defaults = {"out": "", "start_ms": "", "stop_ms": "", "force": "false"} | DBG_WORDS
    folders, options = split_words(words, defaults)
    if len(folders) != 1:
        hint = "python -m pipeline.trace import FOLDER out=FILE.parquet"
        raise UserError("import takes one folder or file", hint)
    folder = Path(folders[0])
    if not (folder.is_dir() or folder.is_file()):
        hint = "give the folder of a recording, or a file of dbg:trace_port"
        raise UserError(f"{folder}: there is no such file or folder", hint)
    if folder.is_dir() and not (folder / "events.parquet").is_file():
        hint = "give a folder that has one, or the file of dbg:trace_port itself"
        raise UserError(f"{folder}: there is no events.parquet in it", hint)
    out = import_target(folder, options["out"], may_replace=options["force"] == "true")
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
    print(format_description(describe(imported.trace), imported.notes))
    print(f"written to {out}; replay it with workload={out}")
    return 0


def import_target(source: Path, given: str, *, may_replace: bool) -> Path:
    """The file to write, checked before the work: it must be new, and of a name that a workload can have."""
    name = source.resolve().name if source.is_dir() else source.name.split(".", 1)[0]
    out = Path(given or f"{name.replace('-', '_')}.parquet")
    if out.suffix != ".parquet":
        hint = f"workload=FILE takes no other name; try out={name.replace('-', '_')}.parquet"
        raise UserError(f"out={given}: must end with .parquet", hint)
    if out.exists() and not may_replace:
        raise UserError(f"{out} exists already", "give another file with out=..., or force=true")
    return out


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
    from pipeline.recorder import format_recording, parse_options, record
    from pipeline.recorder.windows import Windows

    recording = record(parse_options(words), Windows())
    print(format_recording(recording.summary))
    is_file = recording.out.suffix == ".parquet"
    follow_up = "replay it with workload=" if is_file else "convert it with python -m pipeline.trace import "
    print(f"written to {recording.out}; {follow_up}{recording.out}")
    return 0


def from_module(module: str, name: str) -> Callable[[Sequence[str]], int]:
    """An action of another module, which is imported when the action is run."""

    def run(words: Sequence[str]) -> int:
        return int(getattr(import_module(module), name)(words))

    return run


def trace_command(words: Sequence[str]) -> int:
    """Pick the action."""
    from pipeline.entry import pick_action

    actions = {
        "show": from_module("pipeline.trace_show", "show"),
        "list": list_traces,
        "import": import_folder,
        "check": from_module("pipeline.trace_check", "check"),
        "record": record_node,
    }
    return pick_action(words, actions, __doc__)


def main(words: Sequence[str] | None = None) -> int:
    """Entry point of `python -m pipeline.trace` and `coreshift trace`."""
    try:
        from pipeline.entry import run_main
    except KeyboardInterrupt:
        print("coreshift: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    return run_main(trace_command, words)


if __name__ == "__main__":
    raise SystemExit(main())
