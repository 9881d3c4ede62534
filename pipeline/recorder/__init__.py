"""Record a running Erlang node, or a program started for it, into a folder that the import reads."""

from pipeline.recorder.options import RecordOptions, parse_options
from pipeline.recorder.session import Recording, record
from pipeline.recorder.summary import format_recording

__all__ = ["RecordOptions", "Recording", "format_recording", "parse_options", "record"]
