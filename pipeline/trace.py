"""Recorded BEAM programs: import them for replay, and look at them.

    python -m pipeline.trace list
    python -m pipeline.trace show mixed_s2              a name in conf/traces, a file, or a recording
    python -m pipeline.trace import FOLDER [out=FILE.parquet] [start_ms=0] [stop_ms=250]

An imported file is used with workload=FILE.parquet, or, copied to conf/traces/NAME.parquet, with
workload.trace=NAME.
"""

from collections.abc import Sequence
from pathlib import Path

from pipeline.beam_trace import (
    describe,
    format_description,
    import_trace,
    read_beam_trace,
    read_notes,
)
from pipeline.build import TRACES, load_trace, trace_path
from pipeline.entry import pick_action, run_main, split_words
from pipeline.errors import UserError

NS_PER_MS = 1_000_000


def show(words: Sequence[str]) -> int:
    """Print what a trace holds."""
    names, _ = split_words(words, {})
    if len(names) != 1:
        raise UserError("show takes one trace", "python -m pipeline.trace show mixed_s2")
    print(format_description(describe(load_trace(names[0]))))
    path = trace_path(names[0])
    if path.is_file():
        for key, text in read_notes(path).items():
            print(f"{key}: {text}")
    return 0


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
    """Convert a recording."""
    defaults = {"out": "", "start_ms": "", "stop_ms": "", "force": "false"}
    folders, options = split_words(words, defaults)
    if len(folders) != 1:
        raise UserError("import takes one folder", "python -m pipeline.trace import FOLDER out=FILE.parquet")
    folder = Path(folders[0])
    out = Path(options["out"] or f"{folder.resolve().name.replace('-', '_')}.parquet")
    if out.exists() and options["force"] != "true":
        raise UserError(f"{out} exists already", "give another file with out=..., or force=true")
    window = None
    if options["start_ms"] or options["stop_ms"]:
        stop_ns = milliseconds("stop_ms", options["stop_ms"], read_beam_trace(folder).window_ns)
        window = milliseconds("start_ms", options["start_ms"], 0), stop_ns
    imported = import_trace(folder, out, window)
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


def trace_command(words: Sequence[str]) -> int:
    """Pick the action."""
    actions = {"show": show, "list": list_traces, "import": import_folder}
    return pick_action(words, actions, __doc__)


def main(words: Sequence[str] | None = None) -> int:
    """Entry point of `python -m pipeline.trace` and `coreshift trace`."""
    return run_main(trace_command, words)


if __name__ == "__main__":
    raise SystemExit(main())
