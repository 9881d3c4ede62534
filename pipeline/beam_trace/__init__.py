"""Import of recorded BEAM runs into traces that the simulator replays."""

from pipeline.beam_trace.convert import Imported, convert_trace, import_trace
from pipeline.beam_trace.describe import describe, format_description
from pipeline.beam_trace.file import read_notes, read_replay, write_replay
from pipeline.beam_trace.read import BeamTrace, read_beam_trace

__all__ = [
    "BeamTrace",
    "Imported",
    "convert_trace",
    "describe",
    "format_description",
    "import_trace",
    "read_beam_trace",
    "read_notes",
    "read_replay",
    "write_replay",
]
